"""What all transports of the process with equal options share."""

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Protocol

from dcrauth._internal import fork
from dcrauth.transports._thumbprint import KeptThumbprint
from dcrauth.transports._tls import KeptContexts


class Kept(Protocol):
    """Connections that are kept."""

    def empty(self) -> None:
        """Close them."""
        ...

    def close(self) -> None:
        """Close them, and keep none any more."""
        ...


class Shared:
    """TLS contexts, what tells their certificate, and connections, which are closed with the last transport or at exit.

    Parameters:
        kept: where connections are kept.
    """

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.contexts = KeptContexts(kept.empty)
        self.thumbprint = KeptThumbprint()
        weakref.finalize(self, kept.close)


class Sharing:
    """Finds what is shared, as long as any transport has it."""

    def __init__(self) -> None:
        self._found: weakref.WeakValueDictionary[Hashable, Shared] = weakref.WeakValueDictionary()
        self.after_fork()

    def after_fork(self) -> None:
        """Be free of a thread that is not here any more."""
        self._lock = threading.RLock()

    def find(self, key: Hashable, make: Callable[[], Kept]) -> Shared:
        """Return what transports with *key* share, made anew if there is none.

        Parameters:
            make: makes what connections are kept in.
        """
        fork.watch(self)
        with self._lock:
            found = self._found.get(key)
            if found is None:
                found = self._found[key] = Shared(make())
            return found


SHARING = Sharing()
"""That of the process."""
