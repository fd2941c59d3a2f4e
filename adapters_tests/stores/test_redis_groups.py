"""Redis servers that stand in for one another: fail-overs and moves in a renewal, and who is asked what."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from adapters_tests.common.direct import Server
from adapters_tests.servers.redis_clusters import Cluster, LoneNode
from adapters_tests.servers.redis_groups import asked_for
from adapters_tests.servers.redis_sentinels import SERVICE, Watched, WatchedServer
from adapters_tests.servers.redis_server import RedisServer
from adapters_tests.stores import crowds
from adapters_tests.stores.counted import CountedLine, CountedStore
from adapters_tests.stores.test_trips import commands
from dcrauth import ConfigurationError, RedisStore, Store, StoreUnavailable, StoreWarning
from dcrauth.stores import _redis_cluster, _redis_servers
from dcrauth.stores._redis_names import Names

STEPS = ["get", "lock", "get_many", "healthcheck", "add", "get", "put", "release"]
"""What a renewal asks of its store before its end, in a new process and of an identity that is new."""

CANARY = "canary-that-nobody-may-see"


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three primaries and a replica of each."""
    with Cluster(tmp_path_factory.mktemp("nodes"), line=CountedLine) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The same, as it was in the beginning."""
    yield running_cluster
    running_cluster.restore()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A primary and its replica, of which one is always there, with three Sentinels."""
    with Watched(tmp_path_factory.mktemp("guarded")) as watched:
        yield watched


@pytest.fixture
def prefix() -> str:
    """A prefix of the test's own."""
    return f"{secrets.token_hex(8)}:"


class Before(list[str]):
    """Calls of a store, before one of which something happens.

    Parameters:
        number: which one, from 1; 0 for each.
        act: what happens.
    """

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._number, self._act = number, act

    def append(self, name: str) -> None:
        """Note the call."""
        super().append(name)
        if self._number in {0, len(self)}:
            self._act()


class Struck(CountedStore):
    """A store before one call of which something happens, of which the end of a lock is one."""

    def __init__(self, inner: Store, number: int, act: Callable[[], object]) -> None:
        super().__init__(inner)
        self.calls = Before(number, act)

    def release(self) -> None:
        """Note the end of a lock."""
        self.calls.append("release")

    def lock(self, key: str, *, wait: float) -> Any:
        """Hold the lock, and note the end of that."""
        return _Ended(super().lock(key, wait=wait), self.release)


class _Ended:
    def __init__(self, inner: Any, end: Callable[[], None]) -> None:
        self._inner, self._end = inner, end

    def __enter__(self) -> None:
        self._inner.__enter__()

    def __exit__(self, *failure: object) -> None:
        self._end()
        self._inner.__exit__(*failure)


Act = Callable[[RedisStore, str], object]


def one_client_is_used(url: str, prefix: str, instance: str, number: int, act: Act, replicas: int = 0) -> None:
    """Renew a new identity while something happens before one step; no error is told, and one client is used."""
    server = Server()
    with RedisStore(url, prefix=prefix, replicas=replicas) as store, RedisStore(url, prefix=prefix) as another:
        key = server.source_here(store, instance=instance).status().identity
        struck = Struck(store, number, lambda: act(store, key))
        server.source_here(struck, instance=instance).token()
        assert struck.calls == STEPS
        server.source(another, instance=instance).token()
        assert len(set(server.world.used)) == server.world.registrations == 1
        assert sorted(set(another.keys())) == [f"{key}.credentials", f"{key}.token"]
        for each in (f"{key}.credentials", f"{key}.token"):
            another.delete(each)


@pytest.mark.slow
@pytest.mark.fault(
    "a replica takes the place of a primary of a Redis cluster, which lives on, in a renewal",
    "the renewal goes on there; no error, one client",
)
def test_a_fail_over_in_a_cluster(cluster: Cluster, prefix: str) -> None:
    """Whenever a primary is demoted, its writes go to the one that has taken its place."""

    def demoted(store: RedisStore, key: str) -> None:
        cluster.fail_over(cluster.primary_of(store._names.record(key)))

    for step in ("lock", "add", "put", "release"):
        one_client_is_used(cluster.url, prefix, step, STEPS.index(step) + 1, demoted)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.fault(
    "Sentinels make a replica the primary in a renewal, and the old one takes writes for some seconds more",
    "with `replicas=1` credentials count once the new one has them; no error, one client",
)
@pytest.mark.parametrize("step", ["lock", "add", "put"])
def test_a_fail_over_of_sentinels(tmp_path: Path, prefix: str, step: str) -> None:
    """A write that went to a primary whose replicas have left it is made once more where they are."""
    with Watched(tmp_path, replicas=2) as watched:
        act: Act = lambda *_: watched.fail_over()  # noqa: E731  # one of the acts of this file
        one_client_is_used(watched.url, prefix, step, STEPS.index(step) + 1, act, replicas=1)


