"""The token source: single flight over threads, loops and trio runs, bounded waits, and failures that harm nobody."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import trio

from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.forks import forked
from adapters_tests.common.providers import PROVIDERS, provider_at
from adapters_tests.common.served import ServedWorld
from adapters_tests.common.world import World
from adapters_tests.transports.test_transports import TRANSPORTS
from dcrauth import (
    AdobePass,
    ConfigurationError,
    CredentialsRejected,
    DCRAuthError,
    MemoryStore,
    Policy,
    ServerUnavailable,
    TokenSource,
    events,
)
from dcrauth.engine.single_flight import wait
from dcrauth.providers.protocol import Flow, Request, Response, TokenGrant


class Gate:
    """A way to the world's server that can be held, and counts what passes.

    Parameters:
        world: whose server it is.
        send: what goes there; by default without any I/O.
    """

    def __init__(self, world: World, send: Callable[[Request], Response] | None = None) -> None:
        self.world = world
        self._send = send or world.answer
        self.calls: list[str] = []
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.opened.set()
        self.faults: list[DCRAuthError | Response] = []

    def send(self, request: Request) -> Response:
        self.calls.append(request.endpoint.rpartition("/")[2])
        self.entered.set()
        assert self.opened.wait(20)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, DCRAuthError):
            raise fault
        return fault or self._send(request)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every call from being answered meanwhile."""
        self.opened.clear()
        self.entered.clear()
        try:
            yield
        finally:
            self.opened.set()

    def wait(self) -> None:
        assert self.entered.wait(20)


WAYS = [
    *(pytest.param((name, None), id=name) for name in PROVIDERS),
    *(
        pytest.param(("OAuthServer", transport), id=transport.__name__, marks=pytest.mark.slow)
        for transport in TRANSPORTS
    ),
]
"""Each provider, without any I/O, and one over each HTTP library; niquests' calls go by `HttpClientTransport`."""


@pytest.fixture(params=WAYS)
def gate(request: pytest.FixtureRequest) -> Iterator[Gate]:
    """The way to the server of each provider."""
    name, transport = request.param
    if transport is None:
        yield Gate(World.of(provider_at(name)))
        return
    with ServedWorld() as served, closing(transport()) as opened:
        served.world = World.of(provider_at(name, served.url))
        yield Gate(served.world, opened.send)


@pytest.fixture
def told() -> list[events.Event]:
    """The events of a test."""
    return []


@pytest.fixture
def make(gate: Gate, time: ManualClock, told: list[events.Event]) -> Callable[..., TokenSource]:
    """Make token sources that call through the gate."""

    def made(policy: Policy = EAGER, **settings: Any) -> TokenSource:
        settings.setdefault("store", MemoryStore())
        settings.setdefault("on_event", told.append)
        return TokenSource(gate.world.provider, transport=gate, policy=policy, clock=time.clock, **settings)

    return made


@pytest.fixture
def source(make: Callable[..., TokenSource]) -> TokenSource:
    """A token source that has no token yet."""
    return make()


def until_idle(source: TokenSource) -> None:
    """Wait for a renewal in the background to end."""
    flight = source._flight
    if flight is not None:
        wait(flight, 20)


def test_threads_share_one_renewal(source: TokenSource, gate: Gate) -> None:
    """Threads that ask at once wait for one and the same renewal."""
    with ThreadPoolExecutor(20) as pool:
        with gate.held():
            waiting = [pool.submit(source.token) for _ in range(20)]
            gate.wait()
        assert len({each.result(20).value for each in waiting}) == 1
    assert gate.calls == ["register", "token"]


