"""Waiting for a renewal: what an interrupt in the middle of it leaves behind."""

from __future__ import annotations

import concurrent.futures._base
import contextlib
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from adapters_tests.direct import Server
from adapters_tests.interrupts import OURS, interrupts
from dcrauth import AccessToken, MemoryStore, ServerUnavailable
from dcrauth.driver import Driver
from dcrauth.effects import Effect
from dcrauth.flight import Flight, take_off, wait
from dcrauth.provider import Request, Response

PATIENCE = 10
TOKEN = AccessToken("token", 0.0, 1.0)


class Waiting(Server):
    """A server that lets nobody have a token before two wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.released = threading.Event(), threading.Event()
        self.source_of_tokens = self.source(MemoryStore())
        self.found: list[AccessToken] = []
        self.leader = threading.Thread(target=self.ask, daemon=True)

    def send(self, request: Request) -> Response:
        self.begun.set()
        while not self._two_wait() and not self.released.wait(0.001):
            """Somebody is missing."""
        return super().send(request)

    def _two_wait(self) -> bool:
        flight = self.source_of_tokens._flight
        return flight is not None and len(flight._wakers) == 2

    def ask(self) -> None:
        self.found.append(self.source_of_tokens.token())


def test_no_interrupt_of_a_waiter_jams_the_others() -> None:
    """After Ctrl-C in any line of a waiter, also of those of the standard library, others get the token at once."""
    servers: list[Waiting] = []

    def prepare() -> Callable[[], object]:
        server = Waiting()
        server.leader.start()
        assert server.begun.wait(PATIENCE)
        servers.append(server)
        return server.ask

    for interrupting, act in interrupts(prepare, (OURS, threading.__file__, concurrent.futures._base.__file__)):
        with contextlib.suppress(KeyboardInterrupt), interrupting:
            act()
        server = servers[-1]
        server.released.set()
        server.leader.join(PATIENCE)
        assert (interrupting.struck, len(server.found)) == (True, 1)
        assert_no_renewal_hangs()


def assert_no_renewal_hangs() -> None:
    """The interpreter waits for these threads at its end."""
    for thread in threading.enumerate():
        if thread.name == "dcrauth-renewal" and thread.ident is not None:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_an_outcome_reaches_those_who_come_before_and_after() -> None:
    """Wakers are called once each when a flight lands, or at once if it has; its outcome stays."""
    flight, called = Flight(), []
    flight.wake(lambda: called.append("before"))
    assert (flight.outcome(), called) == (None, [])
    flight.land(TOKEN)
    flight.wake(lambda: called.append("after"))
    assert (flight.outcome(), called) == (TOKEN, ["before", "after"])


def test_a_wait_ends_with_its_time() -> None:
    """Whoever waits for a flight that does not land goes on after so many seconds, and may wait again."""
    flight = Flight()
    wait(flight, 0.01)
    wait(flight, 0.01)
    assert flight.outcome() is None
    flight.land(ServerUnavailable("later"))
    wait(flight, float("inf"))


def test_an_interrupt_of_a_start_is_no_lack_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt that the start of a thread turns into an error of its own comes out as what it was."""

    def start(thread: threading.Thread) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("cannot release un-acquired lock")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        take_off(Flight(), lambda: None)


def test_only_a_flight_that_nobody_waits_for_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal in the background lets go of the interpreter; one that is waited for does not lose the time."""
    slept: list[float] = []
    monkeypatch.setattr("dcrauth.flight.time", SimpleNamespace(sleep=slept.append))
    flight = Flight()
    flight.give_way()
    assert len(slept) == 1
    flight.wake(lambda: None)
    flight.give_way()
    assert len(slept) == 1


def test_a_renewal_gives_way_before_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests on other threads get their turn before a renewal begins and before each thing that it does."""
    steps: list[str] = []
    perform = Driver._perform

    def recorded(driver: Driver, effect: Effect) -> object:
        steps.append("step")
        return perform(driver, effect)

    monkeypatch.setattr(Flight, "give_way", lambda _: steps.append("way"))
    monkeypatch.setattr(Driver, "_perform", recorded)
    Server().source(MemoryStore()).token()
    assert steps[0] == "way"
    assert "step" in steps
    assert steps[1:] == ["way", "step"] * (len(steps) // 2)


def test_work_without_a_thread_does_not_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had, the caller does the work itself, and that without a pause."""
    slept: list[float] = []
    monkeypatch.setattr("dcrauth.flight.time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert Server().source(MemoryStore()).token().value
    assert slept == []


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
