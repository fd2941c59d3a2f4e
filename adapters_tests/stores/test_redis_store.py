"""What the Redis store promises beyond the contract of all stores, against real servers that fail in real ways."""

from __future__ import annotations

import copy
import logging
import multiprocessing
import os
import pickle
import re
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from redis.backoff import NoBackoff
from redis.exceptions import AskError, MovedError
from redis.retry import Retry

from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.ports import free_port
from adapters_tests.common.world import STATEMENT, World
from adapters_tests.servers.redis_server import PATIENCE, Line, Moment, RedisServer
from adapters_tests.stores.crowds import register_at_once
from dcrauth import (
    AdobePass,
    ConfigurationError,
    StoreCorrupt,
    StoreUnavailable,
    StoreWarning,
    TokenSource,
)
from dcrauth.stores._leases import Leases
from dcrauth.stores._redis_answers import reason
from dcrauth.stores.redis import RedisStore

CANARY = "canary-that-nobody-may-see"

WRITES: dict[str, Callable[[RedisStore], Any]] = {
    "add": lambda store: store.add("new", b"value"),
    "replace": lambda store: store.replace("key", b"value", expected=b"old"),
    "put": lambda store: store.put("key", b"value"),
    "delete": lambda store: store.delete("key"),
    "healthcheck": lambda store: store.healthcheck(),
}
READS: dict[str, Callable[[RedisStore], Any]] = {
    "get": lambda store: store.get("key"),
    "keys": lambda store: list(store.keys()),
}


def lock(store: RedisStore) -> None:
    with store.lock("key", wait=0.05):
        pass


EVERYTHING = WRITES | READS | {"lock": lock}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, which loses nothing when it is restarted."""
    with RedisServer(tmp_path / "server", journal=True) as server:
        yield server


@pytest.fixture
def store(server: RedisServer) -> RedisStore:
    """A store in that server, which holds one record."""
    store = RedisStore(server.url)
    assert store.add("key", b"old") is True
    return store


@pytest.fixture
def line(server: RedisServer) -> Iterator[Line]:
    """A line to that server that can be cut."""
    with Line(server) as line:
        yield line


def test_a_restart_loses_nothing(server: RedisServer, store: RedisStore) -> None:
    """A server that writes all to disk gives every record back after a kill, and the store goes on by itself."""
    store.replace("key", b"new", expected=b"old")
    server.kill()
    with pytest.raises(StoreUnavailable):
        store.get("key")
    server.start()
    assert store.get("key") == b"new"
    assert store.add("key", b"again") is False


def test_a_flushed_server_is_empty(server: RedisServer, store: RedisStore) -> None:
    """After FLUSHALL there are no records, no error and no memory of them in the store."""
    server.ask("FLUSHALL")
    assert store.get("key") is None
    assert list(store.keys()) == []
    assert store.replace("key", b"new", expected=b"old") is False
    assert store.add("key", b"new") is True


class Direct:
    """A transport that is the server."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, request: Any) -> Any:
        return self._world.answer(request)


@pytest.mark.fault(
    "a Redis server is emptied",
    "who knows its credentials puts them back at the next renewal; there is no second registration",
)
def test_what_a_server_lost_is_put_back(server: RedisServer, time: ManualClock) -> None:
    """A process that renews after a FLUSHALL puts its credentials back into the server and registers no second time."""
    store, world = RedisStore(server.url), World()
    source = TokenSource(AdobePass(STATEMENT), store=store, transport=Direct(world), policy=EAGER, clock=time.clock)
    token = source.token()
    before = {key: store.get(key) for key in store.keys() if "credentials" in key}
    server.ask("FLUSHALL")
    assert source.token(instead_of=token) != token
    assert before
    assert {key: store.get(key) for key in before} == before
    assert world.registrations == 1


@pytest.mark.fault("a Redis replica takes over without the last write", "the record is absent and can be written again")
def test_a_failover_may_lose_the_last_write(server: RedisServer, line: Line, tmp_path: Path) -> None:
    """A replica that takes over without the last write says that there is none, which can then be written again."""
    with RedisServer(tmp_path / "replica", replica_of=server) as replica:
        store = RedisStore(line.url)
        store.add("old", b"old")
        server.replicate()
        replica.ask("REPLICAOF", "NO", "ONE")
        store.add("new", b"new")
        line.server = replica
        server.kill()
        store = RedisStore(line.url)
        assert (store.get("old"), store.get("new")) == (b"old", None)
        assert store.add("new", b"new") is True


