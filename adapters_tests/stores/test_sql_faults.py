"""What SQLStore says and does where a database fails, and that nothing of a record shows."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import dcrauth
from adapters_tests.common.direct import Server
from adapters_tests.common.ports import free_port
from adapters_tests.servers.database_servers import MariaDBServer, Pooler, PostgresServer
from adapters_tests.stores import crowds
from dcrauth import ConfigurationError, StoreError, StoreUnavailable
from dcrauth.stores import _sql_faults, sql
from dcrauth.stores._sql_row import row_of
from dcrauth.stores.by_url import open_store
from dcrauth.stores.sql import SQLStore

SOURCE = str(Path(dcrauth.__file__).parent)
CANARY = b"canary-" * 8


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database without tables."""
    return f"sqlite:///{tmp_path}/records.db"


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    """A store in a database of its own."""
    with SQLStore(url) as store:
        store.create_tables()
        yield store


@pytest.fixture
def server() -> Server:
    """An authorization server."""
    return Server()


@pytest.fixture
def tables(postgres: PostgresServer) -> Iterator[SQLStore]:
    """A store in PostgreSQL, whose tables are gone afterwards."""
    with SQLStore(postgres.url) as store:
        store.create_tables()
        yield store
        store._statements.done("drop the tables", lambda: store._metadata.drop_all(store._together))


def in_sqlite(tmp_path: Path, **options: Any) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path}/records.db", **options)


@pytest.mark.fault("a table of SQLStore was dropped", "`StoreUnavailable` says so; nothing is registered")
def test_a_dropped_table_is_no_empty_one(store: SQLStore, server: Server) -> None:
    """With its tables gone a store registers nobody, and makes no new ones."""
    source = server.source_here(store=store)
    source.token()
    store._metadata.drop_all(store._together)
    fresh = server.source_here(store=store, instance="another")
    for each in (fresh, server.source_here(store=store)):
        with pytest.raises(StoreUnavailable, match="a table of the store is not there"):
            each.token()
    assert server.world.registrations == 1


def test_tables_are_not_made_by_themselves(url: str) -> None:
    """A database without the tables is an error that says how they are made."""
    with SQLStore(url) as store, pytest.raises(StoreUnavailable, match="create_tables"):
        store.healthcheck()


def test_a_table_of_somebody_else(url: str) -> None:
    """A table of the same name with other columns is not touched."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE dcrauth_records (id INTEGER PRIMARY KEY, title TEXT)")
    engine.dispose()
    with SQLStore(url) as store:
        acts = (store.create_tables, lambda: store.get("key"), lambda: store.add("key", b"value"), store.healthcheck)
        for act in acts:
            with pytest.raises(StoreUnavailable, match="name another by table="):
                act()


FAULTS = ("drop", "rename")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("echo", [False, True, "debug"])
def test_no_record_shows(fault: str, echo: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No byte of a record is in an error, what led to it, its frames or a log line, whatever the Engine logs."""
    caplog.set_level(logging.DEBUG)
    engine = in_sqlite(tmp_path, echo=echo)
    with closing_engine(engine):
        store = SQLStore(engine)
        store.create_tables()
        store.add("key", CANARY)
        store.put("other", CANARY)
        assert store.get("key") == CANARY
        assert store.replace("key", CANARY * 2, expected=CANARY)
        with engine.begin() as connection:
            if fault == "drop":
                connection.exec_driver_sql("DROP TABLE dcrauth_records")
            else:
                connection.exec_driver_sql("ALTER TABLE dcrauth_records RENAME COLUMN value TO was")
        acts = [
            lambda: store.get("key"),
            lambda: store.add("new", CANARY),
            lambda: store.put("key", CANARY),
            lambda: store.replace("key", CANARY, expected=CANARY * 2),
            store.healthcheck,
        ]
        told = [failure(each) for each in acts]
    assert "canary" not in "".join(told) + caplog.text


