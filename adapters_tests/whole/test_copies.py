"""Copies that are killed, copies of stores that programs use meanwhile, and copies between servers."""

from __future__ import annotations

import itertools
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters_tests.cli.running import inherited
from adapters_tests.common.soak import often
from adapters_tests.engine.test_store_copy import of_every_kind, precious, put_client
from adapters_tests.servers.database_servers import MariaDBServer, PostgresServer
from adapters_tests.servers.redis_server import RedisServer
from dcrauth import AdobePass, FileStore, MemoryStore, Policy, SQLiteStore, SQLStore, TokenSource, open_store
from dcrauth.engine.store_copy import copy_store
from dcrauth.simulator import Behaviour, Simulator
from dcrauth.transfer import CopiedStore

RECORDS = often(400, by_night=20_000)
PATIENCE = 60.0


def copying(source: str, target: str) -> subprocess.Popen[bytes]:
    """Begin to copy a store in a process."""
    command = [sys.executable, "-m", "dcrauth", "store", "copy", source, target]
    return subprocess.Popen(command, env=inherited(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def count(path: Path) -> int:
    """Return how many records there are in a store of files, without disturbing it."""
    return sum(1 for _ in (path / "records").glob("*/*")) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.fault("a copy of a store is killed, again and again", "run anew it ends with every record, whole")
def test_a_copy_that_is_killed_is_taken_up_again(tmp_path: Path) -> None:
    """Killed at a few places, a copy goes on from there; in the end all that is precious is there, byte for byte."""
    with SQLiteStore(tmp_path / "old.db") as source:
        for number in range(RECORDS):
            put_client(source, number)
        names = f"sqlite:{tmp_path / 'old.db'}", str(tmp_path / "new")
        for part in (0.1, 0.3, 0.6):
            process, end = copying(*names), time.monotonic() + PATIENCE
            while count(tmp_path / "new") < part * RECORDS and process.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            process.kill()
            process.communicate()
        killed_at = count(tmp_path / "new")
        assert killed_at >= 0.5 * RECORDS
        last = copying(*names)
        _, errors = last.communicate(timeout=PATIENCE)
        assert (last.returncode, errors) == (0, b"")
        target = FileStore(tmp_path / "new")
        assert {key: target.get(key) for key in target.keys()} == precious(source)


@pytest.mark.slow
def test_a_store_in_use_is_copied(tmp_path: Path) -> None:
    """Programs register and renew in both stores while they are copied; after the switch nobody is registered twice."""
    old, new = FileStore(tmp_path / "old"), SQLiteStore(tmp_path / "new.db")
    devices = [f"device-{number}" for number in range(12)]
    is_over = threading.Event()
    with Simulator(Behaviour(expires_in=2)) as adobe:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)

        def run() -> None:
            while not is_over.is_set():
                for each in devices:
                    TokenSource(provider, store=old, instance=each, policy=Policy(timeout=20.0)).token()

        program = threading.Thread(target=run)
        TokenSource(provider, store=old, instance=devices[0]).token()
        program.start()
        try:
            copies: list[CopiedStore] = [copy_store(old, new) for _ in range(5)]
        finally:
            is_over.set()
            program.join(PATIENCE)
        done = copy_store(old, new)
        for each in (*copies, done):
            assert each.kept | each.missing | set(each.unread) == set()
        for name in devices:
            TokenSource(provider, store=new, instance=name).token()
        assert adobe.counts.register == len(devices)
    new.close()


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, str]]:
    """A PostgreSQL and a MariaDB, in a folder that their users may enter, by their URLs."""
    folder = Path(tempfile.mkdtemp(prefix="dcrauth-copies-"))
    try:
        with PostgresServer(folder / "postgres") as postgres, MariaDBServer(folder / "mariadb") as mariadb:
            yield {"postgres": postgres.url, "mariadb": mariadb.database()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["postgres-mariadb", "mariadb-redis", "redis-postgres"])
def test_servers_are_copied_to_and_from(
    way: str, databases: dict[str, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    """From one server to another one, by what names them, and back into files: all that is precious arrives."""
    where = [named(each, databases, redis_server) for each in way.split("-")]
    source = of_every_kind(MemoryStore())
    for number in range(20, 220):  # more than are read at once
        put_client(source, number)
    stores = [source, *map(open_store, where), SQLiteStore(tmp_path / "end.db")]
    for one, other in itertools.pairwise(stores):
        done = copy_store(one, other, wall=lambda: 1_000.0)
        assert (done.written, done.verified, done.tokens, done.notes) == (206, 206, 2, 1)
        assert copy_store(one, other, wall=lambda: 1_000.0).present == 206
    assert precious(stores[-1]) == precious(source)


def named(kind: str, databases: dict[str, str], server: RedisServer) -> str:
    """Return what names a store on a server, under names of its own."""
    own = f"copy_{secrets.token_hex(6)}"
    if kind == "redis":
        return f"{server.url}?prefix={own}:"
    url = f"{databases[kind]}?table={own}"
    with open_store(url) as store:  # type: ignore[attr-defined]
        assert isinstance(store, SQLStore)
        store.create_tables()
    return url
