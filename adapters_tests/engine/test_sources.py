"""The sources of many instances: which are held, which come back, and what is not forgotten with them."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import sys
import threading
import time as _time
import tracemalloc
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, NamedTuple

import anyio.to_thread
import pytest
import trio

from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.forks import forked
from adapters_tests.common.world import STATEMENT, World
from dcrauth import (
    AdobePass,
    ConfigurationError,
    DCRAuthError,
    DeviceInfo,
    EncryptedStore,
    FileStore,
    InstanceRefused,
    MemoryStore,
    Policy,
    RegistrationRejected,
    RegistrationsLimited,
    ServerUnavailable,
    SQLiteStore,
    StoreUnavailable,
    TokenSource,
    TokenSources,
    events,
)
from dcrauth.engine.known import KNOWN, Known
from dcrauth.engine.rules import UNUSABLE_FOR
from dcrauth.providers.protocol import Request, Response
from dcrauth.stores import place_of
from dcrauth.stores.keys import generate_key

HOUR = 3600.0


class Direct:
    """A transport to the world's server, which can be held and remembers what passes."""

    def __init__(self) -> None:
        self.world = World()
        self.requests: list[Request] = []
        self.answers: dict[str, Response] = {}
        self.entered, self.opened = threading.Event(), threading.Event()
        self.opened.set()

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        self.entered.set()
        assert self.opened.wait(20)
        return self.answers.get(request.endpoint) or self.world.answer(request)

    @property
    def calls(self) -> list[str]:
        return [each.endpoint.rpartition("/")[2] for each in self.requests]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every call from being answered meanwhile."""
        self.opened.clear()
        try:
            yield
        finally:
            self.opened.set()


@pytest.fixture
def server() -> Direct:
    """A server without I/O."""
    return Direct()


@pytest.fixture
def make(server: Direct, time: ManualClock) -> Callable[..., TokenSources]:
    """Make the sources of many instances."""

    def made(**settings: Any) -> TokenSources:
        usual = {"store": MemoryStore(), "transport": server, "policy": EAGER, "clock": time.clock}
        return TokenSources(settings.pop("provider", AdobePass(STATEMENT)), **usual | settings)

    return made


@pytest.fixture
def sources(make: Callable[..., TokenSources]) -> TokenSources:
    """Sources of which three are held."""
    return make(most=3)


def eventually(met: Callable[[], bool]) -> bool:
    """Wait until *met* is true: the thread of a renewal has a word to say after those who waited for it go on."""
    for _ in range(20_000):
        if met():
            return True
        _time.sleep(0.001)
    return False


def kept(time: ManualClock) -> list[Known]:
    """Return what is kept of identities whose source was let go, of this test."""
    return [each for each in KNOWN._kept.copy().values() if each.key[1] is time.clock]


def looked_through(sources: TokenSources) -> bool:
    """Make one source more: then it is looked for those that need not be kept."""
    return sources.get(secrets.token_hex(8)).instance != ""


def names(sources: TokenSources) -> list[str]:
    return list(sources._held)


def test_the_least_recently_used_goes_first(sources: TokenSources) -> None:
    """One more than may be held lets that go which nobody has asked for for the longest time."""
    for instance in ("a", "b", "c", "a", "d"):
        sources.get(instance)
    assert names(sources) == ["c", "a", "d"]
    assert len(sources) == 3


def test_one_that_somebody_holds_is_the_only_one(sources: TokenSources) -> None:
    """While anybody holds a source there is no second one for its instance, whether it was let go or not."""
    held = sources.get("held")
    for number in range(10):
        sources.get(str(number))
    assert "held" not in names(sources)
    assert sources.get("held") is held
    assert "held" in names(sources)


def test_one_that_nobody_holds_is_gone_at_once(sources: TokenSources) -> None:
    """No circle of references keeps a source that was let go, nor one that has failed, until the collector comes."""
    source = sources.get("a")
    source.token()
    failing = sources.get("b")
    failing._driver.transport.answers[failing.provider.register_url] = Response(503, {}, b"")  # type: ignore[attr-defined]
    with pytest.raises(ServerUnavailable):
        failing.token()
    with pytest.raises(ServerUnavailable):
        failing.token()
    ends = [weakref.ref(source), weakref.ref(failing)]
    gc.disable()
    try:
        del source, failing
        for number in range(3):
            sources.get(str(number))
        assert eventually(lambda: [each() for each in ends] == [None, None])
    finally:
        gc.enable()


def test_one_in_a_circle_leaves_what_it_knows(server: Direct, time: ManualClock) -> None:
    """What no store holds outlives a source that only the collector finds: twenty in turn register once."""
    store = Failing(adds=False)
    for _ in range(20):
        circle: list[Any] = [
            TokenSource(AdobePass(STATEMENT), store=store, transport=server, clock=time.clock, policy=EAGER)
        ]
        circle.append(circle)
        with pytest.raises(StoreUnavailable):
            circle[0].token()
        del circle
        gc.collect()
        time.advance(1.0)
    assert server.calls == ["register"]


def test_what_is_let_go_comes_back_from_the_store(make: Callable[..., TokenSources], server: Direct) -> None:
    """A source that is made again for an instance reads its token, and calls nothing."""
    sources = make(most=1)
    first = [sources.get(str(number)).token().value for number in range(5)]
    assert [sources.get(str(number)).token().value for number in range(5)] == first
    assert server.calls == ["register", "token"] * 5


def test_one_that_is_waited_for_is_not_lost(sources: TokenSources, server: Direct) -> None:
    """Others that push it out do not end a renewal that somebody waits for, nor begin it a second time."""
    with ThreadPoolExecutor(2) as pool:
        with server.held():
            waiting = pool.submit(lambda: sources.get("a").token())
            assert server.entered.wait(20)
            for number in range(10):
                sources.get(str(number))
            again = pool.submit(lambda: sources.get("a").token())
        assert waiting.result(20) == again.result(20)
    assert server.calls == ["register", "token"]


def crowd(sources: TokenSources, threads: int, count: int) -> int:
    """Have many threads ask for many instances at once; return the most that were ever held."""
    longest = []

    def ask(thread: int) -> None:
        for number in range(count):
            source = sources.get(f"device-{(number * 7 + thread) % (threads * count)}-{thread % 4}")
            assert source.instance.startswith("device-")
            assert sources.get(f"often-{number % 5}").instance.startswith("often-")
            longest.append(len(sources))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for each in [pool.submit(ask, thread) for thread in range(threads)]:
                each.result(60)
    finally:
        sys.setswitchinterval(interval)
    return max(longest)


def ours() -> int:
    """Return how many objects of our classes there are."""
    gc.collect()
    return sum(str(type(each).__module__).startswith("dcrauth") for each in gc.get_objects())


@pytest.mark.parametrize("count", [pytest.param(1_600, marks=pytest.mark.slow), 40])
def test_many_threads_let_go_at_once(make: Callable[..., TokenSources], count: int) -> None:
    """Threads that make and let go of sources at once break nothing; what is left depends on how many are held."""
    sources = make(most=10)
    for number in range(10):
        sources.get(str(number))
    before = ours()
    # One more for the moment in which another one goes for it.
    assert crowd(sources, 64, count) <= 10 + 1
    assert len(sources) == 10
    assert ours() <= before + 10


def test_nothing_of_a_released_one_is_left(
    make: Callable[..., TokenSources], server: Direct, time: ManualClock
) -> None:
    """Tokens, headers, providers, events, and outcomes of calls go with the source that they belong to."""
    told: list[events.Event] = []
    sources = make(most=2, on_event=told.append, provider=AdobePass(f"{STATEMENT}", protects=["https://e7.example"]))
    for number in range(5):
        sources.get(str(number)).token()
    before, outcomes = ours(), len(sources._options.driver.breaker._outcomes)
    device = AdobePass(STATEMENT, protects=["https://e7.example"]).for_device
    for number in range(50):
        header = device(None, device_identifier=f"device-{number}").api_headers["AP-Device-Identifier"]
        sources.named(header).token()
        sources.get(f"device-{number}", provider=device(None, forwarded_for="203.0.113.7"))
    assert sources.get("device-49")._listener is not None
    assert sources.get("device-49").flush_events(20)
    told.clear()
    server.requests.clear()
    assert eventually(lambda: ours() <= before + 10)
    assert kept(time) == []
    assert len(sources._options.driver.breaker._outcomes) <= outcomes
    assert (len(sources._by_header), len(sources._headers), len(sources._elsewhere)) == (2, 2, 0)


class Elsewhere(MemoryStore):
    """A store whose records are not the bytes that an identity has in memory, as on a disk."""

    def add(self, key: str, value: bytes) -> bool:
        return super().add(key, bytes(bytearray(value)))

    def put(self, key: str, value: bytes) -> None:
        super().put(key, bytes(bytearray(value)))

    @property
    def size(self) -> int:
        return sum(map(sys.getsizeof, (self._records, *self._records, *self._records.values())))


@pytest.mark.slow
def test_an_identity_takes_little_memory(make: Callable[..., TokenSources], server: Direct) -> None:
    """With a token of 1.1 kB and a described device, an identity that is held takes less than 5 kB."""
    server.answers[AdobePass(STATEMENT).token_url] = Response(
        201, {}, json.dumps({"access_token": "t" * 1_100, "token_type": "bearer", "expires_in": 21_600}).encode()
    )
    server.requests = deque(maxlen=0)  # type: ignore[assignment]  # it would keep all of them
    store, count = Elsewhere(), 300
    sources = make(store=store, most=2 * count)

    def use(name: str) -> None:
        source = sources.named(AdobePass(STATEMENT, device_identifier=name).api_headers["AP-Device-Identifier"])
        said = {"X-Device-Info": name * 40, "X-Forwarded-For": f"203.0.113.7, {name}"}
        source.provider = AdobePass.for_request(source.provider, said)  # type: ignore[arg-type]
        source.token()

    use("the first")
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0] - store.size
        for number in range(count):
            use(f"{number:010}")
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - store.size - before
    finally:
        tracemalloc.stop()
    assert 1_100 < taken / count < 5_000


class Failing(MemoryStore):
    """A store that takes no credentials, or that fails for some identities altogether."""

    def __init__(self, *, adds: bool = True, reads: Callable[[str], bool] = lambda key: True) -> None:
        super().__init__()
        self.adds, self.reads = adds, reads

    def add(self, key: str, value: bytes) -> bool:
        if not self.adds:
            raise StoreUnavailable("the disk is full")
        return super().add(key, value)

    def get(self, key: str) -> bytes | None:
        if not self.reads(key):
            raise StoreUnavailable("this one cannot be read")
        return super().get(key)


class Cause(NamedTuple):
    """What keeps an identity from a token, and whether its store is to blame."""

    answer: Response | None
    error: type[DCRAuthError]


CAUSES = {
    "a revoked statement": Cause(Response(400, {}, b'{"error": "invalid_software_statement"}'), RegistrationRejected),
    "an unusable registration": Cause(Response(201, {}, b"{}"), RegistrationRejected),
    "a store that does not take it": Cause(None, StoreUnavailable),
}


class WaysIn(NamedTuple):
    """How a program comes by a source for each request, given a server, a store and a clock."""

    sources: Callable[[Any, Any], Iterator[TokenSource]]
    place: Callable[[Path], Any]


def anew(settings: dict[str, Any], place: Callable[[], Any]) -> Iterator[TokenSource]:
    """Make a source, and the provider and the store, for each request."""
    for _ in range(20):
        yield TokenSource(AdobePass(STATEMENT), store=place(), **settings)


def let_go(settings: dict[str, Any], place: Callable[[], Any]) -> Iterator[TokenSource]:
    """Use sources of which one is held, another one in between."""
    sources = TokenSources(AdobePass(STATEMENT), store=place(), most=1, **settings)
    for _ in range(20):
        yield sources.get("default")
        sources.get("another")


class FailingFiles(FileStore):
    """A store in files that takes no credentials."""

    def add(self, key: str, value: bytes) -> bool:
        raise StoreUnavailable("the disk is full")


@pytest.mark.fault(
    "a program makes a token source anew for each request, and registrations are refused or cannot be stored",
    "what no store holds stays in the process until its moment passes: one call, not one for each request",
)
@pytest.mark.parametrize("collected", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", [anew, let_go])
@pytest.mark.parametrize("kind", ["memory", "files"])
@pytest.mark.parametrize("what", CAUSES)
def test_a_source_made_anew_each_time_makes_one_call(
    what: str, kind: str, way: Any, collected: bool, server: Direct, time: ManualClock, tmp_path: Path
) -> None:
    """Twenty sources in turn that cannot get a token register once, not twenty times."""
    cause, policy = CAUSES[what], Policy(least_pause=0.01)
    failing = cause.answer is None
    if cause.answer is not None:
        server.answers[AdobePass(STATEMENT).register_url] = cause.answer
    memory = Failing(adds=not failing)

    def place() -> Any:
        return memory if kind == "memory" else (FailingFiles if failing else FileStore)(tmp_path)

    settings = {"transport": server, "policy": policy, "clock": time.clock}
    for source in way(settings, place):
        with pytest.raises(cause.error):
            source.token()
        del source
        if collected:
            gc.collect(0)
        time.advance(1.0)
    assert server.calls == ["register"]


def test_twenty_at_once_make_one_call(server: Direct, time: ManualClock) -> None:
    """Sources of one identity in one process know at once what one of them could not store."""
    store = Failing(adds=False)

    def ask(_: int) -> None:
        source = TokenSource(AdobePass(STATEMENT), store=store, transport=server, clock=time.clock, policy=EAGER)
        with pytest.raises(StoreUnavailable):
            source.token()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(20)))
    assert server.calls == ["register"]


def test_what_could_not_be_stored_is_stored_later(
    make: Callable[..., TokenSources], server: Direct, time: ManualClock
) -> None:
    """A client that no store had taken is stored by another source, and used, without a second registration."""
    store = Failing(adds=False)
    sources = make(store=store, most=1)
    with pytest.raises(StoreUnavailable):
        sources.get("a").token()
    sources.get("b")
    store.adds = True
    time.advance(HOUR)
    assert sources.get("a").token().value
    assert server.calls == ["register", "token"]


def test_what_was_never_stored_is_given_up_in_the_end(
    make: Callable[..., TokenSources], server: Direct, time: ManualClock
) -> None:
    """A client that no store has taken for a day takes no memory any more."""
    sources = make(store=Failing(adds=False), most=1)
    with pytest.raises(StoreUnavailable):
        sources.get("a").token()
    sources.get("b")
    assert eventually(lambda: looked_through(sources) and len(kept(time)) == 1)
    (known,) = kept(time)
    assert known.lasts()
    time.advance(UNUSABLE_FOR)
    assert not known.lasts()
    # It is looked for them as other sources are made.
    assert eventually(lambda: looked_through(sources) and kept(time) == [])


def test_a_new_statement_is_another_matter(server: Direct, time: ManualClock) -> None:
    """A failure that a revoked statement has caused does not stand against another statement of the application."""
    store, settings = MemoryStore(), {"transport": server, "clock": time.clock, "policy": EAGER}
    refused = CAUSES["a revoked statement"].answer
    assert refused is not None
    server.answers[AdobePass(STATEMENT).register_url] = refused
    with pytest.raises(RegistrationRejected):
        TokenSource(AdobePass(STATEMENT), store=store, **settings).token()
    server.answers.clear()
    with pytest.raises(RegistrationRejected):
        TokenSource(AdobePass(STATEMENT), store=store, **settings).token()
    assert TokenSource(AdobePass(f"{STATEMENT}AA"), store=store, **settings).token().value


def test_failures_are_kept_in_bounds(
    make: Callable[..., TokenSources], server: Direct, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many instances somebody invents while the server fails, a bounded number of failures is kept."""
    monkeypatch.setattr("dcrauth.engine.known.MOST_FAILURES", 20)
    monkeypatch.setattr(KNOWN, "_kept", OrderedDict())  # what other tests have left counts as well
    server.answers[AdobePass(STATEMENT).register_url] = Response(429, {"retry-after": "3000"}, b"")
    sources = make(most=1, policy=Policy(attempts=1))
    for number in range(100):
        with pytest.raises(DCRAuthError):
            sources.get(str(number)).token()
    assert eventually(lambda: looked_through(sources) and 10 < len(kept(time)) <= 20)


