"""Listeners that are coroutine functions, told on an event loop that the program names."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar
from typing import Any

import pytest
import trio

from adapters_tests.common.direct import Server
from dcrauth import ConfigurationError, MemoryStore, events, on_loop
from dcrauth.engine.event_dispatch import Listener

PATIENCE = 10.0
request_id: ContextVar[str] = ContextVar("request_id", default="nobody")


class Told:
    """A listener that is awaited, and notes what it is told, where, and how many at once."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.events: list[str] = []
        self.where: set[int] = set()
        self.who: set[str] = set()
        self.half, self.all = asyncio.Event(), asyncio.Event()
        self._gate, self._busy = gate, False

    async def __call__(self, event: events.Event) -> None:
        assert not self._busy, "told of two at once"
        self._busy = True
        await (asyncio.sleep(0) if self._gate is None else self._gate.wait())
        self._busy = False
        self.where.add(threading.get_ident())
        self.who.add(request_id.get())
        self.events.append(event.identity)
        if event.identity == "999":
            self.half.set()
        if event.identity == "last":
            self.all.set()


async def emitted(listener: Listener, count: int = 20) -> None:
    names = [*map(str, range(count - 1)), "last"]
    await asyncio.to_thread(lambda: [listener.emit(events.Registered(name)) for name in names])


@pytest.mark.parametrize("names_it", [False, True])
def test_a_coroutine_function_is_awaited_on_the_loop(names_it: bool) -> None:
    """It is told on the loop that is named, or that runs where it is given, of one event after the other, in order."""

    async def main() -> None:
        told = Told()
        listener = Listener(on_loop(told, asyncio.get_running_loop()) if names_it else on_loop(told))
        await emitted(listener)
        await asyncio.wait_for(told.all.wait(), PATIENCE)
        assert told.events == [*map(str, range(19)), "last"]
        assert told.where == {threading.get_ident()}

    asyncio.run(main())


def test_it_is_told_in_the_context_of_the_request() -> None:
    """What it logs carries the ids of the request that has caused the event."""

    async def main() -> None:
        told = list[tuple[str, str]]()
        done = asyncio.Event()

        async def listen(event: events.Event) -> None:
            told.append((request_id.get(), type(event).__name__))
            request_id.set("set by the listener")
            if isinstance(event, events.TokenRenewed):
                done.set()

        source = Server().source_here(MemoryStore(), on_event=on_loop(listen))
        request_id.set("a request")
        await source.token_async()
        await asyncio.wait_for(done.wait(), PATIENCE)
        assert told == [("a request", "Registered"), ("a request", "TokenRenewed")]
        assert request_id.get() == "a request"

    asyncio.run(main())


def test_a_slow_one_delays_no_other() -> None:
    """While five of them wait for something, a sixth has its events."""

    async def main() -> None:
        gate = asyncio.Event()
        slow, quick = [Told(gate) for _ in range(5)], Told()
        for each in slow:
            await emitted(Listener(on_loop(each)))
        await emitted(Listener(on_loop(quick)))
        await asyncio.wait_for(quick.all.wait(), PATIENCE)
        assert [each.events for each in slow] == [[]] * 5
        gate.set()
        for each in slow:
            await asyncio.wait_for(each.all.wait(), PATIENCE)
            assert len(each.events) == 20

    asyncio.run(main())


