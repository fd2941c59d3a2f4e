"""Redis servers on loopback that Sentinels watch, with replicas or without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis

from adapters_tests.servers.redis_groups import STEADY, asked_for, has_followed, until
from adapters_tests.servers.redis_server import HasPort, Line, RedisServer

SERVICE = "clients"


class Sentinel(RedisServer):
    """What watches a primary and its replicas.

    Parameters:
        directory: where it keeps its settings.
        watched: the primary.
        quorum: how many have to agree that it is dead.
        down_after: after how many milliseconds of silence it is.
        options: more lines of its settings.
        settings: more of them, of `RedisServer`.
    """

    def __init__(
        self, directory: Path, watched: HasPort, *options: str, quorum: int, down_after: int, **settings: Any
    ) -> None:
        super().__init__(directory, **settings)
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {watched.port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {down_after}",
            f"sentinel failover-timeout {SERVICE} 10000",
            *options,
        ]
        self._settings_file = directory / "sentinel.conf"
        self._settings_file.write_text("\n".join(lines) + "\n")

    def _command(self, port: int) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(self._directory)]
        return [self._program, str(self._settings_file), *where, "--logfile", "sentinel.log", "--sentinel"]

    def primary(self) -> int:
        """Return the port of the primary, as clients ask for it, which is the old one to the end of a fail-over."""
        return int(self.ask("SENTINEL MASTERS")[SERVICE]["port"])


class WatchedServer(RedisServer):
    """A primary without replicas, and one Sentinel that watches it."""

    watchers = 3

    def __init__(self, directory: Path, *options: str, **settings: Any) -> None:
        super().__init__(directory, *options, **settings)
        self._folder = directory.with_name("sentinel")
        self.sentinel: Any = None

    @property
    def url(self) -> str:
        """Where the Sentinel is."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{SERVICE}"

    def start(self) -> Self:
        """Run both."""
        super().start()
        if self.sentinel is None:
            self.sentinel = Sentinel(self._folder, self, quorum=1, down_after=STEADY, runs=self._program).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.sentinel.stop()
        super().__exit__(*failure)

    @contextlib.contextmanager
    def line(self) -> Iterator[Line]:
        """Have clients sent to a line."""
        with LineBehindSentinel(self) as line:
            self.name_port(line.port)
            yield line
            self.name_port(self.port)

    def name_port(self, port: int) -> None:
        """Have the Sentinel name another port."""
        self.sentinel.ask("SENTINEL", "REMOVE", SERVICE)
        self.sentinel.ask("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", port, 1)
        self.sentinel.ask("SENTINEL", "SET", SERVICE, "down-after-milliseconds", STEADY)


class LineBehindSentinel(Line):
    """A line to a server that a Sentinel names."""

    @property
    def url(self) -> str:
        """Where the Sentinel is."""
        watched: Any = self.server
        return str(watched.url)

    def client(self, **settings: Any) -> Any:
        """Return a client of what the Sentinel names."""
        watched: Any = self.server
        made: Any = redis.Sentinel([("127.0.0.1", watched.sentinel.port)], **settings)
        return made.master_for(SERVICE)


class Watched:
    """A primary with replicas, and Sentinels that watch it, as long as a ``with``.

    Parameters:
        directory: where they keep their files.
        replicas: how many follow the primary.
        sentinels: how many watch.
        down_after: after how many milliseconds of silence a primary counts as dead.
        line: whether clients are sent to a line in front of the primary; without replicas only.
        settings: more of them, of `RedisServer`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        replicas: int = 1,
        sentinels: int = 3,
        down_after: int = STEADY,
        line: bool = False,
        **settings: Any,
    ) -> None:
        asked_for()
        self._directory = directory
        self._count = sentinels
        self._replicas = replicas
        self._down_after = down_after
        self._has_line = line
        self._settings = settings
        self._ending = ExitStack()
        self.servers: list[RedisServer] = []
        self.sentinels: list[Sentinel] = []
        self.line: Line | None = None

    @property
    def url(self) -> str:
        """Where the Sentinels are, and what they call what they watch."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            first = RedisServer(self._directory / "0", journal=True, **self._settings)
            self.servers = [starting.enter_context(first)]
            for number in range(self._replicas):
                follower = RedisServer(
                    self._directory / str(number + 1), journal=True, replica_of=first, **self._settings
                )
                self.servers.append(starting.enter_context(follower))
            if self._has_line:
                self.line = starting.enter_context(Line(first))
            self.sentinels = [starting.enter_context(self._sentinel(number)) for number in range(self._count)]
            self._settle()
            self._ending = starting.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.close()

    @property
    def serving(self) -> list[RedisServer]:
        """The primary."""
        return [self.primary]

    @property
    def primary(self) -> RedisServer:
        """The server that the Sentinels name, unless there is a line in front of it."""
        port = self.sentinels[0].primary()
        return next(each for each in self.servers if each.port == port)

    def fail_over(self) -> RedisServer:
        """Have a replica take the place of the primary, which lives on; return the one that was the primary."""
        former = self.primary
        until(lambda: has_followed(former), "no replica follows")
        until(lambda: self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE), "no replica can take over")
        until(lambda: all(each.primary() != former.port for each in self.sentinels), "no replica has taken over")
        if len(self.servers) > 2:
            until(lambda: has_followed(self.primary), "the other replicas do not follow the new primary")
        return former

    def _sentinel(self, number: int) -> Sentinel:
        quorum = self._count // 2 + 1
        watched: HasPort = self.line or self.servers[0]
        folder = self._directory / f"sentinel-{number}"
        return Sentinel(folder, watched, quorum=quorum, down_after=self._down_after, **self._settings)

    def _settle(self) -> None:
        def knows(sentinel: Sentinel) -> bool:
            facts: Any = sentinel.ask("SENTINEL MASTERS")[SERVICE]
            others = facts["num-other-sentinels"] == self._count - 1
            return bool(others and facts["num-slaves"] == self._replicas and facts["flags"] == "master")

        until(lambda: all(map(knows, self.sentinels)), "the Sentinels do not know each other")