def test_loops_threads_and_trio_runs_share_one_renewal(source: TokenSource, gate: Gate) -> None:
    """One source serves threads, asyncio loops and trio runs at the same time, with one renewal for all."""

    def in_asyncio() -> set[str]:
        async def main() -> set[str]:
            tokens = await asyncio.gather(*(source.token_async() for _ in range(10)))
            return {token.value for token in tokens}

        return asyncio.run(main())

    def in_trio() -> set[str]:
        values: set[str] = set()

        async def one() -> None:
            values.add((await source.token_async()).value)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(one)

        trio.run(main)
        return values

    work = [in_asyncio, in_trio, lambda: {source.token().value}] * 2
    with ThreadPoolExecutor(len(work)) as pool:
        with gate.held():
            waiting = [pool.submit(each) for each in work]
            gate.wait()
        values = set().union(*(each.result(20) for each in waiting))
    assert len(values) == 1
    assert gate.calls == ["register", "token"]


def test_a_cancelled_task_harms_nobody(source: TokenSource, gate: Gate) -> None:
    """The task that set a renewal off may be cancelled: the others get the token, and there is one renewal."""

    async def main() -> None:
        leader = asyncio.create_task(source.token_async())
        follower = asyncio.create_task(source.token_async())
        with gate.held():
            await asyncio.to_thread(gate.wait)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
        assert (await follower).value == "token-1"

    asyncio.run(main())
    assert gate.calls == ["register", "token"]


def test_a_cancelled_trio_task_harms_nobody(source: TokenSource, gate: Gate) -> None:
    """The same in trio."""

    async def main() -> None:
        with gate.held(), trio.move_on_after(0.01) as scope:
            await source.token_async()
        assert scope.cancelled_caught
        assert (await source.token_async()).value == "token-1"

    trio.run(main)
    assert gate.calls == ["register", "token"]


def test_a_closed_loop_harms_nobody(source: TokenSource, gate: Gate) -> None:
    """An event loop that ends during the renewal leaves a token for the next one."""

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.token_async(), 0.01)

    with gate.held():
        asyncio.run(give_up())
    assert asyncio.run(source.token_async()).value == "token-1"
    assert gate.calls == ["register", "token"]


@pytest.mark.fault(
    "a renewal takes longer than `Policy.timeout`",
    "its callers get `ServerUnavailable`; it goes on for the next one",
)
def test_every_wait_is_bounded(make: Callable[..., TokenSource], gate: Gate) -> None:
    """A caller gives up after Policy.timeout, and the renewal goes on for the next one."""
    source = make(Policy(timeout=0.05))
    with gate.held():
        with pytest.raises(ServerUnavailable, match=r"within 0\.05 s"):
            source.token()
        with pytest.raises(ServerUnavailable, match=r"within 0\.05 s"):
            asyncio.run(source.token_async())
    until_idle(source)
    assert source.token().value == "token-1"
    assert gate.calls == ["register", "token"]


