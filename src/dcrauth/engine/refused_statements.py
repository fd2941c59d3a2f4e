"""Software statements as this process knows them: a refused one is shown again by one identity, not by each of them.

A server that acts for a thousand devices registers a thousand clients with one statement. When that is revoked, one
refusal says all there is to say.
"""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from dcrauth._internal import fork
from dcrauth.errors import DCRAuthError, another

PATIENCE = 2.0
"""For how many seconds at most the others leave it to one identity to hear what is said to a statement."""


@dataclass(frozen=True)
class _Known:
    """How a statement was refused, if it was, and for how long since then nobody else is to show it, in seconds.

    Parameters:
        waiting: what to call when that is known.
    """

    refusal: DCRAuthError | None
    since: float
    seconds: float
    waiting: list[Callable[[], object]] = field(default_factory=list)

    def left(self, now: float) -> float:
        return self.since + self.seconds - now if self.since <= now else 0.0


class Refusals:
    """What registration endpoints have said last to each statement."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Known] = {}
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._lock = threading.Lock()

    def claim(
        self, statement: Hashable, now: float, wake: Callable[[], object] | None = None
    ) -> tuple[DCRAuthError, float] | bool:
        """Ask whether to show a statement.

        Parameters:
            statement: the endpoint, its digest, and the clock that *now* is of: moments of two clocks say nothing.
            now: the monotonic time, in seconds.
            wake: called when another identity that is the first to was answered, or has given up.

        Returns:
            True to do so; False as long as another identity is the first to; or an error like that of the last refusal,
            and for how many seconds it stands.
        """
        return self._claimed(statement, now, wake)

    def claim_again(
        self, statement: Hashable, now: float, wake: Callable[[], object] | None = None
    ) -> tuple[DCRAuthError, float] | bool:
        """Ask as `claim` does, for a registration that was begun before, and has waited since: it counts as one."""
        return self._claimed(statement, now, wake)

    def unsent(self) -> None:
        """Note that nothing was sent after a claim."""

    def _claimed(
        self, statement: Hashable, now: float, wake: Callable[[], object] | None
    ) -> tuple[DCRAuthError, float] | bool:
        with self._lock:
            known = self._known.get(statement)
            if known is not None and (left := known.left(now)) > 0.0:
                if known.refusal is not None:
                    return another(known.refusal), left
                if wake is not None:
                    known.waiting.append(wake)
                return False
            if known is None or known.refusal is not None:
                self._known[statement] = _Known(known.refusal if known else None, now, PATIENCE)
        return True

    def release(
        self, statement: Hashable, now: float, refusal: DCRAuthError | None = None, seconds: float = 0.0
    ) -> None:
        """Note what an endpoint has said to a statement, which ends a claim.

        Parameters:
            refusal: how it was refused; None if it was not, and everybody may show it.
            seconds: for how long nobody is to show it.
        """
        with self._lock:
            known = self._known.get(statement)
            self._known[statement] = _Known(refusal, now, seconds)
            _wake_all(known)

    def abandon(self, statement: Hashable) -> None:
        """Let others show a statement at once: whoever was to be the first has been interrupted."""
        with self._lock:
            known = self._known.get(statement)
            if known is not None and known.refusal is None:
                del self._known[statement]
                _wake_all(known)


def _wake_all(known: _Known | None) -> None:
    while known is not None and known.waiting:
        known.waiting.pop()()


REFUSALS = Refusals()
"""That of this process."""
