"""What the identities of this process were lately told by a token endpoint: an incident is not one lost client.

A server that forgets one client has forgotten one client. A server that refuses many at once is being migrated, or was
set up wrongly; registering them all anew would log all end users out for nothing.
"""

import threading
from collections import OrderedDict

from dcrauth._internal import fork
from dcrauth.providers.origins import usual_spelling

WINDOW = 600.0
"""For how many seconds an outcome counts."""


class IncidentBreaker:
    """The last outcome for each identity: when it was, by the monotonic clock, and whether its client was refused."""

    def __init__(self) -> None:
        # Not a dict, which passes over all that was taken from its front each time that its oldest is asked for.
        self._outcomes: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._refused = 0
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._lock = threading.Lock()

    def report(self, identity: str, now: float, *, refused: bool) -> tuple[int, int]:
        """Note what the token endpoint has said to *identity*.

        Parameters:
            identity: its key.
            now: the monotonic time, in seconds.
            refused: whether it did not recognise the client.

        Returns:
            How many identities were refused lately, and how many were answered at all.
        """
        with self._lock:
            self._drop(identity)
            self._outcomes[identity] = (now, refused)
            self._refused += refused
            self._forget_before(now - WINDOW)
            return self._refused, len(self._outcomes)

    def forget(self, identity: str) -> None:
        """Drop what the token endpoint has said to *identity*, whose source is let go."""
        with self._lock:
            self._drop(identity)

    def _forget_before(self, moment: float) -> None:
        # The oldest come first, since a noted one is put at the end.
        while (oldest := next(iter(self._outcomes.items())))[1][0] < moment:
            self._drop(oldest[0])

    def _drop(self, identity: str) -> None:
        _, refused = self._outcomes.pop(identity, (0.0, False))
        self._refused -= refused


_breakers: dict[str, IncidentBreaker] = {}


def breaker_of(token_url: str) -> IncidentBreaker:
    """Return the breaker that all identities of this process at one token endpoint share."""
    key = usual_spelling(token_url)
    found = _breakers.get(key)
    return _breakers.setdefault(key, IncidentBreaker()) if found is None else found


def forget_breaker(token_url: str) -> None:
    """Begin anew with what a token endpoint says: a test has put another server in its place."""
    _breakers.pop(usual_spelling(token_url), None)
