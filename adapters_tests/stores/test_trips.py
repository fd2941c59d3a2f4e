"""How often a renewal goes to its store: calls of every store, round trips to a Redis, and when a store is tried."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.world import World
from adapters_tests.servers.redis_server import RedisServer
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.counted import CountedLine, CountedStore
from dcrauth import MemoryStore, Store, StoreCorrupt, StoreUnavailable
from dcrauth.engine import store_health
from dcrauth.engine.store_health import TRUSTED_FOR, health_of
from dcrauth.stores import reads_many
from dcrauth.stores.redis import RedisStore
from dcrauth.stores.sql import SQLStore

COLD = ["get", "lock", "get_many", "healthcheck", "add", "get", "put"]
KEY = World.identity


@pytest.fixture(params=["memory", "file", "sqlite", "redis", "sql", "encrypted"])
def store(request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer) -> CountedStore:
    """Each of the stores, empty, with its calls counted."""
    made = {
        "memory": kinds.memory,
        "file": lambda: kinds.file(tmp_path),
        "sqlite": lambda: kinds.sqlite(tmp_path),
        "redis": lambda: kinds.in_redis(redis_server.url),
        "sql": lambda: kinds.in_sql(f"sqlite:///{tmp_path}/records.db"),
        "encrypted": lambda: kinds.encrypted(kinds.memory()),
    }[request.param]()
    return CountedStore(made.open())


def calls(store: CountedStore, act: Callable[[], object]) -> list[str]:
    """Return what *act* asks of the store."""
    store.calls.clear()
    act()
    return list(store.calls)


def test_calls_of_a_renewal(store: CountedStore, time: ManualClock) -> None:
    """A first token takes seven calls of its store, the next identity one less, and adoption a single reading."""
    server = Server()
    settings = {"policy": EAGER, "clock": time.clock}
    source = server.source_here(store, **settings)
    assert calls(store, source.token) == COLD
    assert calls(store, server.source_here(store, instance="second", **settings).token) == [
        call for call in COLD if call != "healthcheck"
    ]
    token = source.token()
    assert calls(store, lambda: source.token(instead_of=token)) == ["get", "lock", "get_many", "put"]
    assert calls(store, server.source_here(store, **settings).token) == ["get"]
    assert (server.world.registrations, server.world.token_calls) == (2, 3)


@contextmanager
def line_to(server: RedisServer) -> Iterator[tuple[CountedLine, RedisStore]]:
    """Yield a line that counts, and a store of a process that has just started at the end of it."""
    server.ask("FLUSHALL")
    with CountedLine(server) as line:
        yield line, RedisStore(line.url)


def commands(trips: list[bytes]) -> list[str]:
    """Return the names of the commands in so many round trips, those of one go joined by a plus sign."""
    words = [trip.split(b"\r\n") for trip in trips]
    # Of each command, which begins with how many words it has, the first word.
    return ["+".join(each[at + 2].decode() for at, word in enumerate(each) if word[:1] == b"*") for each in words]


def test_round_trips_to_redis(redis_server: RedisServer, time: ManualClock) -> None:
    """A first token takes eight round trips to Redis in a new process, seven later, and a stored one a command."""
    server, settings = Server(), {"policy": EAGER, "clock": time.clock}
    with line_to(redis_server) as (line, store):
        source = server.source_here(store, **settings)
        source.token()
        renewing = ["GET", "SET+GET", "GET+GET+GET"]
        keeping = ["SET", "GET", "SET", "EVAL"]
        assert commands(line.trips) == [
            "INFO+GET",
            *renewing[1:],
            "INFO+CONFIG+SET+EVAL+DEL",
            *keeping,
        ]
        line.trips.clear()
        server.source_here(store, instance="second", **settings).token()
        assert commands(line.trips) == renewing + keeping
        line.trips.clear()
        token = source.token()
        source.token(instead_of=token)
        assert commands(line.trips) == [*renewing, "SET", "EVAL"]
        line.trips.clear()
        server.source_here(store, **settings).token()
        assert commands(line.trips) == ["GET"]


def test_a_warm_restart_asks_redis_once_for_each_identity(redis_server: RedisServer) -> None:
    """A new process that finds the tokens of its identities in Redis sends one command for each, and calls nobody."""
    server, names = Server(), [str(number) for number in range(20)]
    with line_to(redis_server) as (_, store):
        for name in names:
            server.source_here(store, instance=name).token()
        server.world.token_calls = server.world.registrations = 0
        before = redis_server.ask("INFO", "commandstats")
        again = RedisStore(redis_server.url)
        for name in names:
            server.source_here(again, instance=name).token()
        after = redis_server.ask("INFO", "commandstats")
    used = {name: each["calls"] - before.get(name, {"calls": 0})["calls"] for name, each in after.items()}
    ours = {name: count for name, count in used.items() if count and "client" not in name and "hello" not in name}
    assert ours == {"cmdstat_get": len(names), "cmdstat_info": ours["cmdstat_info"]}
    assert ours["cmdstat_info"] <= 2
    assert (server.world.registrations, server.world.token_calls) == (0, 0)


def test_statements_of_a_renewal(tmp_path: Path, time: ManualClock) -> None:
    """A first token takes seventeen statements in a SQL database, seven later, a renewal five, and a stored one one."""
    url = f"sqlite:///{tmp_path}/records.db"
    server, settings, made = Server(), {"policy": EAGER, "clock": time.clock}, list[str]()
    with SQLStore(url) as store:
        store.create_tables()
        sa.event.listen(store._engine, "before_cursor_execute", lambda *given: made.append(given[2].split()[0]))

        def statements(act: Callable[[], object]) -> list[str]:
            made.clear()
            act()
            return list(made)

        source = server.source_here(store, **settings)
        renewing, keeping = ["SELECT", "INSERT", "SELECT"], ["INSERT", "SELECT", "INSERT", "DELETE"]
        check = ["INSERT", "INSERT", "SELECT", "UPDATE", "DELETE"] * 2
        assert statements(source.token) == [*renewing, *check, *keeping]
        assert statements(server.source_here(store, instance="second", **settings).token) == renewing + keeping
        token = source.token()
        assert statements(lambda: source.token(instead_of=token)) == [*renewing, "INSERT", "DELETE"]
        assert statements(server.source_here(store, **settings).token) == ["SELECT"]


def test_replicas_are_awaited_in_the_same_round_trip(redis_server: RedisServer, tmp_path: Path) -> None:
    """That replicas have a record is asked in the go that writes it."""
    with (
        RedisServer(tmp_path / "replica", replica_of=redis_server),
        CountedLine(redis_server) as line,
    ):
        redis_server.replicate()
        store = RedisStore(line.url, prefix=f"{tmp_path}:", replicas=1)
        store.get("key")
        line.trips.clear()
        assert store.add("key", b"old") is True
        assert store.replace("key", b"new", expected=b"old") is True
        assert commands(line.trips) == ["SET+SET+WAIT", "EVAL+SET+WAIT"]


def test_a_try_for_a_lock_in_redis_is_one_round_trip(redis_server: RedisServer, tmp_path: Path) -> None:
    """A lock that is held is found so in one round trip, without a pause."""
    with CountedLine(redis_server) as line:
        store = RedisStore(line.url, prefix=f"{tmp_path}:")
        with store.lock("key", wait=0):
            line.trips.clear()
            for _ in range(3):
                with pytest.raises(StoreUnavailable), store.lock("key", wait=0):
                    pass
            assert commands(line.trips) == ["SET+GET"] * 3


# When a store is tried.


def test_a_store_is_tried_once_a_minute(store: CountedStore, time: ManualClock) -> None:
    """However many sources register, of whichever identities, the store they share is tried once in a minute."""
    server = Server()

    def register(names: range) -> int:
        store.calls.clear()
        for name in names:
            server.source_here(store, instance=str(name), clock=time.clock).token()
        return store.calls.count("healthcheck")

    assert register(range(3)) == 1
    time.advance(TRUSTED_FOR - 5.0)
    assert register(range(3, 5)) == 0
    time.advance(10.0)
    assert register(range(5, 8)) == 1


class Failing(MemoryStore):
    """A store of which the next call with a name fails."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = ""
        self.checks = 0

    def get(self, key: str) -> bytes | None:
        self._fail("get")
        return super().get(key)

    def get_many(self, keys: Any) -> Any:
        found = super().get_many(keys)
        if self.fails == "one of many":
            self.fails, found = "", found | {KEY.token: StoreCorrupt("damaged")}
        self._fail("get_many")
        return found

    def add(self, key: str, value: bytes) -> bool:
        self._fail("add")
        return super().add(key, value)

    def put(self, key: str, value: bytes) -> None:
        self._fail("put")
        super().put(key, value)

    def healthcheck(self) -> None:
        self.checks += 1
        self._fail("healthcheck")

    def _fail(self, name: str) -> None:
        if self.fails == name:
            self.fails = ""
            raise StoreUnavailable(f"the store fails at {name}")


