"""Real PostgreSQL and MariaDB servers on loopback ports, each with its own directory, and PgBouncer in front of one."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa

from adapters_tests.common.ports import free_port

PATIENCE = 30.0

# The parent of the server lives as long as it does, and ends it when nobody is left who could: when this end of its
# standard input is closed, as it is when the tests are killed.
_KEEPER = """
import os, signal, subprocess, sys, threading
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
print(server.pid, flush=True)
threading.Thread(target=lambda: (os.read(0, 1), server.send_signal(int(sys.argv[1]))), daemon=True).start()
os._exit(server.wait() & 0x7f)
"""


def program(*places: str) -> str:
    """Return the first of the programs that is installed; skip the test where databases were not asked for."""
    if not os.environ.get("DCRAUTH_DATABASES"):
        pytest.skip("databases are asked for by DCRAUTH_DATABASES=1: tox run -e databases")
    for place in places:
        found = sorted(glob.glob(place))[-1:] or [shutil.which(place) or ""]
        if found[0]:
            return found[0]
    pytest.fail(f"DCRAUTH_DATABASES is set, and none of {', '.join(places)} is installed")


def as_user(name: str) -> list[str]:
    """Return what a command begins with, so that it is run by a user that is not root; root may be anybody."""
    if os.getuid() != 0:
        return []
    user = pwd.getpwnam(name)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


class DatabaseServer(ABC):
    """A server that runs from `start` to `stop`, and no longer than the tests.

    Parameters:
        directory: where it keeps its files; made if it is not there.
    """

    user = ""
    ends_by = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.pid = 0
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL of the database that is there first."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs it at `port`."""

    @abstractmethod
    def prepare(self) -> None:
        """Make its files."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Run it until it answers; on the same port if it has run before."""
        if not self.port:
            self.directory.mkdir(parents=True)
            for above in (self.directory, *self.directory.parents)[: len(self.directory.parents) - 1]:
                with contextlib.suppress(PermissionError):
                    above.chmod(above.stat().st_mode | 0o011)
            if os.getuid() == 0:
                user = pwd.getpwnam(self.user)
                os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.prepare()
            self.port = free_port()
        arguments = [sys.executable, "-I", "-S", "-c", _KEEPER, str(int(self.ends_by)), *as_user(self.user)]
        self._keeper = subprocess.Popen(
            [*arguments, *self.command()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.directory
        )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())
        self._await_answer()
        return self

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(self.ends_by)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it say nothing more until `resume`: it, and what serves its connections."""
        for each in self._processes():
            os.kill(each, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        for each in self._processes():
            os.kill(each, signal.SIGCONT)

    def database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return str(sa.make_url(self.url).set(database=name).render_as_string(hide_password=False))

    def execute(self, *statements: str, url: str = "") -> list[Any]:
        """Carry out statements one by one; return the rows that the last one finds."""
        engine = sa.create_engine(url or self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        found: list[Any] = []
        with engine.connect() as connection:  # closed with it, as there is no pool
            for each in statements:
                answer = connection.exec_driver_sql(each)
                found = list(answer.all()) if answer.returns_rows else []
        return found

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *map(int, children.split())]

    def _await_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.execute("SELECT 1")
            except sa.exc.OperationalError as reason:
                assert self._keeper is not None
                if time.monotonic() > deadline or self._keeper.poll() is not None:
                    raise RuntimeError(f"{self.command()[0]} does not start: {reason}") from None
                time.sleep(0.05)
            else:
                return

    def _end(self, number: signal.Signals) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            os.kill(self.pid, signal.SIGCONT)
        try:
            keeper.wait(PATIENCE)
        finally:
            for pipe in (keeper.stdin, keeper.stdout):
                assert pipe is not None
                pipe.close()


class PostgresServer(DatabaseServer):
    """PostgreSQL, which trusts everybody on this machine."""

    user = "postgres"
    ends_by = signal.SIGINT  # which ends connections, too

    def __init__(self, directory: Path, *options: str) -> None:
        super().__init__(directory)
        self._options = options
        self._bin = os.path.dirname(program("/usr/lib/postgresql/*/bin/postgres", "postgres"))

    @property
    def url(self) -> str:
        """Of the database of the superuser."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        """Make the cluster."""
        made = [f"{self._bin}/initdb", "-D", "data", "-A", "trust", "-U", "postgres", "-N", "--no-locale", "-E", "UTF8"]
        subprocess.run([*as_user(self.user), *made], cwd=self.directory, check=True, stdout=subprocess.DEVNULL)

    def command(self) -> list[str]:
        """With sockets of its own, and so many connections that no test runs out of them."""
        settings = ["fsync=off", "max_connections=200", "unix_socket_directories=", "log_min_messages=fatal"]
        given = [f"-c{each}" for each in (*settings, *self._options)]
        return [f"{self._bin}/postgres", "-D", "data", "-h", "127.0.0.1", "-p", str(self.port), *given]


class MariaDBServer(DatabaseServer):
    """MariaDB, which asks nobody for a password."""

    user = "mysql"

    def __init__(self, directory: Path, *options: str) -> None:
        super().__init__(directory)
        self._program = program("/usr/sbin/mariadbd", "mariadbd", "mysqld")
        self._options = options

    @property
    def url(self) -> str:
        """Of a database without tables."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/"

    def prepare(self) -> None:
        """Make its own tables."""
        install = program("/usr/bin/mariadb-install-db", "mariadb-install-db", "mysql_install_db")
        made = [install, "--no-defaults", f"--datadir={self.directory}/data", "--skip-test-db"]
        made += ["--auth-root-authentication-method=normal"]
        subprocess.run([*as_user(self.user), *made], cwd=self.directory, check=True, stdout=subprocess.DEVNULL)

    def command(self) -> list[str]:
        """With a socket of its own."""
        settings = [f"--datadir={self.directory}/data", "--bind-address=127.0.0.1", f"--port={self.port}"]
        settings += [f"--socket={self.directory}/socket", "--innodb-flush-log-at-trx-commit=0", "--max-connections=200"]
        settings += ["--skip-log-bin", "--innodb-buffer-pool-size=64M", "--skip-name-resolve"]
        return [self._program, "--no-defaults", *settings, *self._options]


class Pooler(DatabaseServer):
    """PgBouncer in transaction mode in front of a PostgreSQL, with two connections to it.

    Parameters:
        directory: where it keeps its files.
        behind: the server.
    """

    user = "postgres"

    def __init__(self, directory: Path, behind: PostgresServer) -> None:
        super().__init__(directory)
        self._program = program("/usr/sbin/pgbouncer", "pgbouncer")
        self._behind = behind

    @property
    def url(self) -> str:
        """Of the same database as that of the server behind it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        """There is nothing to make before its port is known."""

    def command(self) -> list[str]:
        """By a file of settings."""
        settings = f"""
[databases]
* = host=127.0.0.1 port={self._behind.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
"""
        path = self.directory / "pgbouncer.ini"
        path.write_text(settings.replace("* = host", "postgres = user=postgres dbname=postgres host"))
        return [self._program, str(path)]