def test_a_store_that_fails_for_one_fails_for_that_one_only(make: Callable[..., TokenSources]) -> None:
    """A record that cannot be read is the matter of its instance."""
    store = Failing()
    sources = make(store=store, most=10)
    bad = sources.get("bad")._identity.key
    store.reads = lambda key: not key.startswith(bad)
    with pytest.raises(StoreUnavailable):
        sources.get("bad").token()
    assert sources.get("good").token().value
    with pytest.raises(StoreUnavailable):
        sources.get("bad").token()


def test_who_is_allowed(make: Callable[..., TokenSources], server: Direct) -> None:
    """An instance that allow says no to has no source and costs no call; one that is held is not asked about again."""
    asked: list[str] = []

    def allow(instance: str) -> bool:
        asked.append(instance)
        return instance.startswith("mine")

    sources = make(allow=allow, most=2)
    for _ in range(3):
        sources.get("mine-1")
    with pytest.raises(InstanceRefused, match="allow"):
        sources.get("theirs")
    assert asked == ["mine-1", "theirs"]
    assert (names(sources), server.calls) == (["mine-1"], [])
    assert sources.forget("theirs") is False


def test_allow_that_raises(make: Callable[..., TokenSources]) -> None:
    """What allow raises is told as what it is, and lets nobody in."""
    sources = make(allow=lambda instance: 1 / 0 > 0)
    with pytest.raises(ConfigurationError, match="allow raised ZeroDivisionError") as caught:
        sources.get("a")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert len(sources) == 0


