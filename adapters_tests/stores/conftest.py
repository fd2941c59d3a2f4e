"""What all tests of stores begin with."""

from __future__ import annotations

import gc
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters_tests.servers.database_servers import MariaDBServer, Pooler, PostgresServer
from adapters_tests.servers.redis_clusters import Cluster
from adapters_tests.servers.redis_sentinels import Watched
from adapters_tests.servers.redis_server import Line

GROUPS = {"test_redis_contract.py", "test_redis_forms.py", "test_redis_groups.py", "test_redis_line.py"}
"""Tests of several Redis servers at once."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have new processes started for one store only where it has to be quick: that takes longest of all."""
    for item in items:
        if "one_of_many_processes_wins[spawn]" in item.name and "TestFile::" not in item.nodeid:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="module")
def _tidy() -> None:
    """Let go of what tests of other rooms have left: each of the many forks here goes through all of it."""
    gc.collect()


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let go of users' clients of clusters and Sentinels here: in circles as they are, they close nothing then."""
    yield
    if request.path.name in GROUPS or "[cluster" in request.node.name or "[sentinel" in request.node.name:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


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
def postgres_url(postgres: PostgresServer) -> str:
    """A database."""
    return postgres.url


@pytest.fixture(scope="session")
def mariadb(database_folder: Path) -> Iterator[MariaDBServer]:
    """A MariaDB, and a database in it."""
    with MariaDBServer(database_folder / "mariadb") as server:
        yield server


@pytest.fixture(scope="session")
def pooler(database_folder: Path, postgres: PostgresServer) -> Iterator[Pooler]:
    """A PgBouncer in front of the PostgreSQL."""
    with Pooler(database_folder / "pooler", postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_url(mariadb: MariaDBServer) -> str:
    """A database with the collation that it has unless told otherwise."""
    return mariadb.database()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Redis cluster of three primaries, each with a replica, which clients reach by lines."""
    with Cluster(tmp_path_factory.mktemp("cluster"), line=Line) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster_url(redis_cluster: Cluster) -> str:
    """The cluster; each test uses a prefix of its own."""
    return redis_cluster.url


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A Redis with a replica, and three Sentinels that watch it."""
    with Watched(tmp_path_factory.mktemp("watched")) as watched:
        yield watched


@pytest.fixture(scope="session")
def sentinel_url(watched: Watched) -> str:
    """What the Sentinels watch; each test uses a prefix of its own."""
    return watched.url
