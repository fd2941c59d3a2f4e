"""A turn of a renewal: what a worker does of it, from its start, until it ends or has to wait for longer than a second.

What has to wait gives back its lock, its worker and its place among those who may call. Its context, which knows how
far it has come, is all that is left of it meanwhile.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from dcrauth.credentials import AccessToken
from dcrauth.engine import rules
from dcrauth.engine.calls import Admission
from dcrauth.engine.driver import Driver, carried_out
from dcrauth.engine.effects import (
    Add,
    Claim,
    Effect,
    Glance,
    LockTry,
    Release,
    RenewalContext,
    Replace,
    Send,
    Sleep,
    Withheld,
)
from dcrauth.engine.exit import REGISTRATIONS
from dcrauth.engine.foreign_errors import discreetly
from dcrauth.engine.job import Job, Wait
from dcrauth.engine.refused_statements import PATIENCE
from dcrauth.engine.renewal import unlocked, without_lock
from dcrauth.engine.workers import WORKERS
from dcrauth.errors import ServerUnavailable, StoreUnavailable, Throttled, Unavailable
from dcrauth.providers.protocol import Request, Response, throttle_key


class Turn:
    """One turn.

    Parameters:
        driver: what performs the effects.
        context: what the renewal is about, and how far it has come.
        job: what is woken when it is to be taken up again.
        give_way: called before each effect.
    """

    def __init__(self, driver: Driver, context: RenewalContext, job: Job, give_way: Callable[[], None]) -> None:
        self._driver, self._context, self._job, self._give_way = driver, context, job, give_way
        self._key = job.endpoint, throttle_key(context.provider)
        # Who gives a clock a sleep of its own wants it to be called: then all is waited for where it comes up.
        self._stays = driver.clock.has_a_sleep_of_its_own
        self._claimed: Hashable = None
        self._claim_of_another: Hashable = None
        self._registers = False

    def take(self) -> AccessToken | Wait:
        """Take it, and return the token that it has brought or what there is to wait for."""
        self._give_way()
        found: AccessToken | Wait | None = None
        try:
            found = discreetly(self._taken)
            return found
        finally:
            self._give_up(found)

    def _taken(self) -> AccessToken | Wait:
        return self._driver.begun(self._context, None if self._stays else 0.0, self._perform, self._unlocked)

    def _unlocked(self, error: StoreUnavailable) -> AccessToken | Wait:
        if self._stays:
            return carried_out(unlocked(self._context, error), self._perform)
        found = carried_out(without_lock(self._context, error), self._perform)
        return self._wait(found.seconds, is_lock_try=True) if isinstance(found, LockTry) else found

    def _give_up(self, found: AccessToken | Wait | None) -> None:
        """Let others have what this renewal had before them."""
        self._is_registered()
        self._driver.take_back(self._context)
        if self._claimed is not None:
            self._driver.refusals.abandon(self._claimed)
        if not (isinstance(found, Wait) and found.key == self._key):
            self._driver.calls.leave(self._key, self._job)

    def _perform(self, effect: Effect) -> Any:
        self._give_way()
        match effect:
            case Sleep() if not self._stays and (isinstance(effect, Glance) or rules.is_parked(effect.seconds)):
                return self._wait_for(effect)
            case Claim():
                return self._claim(effect)
            case Send():
                return self._send(effect.request)
            case Add() | Replace() if effect.key == self._context.identity.credentials:
                return self._stored(effect)
        if isinstance(effect, Release):
            self._claimed = None
        return self._driver.perform(effect)

    def _wait_for(self, effect: Sleep) -> Wait:
        is_claim = isinstance(effect, Glance)
        return self._wait(PATIENCE, key=self._claim_of_another) if is_claim else self._wait(effect.seconds)

    def _wait(self, seconds: float, key: Hashable = None, *, is_lock_try: bool = False) -> Wait:
        return Wait(seconds, self._driver.clock.now().later(seconds), key, is_lock_try)

    def _claim(self, effect: Claim) -> Any:
        # Whoever has to wait for its turn anyway claims nothing: of a crowd each claim that is given back wakes all.
        if (left := self._left) > 0.0 and not self._stays and not self._driver.calls.has_turn(self._key, self._job):
            return self._wait(left, key=self._key)
        statement = self._driver.statement(effect.endpoint, effect.statement)
        wake = None if self._stays else partial(WORKERS.wake, self._job, statement)
        found = self._driver.claimed(self._context, effect, wake)
        self._claimed = statement if found is True else None
        self._claim_of_another = statement
        return found

    def _stored(self, effect: Add | Replace) -> Any:
        """Write credentials, after which the process may end."""
        try:
            return self._driver.perform(effect)
        finally:
            self._is_registered()

    def _send(self, request: Request) -> Response | Withheld | Wait:
        if self._stays:
            return self._sent(request)
        calls = self._driver.calls
        match calls.begin(self._job.endpoint, self._key, self._job):
            case Admission.SILENT:
                return Withheld(ServerUnavailable(_SILENT.format(request.endpoint)))
            case Admission.WAIT:
                return self._wait_for_the_others(request)
        status: int | None = None
        try:
            response = self._sent(request)
            status = response.status
        except Unavailable as fault:
            status = fault.status
            raise
        finally:
            calls.end(self._job.endpoint, self._key, self._job, status)
        return response

    def _wait_for_the_others(self, request: Request) -> Withheld | Wait:
        if (left := self._left) > 0.0:
            return self._wait(left, key=self._key)
        return Withheld(Throttled(_CROWDED.format(request.endpoint)))

    @property
    def _left(self) -> float:
        """For how many seconds the renewal may go on to make calls."""
        return self._context.deadline - self._driver.clock.monotonic()

    def _sent(self, request: Request) -> Response:
        if self._driver.notes_registration(self._context, request) and not self._registers:
            self._registers = True
            REGISTRATIONS.begin()
        return self._driver.sent(request)

    def _is_registered(self) -> None:
        if self._registers:
            self._registers = False
            REGISTRATIONS.end()


_SILENT = "{} has not answered the last calls; one at a time finds out whether it is back, and this one was not made"
_CROWDED = "{} has asked for fewer calls; one at a time is made, and the turn of this one has not come in time"
