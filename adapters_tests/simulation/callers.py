"""A caller: a thread or task of the application that wants to call a protected API over and over."""

from __future__ import annotations

from typing import Any

from adapters_tests.simulation.process import Process
from adapters_tests.simulation.surroundings import World
from dcrauth import DCRAuthError
from dcrauth.credentials import AccessToken
from dcrauth.engine.single_flight import Flight
from dcrauth.providers.protocol import Response

_LATENCY = 0.2


class Caller:
    """Does what every adapter does: a token, a request, and after a 401 once more with another token.

    Parameters:
        process: the process that it lives in.
        name: what it is called in the trace.
    """

    def __init__(self, process: Process, name: str) -> None:
        self.process, self.name = process, name
        self.world: World = process.world
        self.rest(self.world.rng.random())

    def rest(self, seconds: float) -> None:
        """Forget the request under way, if there is one, and make the next one in so many seconds."""
        self.flight: Flight | None = None
        self.refused: AccessToken | None = None
        self.disturbed = False
        self.ready = self.world.now + seconds

    def wake(self) -> None:
        """Look at once whether the renewal that was waited for has ended."""
        if self.flight is not None and self.flight.outcome() is not None:
            self.ready = self.world.now

    def step(self) -> None:
        """Ask for a token, or look what has become of the one that was asked for."""
        if self.flight is None:
            self._ask()
        else:
            self._look(self.flight)

    def _ask(self) -> None:
        source, self.disturbed, self.asked_at = self.process.source, False, self.world.now
        owed = self.world.watch.owed(self)
        try:
            token = source.fresh() if self.refused is None else None
            found = token or source._token_or_flight(self.refused)
        except DCRAuthError as error:
            self._failed(error, owed)
            return
        if isinstance(found, AccessToken):
            self._use(found)
        else:
            self.flight = found
            self.ready = self.world.now if found.outcome() is not None else self.world.now + self.world.policy.timeout

    def _look(self, flight: Flight) -> None:
        self.flight = None
        owed = self.world.watch.owed(self)
        self.world.watch.waited(self)
        try:
            token = self.process.source._after(flight, self.refused)
        except DCRAuthError as error:
            self._failed(error, owed)
        else:
            self._use(token)

    def _failed(self, error: DCRAuthError, owed: Any) -> None:
        self.world.note(self.name, "fails", error)
        self.world.watch.denied(self, error, owed)
        self.world.request_over(self, error=error)

    def _use(self, token: AccessToken) -> None:
        self.world.watch.handed_out(self, token)
        if self.refused is not None and token.value == self.refused.value:
            self.world.note(self.name, "passes the refusal on", token)
            self.world.request_over(self)
            return
        refusal = self.world.refusal(token)
        self.world.note(self.name, "is refused" if refusal else "is served", token)
        if refusal is not None and self._asks_for_another(token, refusal) and self.refused is None:
            self.refused = token
            self.ready = self.world.now + _LATENCY
            return
        self.world.request_over(self, served=None if refusal else token)

    def _asks_for_another(self, token: AccessToken, refusal: Response) -> bool:
        verdict = self.world.server.provider.verdict(refusal.status, refusal.headers, refusal.body)
        self.world.watch.refused(self.process, token, verdict)
        return self.process.source.refused(token, verdict)
