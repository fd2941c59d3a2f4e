"""What SQLStore does where a table is not as it made it, or is kept busy by others."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from adapters_tests.common.direct import Server
from dcrauth import StoreCorrupt, StoreUnavailable
from dcrauth.stores import _psycopg
from dcrauth.stores._sql_row import row_of
from dcrauth.stores.sql import SQLStore

SERVERS = ["postgres", "mariadb"]

LOCKED = {"postgres": "BEGIN; LOCK TABLE {} IN SHARE MODE", "mariadb": "LOCK TABLES {} READ"}
"""What lets others read a table, and has their writes wait."""

UNLOCKED = {"postgres": "ROLLBACK", "mariadb": "UNLOCK TABLES"}

WAITING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%%'",
}
"""How many statements wait for that."""


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the kind that a test names by its first parameter."""
    kind = request.node.callspec.params["kind"]
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/records.db"
    found: str = request.getfixturevalue(f"{kind}_url")
    return found


@contextmanager
def store_in(url: str, table: str) -> Iterator[SQLStore]:
    """Yield a store whose tables are made, and are gone afterwards."""
    with SQLStore(url, table=table) as store:
        store.create_tables()
        try:
            yield store
        finally:
            store._statements.done("drop the tables", lambda: store._metadata.drop_all(store._together))


WRITES: dict[str, Callable[[SQLStore], bool]] = {
    "replace": lambda store: store.replace("key", b"new", expected=b"old"),
    "add": lambda store: store.add("another", b"new"),
}


