"""Stores whose server is far away, or gone without a word: they are slow, or say so in time, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters_tests.common.direct import Server
from adapters_tests.servers.database_servers import MariaDBServer, PostgresServer
from adapters_tests.servers.redis_server import RedisServer
from adapters_tests.servers.troubled_line import TroubledLine
from dcrauth import Policy, RedisStore, ServerUnavailable, Store, StoreUnavailable
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.stores.sql import SQLStore


@dataclass(frozen=True)
class Far:
    """A store at the other end of a line.

    Parameters:
        line: the line.
        open: makes the store, as another process would.
    """

    line: TroubledLine
    open: Callable[[], Store]


def in_tables(url: str, line: TroubledLine, **query: str) -> Callable[[], Store]:
    """Return what opens a store in tables of a database at the end of *line*."""
    direct = sa.make_url(url)

    def made() -> Store:
        return SQLStore(direct.set(port=line.port).update_query_dict(query), table="troubled")

    with SQLStore(direct, table="troubled") as store:
        store.create_tables()
        for key in list(store.keys()):
            store.delete(key)
    return made


@pytest.fixture(params=["redis", "postgres", "mariadb"])
def far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A store of each kind that has a server; each waits for an answer for a second at most."""
    if request.param == "redis":
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        with TroubledLine(redis_server) as line:
            prefix = f"{request.node.name}:"
            client = redis.Redis(port=line.port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))
            yield Far(line, lambda: RedisStore(client, prefix=prefix))
            client.close()
        return
    server: PostgresServer | MariaDBServer = request.getfixturevalue(request.param)
    url: str = request.getfixturevalue(f"{request.param}_url")
    with TroubledLine(server) as line:
        if request.param == "postgres":
            monkeypatch.setattr("dcrauth.stores._psycopg.ANSWER_WITHIN", 1.0)
            yield Far(line, in_tables(url, line, connect_timeout="2"))
        else:
            yield Far(line, in_tables(url, line, connect_timeout="1", read_timeout="1"))


pytestmark = pytest.mark.slow


@pytest.mark.fault("the way to a store's server is slow", "it takes longer; nothing is registered twice")
def test_a_slow_line(far: Far) -> None:
    """A client that was registered over a slow line is found by the next process, over a slow line too."""
    far.line.delay = 0.02
    server = Server()
    assert server.source(far.open()).token().value == "token-1"
    assert server.source(far.open()).token().value == "token-1"
    assert server.world.registrations == 1


@pytest.mark.fault(
    "a store's server is gone without a word: its connections stay, and nothing comes over them",
    "`StoreUnavailable` in time, without a registration; once it is back, all goes on, over new connections",
)
def test_a_line_on_which_nothing_comes(far: Far) -> None:
    """What is asked of a server that says nothing more fails in time; nothing is registered meanwhile."""
    store, server = far.open(), Server()
    assert store.add("key", b"first")
    far.line.hold()
    with pytest.raises(StoreUnavailable):
        store.get("key")
    with pytest.raises((StoreUnavailable, ServerUnavailable)):
        server.source(far.open(), policy=Policy(timeout=4.0)).token()
    assert server.world.registrations == 0
    far.line.go_on()
    assert store.get("key") == b"first"
    assert server.source(far.open()).token().value == "token-1"


@pytest.mark.fault(
    "a store's server is gone without a word while a client is registered",
    "the client is not used before it is stored; once the server is back, everybody uses one client, the stored one",
)
def test_a_line_that_goes_silent_in_a_registration(far: Far) -> None:
    """A registration whose outcome cannot be stored makes an error; all that was ever used is what is stored."""
    once = [far.line.hold]
    server = Server(on_registration=lambda: once and once.pop()())
    with pytest.raises((StoreUnavailable, ServerUnavailable)):
        server.source(far.open(), policy=Policy(timeout=4.0)).token()
    assert server.world.used == []
    far.line.go_on()
    for _ in range(2):
        server.source(far.open()).token()
    assert set(server.world.used) == {stored_client(far.open())}


def stored_client(store: Store) -> str:
    [key] = [key for key in store.keys() if key.endswith(".credentials")]
    found = read_credentials(key, store.get(key) or b"")
    assert isinstance(found, StoredCredentials)
    return found.credentials.client_id