@pytest.mark.fault(
    "a Redis fails over and loses a client that is in use",
    "who has it puts it back, unless another one was registered meanwhile, which all use from then on",
)
@pytest.mark.parametrize("first", ["who has it", "who has not"])
def test_a_failover_that_loses_a_client(
    server: RedisServer, line: Line, tmp_path: Path, time: ManualClock, first: str
) -> None:
    """After writes were lost one client is used for an identity, whoever comes first; a lost one is kept aside."""
    api, settings = Server(), {"policy": EAGER, "clock": time.clock}
    with RedisServer(tmp_path / "replica", journal=True, replica_of=server) as replica:
        server.replicate()
        replica.ask("REPLICAOF", "NO", "ONE")
        holder = api.source(RedisStore(line.url), **settings)
        token = holder.token()
        server.kill()
        line.server = replica
        store = RedisStore(line.url)
        assert list(store.keys()) == []
        newcomer = api.source(store, **settings)
        api.world.used.clear()
        if first == "who has it":
            holder.token(instead_of=token)
            newcomer.token()
        else:
            theirs = newcomer.token()
            assert holder.token(instead_of=token) == theirs
            holder.token(instead_of=theirs)
        winner = "client-1" if first == "who has it" else "client-2"
        assert set(api.world.used) == {winner}
        assert f"client-{api.world.registrations}" == winner
        kept = [key for key in store.keys() if ".replaced-" in key]
        assert len(kept) == (first == "who has not")


@pytest.mark.fault("a Redis server may evict records", "the health check warns of it")
def test_a_server_that_evicts_is_doubtful(server: RedisServer, store: RedisStore) -> None:
    """The health check warns of a server that evicts records, which it does once its memory is full."""
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.warns(StoreWarning, match=r"maxmemory-policy allkeys-lru.*set noeviction"):
        store.healthcheck()
    server.ask("CONFIG", "SET", "maxmemory", "3mb")
    for number in range(200):
        store.put(f"token {number}", b"x" * 50_000)
    # Which of them it evicts is by lot.
    assert any(store.get(f"token {number}") is None for number in range(200))


def test_a_server_that_evicts_what_expires_is_fine(server: RedisServer, store: RedisStore) -> None:
    """Records never expire, so that a policy for keys that do is none to warn of."""
    server.ask("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    store.healthcheck()
    store.put("key", b"new")
    assert server.ask("TTL", "dcrauth:record:key") == -1


@pytest.mark.fault("a Redis server has no memory left", "each write is an error that says so; the old record stands")
@pytest.mark.parametrize("write", [name for name in WRITES if name != "delete"])
def test_a_full_server_keeps_what_it_has(server: RedisServer, store: RedisStore, write: str) -> None:
    """When the server has no memory left each write is an error that says so, and the old record stands."""
    server.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailable, match=r"OutOfMemory|OOM"):
        WRITES[write](store)
    assert store.get("key") == b"old"
    assert list(store.keys()) == ["key"]


@pytest.mark.fault("a Redis store is a read-only replica", "records are read; a write is an error that says what it is")
@pytest.mark.parametrize("write", WRITES)
def test_a_replica_is_only_read(server: RedisServer, store: RedisStore, tmp_path: Path, write: str) -> None:
    """A replica gives its records; each write to it, and its health check, is an error that says what it is."""
    with RedisServer(tmp_path / "replica", replica_of=server) as replica:
        server.replicate()
        astray = RedisStore(replica.url)
        assert astray.get("key") == b"old"
        with pytest.raises(StoreUnavailable, match="name its primary"):
            WRITES[write](astray)
    assert list(store.keys()) == ["key"]
    assert store.get("key") == b"old"


def test_a_replica_that_takes_writes_is_unhealthy(server: RedisServer, store: RedisStore, tmp_path: Path) -> None:
    """A replica that can be written to would lose it all again: the health check says so."""
    options = ("--replica-read-only", "no")
    with (
        RedisServer(tmp_path / "replica", *options, replica_of=server) as replica,
        pytest.raises(StoreUnavailable, match="is a replica"),
    ):
        RedisStore(replica.url).healthcheck()


def test_a_server_that_lacks_replicas_refuses(server: RedisServer, store: RedisStore) -> None:
    """What the server refuses for a reason of its own is an error with its code, and was not written."""
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable, match=r"cannot write a record: \w+ \(NOREPLICAS\)"):
        store.add("new", b"value")
    assert store.get("new") is None


def name_of(store: RedisStore, key: str) -> str:
    """Return what a record is called in the server."""
    return store._names.record(key).decode()


FOREIGN = {
    "list": ("RPUSH", "old"),
    "hash": ("HSET", "field", "old"),
    "empty": ("SET", ""),
    "no heading": ("SET", "old"),
    "short heading": ("SET", "abc\nold"),
    "long heading": ("SET", "a" * 33 + "\nold"),
    "heading in capitals": ("SET", "A" * 32 + "\nold"),
}


@pytest.mark.fault("something else is in a record's place in Redis", "`StoreCorrupt`; it stays as it is")
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_record_is_left_alone(server: RedisServer, store: RedisStore, kind: str) -> None:
    """Whatever else stands in a record's place is StoreCorrupt, neither absent nor replaced, and stays as it is."""
    name, (command, *content) = name_of(store, "other"), FOREIGN[kind]
    server.ask(command, name, *content)
    before = server.ask("DUMP", name)
    for act in (
        lambda: store.get("other"),
        lambda: store.add("other", b"new"),
        lambda: store.replace("other", b"new", expected=b"old"),
        lambda: store.replace("other", b"new", expected=b""),
    ):
        with pytest.raises(StoreCorrupt, match=rf"{re.escape(name)}.*left as it is"):
            act()
    assert server.ask("DUMP", name) == before
    assert sorted(store.keys()) == ["key", "other"]