@pytest.mark.slow
@pytest.mark.fault(
    "Sentinels have named another primary, and the old one still takes writes",
    "locks and client credentials go to the new one",
)
def test_a_primary_that_was_demoted(tmp_path: Path) -> None:
    """Whatever connections a store has, a lock and a record are where the Sentinels say that the primary is."""
    with Watched(tmp_path) as watched, RedisStore(watched.url) as store, RedisStore(watched.url) as other:
        for each in (store, other):
            each.put("token", b"value")
        former = watched.fail_over()
        assert store.add("key", b"value") is True
        assert watched.primary.ask("EXISTS", store._names.record("key")) == 1
        with other.lock("key", wait=0):
            assert watched.primary.ask("EXISTS", store._names.lock("key")) == 1
            assert former.ask("EXISTS", store._names.lock("key")) == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.fault(
    "the primary that Sentinels watch is killed in a renewal",
    "the renewal waits for the one that takes its place; no error, one client",
)
def test_a_killed_primary_of_sentinels(tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal whose primary is killed goes on once there is another one."""
    patience(monkeypatch, 30.0)
    with Watched(tmp_path, down_after=500) as watched:

        def killed(store: RedisStore, key: str) -> None:
            primary = watched.primary
            primary.replicate()
            primary.kill()

        one_client_is_used(watched.url, prefix, "add", STEPS.index("add") + 1, killed)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.fault(
    "a primary of a Redis cluster is killed in a renewal",
    "the renewal waits for the replica that takes its place; no error, one client",
)
def test_a_killed_primary_of_a_cluster(cluster: Cluster, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal whose node is killed goes on once its replica has been elected."""
    patience(monkeypatch, 30.0)
    try:
        for node in cluster.nodes:
            node.ask("CONFIG", "SET", "cluster-replica-no-failover", "no")
            node.ask("CONFIG", "SET", "cluster-node-timeout", 1000)

        def killed(store: RedisStore, key: str) -> None:
            primary = cluster.primary_of(store._names.record(key))
            with primary.client(single_connection_client=True) as client:
                client.set(store._names.scratch(key), b"", ex=60)
                assert client.execute_command("WAIT", 1, 5000) == 1
            primary.kill()

        one_client_is_used(cluster.url, prefix, "add", STEPS.index("add") + 1, killed)
    finally:
        for node in cluster.nodes:
            if node.is_up:
                node.ask("CONFIG", "SET", "cluster-replica-no-failover", "yes")
                node.ask("CONFIG", "SET", "cluster-node-timeout", 60_000)


@pytest.mark.fault(
    "the slot of an identity is moved to another node of a Redis cluster, wholly or with its keys only, in a renewal",
    "the renewal goes on there; no error, one client",
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "keys only"])
def test_a_slot_that_is_moved_at_each_step(cluster: Cluster, prefix: str, whole: bool) -> None:
    """What a node does not have any more, or has given away already, is looked for where that is."""
    for number, step in enumerate(STEPS, start=1):
        undo: list[Callable[[], None]] = []

        def moved(store: RedisStore, key: str, undo: list[Callable[[], None]] = undo) -> None:
            name = store._names.record(key)
            giver = cluster.primary_of(name)
            taker = next(each for each in cluster.primaries if each is not giver)
            cluster.move(key_slot(name), giver, taker, whole=whole)
            undo.append(lambda: cluster.move(key_slot(name), giver, taker))
            undo.append(lambda: cluster.move(key_slot(name), taker, giver))

        one_client_is_used(cluster.url, prefix, f"{number} {step}", number, moved)
        for each in undo[whole:]:
            each()


@pytest.mark.fault("the scripts of all Redis servers are flushed at each step of a renewal", "nobody notices")
@pytest.mark.parametrize("form", ["cluster", "guarded"])
def test_scripts_that_are_flushed(form: str, prefix: str, request: pytest.FixtureRequest) -> None:
    """No server is asked for a script that it might not have."""
    group: Any = request.getfixturevalue(form)
    one_client_is_used(group.url, prefix, "any", 0, lambda *_: [node.ask("SCRIPT", "FLUSH") for node in group.serving])


def patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have stores wait for so long for a server that takes the place of one."""
    for module in (_redis_servers, _redis_cluster):
        monkeypatch.setattr(module, "FAIL_OVER", seconds)


# Who is asked what.


def test_round_trips_to_a_cluster(cluster: Cluster, prefix: str) -> None:
    """A first token takes eight round trips to one node, seven later, and a stored one a command."""
    server = Server()

    def trips(act: Callable[[], object]) -> list[str]:
        lines: list[Any] = cluster.lines
        for line in lines:
            line.trips.clear()
        act()
        # The rest is about the cluster, not about records.
        found = [[trip for trip in line.trips if prefix.encode() in trip] for line in lines]
        (one,) = (commands(trips) for trips in found if trips)
        return one

    with RedisStore(cluster.url, prefix=prefix) as store:
        source = server.source_here(store)
        renewing, keeping = ["GET", "SET+GET", "GET+GET+GET"], ["SET", "GET", "SET", "EVAL"]
        assert trips(source.token) == [*renewing, "INFO+CONFIG+SET+EVAL+DEL", *keeping]
        assert trips(server.source_here(store, instance="second").token) == renewing + keeping
        token = source.token()
        assert trips(lambda: source.token(instead_of=token)) == [*renewing, "SET", "EVAL"]
        assert trips(server.source_here(store).token) == ["GET"]


def test_an_identity_is_in_one_slot() -> None:
    """Records, lock and scratch of one identity have one slot, and identities are spread over them."""
    names = Names("dcrauth:", tagged=True)

    def slots(head: str) -> set[int]:
        rest = ["", ".credentials", ".token", ".token-0f", ".replaced-1", ".kept"]
        found = [names.record(head + each) for each in rest]
        return {key_slot(name) for name in (*found, names.lock(head), names.scratch(head))}

    heads = ["", "}", "a}b", "{c}", *(secrets.token_hex(32) for _ in range(100))]
    assert {len(slots(head)) for head in heads} == {1}
    assert len(set.union(*map(slots, heads))) > 90
    for key in ("", ".", "a.b.c", "}x", "a}b.c", "{id:a}.token"):
        assert names.key(names.record(key)) == key
    assert names.key(b"dcrauth:record:key") is None


@pytest.mark.fault(
    "one node of a Redis cluster may evict records",
    "the health check of whoever uses it warns of it, and that of an operator",
)
def test_a_node_is_doubtful(cluster: Cluster, prefix: str, recwarn: pytest.WarningsRecorder) -> None:
    """Who renews an identity looks at the node that has it; who holds no lock looks at all."""
    with RedisStore(cluster.url, prefix=prefix) as store:
        names = {cluster.primary_of(store._names.record(f"{number}")): f"{number}" for number in range(50)}
        assert len(names) == len(cluster.primaries)
        (doubtful, here), (_, elsewhere), *_ = names.items()
        doubtful.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            with store.lock(elsewhere, wait=0):
                store.healthcheck()
            assert not recwarn.list
            where = cluster.lines[cluster.primaries.index(doubtful)].port
            with store.lock(here, wait=0), pytest.warns(StoreWarning, match=f"{where} may evict"):
                store.healthcheck()
            with pytest.warns(StoreWarning, match=f"{where} may evict"):
                store.healthcheck()
        finally:
            doubtful.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_keys_of_all_nodes(cluster: Cluster, prefix: str) -> None:
    """All keys are listed, whichever node has them, and many are read at once."""
    keys = [f"{number}.token" for number in range(60)]
    with RedisStore(cluster.url, prefix=prefix) as store:
        for key in keys:
            store.put(key, key.encode())
        assert set(store.keys()) == set(keys)
        assert store.get_many(keys) == {key: key.encode() for key in keys}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["cluster", "guarded"])
def test_replicas_of_a_group(form: str, prefix: str, request: pytest.FixtureRequest) -> None:
    """With replicas=1 a write counts once the replica of that very server has it."""
    group: Any = request.getfixturevalue(form)
    with RedisStore(group.url, prefix=prefix, replicas=1) as store:
        store.healthcheck()
        assert store.add("key.credentials", b"old") is True
        assert store.replace("key.credentials", b"new", expected=b"old") is True
        assert store.add("key.credentials", b"other") is False
    with RedisStore(group.url, prefix=prefix, replicas=2) as store:
        with pytest.raises(StoreUnavailable, match="fewer than 2 replicas"):
            store.healthcheck()
        with pytest.raises(StoreUnavailable, match="only 1 of 2 replicas"):
            store.add("another", b"value")


# What is given.


def clients(group: Any, **settings: Any) -> list[Any]:
    """Return what a user may give for a group of servers."""
    if isinstance(group, Cluster):
        return [redis.RedisCluster(host="127.0.0.1", port=group.primaries[0].port, **settings)]
    hosts = [("127.0.0.1", each.port) for each in group.sentinels]
    return [redis.Sentinel(hosts, **settings).master_for(SERVICE)]


@pytest.mark.parametrize("form", ["cluster", "guarded"])
def test_a_client_of_the_users(form: str, prefix: str, request: pytest.FixtureRequest) -> None:
    """A client of the user's is used, and left open; one that decodes is refused, one without limits warned of."""
    group: Any = request.getfixturevalue(form)
    (client,) = clients(group, socket_timeout=5.0)
    with client, RedisStore(client, prefix=prefix) as store, RedisStore(group.url, prefix=prefix) as same:
        assert store.add("key.credentials", b"value") is True
        assert same.get("key.credentials") == b"value"
        assert RedisStore(client, prefix=prefix).place == store.place != same.place or form == "guarded"
        store.close()
        assert store.get("key.credentials") == b"value"
    (careless,) = clients(group, socket_timeout=None)
    with careless, pytest.warns(StoreWarning, match="socket_timeout=5") as told:
        RedisStore(careless)
    assert told[0].filename == __file__
    (decoding,) = clients(group, socket_timeout=5.0, decode_responses=True)
    with decoding, pytest.raises(ConfigurationError, match="decode_responses"):
        RedisStore(decoding)


