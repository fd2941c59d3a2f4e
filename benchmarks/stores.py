"""What a record costs to read and to write, by the number of identities in the store: ours and two peers, in one run.

Each figure comes from a process of its own that opens the store cold. A *get* or *put* is of one identity, chosen at
random. The peers keep all identities in one file and in memory: their gets are quick until another process writes,
which the column *get, after a write elsewhere* shows. Run:

    python benchmarks/stores.py [--sizes 1 1000 10000] [--no-writers]
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import pwd
import random
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from machine import described

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"

SIZES = (1, 1_000, 10_000, 100_000, 1_000_000)
WRITERS = (1, 16, 64)
WRITING = 2.0
PATIENCE = 3_600
BUDGET = 2.0
"""Seconds that the repetitions of one figure may take; there are at least three and at most 2 000."""


def key_of(number: int) -> str:
    """The key of an identity's credentials, as dcrauth makes it."""
    from dcrauth.engine.identity import Identity

    return Identity.of("https://sp.auth.adobe.com/o/client/register", "token", "app", str(number)).credentials


def value_of(number: int) -> bytes:
    """A credentials record with what Adobe Pass answers."""
    from dcrauth import ClientCredentials
    from dcrauth.engine.records import write_credentials

    chance = random.Random(number)
    uuids = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(2)]
    metadata = {
        "client_id_issued_at": 1700725699585,
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "scopes": ["api:client:v2"],
    }
    pair = ClientCredentials(*uuids, registered_at=1700725699.58, metadata=metadata)
    return write_credentials(key_of(number), pair).data


class AtOnce:
    """A server that answers at once, without a network."""

    def send(self, request: Any) -> Any:
        """Register whoever asks, and give a token to everybody."""
        from dcrauth.providers.protocol import Response

        fields: dict[str, Any] = {"client_id": str(uuid.uuid4()), "client_secret": str(uuid.uuid4())}
        if b"client_secret" in request.body:
            fields = {"access_token": str(uuid.uuid4()), "token_type": "bearer", "expires_in": 86_400}
        return Response(201, {}, json.dumps(fields).encode())


class Contestant:
    """A store, filled with so many identities."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Import what is needed, so that opening it is measured alone."""

    def prepare_empty(self) -> None:
        """Make what there has to be before the store is used, other than the folder."""

    def fill(self, count: int) -> None:
        raise NotImplementedError

    def open(self) -> Any:
        raise NotImplementedError

    def get(self, store: Any, number: int) -> bytes | str | None:
        return store.get(key_of(number))

    def put(self, store: Any, number: int, value: bytes) -> None:
        store.put(key_of(number), value)

    def cold(self, store: Any) -> float:
        """Median seconds until a new identity has a token, of a server that answers at once; NaN for the peers."""
        from dcrauth import AdobePass, TokenSource

        provider, times = AdobePass(STATEMENT), []
        for number in range(100):
            source = TokenSource(provider, store=store, transport=AtOnce(), instance=f"cold {number}")
            start = time.perf_counter()
            source.token()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def listed(self, store: Any) -> float:
        """Seconds that listing the keys takes for each of them; NaN for the peers."""
        start = time.perf_counter()
        count = sum(1 for _ in store.keys())
        return (time.perf_counter() - start) / count

    def close(self, store: Any) -> None:
        """Close it, where it can be closed."""

    def size(self) -> int:
        """Bytes on the disk, in whole blocks as the file system gives them out."""
        paths = [self.folder, *self.folder.rglob("*")]
        return sum(path.lstat().st_blocks * 512 for path in paths)


def hasty_disk() -> Any:
    """A disk that waits for nothing: only for filling a store, which would take the better part of an hour else."""
    from dcrauth.stores._disk import Disk

    class Hasty(Disk):
        def sync_file(self, fd: int) -> None:
            """Do nothing."""

        def sync(self, folder: Any) -> None:
            """Do nothing."""

    return Hasty()


