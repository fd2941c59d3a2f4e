"""What the application is told, by which thread, and that no listener can hold anything up."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import Any

import pytest

from adapters_tests.common.clients import Kind
from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.direct import Server
from dcrauth import MemoryStore, Policy, TokenSource, events
from dcrauth.engine.event_dispatch import Listener
from dcrauth.providers.protocol import Verdict
from dcrauth.simulator import Behaviour, Fault, Simulator

PATIENCE = 20.0
HOUR = 3600.0


@pytest.fixture
def told() -> list[events.Event]:
    """The events of a test."""
    return []


def names(told: list[events.Event]) -> list[str]:
    return [type(event).__name__ for event in told]


def test_a_refused_request_is_told(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str, told: list[events.Event]
) -> None:
    """A 401 is told with what it is about and the age of the token, and so is the second attempt."""
    source = make_source(on_event=told.append)
    with kind.open(kind.auth(source)) as app:
        app.get(api)
        adobe.revoke_tokens()
        assert app.get(api).status == 200
    assert source.flush_events(PATIENCE)
    assert names(told) == ["Registered", "TokenRenewed", "RequestRefused", "TokenRenewed", "RequestRetried"]
    refused = told[2]
    assert isinstance(refused, events.RequestRefused)
    assert refused.verdict is Verdict.CREDENTIALS
    assert 0 <= refused.age < PATIENCE


def test_a_request_that_is_not_retried_is_not_told_as_retried(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str, told: list[events.Event]
) -> None:
    """A server that refuses what a refusal has just brought is told of, without a renewal or a second attempt."""
    source = make_source(on_event=told.append, policy=Policy())
    with kind.open(kind.auth(source)) as app:
        adobe.inject("api", Fault(status=401))
        app.get(api)
        adobe.behaviour = Behaviour(refuse_every_token=True)
        assert app.get(api).status == 401
    assert source.flush_events(PATIENCE)
    assert names(told)[2:] == ["RequestRefused", "TokenRenewed", "RequestRetried", "RequestRefused"]


@pytest.mark.fault(
    "a protected API refuses even new tokens, with a code that blames the client",
    "one renewal every ten seconds, and one new registration a day",
)
def test_a_suspect_client_is_replaced(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str, time: ManualClock
) -> None:
    """A fresh token that is refused because of its client makes the next renewal register anew, once a day."""
    source = make_source(policy=Policy(least_pause=0.01))
    with kind.open(kind.auth(source)) as app:
        app.get(api)
        time.advance(HOUR)
        adobe.behaviour = Behaviour(refuse_every_token=True)
        for _ in range(5):
            assert app.get(api).status == 401
        assert (adobe.counts.register, adobe.counts.token) == (1, 2)
        for _ in range(3):
            time.advance(1000)
            for _ in range(5):
                assert app.get(api).status == 401
        assert (adobe.counts.register, adobe.counts.token) == (2, 5)
        adobe.behaviour = Behaviour()
        assert app.get(api).status == 200


def test_a_slow_listener_holds_nothing_up(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str
) -> None:
    """While a listener does not return, requests are sent, refused, and sent again; it gets all events in the end."""
    gate, told = threading.Event(), list[events.Event]()

    def listen(event: events.Event) -> None:
        assert gate.wait(PATIENCE)
        told.append(event)

    source = make_source(on_event=listen)
    with kind.open(kind.auth(source)) as app:
        for _ in range(2):
            assert app.get(api).status == 200
            adobe.revoke_tokens()
        assert told == []
        assert source.flush_events(0.0) is False
        gate.set()
        assert source.flush_events(PATIENCE)
    assert names(told) == ["Registered", "TokenRenewed", "RequestRefused", "TokenRenewed", "RequestRetried"]


@pytest.fixture
def broken_log() -> Iterator[list[str]]:
    """A log of dcrauth's whose handler raises, and what it was to write."""
    asked: list[str] = []

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asked.append(record.getMessage())
            raise ValueError("the log server is away")

    log, handler = logging.getLogger("dcrauth"), Broken()
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    yield asked
    log.removeHandler(handler)
    log.setLevel(before)


def test_a_log_that_raises_holds_nothing_up(
    kind: Kind, source: TokenSource, adobe: Simulator, api: str, broken_log: list[str]
) -> None:
    """What a handler of the application's log raises stops no renewal and no request."""
    with kind.open(kind.auth(source)) as app:
        adobe.inject("token", Fault(status=503))
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        assert app.get(api).status == 200
    assert any("Registered" in line for line in broken_log)
    assert any("RequestRefused" in line for line in broken_log)


