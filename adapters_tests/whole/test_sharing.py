"""One client for all who share a store: processes with different HTTP libraries, and hosts that share a Redis."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters_tests.common import clients
from adapters_tests.common.soak import often
from adapters_tests.servers.redis_server import RedisServer
from adapters_tests.stores import kinds_of_stores as kinds
from dcrauth import AdobePass, TokenSource
from dcrauth._internal.strict_json import jwt_claims
from dcrauth.simulator import Behaviour, Call, Simulator
from dcrauth.simulator.http import Visit
from dcrauth.stores._leases import LEASES
from dcrauth.stores.redis import RedisStore
from dcrauth.transports.requests import RequestsTransport

PATIENCE = 60
LIBRARIES = ("requests", "httpx", "aiohttp")
ROUNDS = often(50, by_night=200)


def _application(library: str, open_store: kinds.Factory, statement: str, url: str, barrier: Any, results: Any) -> None:
    """A program with one HTTP library, which sends one request."""
    kind = next(each for each in clients.KINDS if each.library == library)
    auth = kind.auth(AdobePass(statement, base_url=url), store=open_store())
    with kind.open(auth) as app:
        barrier.wait(PATIENCE)
        results.put(app.get(f"{url}/api/v2/REF30/configuration").status)


@pytest.mark.fault(
    "processes with different HTTP libraries start at once on one store",
    "one registration, and all use its credentials",
)
@pytest.mark.parametrize("name", ["file", "sqlite", "redis"])
@pytest.mark.slow
def test_three_libraries_share_a_client(name: str, tmp_path: Path, redis_server: RedisServer) -> None:
    """Three processes with different HTTP libraries and one store register once and use the same credentials."""
    kind = kinds.in_redis(redis_server.url) if name == "redis" else getattr(kinds, name)(tmp_path)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(LIBRARIES)), context.Queue()
    with Simulator(Behaviour(register_delay=0.1)) as adobe:
        given = (kind.open, adobe.software_statement, adobe.url, barrier, results)
        processes = [context.Process(target=_application, args=(library, *given), daemon=True) for library in LIBRARIES]
        statuses = _outcomes(processes, results)
        used = {parse_qs(call.body.decode())["client_id"][0] for call in adobe.calls if call.endpoint == "token"}
        assert statuses == [200, 200, 200]
        assert (adobe.counts.register, adobe.counts.token, len(used)) == (1, 1, 1)


def _outcomes(processes: list[Any], results: Any) -> list[Any]:
    for process in processes:
        process.start()
    try:
        return [results.get(timeout=PATIENCE) for _ in processes]
    finally:
        for process in processes:
            process.join(PATIENCE)
            process.kill()


def _host(number: int, open_store: kinds.Factory, statement: str, url: str, barrier: Any, results: Any) -> None:
    """A host: a process with folders of its own that shares nothing but a Redis; one instance more in each round."""
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, XDG_DATA_HOME=home, TMPDIR=home)
        os.chdir(home)
        provider, store, used = AdobePass(statement, base_url=url), open_store(), []
        for turn in range(ROUNDS):
            source = TokenSource(provider, store=store, instance=f"round {turn}", transport=RequestsTransport())
            barrier.wait(PATIENCE)
            used.append(jwt_claims(source.token().value)["sub"])
        results.put((number, used))
        os.chdir("/")


def _halting_host(*given: Any) -> None:
    """A host that cannot extend its leases, as one that stands still again and again."""
    LEASES.look = lambda: 0.1  # type: ignore[method-assign]  # what extends them
    _host(*given)


class _Together(Simulator):
    """A server that answers no registration before it is asked for two."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def receive(self, call: Call) -> Visit:
        """Keep a registration until there is another one."""
        visit = super().receive(call)
        if call.endpoint == "register":
            self._both.wait(PATIENCE)
        return visit


def _hosts(
    redis: RedisServer, server: Simulator, host: Callable[..., None] = _host, **settings: Any
) -> tuple[list[str], list[str], int]:
    """Let two hosts play their rounds; return the client that each used in each round, and the registrations."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    open_store = partial(RedisStore, redis.url, prefix=f"{secrets.token_hex(8)}:", **settings)
    with server as adobe:
        given = (open_store, adobe.software_statement, adobe.url, barrier, results)
        processes = [context.Process(target=host, args=(number, *given), daemon=True) for number in range(2)]
        found = dict(_outcomes(processes, results))
        return found[0], found[1], adobe.counts.registered


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_hosts_share_a_client(redis_server: RedisServer) -> None:
    """Two hosts that share a Redis register once for each instance and use the same credentials, in every round."""
    one, other, registered = _hosts(redis_server, Simulator())
    assert one == other
    assert len(set(one)) == ROUNDS
    assert registered == ROUNDS


@pytest.mark.fault(
    "the lease of a lock in Redis ends in the middle of a registration, as the host that holds it stands still",
    "there may be a second one; the first that is stored is used by all",
)
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_hosts_share_a_client_when_the_lease_runs_out(redis_server: RedisServer) -> None:
    """When a lease that nobody extends ends in the middle of a registration both register, and use the same client."""
    one, other, registered = _hosts(redis_server, _Together(), _halting_host, lease=0.01)
    assert one == other
    assert len(set(one)) == ROUNDS
    assert registered == 2 * ROUNDS
