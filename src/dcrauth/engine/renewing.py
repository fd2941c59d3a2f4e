"""The job of renewing the token of one source."""

from collections.abc import Callable
from functools import partial

from dcrauth.credentials import AccessToken
from dcrauth.engine import observer
from dcrauth.engine.callers_context import CallersContext
from dcrauth.engine.driver import Driver
from dcrauth.engine.effects import RenewalContext
from dcrauth.engine.job import Job, Wait
from dcrauth.engine.single_flight import Flight
from dcrauth.engine.store_health import health_of
from dcrauth.engine.turn import Turn
from dcrauth.errors import DCRAuthError, as_ours


class Renewing(Job):
    """A renewal, turn by turn.

    Parameters:
        driver: what performs its effects.
        flight: what others wait on.
        begin: returns what it is about, as it begins.
        finish: called with the token that it has brought.
        fail: called with how it has failed, and the monotonic time at which it had begun.
        caller: what it is done in.
        is_urgent: whether somebody waits for it.
    """

    __slots__ = ("_begin", "_begun", "_caller", "_context", "_driver", "_fail", "_finish", "_flight")

    def __init__(
        self,
        driver: Driver,
        flight: Flight,
        begin: Callable[[], RenewalContext],
        finish: Callable[[Flight, AccessToken], None],
        fail: Callable[[Flight, DCRAuthError, float], None],
        caller: CallersContext,
        *,
        is_urgent: bool,
    ) -> None:
        super().__init__(
            (driver.breaker, driver.clock), driver.clock, is_urgent=is_urgent, store=health_of(driver.store)
        )
        self._driver, self._flight, self._begin = driver, flight, begin
        self._finish, self._fail = finish, fail
        self._caller = caller
        self._context: RenewalContext | None = None
        self._begun = 0.0

    def take(self) -> Wait | None:
        """Take a turn, and tell those who wait if it was the last one."""
        return self._caller.run(partial(observer.turn, self._flight.observation, self._taken))

    def _taken(self) -> Wait | None:
        try:
            if self._context is None:
                self._begun = self.clock.monotonic()
                self._context = self._begin()
            found = Turn(self._driver, self._context, self, self._flight.give_way).take()
            if isinstance(found, Wait):
                return found
            self._finish(self._flight, found)
        except BaseException as reason:  # whatever it is, it is the end of the renewal
            self._fail(self._flight, as_ours(reason), self._begun)
        return None