@pytest.mark.fault(
    "a store fails in any call, a moment after it was tried",
    "it is tried again before anything else is registered",
)
@pytest.mark.parametrize("call", ["get", "get_many", "one of many", "add", "put", "healthcheck"])
def test_a_store_that_has_failed_is_tried_again(call: str, time: ManualClock) -> None:
    """Whatever has failed, of whichever identity, the next registration begins with a look at the store."""
    store, server = Failing(), Server()

    def register(name: str) -> object:
        try:
            return server.source_here(store, instance=name, clock=time.clock).token()
        except StoreUnavailable as failure:
            return failure

    register("first")
    assert store.checks == 1
    store.fails = call
    if call == "healthcheck":
        time.advance(TRUSTED_FOR)
    register("default")
    assert store.fails == ""
    for name in ("third", "fourth"):
        register(name)
        assert store.checks == (3 if call == "healthcheck" else 2)


class Turn:
    """A lock that says when somebody is about to wait for it."""

    def __init__(self, waiting: threading.Semaphore) -> None:
        self._lock, self._waiting = threading.Lock(), waiting

    def __enter__(self) -> None:
        self._waiting.release()
        self._lock.acquire()

    def __exit__(self, *failure: object) -> None:
        self._lock.release()


@pytest.mark.fault(
    "many identities register at once in a store that cannot be written",
    "it is tried once for all that wait for that; nothing is registered",
)
def test_threads_share_one_trial() -> None:
    """Threads that come while the store is tried wait for what comes of it, a failure as well."""
    entered, go_on, waiting = threading.Event(), threading.Event(), threading.Semaphore(0)
    health, tried = health_of(MemoryStore()), list[str]()
    health._turn = Turn(waiting)  # type: ignore[assignment]

    def slow_failure() -> None:
        tried.append("slowly")
        entered.set()
        assert go_on.wait(20)
        raise StoreUnavailable("the disk is full")

    def attempt(check: Callable[[], None]) -> str:
        try:
            health.ensure(0.0, check)
        except StoreUnavailable as failure:
            return failure.message
        return "well"

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(attempt, slow_failure)
        assert entered.wait(20)
        others = [pool.submit(attempt, lambda: tried.append("again")) for _ in range(4)]
        assert all(waiting.acquire(timeout=20) for _ in [first, *others])
        go_on.set()
        assert {each.result(20) for each in [first, *others]} == {"the disk is full"}
    assert tried == ["slowly"]
    assert attempt(lambda: tried.append("later")) == "well"
    assert tried == ["slowly", "later"]


