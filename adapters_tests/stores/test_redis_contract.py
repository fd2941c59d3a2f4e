"""The contract of all stores over what a RedisStore may be given beside one Redis: a cluster, Sentinels, a Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from adapters_tests.servers.redis_clusters import Cluster, LoneNode
from adapters_tests.servers.redis_groups import asked_for, valkey
from adapters_tests.servers.redis_sentinels import Watched, WatchedServer
from adapters_tests.servers.redis_server import Line, RedisServer
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from adapters_tests.stores.test_stores import Contract
from dcrauth import Store


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    asked_for()
    with WatchedServer(tmp_path_factory.mktemp("lonely") / "server", journal=True) as server:
        yield server


@pytest.fixture(scope="module")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("valkey"), journal=True, runs=valkey()) as server:
        yield server


@pytest.fixture(scope="module")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with LoneNode(tmp_path_factory.mktemp("valkey-cluster"), journal=True, runs=valkey()) as server:
        yield server


@pytest.fixture(scope="module")
def valkey_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with WatchedServer(tmp_path_factory.mktemp("valkey-sentinel") / "server", journal=True, runs=valkey()) as server:
        yield server


class OverLines(Contract):
    """The contract with its hook for lost answers, of whichever command writes."""

    lines_under_test: list[Line]

    @contextmanager
    def losing_the_answer(self, store: Store) -> Iterator[None]:
        for line in self.lines_under_test:
            line.cut_at(b":record:", "after")
        yield
        assert sum(line.cuts_left for line in self.lines_under_test) == len(self.lines_under_test) - 1
        for line in self.lines_under_test:
            line.forget()


class TestCluster(OverLines):
    """RedisStore over a cluster."""

    @pytest.fixture
    def kind(self, redis_cluster: Cluster) -> Kind:
        self.lines_under_test = redis_cluster.lines
        return kinds.in_redis(redis_cluster.url)


class TestSentinel(Contract):
    """RedisStore over what Sentinels watch."""

    @pytest.fixture
    def kind(self, watched: Watched) -> Kind:
        return kinds.in_redis(watched.url)


class TestSentinelByALine(OverLines):
    """The same where answers are lost."""

    @pytest.fixture
    def kind(self, lonely: WatchedServer) -> Iterator[Kind]:
        with lonely.line() as line:
            self.lines_under_test = [line]
            yield kinds.in_redis(line.url)


class TestValkey(Contract):
    """RedisStore over a Valkey."""

    @pytest.fixture
    def kind(self, valkey_server: RedisServer) -> Kind:
        return kinds.in_redis(valkey_server.url)


class TestValkeyCluster(Contract):
    """RedisStore over a cluster of Valkey."""

    @pytest.fixture
    def kind(self, valkey_cluster: RedisServer) -> Kind:
        return kinds.in_redis(valkey_cluster.url)


class TestValkeySentinel(Contract):
    """RedisStore over a Valkey that its Sentinel watches."""

    @pytest.fixture
    def kind(self, valkey_sentinel: RedisServer) -> Kind:
        return kinds.in_redis(valkey_sentinel.url)