@pytest.mark.slow
@pytest.mark.fault(
    "another session locks the table for longer than an answer is waited for",
    "what came of the write is told by the mark in the row",
)
@pytest.mark.parametrize("act", list(WRITES))
@pytest.mark.parametrize("kind", SERVERS)
def test_a_write_that_its_next_attempt_finds_done(
    kind: str, act: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write whose answer was lost, and that was carried out after it was looked for, counts as written."""
    monkeypatch.setattr(_psycopg, "ANSWER_WITHIN", 1.0)
    bounded = url if kind == "postgres" else f"{url}?read_timeout=1"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with (
        store_in(url, "locked") as store,
        SQLStore(bounded, table="locked") as writing,
        ThreadPoolExecutor(1) as pool,
        engine.connect() as other,
        engine.connect() as looking,
    ):
        store.add("key", b"old")
        other.exec_driver_sql(LOCKED[kind].format("locked"))
        written = pool.submit(WRITES[act], writing)
        try:
            wait_for_two(kind, looking, written)
        finally:
            other.exec_driver_sql(UNLOCKED[kind])
        assert written.result(20) is True
        assert store.get("key" if act == "replace" else "another") == b"new"


def wait_for_two(kind: str, looking: sa.Connection, written: Future[Any]) -> None:
    """Return once a second attempt waits behind the first."""
    while looking.exec_driver_sql(WAITING[kind]).scalar() != 2:
        assert not written.done()
        time.sleep(0.05)


# Tables that are not as a store makes them.


def recreated(url: str, *statements: str) -> None:
    """Carry out *statements* in a database."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for each in statements:
            connection.exec_driver_sql(each)


ALL = ["sqlite", *SERVERS]


@pytest.mark.fault(
    "a table of SQLStore was restored without its primary key", "the health check tells; nothing is registered"
)
@pytest.mark.parametrize("which", ["keyless", "keyless_leases"])
@pytest.mark.parametrize("kind", ALL)
def test_a_table_without_its_key(kind: str, which: str, url: str) -> None:
    """A table in which an id can stand twice is found before anything is registered."""
    with store_in(url, "keyless") as store:
        recreated(
            url,
            f"CREATE TABLE copied AS SELECT * FROM {which}",  # noqa: S608  # a name of this test
            f"DROP TABLE {which}",
            f"ALTER TABLE copied RENAME TO {which}",
        )
        server = Server()
        with pytest.raises(StoreUnavailable, match="primary key"):
            server.source_here(store=store).token()
        assert server.world.registrations == 0
        assert list(store.keys()) == []


@pytest.mark.fault(
    "the user of a database may not change rows", "the health check says what to grant; nothing is registered"
)
@pytest.mark.parametrize("table", ["partly", "partly_leases"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_user_that_may_not_update(kind: str, table: str, url: str) -> None:
    """The right to change a row is tried as well, which the first record of an identity does not need."""
    user = "clerk" if kind == "postgres" else "clerk@'%%'"
    made = [f"CREATE ROLE {user} LOGIN"] if kind == "postgres" else [f"CREATE USER {user}"]
    other = "partly_leases" if table == "partly" else "partly"
    with store_in(url, "partly") as store:
        grants = [f"GRANT SELECT, INSERT, DELETE ON {table} TO {user}", f"GRANT ALL ON {other} TO {user}"]
        recreated(url, *made, *grants)
        try:
            clerks = sa.make_url(url).set(username="clerk", password=None)
            with SQLStore(clerks, table="partly") as limited:
                assert limited.add("key", b"value")
                with pytest.raises(StoreUnavailable, match="grant its user SELECT, INSERT, UPDATE and DELETE"):
                    limited.healthcheck()
            assert list(store.keys()) == ["key"]
        finally:
            recreated(
                url, *(["DROP OWNED BY clerk"] if kind == "postgres" else []), f"DROP {made[0].split()[1]} {user}"
            )


@pytest.mark.parametrize("kind", ALL)
def test_nothing_is_made_beside_a_table_of_others(kind: str, url: str) -> None:
    """Where a table of somebody else has the name, none is made beside it."""
    recreated(url, "CREATE TABLE theirs (id INTEGER PRIMARY KEY, title VARCHAR(9))")
    try:
        with SQLStore(url, table="theirs") as store:
            with pytest.raises(StoreUnavailable, match="cannot make the tables: a table of that name is not one"):
                store.create_tables()
            assert not sa.inspect(store._engine).has_table("theirs_leases")
    finally:
        recreated(url, "DROP TABLE theirs")


@pytest.mark.parametrize("kind", ["mariadb"])
def test_tables_outlast_a_crash(kind: str, url: str) -> None:
    """Where a server makes tables of MyISAM's unless told otherwise, those of a store are InnoDB's all the same."""
    careless = sa.make_url(url).update_query_dict({"init_command": "SET default_storage_engine=MyISAM"})
    engine = sa.create_engine(careless, poolclass=sa.NullPool)
    with SQLStore(engine, table="lasting") as store:
        store.create_tables()
        with engine.connect() as connection:
            asked = "SELECT engine FROM information_schema.tables WHERE table_name LIKE 'lasting%%'"
            assert set(connection.exec_driver_sql(asked).scalars()) == {"InnoDB"}
        store._metadata.drop_all(engine)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_user_that_may_not_make_tables(kind: str, url: str) -> None:
    """Who may not make tables is told that, and not of rights on tables that are not there."""
    user = "reader" if kind == "postgres" else "reader@'%%'"
    made = f"CREATE ROLE {user} LOGIN" if kind == "postgres" else f"CREATE USER {user}"
    schema, grant = "apart", ("USAGE ON SCHEMA apart" if kind == "postgres" else "SELECT ON apart.*")
    recreated(url, made, f"CREATE SCHEMA {schema}", f"GRANT {grant} TO {user}")
    try:
        readers = sa.make_url(url).set(username="reader", password=None)
        told = r"may not make tables: .* dcrauth store ddl"
        with SQLStore(readers, schema=schema) as store, pytest.raises(StoreUnavailable, match=told):
            store.create_tables()
    finally:
        recreated(url, f"DROP SCHEMA {schema}", f"DROP {made.split()[1]} {user}")


@pytest.mark.parametrize("kind", ALL)
def test_a_column_that_is_too_short(kind: str, url: str) -> None:
    """A table that takes small records only is found before anything is registered."""
    changed = {
        "sqlite": [
            "DROP TABLE short",
            "CREATE TABLE short (id BLOB PRIMARY KEY, name, mark, value CHECK (length(value) < 500))",
        ],
        "postgres": ["ALTER TABLE short ADD CHECK (length(value) < 500)"],
        "mariadb": ["SET sql_mode = ''", "ALTER TABLE short MODIFY value VARBINARY(500)"],
    }
    with store_in(url, "short") as store:
        recreated(url, *changed[kind])
        with pytest.raises(StoreUnavailable):
            store.healthcheck()
        assert list(store.keys()) == []


@pytest.mark.parametrize("kind", ALL)
def test_a_healthcheck_leaves_nothing(kind: str, url: str) -> None:
    """After a health check the tables are as they were."""
    with store_in(url, "healthy") as store:
        store.healthcheck()
        with store._at_once.connect() as connection:
            assert [connection.execute(sa.select(each)).all() for each in store.tables] == [[], []]


@pytest.mark.parametrize("kind", ALL)
def test_a_column_more(kind: str, url: str) -> None:
    """A rule of the table that is broken is an error, and no record that somebody else has written."""
    columns = {
        "sqlite": "id BLOB PRIMARY KEY, name BLOB, mark BLOB, value BLOB",
        "postgres": "id BYTEA PRIMARY KEY, name BYTEA, mark BYTEA, value BYTEA",
        "mariadb": "id BINARY(32) PRIMARY KEY, name LONGBLOB, mark BINARY(16), value LONGBLOB",
    }
    with store_in(url, "later") as store:
        recreated(url, "DROP TABLE later", f"CREATE TABLE later ({columns[kind]}, tenant INT NOT NULL)")
        for act in (lambda: store.add("key", b"value"), store.healthcheck):
            with pytest.raises(StoreUnavailable, match="name another by table="):
                act()
        assert store.get("key") is None


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("number", ["INT", "BIGINT"])
def test_a_table_of_numbers(kind: str, number: str, url: str) -> None:
    """A table of somebody else is not read as an empty one, even where its columns have the same names."""
    binary = {"postgres": "BYTEA", "mariadb": "LONGBLOB"}[kind]
    columns = f"id {number} PRIMARY KEY, name {binary}, mark {binary}, value {binary}"
    with store_in(url, "numbers") as store:
        recreated(url, "DROP TABLE numbers", f"CREATE TABLE numbers ({columns})")
        acts: list[Callable[[], object]] = [
            lambda: store.add("key", b"value"),
            store.healthcheck,
            lambda: store.get("key"),
            lambda: list(store.keys()),
        ]
        for act in acts:
            with pytest.raises(StoreUnavailable, match="name another by table="):
                act()


@pytest.mark.parametrize("kind", ALL)
def test_a_table_of_texts(kind: str, url: str) -> None:
    """Columns of characters are found, and what is in them is not taken for a record."""
    binary = {"sqlite": "BLOB", "postgres": "BYTEA", "mariadb": "BINARY(32)"}[kind]
    with store_in(url, "texts") as store:
        recreated(
            url,
            "DROP TABLE texts",
            f"CREATE TABLE texts (id {binary} PRIMARY KEY, name TEXT, mark {binary.replace('32', '16')}, value TEXT)",
        )
        texts = sa.table("texts", *map(sa.column, ("id", "name", "mark", "value")))
        with store._together.begin() as connection:
            connection.execute(
                texts.insert(), {"id": row_of("key", b"")["id"], "name": "key", "mark": b"m" * 16, "value": "v"}
            )
        for act in (lambda: store.get("key"), lambda: list(store.keys())):
            with pytest.raises(StoreCorrupt, match="damaged"):
                act()
        if kind != "sqlite":
            with pytest.raises(StoreUnavailable, match="name another by table="):
                store.healthcheck()


# Migrations.

ENVIRONMENT = """
from alembic import context
context.configure(**context.config.attributes["given"])
with context.begin_transaction():
    context.run_migrations()
"""


@pytest.mark.parametrize("kind", ALL)
def test_a_migration_makes_the_tables(kind: str, url: str, tmp_path: Path) -> None:
    """What Alembic writes for an empty database needs nothing of ours, makes the tables, and is all there is to do."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with store_in(url, "migrated") as store:
        store._metadata.drop_all(store._together)
        with engine.connect() as connection:
            settings = alembic_for(connection, store, tmp_path / "alembic")
            command.revision(settings, autogenerate=True)
            (written,) = (tmp_path / "alembic" / "versions").glob("*.py")
            assert "dcrauth." not in written.read_text()
            command.upgrade(settings, "head")
            connection.commit()
            command.check(settings)
        store.healthcheck()
        store.add("key", b"value" * 20_000)
        assert store.get("key") == b"value" * 20_000
    recreated(url, "DROP TABLE versions_of_a_test")


def alembic_for(connection: sa.Connection, store: SQLStore, folder: Path) -> Config:
    """Return the settings of an Alembic whose database is to have the tables of a store and no others."""
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENVIRONMENT)
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    (folder / "script.py.mako").write_text(template.read_text())
    metadata = sa.MetaData()
    names = {each.to_metadata(metadata).name for each in store.tables}
    settings = Config(stdout=io.StringIO())
    settings.set_main_option("script_location", str(folder))
    settings.attributes["given"] = {
        "connection": connection,
        "target_metadata": metadata,
        "version_table": "versions_of_a_test",
        "include_name": lambda name, kind, _: kind != "table" or name in names,
    }
    return settings