class InFiles(Contestant):
    """Our files."""

    name = "FileStore"

    def prepare(self) -> None:
        import dcrauth.stores.file  # noqa: F401

    def fill(self, count: int) -> None:
        store = self.open()
        getattr(store, "_inner", store)._folders.disk = hasty_disk()
        for number in range(count):
            store.put(key_of(number), value_of(number))

    def open(self) -> Any:
        from dcrauth import FileStore

        return FileStore(self.folder / "store")


class InSQLite(Contestant):
    """Our SQLite file."""

    name = "SQLiteStore"

    def prepare(self) -> None:
        import dcrauth.stores.sqlite  # noqa: F401

    def fill(self, count: int) -> None:
        store = self.open()
        for number in range(count):
            store.put(key_of(number), value_of(number))
        store.close()

    def open(self) -> Any:
        from dcrauth import SQLiteStore

        return SQLiteStore(self.folder / "store" / "records.db")

    def close(self, store: Any) -> None:
        store.close()


class InRedis(Contestant):
    """Our records in a Redis on a local socket."""

    name = "RedisStore"

    @property
    def socket(self) -> str:
        return f"unix://{self.folder}/redis.sock"

    def prepare(self) -> None:
        import dcrauth.stores.redis  # noqa: F401

    def fill(self, count: int) -> None:
        store = self.open()
        for number in range(count):
            store.put(key_of(number), value_of(number))

    def open(self) -> Any:
        from dcrauth import RedisStore

        return RedisStore(self.socket)

    def size(self) -> int:
        import redis

        with redis.Redis.from_url(self.socket) as client:
            return int(client.info("memory")["used_memory"])


class InSQLiteBySQL(Contestant):
    """Our records in an SQLite file, by SQLAlchemy."""

    name = "SQLStore, SQLite"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/records.db"

    def prepare(self) -> None:
        import dcrauth.stores.sql  # noqa: F401

    def prepare_empty(self) -> None:
        with self.open() as store:
            store.create_tables()

    def fill(self, count: int) -> None:
        from dcrauth.stores._sql_row import row_of

        self.prepare_empty()
        with self.open() as store:
            rows = (row_of(key_of(number), value_of(number)) for number in range(count))
            with store._together.begin() as connection:
                while some := list(islice(rows, 10_000)):
                    connection.execute(store.tables[0].insert(), some)

    def open(self) -> Any:
        from dcrauth import SQLStore

        return SQLStore(self.url)

    def close(self, store: Any) -> None:
        store.close()


class InPostgres(InSQLiteBySQL):
    """Our records in a PostgreSQL on a loopback port, which keeps its usual promises to the disk."""

    name = "SQLStore, PostgreSQL"

    @property
    def url(self) -> str:
        return (self.folder / "url").read_text()

    def size(self) -> int:
        import sqlalchemy as sa

        with self.open() as store, store._together.connect() as connection:
            return int(connection.execute(sa.text("SELECT pg_total_relation_size('dcrauth_records')")).scalar())


class InMariaDB(InPostgres):
    """Our records in a MariaDB on a loopback port, with its usual promises as well."""

    name = "SQLStore, MariaDB"

    def size(self) -> int:
        import sqlalchemy as sa

        asked = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_name = :name"
        with self.open() as store, store._together.connect() as connection:
            connection.execute(sa.text("ANALYZE TABLE dcrauth_records"))
            return int(connection.execute(sa.text(asked), {"name": "dcrauth_records"}).scalar())


class Encrypted(InFiles):
    """Our files, encrypted."""

    name = "EncryptedStore, FileStore"

    def open(self) -> Any:
        from dcrauth import EncryptedStore

        return EncryptedStore(super().open(), keys=[bytes(32)])


class Peer(Contestant):
    """A cache of tokens, which knows neither identities nor lists."""

    def cold(self, store: Any) -> float:  # noqa: ARG002  # as of others
        return math.nan

    def listed(self, store: Any) -> float:  # noqa: ARG002
        return math.nan