def test_a_name_that_is_no_key_is_told(server: RedisServer, store: RedisStore) -> None:
    """Names that no record of ours can have are StoreCorrupt when keys are listed, after all that are keys."""
    keys = {"key"} | {f"key {number}" for number in range(20)}
    for key in keys:
        store.put(key, b"value")
    server.ask("SET", b"dcrauth:record:\xff", "value")
    found: list[str] = []
    with pytest.raises(StoreCorrupt, match=r"^b'dcrauth:record:.xff'.*left as it is"):
        found.extend(store.keys())
    assert set(found) == keys
    server.ask("SET", b"dcrauth:record:\xfe", "value")
    with pytest.raises(StoreCorrupt, match=r"^2 parts.*left as it is"):
        list(store.keys())


def by_url(line: Line) -> RedisStore:
    return RedisStore(line.url)


def by_default(line: Line) -> RedisStore:
    """A store with a client as redis-py makes them, which repeats commands in its later versions."""
    return RedisStore(line.client(socket_timeout=5.0))


def by_stubborn(line: Line) -> RedisStore:
    """A store with a client that repeats commands in every version."""
    settings: Any = {"retry": Retry(NoBackoff(), 3), "retry_on_error": [redis.ConnectionError]}
    return RedisStore(line.client(socket_timeout=5.0, **settings))


CLIENTS = pytest.mark.parametrize("connected", [by_url, by_default, by_stubborn])
MOMENTS = pytest.mark.parametrize("moment", ["before", "after"])


@pytest.mark.fault(
    "the line to Redis is cut before or after a write was carried out",
    "reading it again resolves the outcome",
)
@CLIENTS
@MOMENTS
def test_a_cut_line_leaves_no_doubt(line: Line, connected: Callable[[Line], RedisStore], moment: Moment) -> None:
    """Whether the line is cut before a write was carried out or after, the caller hears what has become of it."""
    store = connected(line)
    line.cut("SET", moment)
    assert store.add("key", b"old") is True
    line.cut("SET", moment)
    assert store.add("key", b"old") is False
    line.cut("EVAL", moment)
    assert store.replace("key", b"new", expected=b"old") is True
    line.cut("EVAL", moment)
    assert store.replace("key", b"new", expected=b"old") is False
    line.cut("EVAL", moment)
    assert store.replace("none", b"new", expected=b"old") is False
    assert line.cuts_left == 0
    assert store.get("key") == b"new"
    assert list(store.keys()) == ["key"]


@CLIENTS
@MOMENTS
def test_a_cut_line_costs_no_lock(line: Line, connected: Callable[[Line], RedisStore], moment: Moment) -> None:
    """A lock whose answer was lost, or which was claimed twice, is held at once, excludes others and is given back."""
    store = connected(line)
    line.cut("SET", moment)
    with store.lock("key", wait=5):
        assert line.cuts_left == 0
        with pytest.raises(StoreUnavailable, match=r"0\.1 s"), store.lock("key", wait=0.1):
            pass
    with store.lock("key", wait=0):
        pass


ACTS: dict[str, Callable[[RedisStore], bool]] = {
    "SET": lambda store: store.add("key", b"new"),
    "EVAL": lambda store: store.replace("key", b"new", expected=b"old"),
}


@pytest.mark.parametrize("command", ACTS)
def test_a_line_that_stays_cut_is_told(server: RedisServer, line: Line, command: str) -> None:
    """A write that does not get through twice is an error, nothing was written, and a client by URL sent it twice."""
    direct, store = RedisStore(server.url), by_url(line)
    before = b"old" if command == "EVAL" and direct.add("key", b"old") else None
    line.cut(command, "before", times=3)
    with pytest.raises(StoreUnavailable, match=r"not known, and the next reading will tell"):
        ACTS[command](store)
    assert line.cuts_left == 1
    assert direct.get("key") == before


@pytest.mark.fault("after a cut line Redis cannot be read either", "an error that says so; the next reading tells")
@pytest.mark.parametrize("command", ACTS)
@MOMENTS
def test_an_unknown_outcome_is_told(server: RedisServer, line: Line, command: str, moment: Moment) -> None:
    """When not even reading tells whether a write took place the error says so, and the next reading tells."""
    direct, store = RedisStore(server.url), by_url(line)
    before = b"old" if command == "EVAL" and direct.add("key", b"old") else None
    line.cut(command, moment)
    line.cut("GET", "before")
    with pytest.raises(StoreUnavailable, match=r"not known, and the next reading will tell"):
        ACTS[command](store)
    assert store.get("key") == (b"new" if moment == "after" else before)


def test_a_refusal_after_a_lost_answer_is_no_refusal(server: RedisServer, line: Line) -> None:
    """A write that was carried out counts as such even if the server has refused to carry it out once more."""
    store = by_stubborn(line)
    line.cut("SET", "after", then=lambda: server.ask("CONFIG", "SET", "maxmemory", "1"))
    assert store.add("key", b"value") is True
    with pytest.raises(StoreUnavailable, match=r"OutOfMemory|OOM"):
        store.add("other", b"value")