def test_a_client_of_replicas_is_refused(guarded: Watched) -> None:
    """A client that asks replicas, which may be behind, is refused."""
    hosts = [("127.0.0.1", each.port) for each in guarded.sentinels]
    client: Any = redis.Sentinel(hosts, socket_timeout=5.0)
    with client.slave_for(SERVICE) as replicas, pytest.raises(ConfigurationError, match="master_for"):
        RedisStore(replicas)


@pytest.mark.fault("the Redis of a store is none of a cluster, and was named as one", "`ConfigurationError`")
def test_a_server_that_is_no_cluster(redis_server: RedisServer) -> None:
    """What was named as a cluster and is none is told at the first use, and so is the other way round."""
    url = redis_server.url.replace("redis:", "redis+cluster:")
    with (
        RedisStore(url) as store,
        pytest.raises(ConfigurationError, match=r"not part of a cluster: name it by redis://"),
    ):
        store.get("key")


@pytest.mark.fault("the Sentinels of a Redis do not know its name", "`StoreUnavailable` says so")
def test_a_service_that_nobody_knows(guarded: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that no Sentinel knows is an error that says so."""
    patience(monkeypatch, 0.1)
    url = guarded.url.replace(f"/{SERVICE}", "/nobody")
    with RedisStore(url) as store, pytest.raises(StoreUnavailable, match=r"the primary of nobody.*no Sentinel"):
        store.get("key")


def ids(group: Any) -> set[int]:
    """Return the numbers of all connections to the primaries."""
    return {
        int(each["id"]) for node in group.serving for each in node.ask("CLIENT LIST") if each["cmd"] != "client|list"
    }


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("whose", ["ours", "the user's"])
@pytest.mark.parametrize("form", ["cluster", "guarded"])
def test_forks_share_no_connection(form: str, whose: str, prefix: str, request: pytest.FixtureRequest) -> None:
    """Children that work at once each read what they wrote, and the parent goes on over the connections it had."""
    group: Any = request.getfixturevalue(form)
    (client,) = clients(group, socket_timeout=5.0)
    with client, RedisStore(group.url if whose == "ours" else client, prefix=prefix) as store:
        for number in range(4):
            store.put(f"{number}", b"")
        before = ids(group)
        crowds.use_in_children(store, 50)
        for number in range(4):
            assert store.get(f"{number}") == b"49"
        assert len(before - ids(group)) <= len(group.serving)  # those that asked for the list are over


@pytest.mark.slow
@pytest.mark.fault("all nodes of a Redis cluster are down", "`StoreUnavailable`; once they are back, the store works")
def test_a_cluster_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is gone is an error, waited for once and not at each call; its first hosts lead to it again."""
    asked_for()
    patience(monkeypatch, 0.2)
    with LoneNode(tmp_path, journal=True) as node, RedisStore(node.url) as store:
        store.put("key", b"value")
        node.kill()
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=rf"the cluster of 127\.0\.0\.1:{node.port} cannot read"):
                store.get("key")
        tries = sum(1 for _ in store._servers.tries())
        node.start()
        assert tries == 2
        assert store.get("key") == b"value"
        assert sum(1 for _ in store._servers.tries()) > 2


@pytest.mark.parametrize("form", [LoneNode, WatchedServer])
def test_a_wrong_password_is_told_at_once(form: Any, tmp_path: Path) -> None:
    """Without the right password a call is an error that says so, not waited for, and that shows none."""
    asked_for()
    with form(tmp_path / "server", password=f"{CANARY}-indeed") as server:
        right = server.url if form is LoneNode else server.url.replace("://", f"://:{CANARY}-indeed@")
        wrong = right.replace("-indeed", "")
        with RedisStore(right) as store:
            if form is LoneNode:
                assert store.add("key", b"value") is True
        for url in (wrong, right.replace(f":{CANARY}-indeed@", "")):
            with (
                RedisStore(url) as store,
                pytest.raises(StoreUnavailable, match="AuthenticationError; check") as caught,
            ):
                store.get("key")
            assert CANARY not in f"{caught.value!r} {store!r}"