class HttpxAuth(Peer):
    """The peer JsonTokenFileCache."""

    name = "httpx-auth"

    def prepare(self) -> None:
        import httpx_auth  # noqa: F401

    def fill(self, count: int) -> None:
        tokens = {key_of(number): (value_of(number).decode(), 4e9, None) for number in range(count)}
        (self.folder / "tokens.json").write_text(json.dumps(tokens))

    def open(self) -> Any:
        from httpx_auth import JsonTokenFileCache

        return JsonTokenFileCache(str(self.folder / "tokens.json"))

    def get(self, store: Any, number: int) -> str:
        return store.get_token(key_of(number))

    def put(self, store: Any, number: int, value: bytes) -> None:
        store._add_access_token(key_of(number), value.decode(), 80_000)


class MsalExtensions(Peer):
    """The peer PersistedTokenCache."""

    name = "msal-extensions"

    def prepare(self) -> None:
        import msal_extensions  # noqa: F401

    def entry(self, number: int, value: bytes) -> dict[str, str]:
        return {
            "credential_type": "AccessToken",
            "home_account_id": key_of(number),
            "environment": "e",
            "client_id": "c",
            "realm": "r",
            "target": "s",
            "secret": value.decode(),
            "cached_at": "1",
            "expires_on": "4000000000",
            "extended_expires_on": "4000000000",
        }

    def fill(self, count: int) -> None:
        from msal import TokenCache

        name = TokenCache().key_makers[TokenCache.CredentialType.ACCESS_TOKEN]
        entries = (self.entry(number, value_of(number)) for number in range(count))
        (self.folder / "cache").write_text(json.dumps({"AccessToken": {name(**entry): entry for entry in entries}}))

    def open(self) -> Any:
        from msal_extensions import FilePersistence, PersistedTokenCache

        return PersistedTokenCache(FilePersistence(str(self.folder / "cache")))

    def get(self, store: Any, number: int) -> str:
        query = {"home_account_id": key_of(number), "environment": "e", "client_id": "c", "realm": "r"}
        return next(iter(store.search("AccessToken", target=["s"], query=query)))["secret"]

    def put(self, store: Any, number: int, value: bytes) -> None:
        entry = self.entry(number, value)
        store.modify("AccessToken", entry, entry)


POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
"""Where PostgreSQL's programs are, if it is there."""

MARIADB = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""MariaDB's server, if it is there."""

_SQL = (InSQLiteBySQL, *([InPostgres] if POSTGRES else []), *([InMariaDB] if MARIADB else []))
_OURS = (InFiles, InSQLite, InRedis, *_SQL, Encrypted)
CONTESTANTS = {each.name: each for each in (*_OURS, HttpxAuth, MsalExtensions)}


def median_of(act: Callable[[int], Any], count: int) -> float:
    """Median seconds of *act* on random identities."""
    chance, times, start = random.Random(count), [], time.perf_counter()
    while len(times) < 3 or (len(times) < 2_000 and time.perf_counter() - start < BUDGET):
        number = chance.randrange(count)
        before = time.perf_counter()
        act(number)
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def resident() -> int:
    """Resident memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(contestant: Contestant, count: int) -> dict[str, float]:
    """Measure one filled store, in this process, which has not touched it yet."""
    contestant.prepare()
    keys = {number: key_of(number) for number in random.Random(count).sample(range(count), min(count, 2_000))}
    globals()["key_of"] = lambda number: keys[number]
    known = list(keys)
    before, start = resident(), time.perf_counter()
    store = contestant.open()
    assert contestant.get(store, known[0]), "the store was not filled"
    cold = time.perf_counter() - start
    value = value_of(known[0])

    def random_get(number: int) -> None:
        contestant.get(store, known[number])

    get = median_of(random_get, len(known))
    memory = resident() - before
    size = contestant.size()
    put = median_of(lambda number: contestant.put(store, known[number], value), len(known))
    elsewhere = contestant.open()
    after = []
    start = time.perf_counter()
    while len(after) < 3 or (len(after) < 200 and time.perf_counter() - start < BUDGET):
        contestant.put(elsewhere, known[len(after) % len(known)], value)
        begun = time.perf_counter()
        contestant.get(store, known[len(after) % len(known)])
        after.append(time.perf_counter() - begun)
    cold_identity, listed = contestant.cold(store), contestant.listed(store)
    contestant.close(store)
    contestant.close(elsewhere)
    return {
        "cold identity": cold_identity,
        "listed": listed,
        "get": get,
        "after": statistics.median(after),
        "put": put,
        "cold": cold,
        "size": size,
        "memory": memory,
    }


@contextmanager
def folder_of(contestant: type[Contestant]) -> Iterator[Path]:
    """A folder for one store, with a Redis in it for the one that needs it."""
    folder = Path(tempfile.mkdtemp(prefix="dcrauth-bench-"))
    server = None
    try:
        if contestant is InRedis:
            server = started_redis(folder)
        elif contestant is InPostgres:
            server = started_postgres(folder)
        elif contestant is InMariaDB:
            server = started_mariadb(folder)
        yield folder
    finally:
        if server is not None:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(60)
        shutil.rmtree(folder)


_KEEPER = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
sys.stdin.read()
server.terminate()
server.wait(60)
"""


