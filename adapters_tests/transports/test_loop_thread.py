"""The event loop of aiohttp's transport: one for the process, met by no loop of a caller's."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import aiohttp
import pytest

from adapters_tests.common.clock import EAGER
from adapters_tests.transports.kept_server import BODY, KeptServer, fin, registration, token_call
from dcrauth import AdobePass, MemoryStore, ServerUnavailable, TokenSource
from dcrauth.simulator import Simulator
from dcrauth.transports import _loop
from dcrauth.transports._loop import LoopThread
from dcrauth.transports.aiohttp import AiohttpTransport

THREADS = 4
RUNS = 1_000


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> LoopThread:
    """A thread for the loop, of the test's own."""
    own = LoopThread()
    for module in ("aiohttp", "_aiohttp"):
        monkeypatch.setattr(f"dcrauth.transports.{module}.LOOP_THREAD", own)
    return own


def loops() -> int:
    """How many loops and sessions there are."""
    gc.collect()
    kinds = (asyncio.AbstractEventLoop, aiohttp.ClientSession)
    return sum(isinstance(each, kinds) for each in gc.get_objects())


@pytest.mark.slow
@pytest.mark.fault(
    "1,000 event loops come and go, from four threads, and each needs a token", "each is served, and nothing piles up"
)
def test_a_thousand_loops(provider: AdobePass, adobe: Simulator) -> None:
    """The callers' loops leave no trace in the transport, and it none in them."""
    source = TokenSource(provider, store=MemoryStore(), transport=AiohttpTransport(), policy=EAGER)

    async def renew() -> None:
        token = await source.token_async()
        await source.token_async(instead_of=token)

    def run(_: int) -> None:
        asyncio.run(renew())
        gc.collect(0)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(run, range(20)))
        before, descriptors = loops(), len(os.listdir("/proc/self/fd"))
        list(threads.map(run, range(RUNS)))
    assert loops() <= before
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2 * THREADS
    assert adobe.counts.token > RUNS / THREADS


def test_the_thread_ends_when_nobody_calls(thread: LoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """A while after the last call the loop is closed, and what was made on it; the next call has another one."""
    monkeypatch.setattr(_loop, "KEPT_FOR", 0.02)
    with KeptServer() as server:
        transport = AiohttpTransport()
        for _ in range(2):
            assert transport.send(token_call(server.url)).body == BODY
            assert server.all_closed()
            assert thread._ended.acquire(timeout=10)
            assert thread._loop is None
        assert server.connections == 2


def test_the_end_of_the_interpreter_ends_the_loop(thread: LoopThread) -> None:
    """At exit connections are closed, and what is called after that still has its answer, and keeps nothing."""
    with KeptServer() as server:
        transport = AiohttpTransport()
        transport.send(token_call(server.url))
        thread.end()
        assert server.all_closed()
        assert transport.send(token_call(server.url)).body == BODY
        assert server.all_closed()
    assert thread._loop is None


def test_a_call_under_way_at_the_end_is_a_fault(thread: LoopThread) -> None:
    """Who waits for an answer when the loop ends is told that there is none."""
    with KeptServer(lambda *_: thread.end()) as server, pytest.raises(ServerUnavailable):
        AiohttpTransport().send(token_call(server.url))


@pytest.mark.fault(
    "no thread can be had, and the caller's own thread runs an event loop",
    "the call is made on a loop of its own all the same",
)
@pytest.mark.parametrize("inside", ["a loop", "no loop"])
def test_without_a_thread(thread: LoopThread, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had, as at the end of the interpreter, the call is made where it is asked for."""
    monkeypatch.setattr(_loop, "start_thread", lambda *_, **__: False)
    with KeptServer() as server:
        transport = AiohttpTransport()

        async def call() -> tuple[Any, Any, Any]:
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            answer = transport.send(token_call(server.url))
            await asyncio.sleep(0)
            return answer, asyncio.current_task() is task, asyncio.get_running_loop() is loop

        if inside == "a loop":
            answer, *is_as_before = asyncio.run(call())
            assert is_as_before == [True, True]
        else:
            answer = transport.send(registration(server.url))
        assert answer.body == BODY
        assert server.all_closed()


def test_a_kept_connection_keeps_no_context(thread: LoopThread) -> None:
    """What a caller has in its context variables is free as soon as its call is over, though the connection is kept."""

    class Mine:
        """What a request of the program's has in its context."""

    def call() -> weakref.ref[Mine]:
        mine = Mine()
        variable.set(mine)
        assert AiohttpTransport().send(token_call(server.url)).body == BODY
        return weakref.ref(mine)

    variable: ContextVar[Mine] = ContextVar("mine")
    with KeptServer() as server:
        keeping = AiohttpTransport()
        mine = contextvars.copy_context().run(call)
        gc.collect()
        assert mine() is None
        assert keeping.send(token_call(server.url)).body == BODY
        assert server.connections == 1
        thread.end()


def test_nothing_is_logged_as_an_error(thread: LoopThread, caplog: pytest.LogCaptureFixture) -> None:
    """What asyncio finds odd on the loop is not worth more than a debug line, and quotes nothing."""
    with KeptServer(lambda connection, *_: fin(connection)) as server:
        with pytest.raises(ServerUnavailable):
            AiohttpTransport().send(registration(server.url))
        done = threading.Event()
        loop = thread._loop
        assert loop is not None
        loop.call_soon_threadsafe(loop.call_exception_handler, {"message": "odd", "secret": "canary"})
        loop.call_soon_threadsafe(done.set)
        assert done.wait(10)
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []
    assert "canary" not in caplog.text
    thread.end()