@pytest.mark.fault("a Redis server is down", "`StoreUnavailable` with its address and the reason")
@pytest.mark.parametrize("act", EVERYTHING)
def test_a_server_that_is_down_is_unavailable(server: RedisServer, store: RedisStore, act: str) -> None:
    """Whatever is asked of a server that is not there is StoreUnavailable, with its address and the reason."""
    server.stop()
    with pytest.raises(StoreUnavailable, match=rf"127\.0\.0\.1:{server.port}.*Connection refused"):
        EVERYTHING[act](store)


@pytest.mark.fault(
    "a Redis server accepts connections and says nothing",
    "`StoreUnavailable` after the time that the URL says",
)
def test_a_server_that_is_silent_is_unavailable(server: RedisServer, store: RedisStore) -> None:
    """A server that accepts connections and says nothing is waited for as long as the URL says."""
    impatient = RedisStore(f"{server.url}?socket_timeout=0.2")
    server.pause()
    with pytest.raises(StoreUnavailable, match="TimeoutError; no answer in time"):
        impatient.get("key")
    with pytest.raises(StoreUnavailable, match="TimeoutError"):
        impatient.add("new", b"value")
    server.resume()
    assert store.get("key") == b"old"


def _client(store: RedisStore) -> Any:
    servers: Any = store._servers
    return servers._client


def test_a_client_by_url_has_limits(server: RedisServer) -> None:
    """A client that is made from a URL waits for 5 s at most, or for as long as the URL says."""
    found = [
        _client(RedisStore(f"{server.url}{options}")).connection_pool.connection_kwargs["socket_timeout"]
        for options in ("", "?socket_timeout=1.5")
    ]
    assert found == [5.0, 1.5]


def test_a_database_that_is_not_there_is_told(server: RedisServer) -> None:
    """A number that the server has no database of is told as that, by each call."""
    store = RedisStore(f"{server.url.rpartition('/')[0]}/9999")
    with pytest.raises(StoreUnavailable, match="no database of this number"):
        store.get("key")
    with pytest.raises(StoreUnavailable, match="no database of this number"):
        store.healthcheck()


def test_a_client_without_limits_is_doubtful(server: RedisServer) -> None:
    """A client that would wait for ever is warned of where the store is made."""
    with server.client(socket_timeout=None) as client, pytest.warns(StoreWarning, match="socket_timeout=5") as told:
        RedisStore(client)
    assert told[0].filename == __file__


@pytest.mark.parametrize("password", ["", f":{CANARY}@"])
def test_a_password_is_needed_and_not_shown(tmp_path: Path, password: str, caplog: pytest.LogCaptureFixture) -> None:
    """Without the right password each call is an error that says so, and no password is shown anywhere."""
    caplog.set_level(logging.DEBUG)
    with RedisServer(tmp_path / "server", password=f"{CANARY}-indeed") as server:
        assert RedisStore(server.url).add("key", b"value") is True
        store = RedisStore(f"redis://{password}127.0.0.1:{server.port}")
        for act in EVERYTHING.values():
            with pytest.raises(StoreUnavailable, match="AuthenticationError; check") as caught:
                act(store)
            assert CANARY not in f"{caught.value!r} {caught.value} {caplog.text} {store!r} {RedisStore(server.url)!r}"


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{CANARY}@127.0.0.1",
        f"redis://:a/{CANARY}@127.0.0.1",
        f"redis://:7/{CANARY}@127.0.0.1",
        f"redis://:7#{CANARY}@127.0.0.1",
        f"redis://:{CANARY}@127.0.0.1:{CANARY}",
        f"redis://127.0.0.1?pasword={CANARY}",
        f"redis+cluster://:a/{CANARY}@127.0.0.1",
        f"redis+cluster://:a#{CANARY}@127.0.0.1",
        f"redis+cluster://127.0.0.1:{CANARY}",
        f"redis+cluster://127.0.0.1,:{CANARY}",
        f"redis+cluster://127.0.0.1?pasword={CANARY}",
        f"redis+sentinel://:{CANARY}@127.0.0.1",
        f"redis+sentinel://:{CANARY}@127.0.0.1/",
        f"redis+sentinel://:{CANARY}@127.0.0.1/clients/zero",
        f"redis+sentinel://:a/{CANARY}@127.0.0.1/clients/0",
        f"redis+sentinel://127.0.0.1/clients?socket_timeout={CANARY}",
        f"redis+nothing://:{CANARY}@127.0.0.1/clients",
        f"redis://:{CANARY}@127.0.0.1?socket_timeout={CANARY}",
        f"redis://:{CANARY}@127.0.0.1?protocol={CANARY}",
        f"redis://:{CANARY}@127.0.0.1?max_connections=-1",
        f"redis://127.0.0.1/{CANARY}",
        "redis://127.0.0.1/-1",
        "rediss://127.0.0.1/0/1",
        f"redis+cluster://127.0.0.1/{CANARY}",
        CANARY,
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    """A URL that redis-py refuses, or reads in another way than it was meant, is an error that quotes none of it."""
    with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
        RedisStore(url)
    assert CANARY not in f"{caught.value!r}"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis+cluster://host", "the cluster of host:6379"),
        ("rediss+cluster://user:p%40ss@b:7001,a:7000/0?socket_timeout=1", "the cluster of a:7000, b:7001"),
        ("redis+cluster://[::1]:7000", "the cluster of ::1:7000"),
        ("redis+sentinel://user:p%40ss@a,b:1/the%20clients/3?sentinel_password=x", "the primary of the clients"),
    ],
)
def test_a_url_of_several_servers(url: str, where: str) -> None:
    """Several hosts are named by one URL, in whichever order, and nothing is called by that."""
    store = RedisStore(url)
    assert repr(store) == f"<RedisStore at {where} with prefix 'dcrauth:'>"
    assert store.place == RedisStore(url).place


