"""Callers that are interrupted anywhere, or have no room on their stacks: they harm nobody, and the next call works."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from adapters_tests.common.clients import KINDS, Kind
from adapters_tests.common.clock import ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.interrupts import OURS, interrupts, on_a_thread
from adapters_tests.engine.signalled import LIFE, POLICY, STEPS, Step, without_a_thread
from dcrauth import Clock, DCRAuthError, FileStore, MemoryStore, TokenSource
from dcrauth._internal import fork as forks
from dcrauth._internal.threads import start_thread
from dcrauth.engine.workers import WORKERS
from dcrauth.stores.sqlite import SQLiteStore

ROOT = Path(__file__).parents[2]
EVERYWHERE = (OURS, threading.__file__, queue.__file__, contextlib.__file__)
MOST_ROOM = 400
PATIENCE = 10.0
"""Seconds, less than a store waits for a lock that stays taken."""

OWN_TRANSPORTS = [kind for kind in KINDS if not kind.is_async or kind.library == "aiohttp"]

all_steps = pytest.mark.parametrize(
    "prepare",
    [pytest.param(step, marks=pytest.mark.slow if step is without_a_thread else ()) for step in STEPS],
    ids=lambda step: step.__name__,
)


# Interrupts.


@pytest.mark.fault(
    "Ctrl-C in any line of what a caller runs, also of Python's own threads and locks",
    "no lock stays taken and no thread hangs: the next call and the next event have their way",
)
@all_steps
@on_a_thread
def test_an_interrupt_in_any_line(prepare: Callable[[], Step]) -> None:
    """After Ctrl-C in any line of a token, a refusal, an event or a `forget`, the same succeeds at once."""
    after: list[Callable[[], object]] = []

    def prepared() -> Callable[[], object]:
        act, then = prepare()
        after.append(then)
        return act

    for interrupting, act in interrupts(prepared, EVERYWHERE):
        with contextlib.suppress(KeyboardInterrupt), interrupting:
            act()
        after[-1]()
        assert_no_thread_hangs()
    assert len(after) > 10


def assert_no_thread_hangs() -> None:
    """No worker is busy for long, and the interpreter has nobody to wait for at its end."""
    end = monotonic() + PATIENCE
    while WORKERS.is_busy or any(thread.name == "dcrauth-to-the-end" for thread in threading.enumerate()):
        assert monotonic() < end
        sleep(0.001)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signals")
def test_signals_at_every_moment() -> None:
    """A thousand real signals, each a little later than the one before: no call hangs after them, nor does the end."""
    program = [sys.executable, "-m", "adapters_tests.engine.signalled", "600"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=LIFE + 5, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{each.__name__} True" for each in STEPS]


def test_a_signal_is_no_lack_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a signal handler raises in the middle of a start comes out, also if it looks like a lack of threads."""

    def start(*_: object) -> None:
        raise RuntimeError("the time is up")

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(RuntimeError, match="the time is up"):
        start_thread(lambda: None, name="any", daemon=True)


def test_an_interrupted_forget_is_done_to_the_end(tmp_path: Path) -> None:
    """Who is interrupted while `forget` deletes finds all of it deleted, and no lock of the store taken."""
    begun, released = threading.Event(), threading.Event()

    class Slow(FileStore):
        def delete(self, key: str) -> None:
            begun.set()
            assert released.wait(LIFE)
            super().delete(key)

    asked = Server().source(Slow(tmp_path), policy=POLICY)
    asked.token()
    interrupter = threading.Thread(target=lambda: (begun.wait(LIFE), _thread.interrupt_main(), released.set()))
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        asked.forget()
    interrupter.join()
    assert asked.forget() is False


# Forks.


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.fault("Ctrl-C in any line of what runs before and after a fork", "no lock of an SQLite store stays taken")
@on_a_thread
def test_an_interrupted_fork(tmp_path: Path) -> None:
    """After Ctrl-C in any line around a fork, other threads of the parent read, write and fork as before."""
    store = SQLiteStore(tmp_path / "records.db")
    store.put("key", b"before")

    def prepared() -> Callable[[], object]:
        return fork

    struck = 0
    # Not those of threading: filelock, whose hook has a condition of its own, would be struck as well.
    for interrupting, act in interrupts(prepared, (OURS, contextlib.__file__)):
        with contextlib.suppress(KeyboardInterrupt), interrupting:
            act()
        struck += interrupting.struck
        assert_free(store)
    assert struck > 50


