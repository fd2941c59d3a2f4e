"""Real Redis servers on loopback ports, each with its own directory, and a line to them that can be cut."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import pytest
import redis

from adapters_tests.common.ports import free_port

PATIENCE = 20.0

# The parent of the server, which says its number, lives as long as it does, and ends it when nobody is left who could:
# when this end of its standard input is closed, as it is when the tests are killed.
_KEEPER = """
import os, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print(server.pid, flush=True)
threading.Thread(target=lambda: (os.read(0, 1), server.kill()), daemon=True).start()
os._exit(server.wait() & 0x7f)
"""


def program() -> str:
    """Return the path of a Redis or Valkey server; without one skip the test, or fail where CI promises one."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI"):
        pytest.fail("CI is set, and neither redis-server nor valkey-server is installed")
    pytest.skip("neither redis-server nor valkey-server is installed")


class RedisServer:
    """A server that runs from `start` to `stop`, and no longer than the tests.

    Parameters:
        directory: where it keeps its files; made if it is not there.
        options: more of them, as on its command line.
        journal: whether it writes each command to disk at once (appendonly).
        replica_of: the server to follow.
        password: what it asks for.
        runs: the path of another program than the one that is installed.
    """

    watchers = 0
    """How many connections to it have others than clients."""

    def __init__(
        self,
        directory: Path,
        *options: str,
        journal: bool = False,
        replica_of: HasPort | None = None,
        password: str | None = None,
        runs: str | None = None,
    ) -> None:
        self._program = runs or program()
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._options = ["--save", "", "--appendonly", "yes" if journal else "no", "--appendfsync", "always"]
        self._options += ["--repl-diskless-sync-delay", "0", *options]
        if replica_of is not None:
            self._options += ["--replicaof", "127.0.0.1", str(replica_of.port)]
        if password is not None:
            self._options += ["--requirepass", password]
        self._password = password
        self._keeper: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.pid = 0

    @property
    def url(self) -> str:
        """Where it is, with its password."""
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self._keeper is not None

    def client(self, **settings: Any) -> redis.Redis:
        """Return a client of it, to be closed."""
        settings.setdefault("socket_timeout", PATIENCE)
        return redis.Redis(host="127.0.0.1", port=self.port, password=self._password, **settings)

    def ask(self, *command: Any) -> Any:
        """Return the answer to one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def replicate(self) -> None:
        """Wait until a replica has all that was written so far."""
        with self.client(single_connection_client=True) as client:
            # WAIT is about the writes of its own connection, which come after all those before them.
            client.set("replicated", 1)
            if client.execute_command("WAIT", 1, int(PATIENCE * 1000) // 2) != 1:
                raise RuntimeError("no replica has followed")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Run it until it answers; on the same port if it has run before."""
        deadline = time.monotonic() + PATIENCE
        while not self._started(self.port or free_port()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._program} does not start: {self._log()[-2000:]}")
        return self

    def stop(self) -> None:
        """End it in an orderly way, or after a while by force."""
        deadline = time.monotonic() + PATIENCE
        # A server that is about to rewrite its journal refuses to end, and has to be told again.
        while not self._ended_by(signal.SIGTERM, 0.5):
            if time.monotonic() > deadline:
                self.kill()

    def kill(self) -> None:
        """End it at once."""
        if not self._ended_by(signal.SIGKILL, PATIENCE):
            raise RuntimeError(f"server {self.pid} does not end")

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it say nothing more until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def _command(self, port: int) -> list[str]:
        command = [self._program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(self._directory)]
        return [*command, "--logfile", "server.log", *self._options]

    def _started(self, port: int) -> bool:
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _KEEPER, *self._command(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())
        if self._answers(port):
            self.port = port
            return True
        self._closed()
        return False

    def _answers(self, port: int) -> bool:
        """Wait until this server answers on *port*, or has ended, as it does when another one was faster."""
        assert self._keeper is not None
        deadline = time.monotonic() + PATIENCE
        with redis.Redis(
            host="127.0.0.1", port=port, password=self._password, socket_timeout=5.0, retry=None
        ) as client:
            while self._keeper.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(redis.RedisError):
                    facts: Any = client.info()
                    if facts["process_id"] == self.pid and not facts.get("loading"):
                        return True
                time.sleep(0.01)
        return False

    def _ended_by(self, number: signal.Signals, wait: float) -> bool:
        if self._keeper is None:
            return True
        # As long as its keeper runs, which waits for it, the number is that of the server.
        if self._keeper.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
                os.kill(self.pid, signal.SIGCONT)
        try:
            self._keeper.wait(wait)
        except subprocess.TimeoutExpired:
            return False
        self._closed()
        return True

    def _closed(self) -> None:
        keeper, self._keeper = self._keeper, None
        assert keeper is not None
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        keeper.stdin.close()
        keeper.stdout.close()
        keeper.wait(PATIENCE)

    def _log(self) -> str:
        path = self._directory / "server.log"
        return path.read_text(errors="replace") if path.exists() else "it has written no log"


Moment = Literal["before", "after"]


class HasPort(Protocol):
    """A server on this machine."""

    port: int


class Line:
    """What forwards connections to a server, and cuts them around chosen commands.

    Parameters:
        server: where to.
    """

    def __init__(self, server: HasPort) -> None:
        self.server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._cuts: list[tuple[bytes, Moment, Callable[[], object]]] = []
        self._open = True
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where clients of Redis find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **settings: Any) -> Any:
        """Return a client of the Redis behind it."""
        return redis.Redis(host="127.0.0.1", port=self.port, **settings)

    def cut(self, command: str, moment: Moment, times: int = 1, then: Callable[[], object] = lambda: None) -> None:
        """Cut the connection on which *command* comes next.

        Parameters:
            command: its name.
            moment: before it has gone on to the server, or after it was carried out.
            times: how many times that is done.
            then: what to do before the client can notice.
        """
        self.cut_at(b"$%d\r\n%s\r\n" % (len(command), command.encode()), moment, times, then)

    def cut_at(self, pattern: bytes, moment: Moment, times: int = 1, then: Callable[[], object] = lambda: None) -> None:
        """Cut the connection on which *pattern* comes next: for servers that are no Redis."""
        self._cuts.extend([(pattern, moment, then)] * times)

    def forget(self) -> None:
        """Make no more cuts."""
        self._cuts.clear()

    @property
    def cuts_left(self) -> int:
        """How many cuts are still to be made."""
        return len(self._cuts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._open = False
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if not self._open:
                client.close()
                return
            thread = threading.Thread(target=self._forward, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _forward(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port), 5) as far:
            while self._open:
                readable, _, _ = select.select([client, far], [], [], 0.05)
                if far in readable and not _passed_on(far.recv(65536), client):
                    return
                if client in readable and not self._sent(client.recv(65536), far):
                    return

    def _sent(self, data: bytes, far: socket.socket) -> bool:
        """Pass a command on; return whether the connection stays."""
        if not (self._cuts and self._cuts[0][0] in data):
            return _passed_on(data, far)
        _, moment, then = self._cuts.pop(0)
        if moment == "after":
            far.sendall(data)
            far.recv(65536)  # the answer, which shows that it was carried out, and which nobody gets
        then()
        return False


def _passed_on(data: bytes, to: socket.socket) -> bool:
    to.sendall(data)
    return bool(data)
