"""Whether a store can be written, as far as this process knows: that is tried now and then, not for each registration.

A store has to take the client of a registration, which is in vain otherwise. To try that costs more than to register,
where a thousand identities do so at once.
"""

import threading
import weakref
from collections.abc import Callable

from dcrauth._internal import fork
from dcrauth.errors import DCRAuthError, another
from dcrauth.stores import Store

TRUSTED_FOR = 60.0
"""For how many seconds a store that was well is taken to be so, unless it fails meanwhile."""


class StoreHealth:
    """When one store was tried last, for all sources that use it."""

    def __init__(self) -> None:
        self._tried_at: float | None = None
        self._times = 0
        self._failure: DCRAuthError | None = None
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._turn = threading.Lock()

    def ensure(self, now: float, healthcheck: Callable[[], None]) -> None:
        """Call *healthcheck* unless the store was well a moment ago; one thread at a time, for all that wait for it.

        Parameters:
            now: the monotonic time, in seconds.

        Raises:
            DCRAuthError: *healthcheck* has raised that, here or in the thread that was waited for.
        """
        times = self._times
        with self._turn:
            if self._tried_at is not None and 0.0 <= now - self._tried_at < TRUSTED_FOR:
                return
            if self._failure is not None and self._times != times:
                raise another(self._failure)
            self._try(now, healthcheck)

    def doubt(self) -> None:
        """Have the store tried before the next registration: it has failed."""
        self._tried_at = None

    def _try(self, now: float, healthcheck: Callable[[], None]) -> None:
        # Before it is called, so that no failure that other threads see meanwhile is passed over.
        self._tried_at, self._failure = now, None
        try:
            healthcheck()
        except BaseException as reason:
            self._tried_at = None
            self._failure = another(reason) if isinstance(reason, DCRAuthError) else None
            raise
        finally:
            self._times += 1


_known: dict[int, tuple["weakref.ref[Store]", StoreHealth]] = {}


def health_of(store: Store) -> StoreHealth:
    """Return what is known of *store*; nothing, each time, of one that cannot be known again."""
    at = id(store)
    if at in _known:
        return _known[at][1]
    health = StoreHealth()
    try:
        # Not by the store itself, which need not be hashable. Its number is free again once it is gone.
        kept = weakref.ref(store, lambda _: _known.pop(at, None))
    except TypeError:
        return health
    return _known.setdefault(at, (kept, health))[1]