def failure(act: Any) -> str:
    """Return all that the error of *act* tells, with the variables of our frames."""
    with pytest.raises(StoreError) as caught:
        act()
    chain: list[BaseException] = [caught.value]
    while (above := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(above)
    frames = [frame for each in chain for frame, _ in traceback.walk_tb(each.__traceback__)]
    ours = [repr(frame.f_locals) for frame in frames if SOURCE in frame.f_code.co_filename]
    return "".join([*(f"{each!r} {each}" for each in chain), *ours])


@pytest.mark.fault("the disk of a SQL database is full", "`StoreUnavailable` says so; the old record stands")
def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is no room each write is an error that says so, quotes nothing, and leaves what was there."""
    caplog.set_level(logging.DEBUG)
    engine = in_sqlite(tmp_path, echo="debug")
    with closing_engine(engine):
        store = SQLStore(engine)
        store.create_tables()
        store.add("key", b"value")
        sa.event.listen(engine, "checkout", lambda made, *_: made.execute("PRAGMA max_page_count = 1"))
        much = CANARY * 10_000
        acts = [
            lambda: store.add("new", much),
            lambda: store.put("key", much),
            lambda: store.replace("key", much, expected=b"value"),
        ]
        told = [failure(each) for each in acts]
        assert all("no room left" in each for each in told)
        assert (store.get("key"), store.get("new")) == (b"value", None)
    assert "canary" not in "".join(told) + caplog.text


class closing_engine:  # noqa: N801  # a context, as contextlib names them
    """Dispose of an Engine at the end."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def __enter__(self) -> sa.Engine:
        return self.engine

    def __exit__(self, *failure: object) -> None:
        self.engine.dispose()


DRIVERS = ("postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_is_not_there(driver: str) -> None:
    """Where nothing listens, the error says so in words of ours, and holds neither user nor password."""
    with SQLStore(f"{driver}://s3user:s3cret@127.0.0.1:{free_port()}/app") as store:
        told = failure(lambda: list(store.keys()))
    assert "connection refused: no server listens there" in told
    assert "s3user" not in told
    assert "s3cret" not in told


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    """A socket of the file system that nobody listens at is told as that."""
    with (
        SQLStore(f"postgresql+psycopg://user:s3cret@/app?host={tmp_path}") as store,
        pytest.raises(StoreUnavailable, match="there is no such socket"),
    ):
        store.get("key")


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """An SQLite file whose directory is not there is an error that says what to look for."""
    with (
        SQLStore(f"sqlite:///{tmp_path}/none/records.db") as store,
        pytest.raises(StoreUnavailable, match="see that its directory is there"),
    ):
        store.get("key")


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    """A file of the URL's options that a driver does not find is an error of the store, as all else is."""
    with (
        SQLStore(f"mysql+pymysql://user:s3cret@127.0.0.1/app?ssl_ca={tmp_path}/none.pem") as store,
        pytest.raises(StoreUnavailable, match="a file that the URL names is not there"),
    ):
        store.get("key")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('connection failed: FATAL:  database "s3cret" does not exist', "there is no database of that name"),
        ('connection failed: FATAL:  role "s3cret" does not exist', "check the user name and the password"),
        ('failed: FATAL:  password authentication failed for user "s3cret"', "check the user name and the password"),
        ("connection failed: fe_sendauth: no password supplied s3cret", "check the user name and the password"),
        ('FATAL:  no pg_hba.conf entry for host "s3cret"', "see its pg_hba.conf"),
        ("connection failed: FATAL:  sorry, too many clients already s3cret", "too many connections"),
        ("FATAL:  the database system is starting up s3cret", "try again in a moment"),
        ("server does not support SSL, but SSL was required s3cret", "it has no TLS"),
        ("SSL error: certificate verify failed s3cret", "its certificate is not trusted here"),
        ('server certificate for "s3cret" does not match host name "localhost"', "its certificate is of another name"),
        ("certificate verify failed: Hostname mismatch, not valid for 's3cret'", "its certificate is of another name"),
        (
            "certificate verify failed: IP address mismatch, not valid for 's3cret'",
            "its certificate is of another name",
        ),
        ("failed to resolve host 's3cret': [Errno -2] Name or service not known", "no address is known"),
        ('could not translate host name "s3cret" to address: nodename nor servname', "no address is known"),
        ("Can't connect to MySQL server on 's3cret' ([Errno 2] No such file or directory)", "there is no such socket"),
        ("Can't connect to MySQL server on 's3cret:1' (111)", "connection refused"),
        ('server at "s3cret" failed: Network is unreachable', "no way to this host"),
        ("connection timeout expired s3cret", "no answer in time"),
        ("server closed the connection unexpectedly s3cret", "the connection was lost"),
        ("connection failed: in a language that nobody here knows s3cret", "it cannot be reached"),
        (
            '"::1" failed: Connection refused "s3cret" failed: FATAL:  database "a" does not exist',
            "no database of that",
        ),
    ],
)
def test_what_a_driver_says_without_a_code(text: str, words: str) -> None:
    """What libpq tells by its text alone is told in words of ours, none of which is from that text."""
    told = _sql_faults.reason(sa.exc.OperationalError("SELECT s3cret", {"value": "s3cret"}, Exception(text)))
    assert words in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1049, "there is no database of that name"),
        (1045, "check the user name and the password"),
        (1130, "it does not let this user in from here"),
        (1040, "too many connections"),
        (2005, "no address is known"),
        (2003, "it cannot be reached"),
        (2013, "the connection was lost"),
    ],
)
def test_what_mysql_says_by_a_number(number: int, words: str) -> None:
    """A number of MySQL is told with what it means, and with nothing of the text beside it."""
    told = _sql_faults.reason(sa.exc.OperationalError("SELECT", {}, Exception(number, "s3cret")))
    assert told.startswith(f"Exception ({number}); ")
    assert words in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("postgresql+psycopg://user:s3cret@host:notaport/db", "takes the URL of a database"),
        ("nothing", "takes the URL of a database"),
        ("oracle://user:s3cret@host/db", "SQLStore knows"),
        ("postgresql+nodriver://user:s3cret@host/db", "which is not installed"),
        (5, "takes the URL of a database"),
        ("sqlite://", "take MemoryStore"),
        ("sqlite:///:memory:", "take MemoryStore"),
        ("sqlite:///file:shared?mode=memory&uri=true", "take MemoryStore"),
        (None, "takes the URL of a database"),
    ],
)
def test_what_is_no_database(given: Any, words: str) -> None:
    """What cannot be used is said without the URL, which may hold a password."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        SQLStore(given)
    assert "s3cret" not in str(caught.value)


def test_databases_are_told_apart(tmp_path: Path) -> None:
    """One database is one place, by whatever password; another one, another table or an Engine of the user's is not."""
    url = "postgresql+psycopg://user:{}@host/db"

    def place(database: Any, **options: Any) -> object:
        with SQLStore(database, **options) as store:
            assert "s3cret" not in str(store.place)
            return store.place

    assert place(url.format("s3cret")) == place(url.format("another"))
    assert place(url.format("s3cret")) != place(url.format("s3cret") + "?host=other")
    assert place(url.format("s3cret")) != place(url.format("s3cret"), table="other")
    first, second = in_sqlite(tmp_path), in_sqlite(tmp_path)
    assert place(first) == place(first)
    assert place(first) != place(second)