def test_several_servers_are_told_apart() -> None:
    """One group of servers is one place, in whichever order its hosts are named; another service or database is not."""

    def place(url: str) -> object:
        return RedisStore(url).place

    assert place("redis+cluster://a,b:7000") == place("redis+cluster://:secret@b:7000,a")
    assert place("redis+cluster://a") != place("redis+cluster://b")
    assert place("redis+sentinel://a,b/one") == place("redis+sentinel://b,a/one/0")
    assert place("redis+sentinel://a/one") != place("redis+sentinel://b/one")
    assert place("redis+sentinel://a/one") != place("redis+sentinel://a/two")
    assert place("redis+sentinel://a/one/0") != place("redis+sentinel://a/one/1")


def test_what_no_cluster_has() -> None:
    """A cluster has one database, and what says which node has a key begins with a brace."""
    with pytest.raises(ConfigurationError, match="one database"):
        RedisStore("redis+cluster://a/1")
    with pytest.raises(ConfigurationError, match=r"has no \{"):
        RedisStore("redis+cluster://a", prefix="{shop}:")
    assert RedisStore("redis+sentinel://a/one", prefix="{shop}:")


def test_a_client_that_decodes_is_refused(server: RedisServer) -> None:
    """Records are bytes: a client that takes them for text is refused, whichever way it came to that."""
    with server.client(decode_responses=True) as client, pytest.raises(ConfigurationError, match="decode_responses"):
        RedisStore(client)
    with pytest.raises(ConfigurationError, match="decode_responses"):
        RedisStore(f"{server.url}?decode_responses=yes")
    for url in ("redis+cluster://a?decode_responses=yes", "redis+sentinel://a/one?decode_responses=yes"):
        with pytest.raises(ConfigurationError, match="decode_responses"):
            RedisStore(url)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RedisServer]:
    """A node of a cluster, which has a third of all keys."""
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-require-full-coverage", "no")
    with RedisServer(tmp_path / "node", *options) as server:
        server.ask("CLUSTER", "ADDSLOTSRANGE", 0, 5460)
        yield server


@pytest.mark.fault(
    "the Redis of a store is one node of a cluster, which has some of all keys only",
    "`ConfigurationError` at the first use, whatever the identity",
)
def test_a_node_of_a_cluster_is_refused(node: RedisServer) -> None:
    """The first use says that the server is part of a cluster, not only that of a key which is elsewhere."""
    said = rf"127\.0\.0\.1:{node.port} .*part of a cluster: name that by"
    with node.client() as client:
        for act in EVERYTHING.values():
            for store in (RedisStore(node.url), RedisStore(client)):
                for _ in range(2):
                    with pytest.raises(ConfigurationError, match=said):
                        act(store)
    assert node.ask("DBSIZE") == 0


def test_a_node_that_does_not_tell_is_noticed(node: RedisServer) -> None:
    """Where the user may not ask what the server is, its refusal of a key says it, whichever refusal that is."""
    node.ask("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-info")
    keys = (f"{number}" for number in range(1000))
    elsewhere = next(key for key in keys if node.ask("CLUSTER", "KEYSLOT", f"dcrauth:record:{key}") > 5460)
    with pytest.raises(StoreUnavailable, match=r"(?i)ClusterDown.*; .*part of a cluster"):
        RedisStore(f"redis://limited:secret@127.0.0.1:{node.port}").get(elsewhere)
    where = "5461 127.0.0.1:6379"
    for moved in (MovedError(where), AskError(where), redis.ResponseError(f"MOVED {where}")):
        assert "part of a cluster" in reason(moved)


def test_a_store_is_made_without_a_server() -> None:
    """Nothing is asked of the server before the first use."""
    RedisStore(f"redis://127.0.0.1:{free_port()}")


CONNECTIONS = 50


@pytest.mark.fault("more renewals use a Redis store at once than it has connections", "they wait for one; none fails")
def test_threads_wait_for_a_connection(server: RedisServer) -> None:
    """A thread that finds all connections in use waits for one, as long as the URL says, and then says so."""
    store = RedisStore(f"{server.url}?socket_timeout=30")
    server.pause()
    threads = [threading.Thread(target=store.put, args=(f"{number}", b"value")) for number in range(3 * CONNECTIONS)]
    for thread in threads:
        thread.start()
    server.resume()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(set(store.keys())) == 3 * CONNECTIONS
    assert server.ask("INFO", "clients")["connected_clients"] <= CONNECTIONS + 1 + server.watchers