def test_a_failure_during_a_trial_counts() -> None:
    """A failure that another thread sees while the store is tried has it tried again."""
    health, tried = health_of(MemoryStore()), list[str]()

    def check() -> None:
        tried.append("tried")
        health.doubt()

    for _ in range(2):
        health.ensure(0.0, check)
    assert tried == ["tried"] * 2


def test_an_interrupt_during_a_trial_hangs_nobody() -> None:
    """After a trial that was interrupted the next one tries anew."""
    health, tried = health_of(MemoryStore()), list[str]()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        health.ensure(0.0, interrupted)
    health.ensure(0.0, lambda: tried.append("tried"))
    assert tried == ["tried"]


class Equal:
    """A store that is equal to all others and cannot be a key, as a dataclass cannot."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


class Slotted:
    """A store that nobody can know again."""

    __slots__ = ()


def test_what_is_known_of_a_store_is_its_own() -> None:
    """Two stores that are equal are two; what is known of one goes with it, and of some nothing can be."""
    one, other, slotted = (cast("Store", kind()) for kind in (Equal, Equal, Slotted))
    assert health_of(one) is health_of(one)
    assert health_of(one) is not health_of(other)
    assert health_of(slotted) is not health_of(slotted)
    at = id(one)
    del one
    gc.collect()
    assert at not in store_health._known


# Stores of users.


def without_get_many() -> Store:
    """A store as users write them."""
    store = CountedStore(MemoryStore())

    class Plain:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    for name in ("get", "add", "replace", "put", "delete", "keys", "lock", "healthcheck"):
        setattr(Plain, name, lambda self, *given, name=name, **more: getattr(store, name)(*given, **more))
    plain = Plain()
    plain.counted = store  # type: ignore[attr-defined]
    return plain  # type: ignore[return-value]


def test_a_store_need_not_read_many_at_once() -> None:
    """A store of the user's own without get_many is asked for one record after the other."""
    store: Any = without_get_many()
    server = Server()
    server.source_here(store).token()
    assert store.counted.calls == ["get", "lock", "get", "get", "get", "healthcheck", "add", "get", "put"]


class Overridden(MemoryStore):
    """One of our stores in which only ``get`` is another one, as for a cipher of the user's own."""

    def get(self, key: str) -> bytes | None:
        found = super().get(key)
        return None if found is None else found[::-1]


def test_a_get_that_is_overridden_is_used() -> None:
    """Where ``get`` is overridden, or replaced in one object, the get_many beside the original is none for it."""
    patched = MemoryStore()
    patched.get = lambda key: None  # type: ignore[method-assign]
    assert reads_many(MemoryStore()) is not None
    assert reads_many(Overridden()) is None
    assert reads_many(patched) is None
    assert reads_many(Failing()) is not None


class Incomplete(MemoryStore):
    """A store whose get_many leaves out what it has not."""

    def get(self, key: str) -> bytes | None:
        return super().get(key)

    def get_many(self, keys: Any) -> Any:
        return {key: found for key, found in super().get_many(keys).items() if found is not None}


@pytest.mark.fault("the get_many of a user's store leaves keys out", "`StoreUnavailable`; nothing is registered")
def test_a_key_that_is_left_out_is_not_absent() -> None:
    """What get_many does not speak of is not taken for absent."""
    server = Server()
    with pytest.raises(StoreUnavailable, match="KeyError"):
        server.source_here(Incomplete()).token()
    assert server.world.registrations == 0