@pytest.mark.parametrize(
    ("name", "value"), [("table", ""), ("table", "x" * 49), ("table", "é" * 25), ("table", 5), ("schema", 5)]
)
def test_names_of_tables(url: str, name: str, value: Any) -> None:
    """A name that no table can have is refused."""
    with pytest.raises(ConfigurationError, match=name):
        SQLStore(url, **{name: value})


def test_a_store_by_its_url(url: str) -> None:
    """The URL of a database names a store wherever a store is named by a text."""
    with open_store(url.replace("sqlite:", "sqlite+pysqlite:")) as store:  # type: ignore[attr-defined]
        assert isinstance(store, SQLStore)
        assert url.removeprefix("sqlite:///") in repr(store)


def test_many_pages_of_keys(store: SQLStore) -> None:
    """All keys are listed, however many pages they take, each once."""
    names = [f"key {number}" for number in range(2_500)]
    with store._together.begin() as connection:
        connection.execute(store.tables[0].insert(), [row_of(each, b"value") for each in names])
    assert sorted(store.keys()) == sorted(names)


def test_a_lease_is_a_row_and_no_connection(tmp_path: Path) -> None:
    """Any number of identities are renewed at once with one connection."""
    engine = in_sqlite(tmp_path, poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=1)
    with closing_engine(engine), ExitStack() as held:
        store = SQLStore(engine)
        store.create_tables()
        for number in range(30):
            held.enter_context(store.lock(f"key {number}", wait=0))
        assert store.add("key", b"value")


