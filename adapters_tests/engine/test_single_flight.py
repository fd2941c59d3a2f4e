"""Waiting for a renewal: what an interrupt in the middle of it leaves behind."""

from __future__ import annotations

import concurrent.futures._base
import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace

import pytest

from adapters_tests.common.direct import Server
from adapters_tests.common.interrupts import OURS, interrupts, on_a_thread
from adapters_tests.common.providers import PROVIDERS, provider_at
from adapters_tests.common.world import World
from dcrauth import AccessToken, MemoryStore, ServerUnavailable
from dcrauth.engine.effects import Effect
from dcrauth.engine.single_flight import Flight, wait
from dcrauth.engine.turn import Turn
from dcrauth.engine.workers import WORKERS
from dcrauth.providers.protocol import Request, Response

PATIENCE = 10
ROOT = Path(__file__).parents[2]
TOKEN = AccessToken("token", 0.0, 1.0)


class Waiting(Server):
    """A server that lets nobody have a token before two wait for it."""

    def __init__(self, provider: str) -> None:
        super().__init__(world=World.of(provider_at(provider)))
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


@pytest.mark.parametrize("provider", PROVIDERS)
@on_a_thread
def test_no_interrupt_of_a_waiter_jams_the_others(provider: str) -> None:
    """After Ctrl-C in any line of a waiter, also of those of the standard library, others get the token at once."""
    servers: list[Waiting] = []

    def prepare() -> Callable[[], object]:
        server = Waiting(provider)
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
    """No worker is busy for long, and the next renewal finds one."""
    end = monotonic() + PATIENCE
    while WORKERS.is_busy:
        assert monotonic() < end
        sleep(0.001)


def test_an_outcome_reaches_those_who_come_before_and_after() -> None:
    """Wakers are called once each at the end of a renewal; who comes later is told of it. Its first outcome stays."""
    flight, called = Flight(), []
    assert flight.wake(lambda: called.append("before"))
    assert (flight.outcome(), called) == (None, [])
    flight.finish(TOKEN)
    flight.finish(ServerUnavailable("later"))
    assert not flight.wake(lambda: called.append("after"))
    assert (flight.outcome(), called) == (TOKEN, ["before"])


def test_a_wait_ends_with_its_time() -> None:
    """Whoever waits for a renewal that does not end goes on after so many seconds, and may wait again."""
    flight = Flight()
    wait(flight, 0.01)
    wait(flight, 0.01)
    assert flight.outcome() is None
    flight.finish(ServerUnavailable("later"))
    wait(flight, float("inf"))


def test_only_a_flight_that_nobody_waits_for_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal in the background lets go of the interpreter; one that is waited for does not lose the time."""
    slept: list[float] = []
    monkeypatch.setattr("dcrauth.engine.single_flight.time", SimpleNamespace(sleep=slept.append))
    flight = Flight()
    flight.give_way()
    assert len(slept) == 1
    flight.wake(lambda: None)
    flight.give_way()
    assert len(slept) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_renewal_gives_way_before_each_step(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests on other threads get their turn before a renewal begins and before each thing that it does."""
    steps: list[str] = []
    perform = Turn._perform

    def recorded(turn: Turn, effect: Effect) -> object:
        try:
            return perform(turn, effect)
        finally:
            steps.append("step")

    monkeypatch.setattr(Flight, "give_way", lambda _: steps.append("way"))
    monkeypatch.setattr(Turn, "_perform", recorded)
    Server(world=World.of(provider_at(provider))).source(MemoryStore()).token()
    assert steps[0] == "way"
    assert "step" in steps
    assert steps[1:] == ["way", "step"] * (len(steps) // 2)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_work_without_a_thread_does_not_give_way(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had, the caller does the work itself, and that without a pause."""
    slept: list[float] = []
    monkeypatch.setattr("dcrauth.engine.single_flight.time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(WORKERS, "submit", lambda _: False)
    assert Server(world=World.of(provider_at(provider))).source(MemoryStore()).token().value
    assert slept == []


# A module that is still being imported.

HALF_IMPORTED = """
import asyncio, importlib.abc, importlib.util, sys, threading
from adapters_tests.common.direct import Server
from dcrauth import MemoryStore

half, go_on, stop_at = threading.Event(), threading.Event(), sys.argv[1]

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == stop_at:
            half.set()
            assert go_on.wait(20)

Server().source(MemoryStore()).token()  # imports what a finder that waits would keep from being imported
sys.meta_path.insert(0, Slow())
importing = threading.Thread(target=importlib.import_module, args=["trio"])
importing.start()
assert half.wait(20) and "trio" in sys.modules

async def main():
    return await asyncio.gather(*(Server().source(MemoryStore()).token_async() for _ in range(5)))

print(*{token.value for token in asyncio.run(main())})
go_on.set()
importing.join()
"""


@pytest.mark.fault(
    "another thread is importing trio while asyncio tasks ask for a token, as httpx does in its first request",
    "they are tasks of asyncio all the same",
)
@pytest.mark.parametrize("at", ["trio._core", "trio.lowlevel", "trio._path"])
def test_a_module_that_is_being_imported_is_no_run(at: str) -> None:
    """While trio is half imported by another thread, the tasks of an asyncio loop get their tokens."""
    program = [sys.executable, "-c", HALF_IMPORTED, at]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE * 3, check=False)
    assert (done.stdout.split(), done.stderr) == (["token-1"], "")
