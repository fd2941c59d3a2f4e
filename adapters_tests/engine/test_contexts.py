"""The context (contextvars) of who asks for a token: what a renewal does goes on in it, and nothing keeps it."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from time import monotonic, sleep
from typing import Any

import pytest
import trio

from adapters_tests.common.clients import Kind
from adapters_tests.common.direct import Server
from dcrauth import AdobePass, Clock, MemoryStore, Policy, ServerUnavailable, Throttled, TokenSource
from dcrauth._internal.threads import begin_bare, start_thread
from dcrauth.engine.callers_context import CallersContext
from dcrauth.engine.workers import WORKERS
from dcrauth.providers.protocol import Request, Response
from dcrauth.simulator import Simulator
from dcrauth.transports._loop import LOOP_THREAD
from dcrauth.transports.aiohttp import AiohttpTransport
from dcrauth.transports.httpx import HttpxTransport
from dcrauth.transports.requests import RequestsTransport

PATIENCE = 10.0
HOUR = 3_600.0

request_id: ContextVar[str] = ContextVar("request_id", default="nobody")
pinned: ContextVar[object] = ContextVar("pinned")


class Seeing(Server):
    """A server that notes in whose context each call is made, and whose next answers may be other ones."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[str] = []
        self.answers: list[Response] = []
        self.gate: threading.Event | None = None

    def send(self, request: Request) -> Response:
        self.callers.append(request_id.get())
        request_id.set("set by a call")
        if self.gate is not None:
            assert self.gate.wait(PATIENCE)
        return self.answers.pop(0) if self.answers else super().send(request)


def as_caller(name: str, act: Callable[[], Any]) -> Any:
    """Do *act* in a context in which *name* is the id of the request."""

    def named() -> Any:
        request_id.set(name)
        return act()

    return Context().run(named)


@contextmanager
def logged_by() -> Iterator[list[tuple[str, str]]]:
    """What is logged, and in whose context."""
    found: list[tuple[str, str]] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append((request_id.get(), record.getMessage().partition("(")[0]))

    log, noting = logging.getLogger("dcrauth"), Noting()
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(noting)
    yield found
    log.removeHandler(noting)
    log.setLevel(before)


def wait_for(is_true: Callable[[], object]) -> None:
    end = monotonic() + PATIENCE
    while not is_true():
        assert monotonic() < end
        gc.collect()
        sleep(0.005)


def test_what_a_renewal_does_is_done_in_its_callers_context() -> None:
    """Calls, log records and events of a renewal carry the request id of who has asked for it, on whichever thread."""
    server, told = Seeing(), list[tuple[str, str]]()
    source = server.source_here(
        MemoryStore(), on_event=lambda event: told.append((request_id.get(), type(event).__name__)), clock=Clock()
    )
    with logged_by() as logged:
        as_caller("first", source.token)
        as_caller("second", source.forget)
        as_caller("third", source.token)
    assert source.flush_events(PATIENCE)
    # What one call sets the next one of the same renewal sees, as in any program; a later renewal does not.
    assert server.callers == ["first", "set by a call", "third", "set by a call"]
    names = ["Registered", "TokenRenewed", "CredentialsForgotten", "Registered", "TokenRenewed"]
    assert [name for _, name in told] == names
    assert told == logged
    assert told[2][0] == "second"
    assert request_id.get() == "nobody"


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_tasks_are_callers_too(run: Callable[..., Any]) -> None:
    """A renewal that a task asks for, be it of asyncio or trio, goes on in a copy of the task's context."""
    server = Seeing()
    source = server.source_here(MemoryStore())

    async def ask() -> None:
        request_id.set("a task")
        await source.token_async()
        assert request_id.get() == "a task"

    run(ask) if run is trio.run else run(ask())
    assert server.callers[0] == "a task"


def test_a_renewal_in_the_background_is_done_in_the_context_that_has_set_it_off() -> None:
    """A token that is about to end is renewed in a copy of the context of the request that has found that out."""
    server, now = Seeing(), [1_000_000.0]
    clock = Clock(wall=lambda: now[0], monotonic=lambda: now[0])
    source = server.source_here(MemoryStore(), clock=clock)
    as_caller("first", source.token)
    now[0] += 3_600 - 120
    before = len(server.callers)
    as_caller("second", source.token)
    wait_for(lambda: len(server.callers) > before)
    assert server.callers[before] == "second"


class Pinned:
    """What a program has put into its context: a request, say."""


def kept_in_context() -> weakref.ref[Pinned]:
    thing = Pinned()
    pinned.set(thing)
    return weakref.ref(thing)


def throttled_for_an_hour(hands: Clock, **settings: Any) -> tuple[Seeing, TokenSource]:
    server = Seeing()
    server.answers = [Response(429, {"retry-after": "3600"}, b"")]
    return server, server.source_here(MemoryStore(), clock=hands, **settings)


def test_nothing_of_the_caller_is_kept_while_a_renewal_is_parked() -> None:
    """A renewal that is parked for an hour by a 429 keeps nothing of a caller who has given up."""
    now = [1_000_000.0]
    clock = Clock(wall=lambda: now[0], monotonic=lambda: now[0])
    server, source = throttled_for_an_hour(clock, policy=Policy(timeout=2 * HOUR))

    async def ask() -> weakref.ref[Pinned]:
        request_id.set("first")
        gone = kept_in_context()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.token_async(), 0.05)
        return gone

    gone = asyncio.run(ask())
    wait_for(lambda: len(WORKERS.state.parked) and not WORKERS.state.running)
    wait_for(lambda: gone() is None)
    now[0] += 2 * HOUR
    as_caller("second", source.token)
    assert server.callers[0] == "first"
    assert "first" not in server.callers[1:]