def test_the_ddl_makes_the_tables(url: str) -> None:
    """What `ddl` returns makes tables that do."""
    with SQLStore(url, table="clients") as store:
        with store._together.begin() as connection:
            for statement in filter(str.strip, store.ddl().split(";")):
                connection.exec_driver_sql(statement)
        store.healthcheck()
        assert store.add("key", b"value")


def test_alembic_leaves_the_tables_alone(tmp_path: Path) -> None:
    """With the tables in a program's own metadata, autogenerate finds nothing to do, however full they are."""
    from alembic.autogenerate import compare_metadata  # what it costs is for this test only
    from alembic.migration import MigrationContext

    engine = in_sqlite(tmp_path)
    with closing_engine(engine):
        store = SQLStore(engine)
        store.create_tables()
        store.add("key", b"value")
        metadata = sa.MetaData()
        for each in store.tables:
            each.to_metadata(metadata)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            dropped = compare_metadata(MigrationContext.configure(connection), sa.MetaData())
    assert [change[0] for change in dropped].count("remove_table") == 2, "without them it would drop them"


# With servers.


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_database_that_is_not_there(kind: str, request: pytest.FixtureRequest) -> None:
    """A server that has no such database, or no such user, is an error that says which of both."""
    url = sa.make_url(request.getfixturevalue(f"{kind}_url"))
    for changed, words in (
        (url.set(database="s3cret"), "there is no database of that name"),
        (url.set(username="s3cret", password="s3cret"), "check the user name and the password"),
    ):
        with SQLStore(changed) as store, pytest.raises(StoreUnavailable, match=words) as caught:
            store.get("key")
        assert "s3cret" not in caught.value.message.replace("/s3cret cannot", "/… cannot")


@pytest.mark.fault("connections to a database ended while nobody used them", "the next call is made over a new one")
@pytest.mark.parametrize("whose", ["ours", "the user's"])
def test_connections_that_ended(postgres: PostgresServer, tables: SQLStore, whose: str) -> None:
    """Connections that the server has ended meanwhile are no error, with an Engine that does not ping as well."""
    engine = sa.create_engine(postgres.url)
    with closing_engine(engine):
        store = tables if whose == "ours" else SQLStore(engine)
        store.add("key", b"value")
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query <> ''"
        postgres.execute(end)
        assert store.get("key") == b"value"
        postgres.execute(end)
        assert store.add("another", b"value")
        postgres.execute(end)
        with store.lock("key", wait=0):
            store.put("key", b"new")
        assert store.get("key") == b"new"


@pytest.mark.fault(
    "the user of a database may only read", "`StoreUnavailable` says what to grant; nothing is registered"
)
def test_a_role_that_may_only_read(postgres: PostgresServer, tables: SQLStore, server: Server) -> None:
    """Nothing is registered for a role that could not write what came of it."""
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    postgres.execute("CREATE ROLE reader LOGIN", grant)

    with SQLStore(postgres.url.replace("postgres@", "reader@", 1)) as store:
        assert store.get("key") is None
        with pytest.raises(StoreUnavailable, match="grant its user SELECT, INSERT, UPDATE and DELETE"):
            server.source_here(store=store).token()
    postgres.execute("DROP OWNED BY reader", "DROP ROLE reader")
    assert server.world.registrations == 0