def test_what_it_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error of it is logged, and it is told of the next event all the same."""

    async def main() -> None:
        told, done = list[str](), asyncio.Event()

        async def listen(event: events.Event) -> None:
            told.append(event.identity)
            if event.identity == "last":
                done.set()
            raise ValueError("the queue is away")

        await emitted(Listener(on_loop(listen)), 3)
        await asyncio.wait_for(done.wait(), PATIENCE)
        await asyncio.sleep(0)
        assert told == ["0", "1", "last"]

    asyncio.run(main())
    assert caplog.text.count("on_event raised for Registered") == 3
    assert "the queue is away" in caplog.text


def test_one_that_is_far_behind_loses_events_not_memory(caplog: pytest.LogCaptureFixture) -> None:
    """No more than a thousand events wait for it; what comes after is only logged."""

    async def main() -> None:
        gate = asyncio.Event()
        told = Told(gate)
        tell = on_loop(told)
        for number in range(1_200):
            tell(events.Registered(str(number)))
        gate.set()
        await asyncio.wait_for(told.half.wait(), PATIENCE)
        tell(events.Registered("last"))
        await asyncio.wait_for(told.all.wait(), PATIENCE)
        assert told.events == [*map(str, range(1_000)), "last"]

    asyncio.run(main())
    assert caplog.text.count("on_event is too slow") == 200


def test_a_loop_that_is_closed_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Events after the end of the loop are logged as all are, and nothing is left un-awaited."""

    async def listen(event: events.Event) -> None:
        raise AssertionError("nobody can be told")

    loop = asyncio.new_event_loop()
    listener = Listener(on_loop(listen, loop))
    loop.close()
    with caplog.at_level(logging.DEBUG, "dcrauth"):
        listener.emit(events.Registered("late"))
        assert listener.flush(PATIENCE)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


class ToldInTrio:
    """As `Told`, for trio."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.all = trio.Event()
        self._busy = False

    async def __call__(self, event: events.Event) -> None:
        assert not self._busy, "told of two at once"
        self._busy = True
        await trio.lowlevel.checkpoint()
        self._busy = False
        self.told.append((request_id.get(), event.identity))
        if event.identity == "last":
            self.all.set()
        raise ValueError("is only logged")


@pytest.mark.parametrize("names_it", [False, True])
def test_trio_has_loops_too(names_it: bool, caplog: pytest.LogCaptureFixture) -> None:
    """In a run of trio's it is told of one event after the other, in their contexts, and what it raises is logged."""

    async def main() -> Any:
        told = ToldInTrio()
        tell = on_loop(told, trio.lowlevel.current_trio_token()) if names_it else on_loop(told)
        listener = Listener(tell)
        request_id.set("a request")
        for name in ("first", "second", "last"):
            listener.emit(events.Registered(name))
        with trio.fail_after(PATIENCE):
            await told.all.wait()
        assert told.told == [("a request", name) for name in ("first", "second", "last")]
        return tell

    tell = trio.run(main)
    assert caplog.text.count("on_event raised for Registered") == 3
    with caplog.at_level(logging.DEBUG, "dcrauth"):
        tell(events.Registered("late"))
    assert "its event loop has ended" in caplog.text


def test_a_listener_that_is_cancelled_hears_of_the_next_event() -> None:
    """One that ends as if it were cancelled, as code that it calls may do, is told of what comes after."""

    async def main() -> None:
        told, done = list[str](), asyncio.Event()

        async def listen(event: events.Event) -> None:
            told.append(event.identity)
            if event.identity == "first":
                raise asyncio.CancelledError
            done.set()

        tell = on_loop(listen)
        tell(events.Registered("first"))
        await asyncio.sleep(0.01)
        tell(events.Registered("second"))
        await asyncio.wait_for(done.wait(), PATIENCE)
        assert told == ["first", "second"]

    asyncio.run(main())


async def listen(event: events.Event) -> None:
    """Listen."""


async def listen_and_yield(event: events.Event) -> Any:
    yield event


@pytest.mark.parametrize(
    ("listener", "loop", "said"),
    [
        (listen, None, "no.*runs|where no event loop"),
        (print, None, "listener must be an async def"),
        (Told, None, "listener must be an async def"),
        (listen_and_yield, None, "listener must be an async def"),
        (None, None, "listener must be an async def"),
        (listen, "a loop", "loop must be an event loop"),
        (listen, asyncio.new_event_loop, "loop must be an event loop"),
    ],
    ids=["no loop runs", "a plain function", "a class", "a generator", "None", "a text", "a function"],
)
def test_wrong_use_is_told_where_it_is_made(listener: Any, loop: Any, said: str) -> None:
    """What cannot work is a ConfigurationError of on_loop, and no coroutine is left that nobody awaits."""
    with pytest.raises(ConfigurationError, match=said):
        on_loop(listener, loop)