def test_nothing_of_the_caller_is_kept_after_a_renewal_that_has_failed_for_an_hour() -> None:
    """A 429 that is kept as a failure for an hour keeps nothing of who was told of it first."""
    server, source = throttled_for_an_hour(Clock())

    def ask() -> weakref.ref[Pinned]:
        gone = kept_in_context()
        with pytest.raises(Throttled):
            source.token()
        return gone

    gone = as_caller("first", ask)
    wait_for(lambda: gone() is None)
    with pytest.raises(Throttled):
        as_caller("second", source.token)
    assert server.callers == ["first"]


@pytest.mark.slow
def test_a_caller_who_waits_has_its_renewal_taken_up_again_in_its_context() -> None:
    """A renewal that was parked for two seconds goes on in the context of who still waits for it."""
    server = Seeing()
    server.answers = [Response(429, {"retry-after": "1.2"}, b"")]
    source = server.source_here(MemoryStore(), clock=Clock())
    as_caller("first", source.token)
    assert server.callers == ["first", "set by a call", "set by a call"]
    assert request_id.get() == "nobody"


def test_a_copy_lasts_as_long_as_who_waits() -> None:
    """A copy of a context is kept for a renewal that nobody waits for until its first part is done, else never."""
    seen = list[str]()
    for is_waiting, after in ((True, ["nobody"]), (False, ["a", "nobody"])):
        seen.clear()
        copy = as_caller("a", copy_context)
        caller = CallersContext(copy, is_waiting=is_waiting)
        del copy
        for _ in after:
            caller.run(lambda: seen.append(request_id.get()))
        assert seen == after


def test_threads_of_ours_are_born_in_an_empty_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has threads inherit the context of their starter, ours inherit none."""
    begin, born = threading.Thread.start, dict[str, str]()

    def start(thread: threading.Thread) -> None:  # as from Python 3.14 on
        born[thread.name] = request_id.get()
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    done = threading.Event()

    def work() -> None:
        begin_bare(threading.Thread(target=done.set, name="plain"))
        assert start_thread(done.set, name="on another thread", daemon=True)
        Seeing().source_here(MemoryStore()).token()

    as_caller("a request", work)
    wait_for(lambda: "on another thread" in born)
    assert set(born.values()) == {"nobody"}


@pytest.mark.parametrize("make", [RequestsTransport, HttpxTransport, AiohttpTransport], ids=lambda make: make.__name__)
def test_a_connection_that_is_kept_keeps_no_context(
    adobe: Simulator, provider: AdobePass, make: Callable[[], Any]
) -> None:
    """Neither the connections that a transport keeps nor its timers hold the context of the call that has made them."""
    transport = make()
    transport.close()  # what other tests have left

    def send() -> weakref.ref[Pinned]:
        gone = kept_in_context()
        assert transport.send(provider.registration_request()).status == 201
        return gone

    gone = as_caller("a request", send)
    kept = open_connections(transport)
    assert len(kept) == 1
    wait_for(lambda: gone() is None or open_connections(transport) != kept)
    assert open_connections(transport) == kept
    transport.close()
    LOOP_THREAD.settle()


def open_connections(transport: Any) -> list[Any]:
    """What a transport keeps."""
    if isinstance(transport, AiohttpTransport):
        loop = LOOP_THREAD._loop
        session: Any = loop and loop.things.get(transport._shared.kept.key)
        return list(session.protocols) if session else []
    return [connection for idle in transport._shared.kept._idle.values() for _, connection in idle]


def test_aiohttps_calls_are_made_in_the_callers_context(provider: AdobePass) -> None:
    """What traces aiohttp's clients sees the context of who asks for the token, though they run on a loop's thread."""
    import aiohttp

    seen = list[tuple[str, str]]()
    before = aiohttp.ClientSession.request

    def post(session: Any, *given: Any, **named: Any) -> Any:
        seen.append((request_id.get(), threading.current_thread().name))
        return before(session, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiohttp.ClientSession, "request", post)
        as_caller("a request", lambda: AiohttpTransport().send(provider.registration_request()))
    assert seen == [("a request", "dcrauth-aiohttp")]


def test_requests_that_are_refused_are_told_in_their_own_context(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str
) -> None:
    """With each client, what is told of a request that is refused carries the id of that request."""
    told = list[tuple[str, str]]()
    source = make_source(on_event=lambda event: told.append((request_id.get(), type(event).__name__)))
    with kind.open(kind.auth(source)) as app:
        as_caller("first", lambda: app.get(api))
        adobe.revoke_tokens()
        as_caller("second", lambda: app.get(api))
    assert source.flush_events(PATIENCE)
    by_name = {name: who for who, name in told}
    assert by_name["RequestRefused"] == by_name["RequestRetried"]
    assert by_name["RequestRefused"] in {"second", "nobody"}  # the threads of a portal have contexts of their own


def test_an_error_keeps_no_context() -> None:
    """What a renewal has failed with, which is kept until the next one, holds nothing of who has asked for it."""

    class Away(Server):
        def send(self, request: Request) -> Response:
            raise ServerUnavailable("no route")

    source = Away().source_here(MemoryStore())

    def ask() -> weakref.ref[Pinned]:
        gone = kept_in_context()
        with pytest.raises(ServerUnavailable):
            source.token()
        return gone

    gone = as_caller("first", ask)
    wait_for(lambda: gone() is None)


def test_a_listener_that_has_its_events_keeps_no_context() -> None:
    """The context of an event is let go when the listener has had it."""
    source = Seeing().source_here(MemoryStore(), on_event=lambda event: None)

    def ask() -> weakref.ref[Pinned]:
        gone = kept_in_context()
        source.token()
        return gone

    gone = as_caller("first", ask)
    assert source.flush_events(PATIENCE)
    wait_for(lambda: gone() is None)