def started_redis(folder: Path) -> subprocess.Popen[bytes]:
    """A redis-server on a socket in *folder*, until its standard input is closed: with this process at the latest."""
    options = {"port": 0, "unixsocket": folder / "redis.sock", "dir": folder, "appendonly": "yes", "save": ""}
    command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    server = kept_running(command)
    deadline = time.monotonic() + 30
    while not (folder / "redis.sock").exists():
        assert time.monotonic() < deadline, "redis-server does not start"
        time.sleep(0.05)
    return server


def started_postgres(folder: Path) -> subprocess.Popen[bytes]:
    """A PostgreSQL on a port of loopback, with the settings it comes with, until its standard input is closed."""
    port, as_postgres = unused_port(), as_user("postgres", folder)
    data = folder / "data"
    made = [f"{POSTGRES}/initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8"]
    subprocess.run([*as_postgres, *made], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = [f"-c{each}" for each in ("unix_socket_directories=", "log_min_messages=fatal", "max_connections=200")]
    command = [f"{POSTGRES}/postgres", "-D", str(data), "-h", "127.0.0.1", "-p", str(port), *options]
    server = kept_running([*as_postgres, *command])
    (folder / "url").write_text(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")
    deadline = time.monotonic() + 60
    ready = [f"{POSTGRES}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode:
        assert time.monotonic() < deadline, "PostgreSQL does not start"
        time.sleep(0.1)
    return server


def started_mariadb(folder: Path) -> subprocess.Popen[bytes]:
    """A MariaDB on a port of loopback, with the settings it comes with, until its standard input is closed."""
    port, as_mysql = unused_port(), as_user("mysql", folder)
    data, up = folder / "data", folder / "mariadb.sock"
    made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    subprocess.run([*as_mysql, *made], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    places = [f"--datadir={data}", f"--socket={up}", f"--pid-file={folder}/pid", "--bind-address=127.0.0.1"]
    server = kept_running(
        [*as_mysql, str(MARIADB), "--no-defaults", *places, f"--port={port}", "--max-connections=200"]
    )
    deadline = time.monotonic() + 60
    while subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={up}", "-uroot", "-e", "CREATE DATABASE IF NOT EXISTS bench"],
        check=False,
        stderr=subprocess.DEVNULL,
    ).returncode:
        assert time.monotonic() < deadline, "MariaDB does not start"
        time.sleep(0.1)
    (folder / "url").write_text(f"mariadb+pymysql://root@127.0.0.1:{port}/bench")
    return server


def kept_running(command: list[str]) -> subprocess.Popen[bytes]:
    """Run a server until the standard input of what is returned is closed."""
    kept = [sys.executable, "-I", "-S", "-c", _KEEPER, *command]
    return subprocess.Popen(kept, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def unused_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def as_user(name: str, folder: Path) -> list[str]:
    """Give *folder* to the user of a server, which does not run as root; return how to run a command as that user."""
    if os.getuid() != 0:
        return []
    user = pwd.getpwnam(name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def in_a_process_of_its_own(step: str, name: str, count: int, folder: Path) -> dict[str, float]:
    """Run one step of this program in a new process and return what it prints."""
    command = [sys.executable, __file__, "--step", step, name, str(count), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    return json.loads(done.stdout or b"{}")


def figure(value: float) -> str:
    """Return *value* with one decimal place, or a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:,.1f}"


def by_size(names: list[str], sizes: list[int]) -> None:
    """Print what each size costs."""
    heads = (
        "get µs",
        "get µs, after a write elsewhere",
        "put µs",
        "open + first get ms",
        "cold identity ms",
        "list µs/identity",
        "disk B/identity",
        "memory MB",
    )
    print("\n| store | identities | " + " | ".join(heads) + " |\n| --- | ---: " + "| ---: " * len(heads) + "|")
    for contestant in (CONTESTANTS[name] for name in names):
        for count in sizes:
            with folder_of(contestant) as folder:
                in_a_process_of_its_own("fill", contestant.name, count, folder)
                found = in_a_process_of_its_own("measure", contestant.name, count, folder)
            cells = (
                f"{found['get'] * 1e6:,.0f}",
                f"{found['after'] * 1e6:,.0f}",
                f"{found['put'] * 1e6:,.0f}",
                f"{found['cold'] * 1e3:,.1f}",
                figure(found["cold identity"] * 1e3),
                figure(found["listed"] * 1e6),
                f"{found['size'] / count:,.0f}",
                f"{found['memory'] / 1e6:,.1f}",
            )
            print(f"| {contestant.name} | {count:,} | " + " | ".join(cells) + " |", flush=True)


def by_writers(names: list[str]) -> None:
    """Print what many writers at once get done, with 1 000 identities."""
    print(
        "\n| store | writers | puts/s | median ms | 99 % ms | longest ms |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for contestant in (CONTESTANTS[name] for name in names):
        for writers in WRITERS:
            with folder_of(contestant) as folder:
                in_a_process_of_its_own("fill", contestant.name, 1_000, folder)
                times = sorted(written(contestant, folder, writers))
            cells = (
                f"{len(times) / WRITING:,.0f}",
                f"{statistics.median(times) * 1e3:,.2f}",
                f"{times[int(len(times) * 0.99)] * 1e3:,.1f}",
                f"{times[-1] * 1e3:,.0f}",
            )
            print(f"| {contestant.name} | {writers} | " + " | ".join(cells) + " |", flush=True)


def written(contestant: type[Contestant], folder: Path, writers: int) -> list[float]:
    """Let so many processes write at once for a while; return what each put took, in seconds."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(writers), context.Queue()
    processes = [
        context.Process(target=write, args=(contestant, folder, barrier, results), daemon=True) for _ in range(writers)
    ]
    for process in processes:
        process.start()
    times = [each for _ in processes for each in results.get(timeout=PATIENCE)]
    for process in processes:
        process.join(60)
    return times


def write(contestant: type[Contestant], folder: Path, barrier: Any, results: Any) -> None:
    chance, made, times = random.Random(secrets.randbits(64)), contestant(folder), []
    value = value_of(0)
    store = made.open()
    barrier.wait(120)
    end = time.monotonic() + WRITING
    while time.monotonic() < end:
        number = chance.randrange(1_000)
        before = time.perf_counter()
        try:
            made.put(store, number, value)
        except Exception as reason:
            print(f"{made.name}: {type(reason).__name__}", file=sys.stderr)
            continue
        times.append(time.perf_counter() - before)
    made.close(store)
    results.put(times)


def step(name: str, contestant: str, count: str, folder: str) -> None:
    """Fill or measure one store, and print what came of it as JSON."""
    made = CONTESTANTS[contestant](Path(folder))
    found = made.fill(int(count)) if name == "fill" else measured(made, int(count))
    print(json.dumps(found or {}))  # NaN is read as well


def main() -> None:
    """Measure and print everything."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--stores", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--no-writers", action="store_true")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step(*options.step)
        return
    import sqlite3

    print(
        described(
            "dcrauth",
            "filelock",
            "redis",
            "sqlalchemy",
            "psycopg",
            "pymysql",
            "cryptography",
            "httpx-auth",
            "msal-extensions",
        )
    )
    print(f"SQLite {sqlite3.sqlite_version}; {len(value_of(1))} bytes a record, {len(key_of(1))} bytes a key")
    by_size(options.stores, options.sizes)
    if not options.no_writers:
        by_writers(options.stores)


if __name__ == "__main__":
    main()