def test_a_connection_is_waited_for_as_long_as_the_url_says(server: RedisServer) -> None:
    """A thread that gets no connection in time says where, and the one that has it is not disturbed."""
    store = RedisStore(f"{server.url}?max_connections=1&timeout=0.1&socket_timeout=30")
    store.healthcheck()
    failures: list[str] = []

    def put() -> None:
        try:
            store.put("key", b"value")
        except StoreUnavailable as failure:
            failures.append(str(failure))
            server.resume()  # as the last one, since the other has the connection

    server.pause()
    threads = [threading.Thread(target=put) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(failures) == 1
    assert store._servers.where in failures[0]
    assert store.get("key") == b"value"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_thousand_renewals_at_once(server: RedisServer) -> None:
    """A thousand identities that one process registers at once all get their token, which the store has afterwards."""
    register_at_once(RedisStore(server.url), 1000)


NONSENSE: list[dict[str, Any]] = [
    {"server": "redis://127.0.0.1", "lease": 0},
    {"server": "redis://127.0.0.1", "lease": -1.0},
    {"server": "redis://127.0.0.1", "replicas": -1},
    {"server": 6379},
]


@pytest.mark.parametrize("settings", NONSENSE)
def test_nonsense_is_refused(settings: dict[str, Any]) -> None:
    """Settings that cannot work are refused when the store is made."""
    with pytest.raises(ConfigurationError):
        RedisStore(**settings)


def test_a_clients_own_protocol_does(server: RedisServer) -> None:
    """A user's client may speak either version of Redis's protocol."""
    for protocol in (2, 3):
        with server.client(protocol=protocol) as client:
            store = RedisStore(client, prefix=f"{protocol}:")
            store.healthcheck()
            assert store.add("key", b"old") is True
            assert store.add("key", b"new") is False
            assert store.replace("key", b"new", expected=b"old") is True
            assert (store.get("key"), list(store.keys())) == (b"new", ["key"])


def test_tls_is_redis_pys(tmp_path: Path) -> None:
    """With rediss:// the certificate is checked against what the URL names, and a foreign one is an error."""
    authority, port = trustme.CA(), free_port()
    certificate, trusted = authority.issue_cert("127.0.0.1"), tmp_path / "authority.pem"
    (tmp_path / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "certificate.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
    authority.cert_pem.write_to_path(str(trusted))
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(trusted)]
    options += ["--tls-key-file", f"{tmp_path}/key.pem", "--tls-cert-file", f"{tmp_path}/certificate.pem"]
    with RedisServer(tmp_path / "server", *options):
        assert RedisStore(f"rediss://127.0.0.1:{port}?ssl_ca_certs={trusted}").add("key", b"value") is True
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            RedisStore(f"rediss://127.0.0.1:{port}").get("key")


def test_a_socket_file_does(tmp_path: Path) -> None:
    """A server may be reached by a socket file, whose path is its address."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis.sock"
        with RedisServer(tmp_path / "server", "--unixsocket", path):
            store = RedisStore(f"unix://{path}")
            assert store.add("key", b"value") is True
            assert repr(store) == f"<RedisStore at {path} with prefix 'dcrauth:'>"


@contextmanager
def running(method: str, work: Callable[..., None], *given: Any) -> Iterator[Any]:
    """Run *work* in another process, and end it."""
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=work, args=given, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.join(PATIENCE)
        process.kill()
        process.join(PATIENCE)
        process.close()


def _add_all(url: str, number: int, barrier: Any, results: Any) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, TMPDIR=home)
        os.chdir(home)
        store = RedisStore(url)
        barrier.wait(PATIENCE)
        results.put([(store.add(f"{turn}", b"%d" % number), store.get(f"{turn}")) for turn in range(100)])
        os.chdir("/")


@pytest.mark.slow
def test_two_hosts_agree(server: RedisServer) -> None:
    """Of two processes that share nothing but the server exactly one adds each record, and both read the same."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    with (
        running("spawn", _add_all, server.url, 0, barrier, results),
        running("spawn", _add_all, server.url, 1, barrier, results),
    ):
        one, other = results.get(timeout=PATIENCE), results.get(timeout=PATIENCE)
    for (won, value), (other_won, other_value) in zip(one, other, strict=True):
        assert won is not other_won
        assert value == other_value


def _read_much(store: RedisStore, name: str, results: Any) -> None:
    results.put({store.get(name) for _ in range(300)})


@pytest.mark.fault(
    "a process with a Redis store forks",
    "each side has a connection of its own and gets its own answers",
)
def test_a_fork_shares_no_connection(store: RedisStore) -> None:
    """A child that is forked in the middle of use and its parent each get their own answers."""
    results = multiprocessing.get_context("fork").Queue()
    store.put("parent", b"of the parent")
    store.put("child", b"of the child")
    busy = threading.Thread(target=lambda: [store.get("parent") for _ in range(300)])
    busy.start()
    with running("fork", _read_much, store, "child", results):
        found = {store.get("parent") for _ in range(300)}
        assert results.get(timeout=PATIENCE) == {b"of the child"}
    busy.join(PATIENCE)
    assert found == {b"of the parent"}


