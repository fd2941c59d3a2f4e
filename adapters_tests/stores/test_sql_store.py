"""SQLStore over each database: the contract, and what its own rules are."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from adapters_tests.servers.database_servers import MariaDBServer, Pooler, PostgresServer
from adapters_tests.servers.redis_server import Line
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from adapters_tests.stores.test_stores import Contract
from dcrauth import Store
from dcrauth.testing.store_contract import StoreContract

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "postgres_store.py"


def at(url: str, line: Line) -> str:
    """Return the URL of a database as it is reached by a line."""
    return str(sa.make_url(url).set(port=line.port).render_as_string(hide_password=False))


class TestSQLiteBySQL(Contract):
    """SQLStore in SQLite."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.in_sql(f"sqlite:///{tmp_path}/records.db")


class OverALine(Contract):
    """The contract with its hook for lost answers."""

    line_under_test: Line

    @contextmanager
    def losing_the_answer(self, store: Store) -> Iterator[None]:
        line = self.line_under_test
        line.cut_at(b"records_", "after")
        yield
        assert line.cuts_left == 0


class TestPostgres(OverALine):
    """SQLStore in PostgreSQL."""

    @pytest.fixture
    def kind(self, postgres: PostgresServer) -> Iterator[Kind]:
        with Line(postgres) as line:
            self.line_under_test = line
            yield kinds.in_sql(at(postgres.url, line))


class TestPooled(Contract):
    """SQLStore in PostgreSQL behind PgBouncer, which has two connections for all."""

    @pytest.fixture
    def kind(self, pooler: Pooler) -> Kind:
        return kinds.in_sql(pooler.url)


class TestMariaDB(OverALine):
    """SQLStore in MariaDB."""

    @pytest.fixture
    def kind(self, mariadb: MariaDBServer, mariadb_url: str) -> Iterator[Kind]:
        with Line(mariadb) as line:
            self.line_under_test = line
            yield kinds.in_sql(at(mariadb_url, line))


class TestEncryptedPostgres(Contract):
    """EncryptedStore over SQLStore."""

    @pytest.fixture
    def kind(self, postgres: PostgresServer) -> Kind:
        return kinds.encrypted(kinds.in_sql(postgres.url))


def store_of_the_example(url: str) -> Store:
    """The store of the documentation."""
    made: Any = runpy.run_path(str(EXAMPLE))["PostgresStore"](url)
    return cast("Store", made)


class TestPostgresOfTheExample(StoreContract):
    """The store that docs/writing-a-store.md shows, in PostgreSQL."""

    @pytest.fixture
    def factory(self, postgres: PostgresServer) -> kinds.Factory:
        url = postgres.database().replace("+psycopg", "")
        for statement in runpy.run_path(str(EXAMPLE))["TABLES"].split(";"):
            postgres.execute(statement, url=url.replace("postgresql:", "postgresql+psycopg:"))
        return partial(store_of_the_example, url)

    def test_it_is_short(self) -> None:
        """The class has at most 60 lines."""
        whole = EXAMPLE.read_text(encoding="utf-8")
        shown = whole[whole.index("class ") : whole.index("def _id")].splitlines()
        assert len([line for line in shown if line.strip()]) <= 60