def test_nobody_waits_while_a_token_is_due(
    source: TokenSource, gate: Gate, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A due token is handed out at once while its renewal hangs."""
    monkeypatch.setattr("random.random", lambda: 0.0)  # the earliest moment at which it can be due
    first = source.token()
    time.advance(3600 - 300)
    with gate.held():
        assert source.token() == first
        gate.wait()
        assert [source.token() for _ in range(5)] == [first] * 5
    until_idle(source)
    assert source.token().value == "token-2"
    assert gate.calls == ["register", "token", "token"]


def test_a_live_token_is_served_through_an_outage(source: TokenSource, gate: Gate, time: ManualClock) -> None:
    """While the token endpoint is down, a token that has not expired is still served, even past its mandatory time."""
    first = source.token()
    gate.faults = [ServerUnavailable("down")] * 100
    time.advance(3600 - 50)
    assert source.token() == first
    until_idle(source)
    assert source.token() == first
    time.advance(60)
    with pytest.raises(ServerUnavailable):
        source.token()


@pytest.mark.fault(
    "a renewal has failed, and the server named a time",
    "callers fail at once until then, without a call",
)
def test_fails_fast_until_retry_at(source: TokenSource, gate: Gate, time: ManualClock) -> None:
    """After a failed renewal callers fail at once, with the time of the next attempt, and without a call."""
    gate.faults = [Response(503, {"retry-after": "120"}, b"")] * 3
    with pytest.raises(ServerUnavailable) as first:
        source.token()
    calls = len(gate.calls)
    with pytest.raises(ServerUnavailable) as second:
        source.token()
    assert len(gate.calls) == calls
    assert first.value is not second.value
    assert first.value.retry_at == second.value.retry_at
    assert second.value.retry_at is not None
    time.advance(second.value.retry_at - time.wall() + 1)
    gate.faults = []
    assert source.token().value == "token-1"


def test_each_waiter_gets_an_error_of_its_own(source: TokenSource, gate: Gate) -> None:
    """No exception object is raised in two threads, where their tracebacks would grow into each other."""
    gate.faults = [Response(400, {}, b'{"error":"invalid_software_statement"}')]
    with ThreadPoolExecutor(5) as pool:
        with gate.held():
            waiting = [pool.submit(source.token) for _ in range(5)]
            gate.wait()
        errors = [each.exception(20) for each in waiting]
    assert len({id(error) for error in errors}) == 5
    assert {type(error).__name__ for error in errors} == {"RegistrationRejected"}


def test_instead_of_renews_once(source: TokenSource, gate: Gate) -> None:
    """A refused token is renewed if it is the one in hand; who comes later with the same one gets the new token."""
    old = source.token()
    new = source.token(instead_of=old)
    assert new.value == "token-2"
    assert source.token(instead_of=old) == new
    assert gate.calls == ["register", "token", "token"]


def test_a_refused_token_does_not_stand_in(source: TokenSource, gate: Gate) -> None:
    """Whose token was refused gets an error when the renewal fails; the others are still served."""
    old = source.token()
    gate.faults = [ServerUnavailable("down")] * 3
    with pytest.raises(ServerUnavailable):
        source.token(instead_of=old)
    assert source.token() == old


def test_a_wall_clock_set_back_does_not_revive_a_token(
    make: Callable[..., TokenSource], gate: Gate, time: ManualClock
) -> None:
    """Of the two clocks the one that says "expired" is believed."""
    source = make()
    source.token()
    time.advance(4000)
    source._wall = lambda: time.wall() - 86_400  # the machine's clock is set back by a day
    object.__setattr__(source._clock, "wall", source._wall)
    assert source.token().value == "token-2"


def test_a_raising_listener_harms_nobody(make: Callable[..., TokenSource], caplog: pytest.LogCaptureFixture) -> None:
    """What on_event raises is logged and goes no further."""

    def listen(event: events.Event) -> None:
        raise RuntimeError("listener")

    source = make(on_event=listen)
    assert source.token().value == "token-1"
    assert source.flush_events(20.0)
    assert "on_event raised" in caplog.text


def test_events_tell_the_story(source: TokenSource, told: list[events.Event]) -> None:
    """A first renewal tells of the registration and of the token."""
    source.token()
    assert source.flush_events(20.0)
    assert [type(event) for event in told] == [events.Registered, events.TokenRenewed]


def test_a_stranger_of_a_store_is_named(make: Callable[..., TokenSource], gate: Gate) -> None:
    """An exception that a custom store lets through becomes a StoreError, and nothing is registered."""

    class Broken(MemoryStore):
        def get(self, key: str) -> bytes | None:
            raise KeyError("canary-in-the-text")

    with pytest.raises(DCRAuthError, match=r"builtins\.KeyError") as caught:
        make(store=Broken()).token()
    assert "canary" not in str(caught.value)
    assert gate.calls == []


def test_a_bug_is_an_error_for_all_and_the_next_call_works(
    source: TokenSource, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even an exception that nobody foresaw ends the renewal for its waiters and leaves the source usable."""
    provider = type(source.provider)
    fetch_token = provider.fetch_token

    def wrong(*given: Any) -> Flow[TokenGrant]:
        yield from fetch_token(*given)
        raise ZeroDivisionError

    monkeypatch.setattr(provider, "fetch_token", wrong)
    with pytest.raises(DCRAuthError, match="ZeroDivisionError"):
        source.token()
    monkeypatch.undo()
    time.advance(60)
    assert source.token().value == "token-2"


def test_works_after_a_fork_in_the_middle_of_a_renewal(source: TokenSource, gate: Gate) -> None:
    """A child that is forked while the parent renews starts a renewal of its own and does not wait for the parent's."""
    if not hasattr(os, "fork"):
        pytest.skip("this platform has no fork")

    def child() -> None:
        gate.opened = threading.Event()
        gate.opened.set()
        assert source.token().value == "token-1"

    with gate.held():
        leader = threading.Thread(target=source.token)
        leader.start()
        gate.wait()
        source._lock.acquire()  # the worst moment: another thread holds the lock
        with forked(child, within=10):
            source._lock.release()
    leader.join(20)


def _exit_during_renewal(path: str, provider: str) -> None:
    from dcrauth import FileStore

    gate = Gate(World.of(provider_at(provider)))
    gate.opened.clear()
    source = TokenSource(gate.world.provider, store=FileStore(path), transport=gate)
    waiter = threading.Thread(target=source.token, daemon=True)
    waiter.start()
    gate.wait()
    threading.Timer(0.1, gate.opened.set).start()


@pytest.mark.parametrize("provider", ["AdobePass", pytest.param("OAuthServer", marks=pytest.mark.slow)])
def test_the_interpreter_waits_for_a_renewal_at_its_exit(tmp_path: Any, provider: str) -> None:
    """A process that ends during a renewal still stores the credentials that it has registered."""
    from dcrauth import FileStore

    process = multiprocessing.get_context("spawn").Process(target=_exit_during_renewal, args=(str(tmp_path), provider))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    keys = list(FileStore(tmp_path).keys())
    assert any(key.endswith(".credentials") for key in keys)


def test_forgetting_is_not_undone_by_a_renewal_that_has_just_ended(make: Callable[..., TokenSource]) -> None:
    """A token that comes after `forget` is given to those who have waited for it, and is not kept."""
    let_go, forgotten = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        @contextmanager
        def lock(self, key: str, *, wait: float) -> Iterator[None]:
            with super().lock(key, wait=wait):
                yield
            if not let_go.is_set():
                let_go.set()
                assert forgotten.wait(20)

    source = make(store=Slow())
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(source.token)
        assert let_go.wait(20)
        assert source.forget()
        forgotten.set()
        assert early.result(20).value == "token-1"
    assert source.fresh() is None
    assert source.token().value == "token-2"


def test_a_provider_is_asked_for_by_name() -> None:
    """Something that is no provider is refused at once, by its type and not by its content."""
    with pytest.raises(ConfigurationError, match=r"AdobePass.*not str") as caught:
        TokenSource("eyJcanary")  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)


def test_a_source_is_copied_as_itself_and_never_pickled(source: TokenSource) -> None:
    """Copies share the one token; a pickle is refused with a reason."""
    assert copy.deepcopy(source) is copy.copy(source) is source
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(source)


def test_a_refused_client_is_an_error_with_evidence(make: Callable[..., TokenSource], gate: Gate) -> None:
    """CredentialsRejected carries status, error code and trace, and the time of the next probe."""
    source = make(Policy(reregister="never", settling=0.0))
    gate.faults = [
        Response(201, {}, b'{"client_id":"a","client_secret":"b"}'),
        *[Response(400, {"adobe-request-id": "trace-1"}, b'{"error":"invalid_client"}')] * 2,
    ]
    with pytest.raises(CredentialsRejected) as caught:
        source.token()
    trace = "trace-1" if isinstance(source.provider, AdobePass) else None  # no other server has a header for it
    assert (caught.value.status, caught.value.error, caught.value.trace) == (400, "invalid_client", trace)
    assert caught.value.retry_at is not None