@pytest.mark.fault(
    "the lease of a lock in Redis ends before its work does",
    "the next one gets the lock, and a late release leaves it to them",
)
def test_a_lease_ends(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock outlives its lease for nobody: the next one gets it, and the first one's release leaves it to them."""
    monkeypatch.setattr(Leases, "look", lambda self: 1.0)  # as where the holder stands still
    first, second = RedisStore(server.url, lease=0.2), RedisStore(server.url)
    with first.lock("key", wait=0):
        held = second.lock("key", wait=PATIENCE)
        held.__enter__()
    with pytest.raises(StoreUnavailable, match=r"for 0 s"), first.lock("key", wait=0):
        pass
    held.__exit__(None, None, None)
    with first.lock("key", wait=0):
        pass


def test_a_lease_is_extended(server: RedisServer) -> None:
    """A lock lasts for as long as its holder works, however much shorter its lease is."""
    first, second = RedisStore(server.url, lease=0.3), RedisStore(server.url)
    with first.lock("key", wait=0), pytest.raises(StoreUnavailable), second.lock("key", wait=1.0):
        pass
    with second.lock("key", wait=0):
        pass


def _hold(url: str, taken: Any) -> None:
    with RedisStore(url, lease=0.5).lock("key", wait=0):
        taken.set()
        threading.Event().wait(PATIENCE)


@pytest.mark.fault(
    "two processes ask for a lock in Redis in the same microsecond, and share what a UUID is made of",
    "only one of them gets it",
)
def test_a_claim_is_mistaken_for_no_other(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two claims are told apart whatever their processes share: forked ones share the state of `uuid.uuid1`."""
    monkeypatch.setattr(uuid, "uuid1", lambda: uuid.UUID(int=1))
    first, second = RedisStore(server.url), RedisStore(server.url)
    with first.lock("key", wait=0), pytest.raises(StoreUnavailable), second.lock("key", wait=0):
        pass


@pytest.mark.slow
@pytest.mark.fault("the holder of a lock in Redis is killed", "the lock is free when its lease ends")
def test_a_killed_holder_is_outlived(server: RedisServer) -> None:
    """The lock of a process that was killed is free when its lease ends."""
    taken = multiprocessing.get_context("spawn").Event()
    with running("spawn", _hold, server.url, taken) as process:
        assert taken.wait(PATIENCE)
        process.kill()
        with RedisStore(server.url).lock("key", wait=PATIENCE):
            pass


def test_a_lock_may_outlive_its_server(server: RedisServer, store: RedisStore) -> None:
    """What was done under a lock is not undone by a server that cannot be told of the end of it."""
    with store.lock("key", wait=0):
        server.stop()
    server.start()
    with pytest.raises(StoreUnavailable, match="Another process"), store.lock("key", wait=0):
        pass


KEYS = ["", "a", "A", "*", "?", "[a]", "\\", "../x", "nul\0", "line\nbreak", "é", "e\u0301", "\udc80", "x" * 10_000]


@pytest.mark.parametrize("prefix", ["", "*", "dcr?uth:", "[a-z]*:", "a\\", "^{a}\n\0é\udc80:"])
def test_prefixes_are_kept_apart(server: RedisServer, prefix: str) -> None:
    """Two stores with different prefixes see nothing of each other, whatever is in the prefixes and the keys."""
    store, other = RedisStore(server.url, prefix=prefix), RedisStore(server.url, prefix="dcrauth:")
    for key in KEYS:
        assert store.add(key, b"one") is True
        assert other.add(key, b"other") is True
    with store.lock("", wait=0), other.lock("", wait=0):
        assert sorted(set(store.keys())) == sorted(KEYS)
    assert {store.get(key) for key in KEYS} == {b"one"}
    for key in KEYS:
        store.delete(key)
    assert list(store.keys()) == []
    assert {other.get(key) for key in KEYS} == {b"other"}


def test_keys_are_read_page_by_page(store: RedisStore, server: RedisServer) -> None:
    """Thousands of keys are listed while others are written, those that were there all along among them."""
    with server.client() as client, client.pipeline(transaction=False) as many:
        for number in range(3000):
            many.set(name_of(store, str(number)), f"{'0' * 32}\nvalue")
        many.execute()
    found = set()
    for number, key in enumerate(store.keys()):
        found.add(key)
        if number % 100 == 0:
            store.put(f"new {number}", b"value")
    assert {"key", *map(str, range(3000))} <= found


def test_a_healthy_server_is_not_doubted(server: RedisServer, store: RedisStore) -> None:
    """A server that keeps all it has, in memory and on disk, is warned of in no way; nothing is left in it."""
    store.healthcheck()
    assert server.ask("KEYS", "*") == [name_of(store, "key").encode()]


@pytest.mark.fault(
    "a Redis server keeps snapshots only, or nothing, on disk",
    "a `StoreWarning` before anything is registered says what a crash loses, and what to set",
)
@pytest.mark.parametrize(
    ("saves", "doubt"),
    [("", "keeps nothing on disk"), ("3600 1", "a crash loses the client credentials that came after the last one")],
)
def test_a_server_without_a_journal_is_doubtful(tmp_path: Path, saves: str, doubt: str) -> None:
    """A server that a kill costs acknowledged credentials is warned of, with what is lost and what to set."""
    with RedisServer(tmp_path / "server") as server:
        server.ask("CONFIG", "SET", "save", saves)
        store = RedisStore(server.url)
        with pytest.warns(StoreWarning, match=f"{doubt}.*; set appendonly yes") as told:
            store.healthcheck()
        assert [warning.filename for warning in told] == [__file__]
        assert store.add("key", b"value")
        server.kill()
        server.start()
        assert store.get("key") is None


@pytest.mark.parametrize("journal", [False, True])
def test_a_server_without_config_is_asked_otherwise(tmp_path: Path, journal: bool) -> None:
    """Where CONFIG is forbidden the server still tells whether it keeps a journal; what else it has is left open."""
    with RedisServer(tmp_path / "server", "--rename-command", "CONFIG", "", journal=journal) as server:
        store = RedisStore(server.url)
        if journal:
            store.healthcheck()
        else:
            with pytest.warns(StoreWarning, match="keeps no journal.*since its last snapshot, or all; set appendonly"):
                store.healthcheck()


def test_a_user_with_few_rights_will_do(server: RedisServer) -> None:
    """A user who may run no dangerous command, below its prefix only, has a store that says what it cannot see."""
    rights = ["on", ">secret", "~mine:*", "+@all", "-@dangerous", "-@admin"]
    server.ask("ACL", "SETUSER", "limited", *rights)
    url = f"redis://limited:secret@127.0.0.1:{server.port}"
    store = RedisStore(url, prefix="mine:")
    with pytest.warns(StoreWarning) as told:
        store.healthcheck()
    assert sorted(str(warning.message).partition("does not tell ")[2][:18] for warning in told) == [
        "its maxmemory-poli",
        "whether it keeps i",
    ]
    assert store.add("key", b"old") is True
    assert store.replace("key", b"new", expected=b"old") is True
    assert list(store.keys()) == ["key"]
    with store.lock("key", wait=0):
        pass
    with pytest.raises(StoreUnavailable, match="NoPermissionError; grant"):
        RedisStore(url, prefix="other:").get("key")


def test_a_user_without_scripts_is_unhealthy(server: RedisServer) -> None:
    """A user who may not run what a replacement takes is told before anything is registered."""
    server.ask("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-@scripting")
    with pytest.raises(StoreUnavailable, match="NoPermissionError"):
        RedisStore(f"redis://limited:secret@127.0.0.1:{server.port}").healthcheck()


@pytest.mark.slow
def test_replicas_are_waited_for(server: RedisServer, tmp_path: Path) -> None:
    """With replicas=1 a write counts once a replica has it; without one it is kept, and an error says so."""
    with RedisServer(tmp_path / "replica", replica_of=server) as replica:
        server.replicate()
        store = RedisStore(server.url, replicas=1)
        store.healthcheck()
        assert store.add("key", b"old") is True
        assert RedisStore(replica.url).get("key") == b"old"
        replica.pause()
        with pytest.raises(StoreUnavailable, match="only 0 of 1 replicas"):
            store.replace("key", b"new", expected=b"old")
        with pytest.raises(StoreUnavailable, match="only 0 of 1 replicas"):
            store.add("key", b"another")
        replica.resume()
        assert store.get("key") == b"new"
        assert store.add("key", b"another") is False
    with pytest.raises(StoreUnavailable, match="fewer than 1 replicas"):
        store.healthcheck()


def test_nothing_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither errors nor log lines at DEBUG nor a repr quote a record, not even where the server's answer does."""
    caplog.set_level(logging.DEBUG)
    options = ("--rename-command", "SET", "", "--rename-command", "EVAL", "")
    shown = []
    with RedisServer(tmp_path / "server", *options, password=CANARY) as server:
        store, value = RedisStore(server.url), CANARY.encode()
        with server.client() as client, pytest.raises(redis.ResponseError, match=CANARY):
            client.set("key", CANARY)
        for act in (
            lambda: store.put("key", value),
            lambda: store.add("key", value),
            lambda: store.replace("key", value, expected=value),
            lambda: RedisStore(server.url, replicas=1)._records._await_replicas("key"),
            lambda: lock(store),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                act()
            shown.append(f"{caught.value!r}")
    shown += [caplog.text, f"{store} {store!r}", *(f"{vars(record)}" for record in caplog.records)]
    assert CANARY not in "".join(shown)


def test_a_store_is_not_pickled(store: RedisStore) -> None:
    """A store holds a password maybe: pickling it is refused, a copy of it is the store itself."""
    with pytest.raises(TypeError, match="holds a secret"):
        pickle.dumps(store)
    assert copy.deepcopy(store) is store


def test_a_missing_library_is_named() -> None:
    """Without redis-py the import says what to install."""
    import subprocess
    import sys

    program = "import sys; sys.modules['redis'] = None; import dcrauth.stores.redis"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "pip install dcrauth[redis]" in found.stderr
