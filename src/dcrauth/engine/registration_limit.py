"""A limit of registrations in a time: who invents instances of an application has each of them registered."""

from collections import deque
from collections.abc import Callable, Hashable

from dcrauth.engine.refused_statements import REFUSALS, Refusals
from dcrauth.errors import DCRAuthError, RegistrationsLimited

HOUR = 3_600.0
"""In seconds."""


class RegistrationLimit(Refusals):
    """What registration endpoints have said, for sources that may register so many identities in an hour.

    Parameters:
        most: so many.
        refusals: what this process knows of refused statements.
    """

    def __init__(self, most: int, refusals: Refusals = REFUSALS) -> None:
        super().__init__()
        self._refusals = refusals
        self._begun: deque[float] = deque(maxlen=most)
        self._most = most

    def claim(
        self, statement: Hashable, now: float, wake: Callable[[], object] | None = None
    ) -> tuple[DCRAuthError, float] | bool:
        """Ask whether to show a statement, as `Refusals.claim` says; an error as well where that were one too many."""
        with self._lock:
            if (left := self._left(now)) > 0.0:
                told = f"{self._most} registrations were begun within an hour, as registrations_per_hour says"
                return RegistrationsLimited(told), left
            found = self._refusals.claim(statement, now, wake)
            if found is True:
                self._begun.append(now)
            return found

    def claim_again(
        self, statement: Hashable, now: float, wake: Callable[[], object] | None = None
    ) -> tuple[DCRAuthError, float] | bool:
        """Ask as `claim` does, for a registration that was counted before."""
        return self._refusals.claim_again(statement, now, wake)

    def unsent(self) -> None:
        """Count one registration less, the last one: nothing was sent after its claim."""
        with self._lock:
            if self._begun:
                self._begun.pop()

    def release(
        self, statement: Hashable, now: float, refusal: DCRAuthError | None = None, seconds: float = 0.0
    ) -> None:
        """Note what an endpoint has said to a statement."""
        self._refusals.release(statement, now, refusal, seconds)

    def abandon(self, statement: Hashable) -> None:
        """Let others show a statement at once."""
        self._refusals.abandon(statement)

    def _left(self, now: float) -> float:
        return self._begun[0] + HOUR - now if len(self._begun) == self._most else 0.0
