"""What is promised of a RedisStore with one server, promised with a cluster and with Sentinels as well."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from adapters_tests.servers.redis_clusters import LoneNode
from adapters_tests.servers.redis_groups import asked_for, until
from adapters_tests.servers.redis_sentinels import WatchedServer
from adapters_tests.servers.redis_server import Line, RedisServer
from adapters_tests.stores.test_redis_store import (  # noqa: F401  # run here with the servers of this file
    test_a_claim_is_mistaken_for_no_other,
    test_a_connection_is_waited_for_as_long_as_the_url_says,
    test_a_cut_line_costs_no_lock,
    test_a_cut_line_leaves_no_doubt,
    test_a_flushed_server_is_empty,
    test_a_fork_shares_no_connection,
    test_a_full_server_keeps_what_it_has,
    test_a_healthy_server_is_not_doubted,
    test_a_killed_holder_is_outlived,
    test_a_lease_ends,
    test_a_lease_is_extended,
    test_a_lock_may_outlive_its_server,
    test_a_name_that_is_no_key_is_told,
    test_a_refusal_after_a_lost_answer_is_no_refusal,
    test_a_restart_loses_nothing,
    test_a_server_that_evicts_is_doubtful,
    test_a_server_that_is_silent_is_unavailable,
    test_a_server_that_lacks_replicas_refuses,
    test_a_store_is_not_pickled,
    test_keys_are_read_page_by_page,
    test_threads_wait_for_a_connection,
    test_what_a_server_lost_is_put_back,
    test_what_is_no_record_is_left_alone,
)
from dcrauth import StoreUnavailable
from dcrauth.stores import _redis_cluster, _redis_servers
from dcrauth.stores.redis import RedisStore

FORMS: dict[str, Any] = {"cluster": LoneNode, "sentinel": WatchedServer}
USUAL = {"maxmemory": 0, "maxmemory-policy": "noeviction", "min-replicas-to-write": 0}


@pytest.fixture(scope="module", params=FORMS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster of one node, or a server that a Sentinel names."""
    asked_for()
    with FORMS[request.param](tmp_path_factory.mktemp(request.param) / "server", journal=True) as server:
        yield server


@pytest.fixture
def server(running: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """The same, as it was in the beginning; nobody takes its place, for which is waited shortly."""
    for module in (_redis_servers, _redis_cluster):
        monkeypatch.setattr(module, "FAIL_OVER", 0.3)
    running.resume() if running.is_up else running.start()
    for name, value in USUAL.items():
        running.ask("CONFIG", "SET", name, value)
    running.ask("FLUSHALL")
    return running


@pytest.fixture
def silent() -> Iterator[tuple[str, Counter[int]]]:
    """The hosts of a cluster that accept connections and say nothing, and how many each of them has accepted."""
    accepted = Counter[int]()
    with ExitStack() as ends:
        listeners = [ends.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]

        def accept(listener: socket.socket) -> None:
            with suppress(OSError):
                while True:
                    ends.enter_context(listener.accept()[0])
                    accepted[listener.fileno()] += 1

        threads = [threading.Thread(target=accept, args=(each,), daemon=True) for each in listeners]
        for each in threads:
            each.start()
        yield ",".join(f"127.0.0.1:{each.getsockname()[1]}" for each in listeners), accepted
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
        for each in threads:
            each.join(10)


def test_silent_nodes_are_waited_for_once(silent: tuple[str, Counter[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that all are silent are not asked again within a reading, nor by each of the threads that wait for them."""
    hosts, accepted = silent
    for module in (_redis_servers, _redis_cluster):
        monkeypatch.setattr(module, "FAIL_OVER", 0.03)
    with RedisStore(f"redis+cluster://{hosts}?socket_timeout=0.05") as store, ThreadPoolExecutor(8) as pool:
        ready = threading.Barrier(8)

        def read() -> None:
            ready.wait(20)
            store.get("key")

        for outcome in [pool.submit(read) for _ in range(8)]:
            with pytest.raises(StoreUnavailable, match="no answer in time"):
                outcome.result(20)
        until(lambda: len(accepted) == 3, "not all nodes were asked")
        once = accepted.total()
        assert once < 8 * 3, "not by each thread"
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            store.get("key")
        until(lambda: accepted.total() > once, "the next call does not ask them")


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    """A store there, which holds one record."""
    with RedisStore(server.url) as store:
        assert store.add("key", b"old") is True
        yield store


@pytest.fixture
def line(server: Any) -> Iterator[Line]:
    """A line to it that can be cut, and to which all clients are sent."""
    with server.line() as line:
        yield line