@pytest.mark.fault("a database is a replica, or takes no writes", "it is not used, and the error says so")
def test_a_server_that_takes_no_writes(postgres: PostgresServer, tables: SQLStore) -> None:
    """A replica is never asked, as it may be behind."""
    postgres.execute("CREATE ROLE follower LOGIN", "ALTER ROLE follower SET default_transaction_read_only = on")
    url = postgres.url.replace("postgres@", "follower@", 1)
    with SQLStore(url) as store, pytest.raises(StoreUnavailable, match="name the primary"):
        store.get("key")
    postgres.execute("DROP ROLE follower")


def test_prepared_statements_behind_a_pooler(pooler: Pooler, tables: SQLStore) -> None:
    """With an Engine that prepares statements, which a pooler mixes up, the error names the option."""
    engine = sa.create_engine(pooler.url, pool_size=20, connect_args={"prepare_threshold": 0})
    with closing_engine(engine):
        store, told = SQLStore(engine), []

        def use(number: int) -> None:
            for _ in range(50):
                try:
                    store.get(f"key {number}")
                except StoreUnavailable as reason:
                    told.append(str(reason))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(8)))
    assert told, "the pooler knows prepared statements: see whether the option is still needed"
    assert all("prepare_threshold" in each for each in told), set(told)