def test_a_limit_of_registrations(make: Callable[..., TokenSources], server: Direct, time: ManualClock) -> None:
    """Beyond so many registrations in an hour new instances are told when to come again; known ones go on."""
    sources = make(registrations_per_hour=3, most=1)
    for number in range(3):
        sources.get(str(number)).token()
        time.advance(60)
    for number in range(3, 20):
        with pytest.raises(RegistrationsLimited, match="registrations_per_hour") as caught:
            sources.get(str(number)).token()
        assert caught.value.retry_at == pytest.approx(time.wall() + HOUR - 180, abs=5)
    sources.get("0")
    assert kept(time) == []
    time.advance(2 * HOUR)
    assert sources.get("0").token().value
    assert sources.get("10").token().value
    assert server.calls.count("register") == 4


BAD: list[tuple[dict[str, Any], str]] = [
    ({"most": 0}, "most must be at least 1"),
    ({"most": True}, "most"),
    ({"most": 1.5}, "most"),
    ({"most": None}, "most"),
    ({"store": None}, "store must be"),
    ({"store": "sqlite:x"}, "store"),
    ({"transport": 5}, "transport"),
    ({"policy": {}}, "policy"),
    ({"on_event": 5}, "on_event"),
    ({"clock": 5}, "clock"),
    ({"provider": 5}, "provider"),
    (
        {"provider": AdobePass(STATEMENT, device_identifier="one")},
        "provider sends the AP-Device-Identifier of one device",
    ),
    ({"allow": 5}, "allow must be a function"),
    ({"allow": {"a"}}, "allow must be a function"),
    ({"registrations_per_hour": 0}, "registrations_per_hour must be at least 1"),
    ({"registrations_per_hour": "many"}, "registrations_per_hour"),
    ({"registrations_per_hour": 10**40}, "registrations_per_hour must be at most"),
    ({"most": 10**40}, "most must be at most"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=str)
def test_wrong_settings(settings: dict[str, Any], message: str, make: Callable[..., TokenSources]) -> None:
    """Each wrong setting is an error that names it."""
    with pytest.raises(ConfigurationError, match=f"(?i){message}"):
        make(**settings)


def test_allow_that_has_to_be_awaited(make: Callable[..., TokenSources]) -> None:
    """A coroutine function would let everybody in: what it returns is true."""

    async def allow(instance: str) -> bool:
        return False

    with pytest.raises(ConfigurationError, match="plain one"):
        make(allow=allow)


def test_allow_that_returns_what_has_to_be_awaited(make: Callable[..., TokenSources]) -> None:
    """A plain function that returns a coroutine lets nobody in either."""

    async def look_up(known: set[str], instance: str) -> bool:
        return instance in known

    sources = make(allow=lambda instance: look_up(set(), instance))
    with pytest.raises(ConfigurationError, match=r"allow returns must be .* not coroutine"):
        sources.get("a")
    assert len(sources) == 0


@pytest.mark.parametrize("instance", ["", None, 5, b"device", ["a"], "x" * 513, "canary" * 100, "a\ud800", "\udcff"])
def test_wrong_instances(instance: Any, sources: TokenSources) -> None:
    """What can be no instance is refused, long text unseen; 512 characters can be one."""
    for refuse in (sources.get, sources.forget):
        with pytest.raises(ConfigurationError, match=r"instance (must be|holds half a character)") as caught:
            refuse(instance)
        assert "canary" not in str(caught.value)
    assert sources.get("x" * 512).instance == "x" * 512
    assert len(sources) == 1


def test_another_device_of_the_same_server(sources: TokenSources, server: Direct) -> None:
    """The provider that came last for an instance describes the device to both endpoints."""
    device = AdobePass(STATEMENT).for_device
    source = sources.get("a", provider=device(None, forwarded_for="203.0.113.7"))
    assert sources.get("a", provider=device(None, forwarded_for="203.0.113.8")) is source
    assert sources.get("a") is source
    source.token()
    assert [each.headers.get("X-Forwarded-For") for each in server.requests] == ["203.0.113.8"] * 2


@pytest.mark.parametrize(
    "other",
    [
        AdobePass(STATEMENT, environment="release-staging"),
        AdobePass("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvdGhlciJ9.c2ln"),
        AdobePass(STATEMENT, protects=["https://elsewhere.example"]),
        object(),
    ],
)
def test_another_server_is_another_matter(other: Any, sources: TokenSources) -> None:
    """A provider for another server, application or API is refused: it would be another identity under one name."""
    with pytest.raises(ConfigurationError, match="provider must be"):
        sources.get("a", provider=other)
    assert len(sources) == 0


def test_forgetting_an_instance(sources: TokenSources, server: Direct) -> None:
    """Its credentials are deleted, whether its source is held or not; others stay; a source that is held goes on."""
    held = sources.get("a")
    held.token()
    sources.get("b").token()
    assert [sources.forget("a"), sources.forget("a"), sources.forget("never")] == [True, False, False]
    assert names(sources) == ["b"]
    assert sources.get("a") is held
    assert server.calls == ["register", "token"] * 2
    held.token()
    assert server.calls == ["register", "token"] * 3


def in_asyncio(act: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return await act()

    return asyncio.run(main())


@pytest.mark.parametrize("run", [in_asyncio, trio.run])
def test_forgetting_and_restoring_in_a_task(run: Any, sources: TokenSources, server: Direct, time: ManualClock) -> None:
    """In a task of asyncio or trio, credentials are deleted and put back and the loop is not blocked."""
    source = sources.get("a")
    source.token()
    assert run(sources.get("b").forget_async) is False
    server.world.clients.clear()
    time.advance(HOUR)
    source.token()
    assert run(source.restore_async) is True
    assert run(lambda: sources.forget_async("a")) is True
    assert run(source.forget_async) is False
    assert source.status().client_id is None


def test_a_failure_in_a_task_is_raised_there(make: Callable[..., TokenSources]) -> None:
    """What the store says to a deletion reaches the task that waits for it."""
    sources = make(store=Failing(reads=lambda key: False))
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        in_asyncio(lambda: sources.forget_async("a"))


def test_how_it_stands(sources: TokenSources, server: Direct, time: ManualClock) -> None:
    """The status tells what the process knows through the life of an identity, as JSON, and no secret."""
    source = sources.get("device-42")
    fresh = source.status()
    assert fresh.instance == "device-42"
    assert fresh.store == "MemoryStore"
    assert {fresh.client_id, fresh.expires_at, fresh.due_at, fresh.last_error, fresh.retry_at} == {None}
    token = source.token()
    told = source.status()
    assert told.client_id == "client-1"
    assert told.registered_at == pytest.approx(time.wall(), abs=5)
    assert told.expires_at == token.expires_at
    assert token.obtained_at < (told.due_at or 0.0) < token.expires_at
    time.advance(2 * HOUR)
    server.answers[source.provider.token_url] = Response(429, {"retry-after": "60"}, b"")
    with pytest.raises(DCRAuthError) as caught:
        source.token()
    failed = source.status()
    assert failed.last_error == f"Throttled: {caught.value.message}"
    assert failed.retry_at == caught.value.retry_at
    text = json.dumps(failed.to_dict())
    assert json.loads(text)["identity"] == source._identity.key
    assert not {"secret-1", token.value} & set(text.split('"'))
    assert "client-1" not in repr(failed)
    with pytest.raises(FrozenInstanceError):
        told.client_id = "x"  # type: ignore[misc]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_in_the_middle(sources: TokenSources) -> None:
    """A child that is forked while another thread makes a source can make its own."""

    def child() -> None:
        assert sources.get("b").instance == "b"

    with ExitStack() as ended:
        with sources._lock:
            taken = threading.Thread(target=lambda: sources.get("a"), daemon=True)
            taken.start()
            ended.enter_context(forked(child))
        taken.join(20)


def test_one_listener_hears_of_all(make: Callable[..., TokenSources]) -> None:
    """Events of all instances come to one listener, each with its identity."""
    told: list[events.Event] = []
    sources = make(on_event=told.append)
    first = {sources.get(name).token() and sources.get(name)._identity.key[:8] for name in "abc"}
    assert sources.get("a").flush_events(20)
    assert {each.identity for each in told if isinstance(each, events.Registered)} == first


def test_where_stores_are(tmp_path: Path) -> None:
    """Two objects that lead to the same records are one place; memory, and what says nothing, is its own."""
    memory, key = MemoryStore(), generate_key()

    def encrypted(store: Any) -> EncryptedStore:
        return EncryptedStore(store, keys=[key.encode])

    pairs: list[tuple[Any, Any, bool]] = [
        (FileStore(tmp_path / "a"), FileStore(tmp_path / "b" / ".." / "a"), True),
        (FileStore(tmp_path / "a"), FileStore(tmp_path / "b"), False),
        (SQLiteStore(tmp_path / "a.db"), SQLiteStore(tmp_path / "a.db"), True),
        (SQLiteStore(tmp_path / "a.db"), FileStore(tmp_path / "a.db"), False),
        (memory, memory, True),
        (memory, MemoryStore(), False),
        (encrypted(memory), encrypted(memory), True),
        (encrypted(memory), memory, False),
        (encrypted(FileStore(tmp_path)), encrypted(FileStore(tmp_path)), True),
    ]
    for one, other, same in pairs:
        assert (place_of(one) == place_of(other)) is same
        assert not same or hash(place_of(one)) == hash(place_of(other))


class Odd:
    """A store that is equal to everything, cannot be hashed or referred to weakly, and has a place of another kind."""

    __slots__ = ("place",)

    def __init__(self, place: Any) -> None:
        self.place = place

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def test_odd_stores_are_told_apart() -> None:
    """Whatever a store says of its equality, it is one place of its own."""
    one: Any = Odd(None)
    other: Any = Odd([])
    assert place_of(one) == place_of(one)
    assert place_of(other) == place_of(other)
    assert place_of(one) != place_of(other)


def test_a_place_ends_with_its_store() -> None:
    """What is kept for a store that nobody has any more is forgotten, and taken for no other store's."""
    store = MemoryStore()
    place: Any = place_of(store)
    again = place_of(store)
    del store
    assert place.is_gone
    assert place != again


def test_a_device_has_one_source(sources: TokenSources) -> None:
    """By its header and by its name, in whichever spelling, a device has the same source."""
    provider = AdobePass(STATEMENT, device_info=DeviceInfo.detect(), device_identifier="device-42")
    header = provider.api_headers["AP-Device-Identifier"]
    source = sources.get("device-42")
    assert {sources.named(each) for each in (header, header.upper()[:11] + header[11:], header.rstrip("="))} == {source}
    assert sources.named(header) is source
    assert len(sources._by_header) == 1


@pytest.mark.parametrize("run", [in_asyncio, trio.run])
def test_a_cancelled_task_ends_the_wait_only(run: Any, sources: TokenSources, server: Direct) -> None:
    """A deletion whose task is cancelled is done to the end."""
    source = sources.get("a")
    source.token()
    entered, opened = threading.Event(), threading.Event()
    delete = source._driver.store.delete

    def slow(key: str) -> None:
        entered.set()
        assert opened.wait(20)
        delete(key)

    source._driver.store.delete = slow  # type: ignore[method-assign]

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(source.forget_async)
            await anyio.to_thread.run_sync(entered.wait, 20)
            group.cancel_scope.cancel()

    run(main)
    opened.set()
    assert source.forget() is False
    assert server.calls == ["register", "token"]
