"""The network between the simulated processes and the server: what it loses, delays, doubles and garbles."""

from __future__ import annotations

from adapters_tests.simulation.calls import Purpose
from adapters_tests.simulation.process import Process
from adapters_tests.simulation.surroundings import World
from dcrauth import ServerUnavailable
from dcrauth.providers.protocol import Request, Response

PATIENCE = 15.0
"""After how many seconds a transport gives up."""

_PAGES = (
    Response(200, {}, b"<html>please log in</html>"),
    Response(201, {}, b'{"access_tok'),
    Response(401, {}, b"<html>blocked</html>"),
    Response(400, {}, b'{"status": 400, "code": "invalid_client", "message": "not an OAuth answer"}'),
    Response(200, {}, b"[]"),
)
_BUSY = Response(503, {}, b"<html>busy</html>")
_LOST = Response(0, {}, b"")
"""Stands for no answer at all."""


class Network:
    """Carries calls.

    Parameters:
        world: whose network it is.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def call(self, process: Process, request: Request) -> None:
        """Carry a *request* of *process*, which is told of the outcome later."""
        device = "all" if self._world.shares_address else process.name
        if self._world.strikes("kept connection ends") and not self._goes_over_another(process, request, device):
            process.receives(None, ServerUnavailable("the connection has ended"), 0.0)
            return
        if self._world.strikes("request delayed"):
            self._delayed(process, request, device)
            return
        answer = self._before_the_deed()
        if answer is None:
            answer = self._world.server.answer(request, self._world.now, device)
            if self._world.strikes("request duplicated"):
                self._world.at(
                    self._world.now + self._world.rng.random() * PATIENCE, lambda: self._again(request, device)
                )
            answer = self._after_the_deed(request, answer)
        if answer is _LOST:
            process.receives(None, ServerUnavailable("no answer"), self._world.rng.random() * PATIENCE)
        else:
            process.receives(answer, None, self._world.rng.choice((0.01, 0.2, 1.0)) * self._world.rng.random())

    def _goes_over_another(self, process: Process, request: Request, device: str) -> bool:
        """Lose a kept connection before a byte of the answer, with or without the deed; what may be repeated is."""
        if self._world.rng.random() < 0.5:
            self._again(request, device)
        if request.repeatable:
            self._world.watch.repeats(process, request)
        return request.repeatable

    def _before_the_deed(self) -> Response | None:
        """Return the answer where a call comes to nothing; None where it goes through."""
        if self._world.strikes("request lost"):
            return _LOST
        if self._world.now < self._world.down_until:
            return self._world.rng.choice((_BUSY, _LOST))
        if self._world.strikes("error page"):
            return _BUSY
        if self._world.strikes("too many calls"):
            return self._world.server.too_many()
        return self._world.rng.choice(_PAGES) if self._world.strikes("garbage") else None

    def _after_the_deed(self, request: Request, answer: Response) -> Response:
        """Return what becomes of an answer on its way."""
        if self._world.strikes("answer lost"):
            return _LOST
        server = self._world.server
        if server.purpose(request) is Purpose.REGISTRATION and self._world.strikes("unusable registration"):
            return server.unusable
        return _BUSY if self._world.strikes("error page after the deed") else answer

    def _delayed(self, process: Process, request: Request, device: str) -> None:
        ticket, sent = process.ticket, self._world.now
        process.receives(None, ServerUnavailable("no answer in time"), PATIENCE)

        def arrive() -> None:
            answer = self._again(request, device)
            if process.ticket == ticket and self._world.now < sent + PATIENCE and process.ready > self._world.now:
                process.receives(answer, None, 0.0)

        self._world.at(self._world.now + self._world.rng.random() * 2.0 * PATIENCE, arrive)

    def _again(self, request: Request, device: str) -> Response:
        self._world.note("server", "is reached late by", request.endpoint)
        return self._world.server.answer(request, self._world.now, device)
