"""SQLStore over each database: the contract, and what its own rules are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters_tests.servers.database_servers import MariaDBServer, Pooler, PostgresServer
from adapters_tests.servers.redis_server import Line
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from adapters_tests.stores.test_stores import Contract
from dcrauth import Store


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
