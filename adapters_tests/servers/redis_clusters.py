"""Clusters of Redis servers on loopback, of several nodes or of one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis

from adapters_tests.common.ports import free_port
from adapters_tests.servers.redis_groups import STEADY, asked_for, has_followed, until
from adapters_tests.servers.redis_server import Line, RedisServer

SLOTS = 16_384
HASTY = 600
"""As `STEADY` while a cluster comes up, of which nodes speak the more often the less this is."""


class Cluster:
    """A cluster that runs as long as a ``with``.

    Parameters:
        directory: where its nodes keep their files.
        primaries: how many nodes share the slots.
        replicas: how many nodes follow each of them.
        options: more of them, of each node.
        line: of what kind the lines are to which clients of the primaries are sent, if any.
        settings: more of them, of `RedisServer`.
    """

    def __init__(
        self,
        directory: Path,
        *options: str,
        primaries: int = 3,
        replicas: int = 1,
        line: type[Line] | None = None,
        **settings: Any,
    ) -> None:
        asked_for()
        self._options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            str(HASTY),
            "--cluster-replica-no-failover",
            "yes",
            "--cluster-require-full-coverage",
            "no",
            *options,
        ]
        self._share = SLOTS // primaries
        self._line = line
        self._settings = {"journal": True} | settings
        self._identities: dict[RedisServer, str] = {}
        self._ending = ExitStack()
        self.nodes = [self._node(directory / str(number)) for number in range(primaries * (1 + replicas))]
        self.primaries, self.replicas = self.nodes[:primaries], self.nodes[primaries:]
        self.lines: list[Line] = []

    @property
    def url(self) -> str:
        """Where its primaries are, or the lines in front of them."""
        doors: list[Any] = self.lines or self.primaries
        return "redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in doors)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for node in self.nodes:
                starting.enter_context(node)
            if self._line is not None:
                self.lines = [starting.enter_context(self._line(node)) for node in self.primaries]
            self._form()
            self._ending = starting.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.close()

    def primary_of(self, name: bytes | str) -> RedisServer:
        """Return the node that has *name* at present."""
        slot = self.nodes[0].ask("CLUSTER", "KEYSLOT", name)
        for node in self.nodes:
            with contextlib.suppress(redis.RedisError):
                for first, last, (_, port, *_), *_ in node.ask("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        return next(each for each in self.nodes if port in {each.port, self._door(each)})
        raise AssertionError(f"nobody has {name!r}")

    @property
    def serving(self) -> list[RedisServer]:
        """The nodes that are primaries at present."""
        return [node for node in self.nodes if node.is_up and node.ask("ROLE")[0] == b"master"]

    def replica_of(self, primary: RedisServer) -> RedisServer:
        """Return a node that follows *primary* at present."""
        mine = self.identity(primary)

        def followers() -> set[bytes]:
            """Return who follows it, as far as all nodes agree."""
            others = [each for each in self.nodes if each.is_up and each is not primary]
            told = [node.ask("CLUSTER", "REPLICAS", mine) for node in others]
            return set.intersection(*({each.split()[0] for each in one} for one in told))

        until(followers, "not all nodes know the replica")
        (found,) = followers()
        return next(node for node in self.nodes if self.identity(node).encode() == found)

    def fail_over(self, primary: RedisServer) -> None:
        """Have the replica of *primary* take its place, with all that it has; return when all nodes know of it.

        Without an election: nodes vote for a replica of the same primary once in two of their timeouts.
        """
        replica = self.replica_of(primary)
        mine = self.identity(replica)
        until(lambda: has_followed(primary), "the replica does not follow")
        replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        until(lambda: all(mine in _primaries(node) for node in self.nodes if node.is_up), "nobody has taken over")

    def restore(self) -> None:
        """Have all live that were there first, and the first primaries be primaries."""
        for node in self.nodes:
            node.is_up or node.start()
            node.ask("CONFIG", "SET", "cluster-node-timeout", STEADY)
        for node in self.primaries:
            if node.ask("ROLE")[0] != b"master":
                until(lambda node=node: self._follows_now(node), "it does not follow")  # type: ignore[misc]
                node.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        wanted = {self.identity(node) for node in self.primaries}
        until(lambda: all(_primaries(each) == wanted for each in self.nodes), "the first primaries do not take over")

    def move(self, slot: int, giver: RedisServer, taker: RedisServer, *, whole: bool = True) -> None:
        """Move a slot with its keys; where that is not *whole*, no node has been told of the end of it."""
        taker.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.identity(giver))
        giver.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.identity(taker))
        while names := giver.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            giver.ask("MIGRATE", "127.0.0.1", taker.port, "", 0, 5000, "KEYS", *names)
        if whole:
            for node in (taker, giver, *self.primaries):
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", self.identity(taker))

    def identity(self, node: RedisServer) -> str:
        """Return what the nodes call one of them."""
        if node not in self._identities:
            self._identities[node] = node.ask("CLUSTER", "MYID").decode()
        return self._identities[node]

    def _door(self, node: RedisServer) -> int:
        return self.lines[self.primaries.index(node)].port if self.lines and node in self.primaries else node.port

    def _node(self, directory: Path) -> RedisServer:
        return RedisServer(directory, *self._options, "--cluster-port", str(free_port()), **self._settings)

    def _form(self) -> None:
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(self.primaries):
            last = SLOTS - 1 if node is self.primaries[-1] else (number + 1) * self._share - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", number * self._share, last)
        for node in self.nodes[1:]:
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, _bus_of(node))
        everybody = {self.identity(node) for node in self.nodes}
        until(lambda: all(everybody <= set(_known(node)) for node in self.nodes), "not all nodes have met")
        for node in self.primaries * bool(self.lines):
            node.ask("CONFIG", "SET", "cluster-announce-port", self._door(node))
        for primary, replica in zip(
            self.primaries * (len(self.replicas) // len(self.primaries)), self.replicas, strict=True
        ):
            replica.ask("CLUSTER", "REPLICATE", self.identity(primary))
        until(lambda: all(self._follows(node) for node in self.nodes), "the replicas do not follow")
        for node in self.primaries:
            node.ask("FLUSHALL")  # a replica is named once it is known to have got something
        until(lambda: all(self._is_settled(node) for node in self.nodes), "the cluster does not come up")
        for node in self.nodes:
            node.ask("CONFIG", "SET", "cluster-node-timeout", STEADY)

    def _follows(self, node: RedisServer) -> bool:
        return node in self.primaries or self._follows_now(node)

    def _follows_now(self, node: RedisServer) -> bool:
        return bool(node.ask("INFO", "replication").get("master_link_status") == "up")

    def _is_settled(self, node: RedisServer) -> bool:
        facts = node.ask("CLUSTER INFO")
        parts = node.ask("CLUSTER", "SLOTS")
        doors = {port for _, _, (_, port, *_), *_ in parts}
        followed = len(self.replicas) == sum(len(each) - 3 for each in parts)
        wanted = {self._door(each) for each in self.primaries}
        return facts["cluster_state"] == "ok" and followed and doors == wanted


def _bus_of(node: RedisServer) -> int:
    return int(node.ask("CONFIG GET", "cluster-port")["cluster-port"])


def _known(node: RedisServer) -> Iterator[str]:
    for line in node.ask("CLUSTER", "NODES").decode().splitlines():
        yield line.split()[0]


def _primaries(node: RedisServer) -> set[str]:
    """Return who has slots, as *node* sees it."""
    return {each[2][2].decode() for each in node.ask("CLUSTER", "SLOTS")}


class LoneNode(RedisServer):
    """A cluster of one node, which has all slots."""

    def __init__(self, directory: Path, *options: str, **settings: Any) -> None:
        cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
        super().__init__(directory, *cluster, *options, **settings)

    @property
    def url(self) -> str:
        """Where it is."""
        return super().url.replace("redis:", "redis+cluster:")

    def start(self) -> Self:
        """Run it until it takes writes."""
        is_new = not self.port
        super().start()
        if is_new:
            self.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        until(lambda: self.ask("CLUSTER INFO")["cluster_state"] == "ok", "the cluster does not come up")
        return self

    @contextlib.contextmanager
    def line(self) -> Iterator[Line]:
        """Have clients sent to a line."""
        with LineToCluster(self) as line:
            self.ask("CONFIG", "SET", "cluster-announce-port", line.port)
            yield line
        self.ask("CONFIG", "SET", "cluster-announce-port", 0)


class LineToCluster(Line):
    """A line to a lone node."""

    @property
    def url(self) -> str:
        """Where clients of a cluster find it."""
        return super().url.replace("redis:", "redis+cluster:")

    def client(self, **settings: Any) -> Any:
        """Return a client of the cluster behind it."""
        return redis.RedisCluster(host="127.0.0.1", port=self.port, **settings)