def fork() -> None:
    """Fork a child that ends at once."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def assert_free(store: SQLiteStore) -> None:
    """Another thread may write, read and fork."""
    found: list[object] = []

    def use() -> None:
        store.put("key", b"after")
        found.append(store.get("key"))
        found.append(forks._forks.turn.acquire(timeout=LIFE))
        forks._forks.turn.release()

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found == [b"after", True]


# Recursion.


def room() -> int:
    """How many frames are left on the stack."""

    def deeper() -> None:
        nonlocal count
        count += 1
        deeper()

    count = 0
    with contextlib.suppress(RecursionError):
        deeper()
    return count


def deep_down(frames: int, act: Callable[[], object]) -> object:
    """Do *act* on top of so many *frames*."""
    return deep_down(frames - 1, act) if frames > 0 else act()


async def deep_down_async(frames: int, act: Callable[[], Any]) -> object:
    """Do *act*, which returns an awaitable, on top of so many *frames*."""
    return await (deep_down_async(frames - 1, act) if frames > 0 else act())


@pytest.mark.fault(
    "a caller has no room left on its stack while it starts a renewal, tells an event or forgets",
    "it gets its RecursionError, and all others what they ask for at once",
)
@all_steps
def test_a_caller_near_the_recursion_limit(prepare: Callable[[], Step]) -> None:
    """With no frame left, with one, with two ... the next call works, and in the end there is room enough."""
    for left in range(MOST_ROOM):
        act, after = prepare()
        try:
            deep_down(room() - left, act)
        except RecursionError:
            after()
        else:
            after()
            break
    assert 3 < left < MOST_ROOM - 1


def test_a_task_near_the_recursion_limit() -> None:
    """The same with tasks: what they wait for is made once, and the next task has it."""

    async def main() -> int:
        for left in range(MOST_ROOM):
            server = Server()
            asked = server.source(MemoryStore(), policy=POLICY)
            with contextlib.suppress(RecursionError):
                await deep_down_async(room() - left, asked.token_async)
                return left
            assert (await asked.token_async()).value == "token-1"
            assert server.world.registrations == 1
        return MOST_ROOM

    assert 3 < asyncio.run(main()) < MOST_ROOM


@pytest.mark.slow
def test_no_work_is_begun_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a caller has to renew by itself it does so only with room for all of it: no answer is lost half-way."""
    monkeypatch.setattr(WORKERS, "submit", lambda _: False)
    for left in range(MOST_ROOM):
        server = Server()
        asked = server.source(MemoryStore(), policy=POLICY)
        try:
            deep_down(room() - left, asked.token)
        except RecursionError:
            assert server.world.registrations == 0
        else:
            break
    assert left < MOST_ROOM - 1
    assert (server.world.registrations, server.world.token_calls) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OWN_TRANSPORTS, ids=lambda kind: kind.library)
def test_there_is_room_enough(
    kind: Kind, make_source: Callable[..., TokenSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to a renewal on the caller's stack is more than any transport of ours needs."""
    monkeypatch.setattr(WORKERS, "submit", lambda _: False)
    asked = make_source(store=FileStore(tmp_path), transport=kind.auth._own_transport())
    for left in range(MOST_ROOM):
        with contextlib.suppress(RecursionError):
            assert deep_down(room() - left, asked.token)
            break
    assert left < MOST_ROOM - 1


# What comes out of a renewal's thread.


class Breaking:
    """A clock that breaks once it is told to, for one thread."""

    def __init__(self) -> None:
        self.broken = False

    def wall(self) -> float:
        if self.broken and threading.current_thread().name == "dcrauth-worker":
            raise ValueError("the clock is broken")
        return Clock().wall()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_renewal_whose_end_cannot_be_noted() -> None:
    """Where not even a failure can be noted, those who wait are told, and the next call begins anew."""
    breaking = Breaking()
    asked = Server().source(MemoryStore(), policy=POLICY, clock=Clock(wall=breaking.wall))
    breaking.broken = True
    with pytest.raises(DCRAuthError, match="ValueError"):
        asked.token()
    assert_no_thread_hangs()  # it is told on stderr what has happened
    breaking.broken = False
    assert asked.token().value


# Without threads.


def test_a_token_that_lives_is_no_reason_to_work(monkeypatch: pytest.MonkeyPatch, time: ManualClock) -> None:
    """Where no thread can be had, nobody renews a token that is due, and still good, on the caller's thread."""
    server = Server()
    asked = server.source(MemoryStore(), clock=time.clock)
    token = asked.token()
    monkeypatch.setattr(WORKERS, "submit", lambda _: False)
    time.advance(3600 - 300)
    assert asked.token() == token
    time.advance(300)
    assert asked.token() != token
    assert server.world.token_calls == 2