def test_many_threads_behind_a_pooler(pooler: Pooler, tables: SQLStore) -> None:
    """64 threads share the two connections that a pooler has to the server."""
    with SQLStore(pooler.url) as store:

        def use(number: int) -> list[bool]:
            return [store.add(f"{number} {each}", b"value") for each in range(20)]

        with ThreadPoolExecutor(64) as pool:
            found = list(pool.map(use, range(64)))
    assert all(map(all, found))


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_the_winner_is_seen(kind: str, level: str, request: pytest.FixtureRequest) -> None:
    """Whatever isolation the user's Engine has, who comes second reads what came first."""
    url = request.getfixturevalue("postgres").url if kind == "postgres" else request.getfixturevalue("mariadb_url")
    engine = sa.create_engine(url, isolation_level=level, pool_size=10)
    with closing_engine(engine):
        store = SQLStore(engine, table=f"isolated_{level[:6].lower()}")
        store.create_tables()
        barrier = threading.Barrier(8)

        def race(number: int) -> tuple[bool, bytes | None]:
            barrier.wait(10)
            return store.add("key", b"%d" % number), store.get("key")

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(race, range(8)))
        assert [won for won, _ in found].count(True) == 1
        (winner,) = {value for _, value in found}
        assert winner == b"%d" % [won for won, _ in found].index(True)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_leases_go_by_the_clock_of_the_database(kind: str, request: pytest.FixtureRequest) -> None:
    """Sessions in other time zones take no lease that lives, and one whose time is over is free for each."""
    if kind == "postgres":
        url = request.getfixturevalue("postgres").url
        zones = [{"options": f"-c timezone={zone}"} for zone in ("Asia/Karachi", "America/Los_Angeles")]
    else:
        url = request.getfixturevalue("mariadb_url")
        zones = [{"init_command": f"SET time_zone = '{zone}'"} for zone in ("+05:00", "-08:00")]
    engines = [sa.create_engine(url, connect_args=each) for each in zones]
    with ExitStack() as held:
        first, second = (SQLStore(held.enter_context(closing_engine(each)), table="zones") for each in engines)
        first.create_tables()
        for holder, other in ((first, second), (second, first)):
            with holder.lock("key", wait=0):
                with pytest.raises(StoreUnavailable), other.lock("key", wait=0):
                    pass
                leases = holder.tables[1]
                with holder._together.begin() as connection:
                    connection.execute(leases.update().values(until=leases.c.until - 15.0))
                with other.lock("key", wait=0), pytest.raises(StoreUnavailable), holder.lock("key", wait=0):
                    pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_lease_that_was_waited_for_is_none(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that takes a lease, and stood behind another one for so long that it would be over, takes none."""
    monkeypatch.setattr(sql, "LEASE", 0.4)
    url = request.getfixturevalue(f"{kind}_url")
    with SQLStore(url, table="waited") as store, ThreadPoolExecutor(1) as pool:
        store.create_tables()
        leases, over = store.tables[1], {"id": row_of("key", b"")["id"], "owner": b"o" * 16, "until": 0.0}
        with store._together.begin() as connection:
            connection.execute(leases.insert().values(over))
        # Who looks whether somebody waits does so by another connection: in a transaction it would always be the same.
        with store._at_once.connect() as looking, store._together.begin() as connection:
            connection.execute(leases.update().values(owner=b"p" * 16))
            claimed = pool.submit(lambda: store.lock("key", wait=0).__enter__())
            asked = sa.text(WAITING[kind])
            while not looking.execute(asked).scalar():
                assert not claimed.done()
                time.sleep(0.2)  # InnoDB shows the same again to who asks within 0.1 s of the last time
            time.sleep(0.6)
        with pytest.raises(StoreUnavailable, match="has been renewing"):
            claimed.result(20)
        with store.lock("key", wait=20):
            """Once nobody stands in the way, it is to be had."""


WAITING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}
"""Whether a statement stands behind another one."""


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("whose", ["ours", "the user's"])
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_forks_share_no_connection(kind: str, whose: str, request: pytest.FixtureRequest) -> None:
    """Children that work at once each read what they wrote, and the parent goes on over the connection it had."""
    url = request.getfixturevalue("postgres").url if kind == "postgres" else request.getfixturevalue("mariadb_url")
    given: Any = url if whose == "ours" else sa.create_engine(url)
    store = SQLStore(given, table="forked_" + whose.replace("'", "_").replace(" ", "_"))
    store.create_tables()
    asked = sa.text("SELECT pg_backend_pid()" if kind == "postgres" else "SELECT CONNECTION_ID()")
    with store._engine.connect() as connection:
        before = connection.execute(asked).scalar()
    crowds.use_in_children(store, 20)
    with store._engine.connect() as connection:
        assert connection.execute(asked).scalar() == before
    store._engine.dispose()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.fault(
    "a program forks while it writes to an SQLite file by SQLAlchemy", "each side goes on, by its own locks"
)
@pytest.mark.parametrize("whose", ["ours", "the user's"])
def test_forks_come_between_writes_to_sqlite(url: str, whose: str, store: SQLStore) -> None:
    """No fork comes in the middle of a call, and none inherits what SQLite has noted of an open file."""
    engine = sa.create_engine(url)
    with closing_engine(engine), ThreadPoolExecutor(2) as pool:
        shared, over = store if whose == "ours" else SQLStore(engine), threading.Event()

        def write(name: str) -> None:
            while not over.is_set():
                shared.put(name, b"value")
                assert shared.get(name) == b"value"

        writing = [pool.submit(write, name) for name in ("one", "another")]
        try:
            codes = [_code_of_a_child(shared, number) for number in range(10)]
        finally:
            over.set()
        assert [each.result(30) for each in writing] == [None] * 2
    assert codes == [0] * 10


def _code_of_a_child(store: SQLStore, number: int) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=crowds.in_child, args=(store, number, 20))
    child.start()
    child.join(20)
    child.kill()
    child.join(20)
    return child.exitcode


@pytest.mark.fault("a database is restarted while an identity is renewed", "the renewal goes on, or the next one does")
def test_a_server_that_is_restarted(database_folder: Path, server: Server) -> None:
    """A client that was registered before a restart is the one that is used after it."""
    with PostgresServer(database_folder / "restarted") as database, SQLStore(database.url) as store:
        store.create_tables()
        source = server.source_here(store=store)
        source.token()
        database.stop()
        with pytest.raises(StoreUnavailable):
            store.get("key")
        database.start()
        server.source_here(store=store).token()
        assert server.world.registrations == 1
        assert len(list(store.keys())) == 2


def test_a_mariadb_that_is_paused(mariadb: MariaDBServer, mariadb_url: str) -> None:
    """A server that says nothing more is an error after a while, and no wait without end."""
    engine = sa.create_engine(mariadb_url, connect_args={"read_timeout": 1, "connect_timeout": 1})
    with closing_engine(engine):
        store = SQLStore(engine, table="paused")
        store.create_tables()
        mariadb.pause()
        try:
            with pytest.raises(StoreUnavailable):
                store.get("key")
        finally:
            mariadb.resume()
        assert store.get("key") is None
