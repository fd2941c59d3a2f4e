"""SQLStore over each database: the contract, and what its own rules are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters_tests.servers.database_servers import DatabaseServer, MariaDBServer, Pooler, PostgresServer
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from adapters_tests.stores.test_stores import Contract


@pytest.fixture(scope="session")
def database_folder() -> Iterator[Path]:
    """A folder that the users of the servers may enter."""
    folder = Path(tempfile.mkdtemp(prefix="dcrauth-databases-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(database_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL."""
    with PostgresServer(database_folder / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(database_folder: Path) -> Iterator[MariaDBServer]:
    """A MariaDB, and a database in it."""
    with MariaDBServer(database_folder / "mariadb") as server:
        yield server


@pytest.fixture(scope="session")
def pooler(database_folder: Path, postgres: PostgresServer) -> Iterator[DatabaseServer]:
    """A PgBouncer in front of the PostgreSQL."""
    with Pooler(database_folder / "pooler", postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_url(mariadb: MariaDBServer) -> str:
    """A database with the collation that it has unless told otherwise."""
    return mariadb.database()


class TestSQLiteBySQL(Contract):
    """SQLStore in SQLite."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.in_sql(f"sqlite:///{tmp_path}/records.db")


class TestPostgres(Contract):
    """SQLStore in PostgreSQL."""

    @pytest.fixture
    def kind(self, postgres: PostgresServer) -> Kind:
        return kinds.in_sql(postgres.url)


class TestPooled(Contract):
    """SQLStore in PostgreSQL behind PgBouncer, which has two connections for all."""

    @pytest.fixture
    def kind(self, pooler: Pooler) -> Kind:
        return kinds.in_sql(pooler.url)


class TestMariaDB(Contract):
    """SQLStore in MariaDB."""

    @pytest.fixture
    def kind(self, mariadb_url: str) -> Kind:
        return kinds.in_sql(mariadb_url)


class TestEncryptedPostgres(Contract):
    """EncryptedStore over SQLStore."""

    @pytest.fixture
    def kind(self, postgres: PostgresServer) -> Kind:
        return kinds.encrypted(kinds.in_sql(postgres.url))