@pytest.mark.parametrize("raised", [RuntimeError("listener"), ValueError(), asyncio.CancelledError(), SystemExit()])
def test_a_raising_listener_is_logged(raised: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises is logged, and it is called for the next event all the same."""
    told: list[events.Event] = []

    def listen(event: events.Event) -> None:
        told.append(event)
        raise raised

    listener = Listener(listen)
    for _ in range(2):
        listener.emit(events.Registered("identity"))
    assert listener.flush(PATIENCE)
    assert len(told) == 2
    assert caplog.text.count("on_event raised for Registered") == 2


def test_a_listener_that_is_far_behind_loses_events_not_memory(caplog: pytest.LogCaptureFixture) -> None:
    """No more than a thousand events wait for a listener; what comes after is only logged."""
    gate, told = threading.Event(), list[events.Event]()

    def listen(event: events.Event) -> None:
        assert gate.wait(PATIENCE)
        told.append(event)

    listener = Listener(listen)
    for _ in range(1500):
        listener.emit(events.Registered("identity"))
    assert "on_event is too slow" in caplog.text
    gate.set()
    assert listener.flush(PATIENCE)
    assert 1000 <= len(told) <= 1001


def test_many_threads_tell_one_listener() -> None:
    """Events of many threads arrive one at a time, each once, those of one thread in order, however often it idles."""
    told: list[str] = []
    busy = threading.Lock()

    def listen(event: events.Event) -> None:
        assert busy.acquire(blocking=False), "called twice at once"
        told.append(event.identity)
        busy.release()

    listener = Listener(listen)

    def tell(name: str) -> None:
        for number in range(100):
            listener.emit(events.Registered(f"{name} {number}"))
            if number % 10 == 0:
                listener.flush(PATIENCE)

    threads = [threading.Thread(target=tell, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert listener.flush(PATIENCE)
    for number in range(8):
        assert [each for each in told if each.startswith(f"{number} ")] == [f"{number} {each}" for each in range(100)]


def tellers() -> int:
    return sum(thread.name == "dcrauth-events" for thread in threading.enumerate())


@pytest.mark.fault(
    "a program has a thousand sources with a listener each, and some listeners are slow",
    "four threads call them all; each has its events in order, and a slow one delays no other",
)
def test_a_slow_listener_delays_no_other_one() -> None:
    """While three listeners stand still, a thousand others have their events, in order, from four threads at most."""
    gate, told, most = threading.Event(), dict[int, list[str]](), [0]

    def stand_still(_: events.Event) -> None:
        assert gate.wait(PATIENCE)

    def listen(number: int, event: events.Event) -> None:
        told.setdefault(number, []).append(event.identity)
        most[0] = max(most[0], tellers())

    slow = [Listener(stand_still) for _ in range(3)]
    quick = [Listener(partial(listen, number)) for number in range(1_000)]
    for listener in slow:
        listener.emit(events.Registered("slow"))
    for name in ("first", "second", "third"):
        for listener in quick:
            listener.emit(events.Registered(name))
    assert all(listener.flush(PATIENCE) for listener in quick)
    assert told == {number: ["first", "second", "third"] for number in range(1_000)}
    assert most[0] <= 4
    assert [listener.flush(0.0) for listener in slow] == [False] * 3
    gate.set()
    assert all(listener.flush(PATIENCE) for listener in slow)


def test_a_listener_that_nobody_holds_is_collected() -> None:
    """The threads that tell keep no listener once it has had its events."""
    listener = Listener(lambda event: None)
    listener.emit(events.Registered("identity"))
    assert listener.flush(PATIENCE)
    gone = weakref.ref(listener)
    del listener
    end = monotonic() + PATIENCE
    while gone() is not None:
        assert monotonic() < end
        gc.collect()


PROGRAM = """
import os, sys, time
from dcrauth import events
from dcrauth.engine.event_dispatch import Listener

def listen(event):
    print(event.identity, flush=True)

listener = Listener(listen)
listener.emit(events.Registered("first"))
assert listener.flush(10)
if sys.argv[1] == "fork" and (child := os.fork()):
    os.waitpid(child, 0)
    sys.exit()
listener.emit(events.Registered("last"))
"""


@pytest.mark.parametrize("how", ["exit", "fork"])
def test_last_words_are_heard(how: str) -> None:
    """What is told right before the interpreter ends, and in the child of a fork, still reaches the listener."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, how],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert found.stdout.split() == ["first", "last"]


def test_the_log_has_what_the_listener_gets(caplog: pytest.LogCaptureFixture, time: ManualClock) -> None:
    """Each event is logged with the same content, failures as warnings."""
    told: list[events.Event] = []
    server = Server()
    with caplog.at_level(logging.DEBUG, "dcrauth"):
        source = server.source(MemoryStore(), on_event=told.append, policy=EAGER)
        source.token()
        source.forget()
        assert source.flush_events(PATIENCE)
    logged = [record.getMessage() for record in caplog.records if record.name == "dcrauth"]
    assert logged == [repr(event) for event in told]
    assert names(told) == ["Registered", "TokenRenewed", "CredentialsForgotten"]


def kinds_of_events() -> list[type[events.Event]]:
    found: list[Any] = [each for each in vars(events).values() if isinstance(each, type)]
    return [each for each in found if issubclass(each, events.Event) and each is not events.Event]


@pytest.mark.parametrize("event", kinds_of_events(), ids=lambda event: event.__name__)
def test_events_are_frozen_and_documented(event: type[events.Event]) -> None:
    """Each kind of event is frozen and says in a docstring what has happened."""
    assert event.__doc__
    assert not event.__doc__.startswith(f"{event.__name__}(")
    made: Any = event(*["x"] * len(dataclasses.fields(event)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.identity = "other"
