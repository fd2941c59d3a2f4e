"""Records in Redis or Valkey, for any number of hosts.

    PREFIX record:KEY   a record: 32 hexadecimal digits drawn for this writing, a newline, then its bytes
    PREFIX lock:KEY     stands while an identity is renewed, and for as long as a lease lasts after a kill
    PREFIX scratch      written to see whether the server takes writes, and whether its replicas follow; soon gone

In a cluster the names say which identity they belong to, so that one node has all of it.

An answer may be lost after its command was carried out, and a client may send a command twice. So only a plain yes is
believed: the digits of the record that is there tell whether we have written it.
"""

import threading
import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

try:
    import redis
except ImportError as missing:
    raise ImportError("RedisStore needs redis; run: pip install dcrauth[redis]") from missing

from redis.cluster import RedisCluster

from dcrauth._internal import fork
from dcrauth._internal.arguments import check_seconds, check_text, wrong
from dcrauth._internal.confidential import Confidential, discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError, StoreUnavailable, StoreWarning
from dcrauth.stores import Closing, Reading
from dcrauth.stores._leases import LEASE, LEASES
from dcrauth.stores._listing import Unread
from dcrauth.stores._redis_answers import FAULTS, granted
from dcrauth.stores._redis_clients import servers_of
from dcrauth.stores._redis_lease import Lease
from dcrauth.stores._redis_names import Names
from dcrauth.stores._redis_record import SWAP, Record
from dcrauth.stores._redis_records import Records
from dcrauth.stores._redis_settings import doubts_of, facts_in

__all__ = ["RedisStore"]

_SHORTEST_LEASE = 0.001
_MOST_REPLICAS = 1000


@discreet_constructor
class RedisStore(Confidential, Closing):
    """A store in a Redis (6 or later) or Valkey server, or in a cluster of them, for all hosts that can reach it.

    Parameters:
        server: a URL, ``redis://``, ``rediss://`` or ``unix://``, with redis-py's own options for TLS and
            authentication; ``redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DATABASE`` for the primary that Sentinels
            name, and ``redis+cluster://HOST:PORT,HOST:PORT`` for a cluster, both also with ``rediss``; or a client of
            yours: `redis.Redis`, also from `redis.sentinel.Sentinel.master_for`, or `redis.cluster.RedisCluster`. One
            that is made from a URL waits for 5 s each time and repeats nothing, and has at most 50 connections to each
            server, for one of which a thread waits for 20 s; unless the URL says otherwise (``socket_timeout``,
            ``max_connections``, ``timeout``).
        prefix: what the names of all keys begin with. Applications share nothing if none has a prefix that begins with
            another one's: what is below ``dcrauth:record:`` are records to ``dcrauth:`` as well.
        lease: after how long a lock ends by itself when its holder was killed, in seconds; while that lives, the lock
            is extended. Of two that register at once only the first is ever used, but the other one was in vain.
        replicas: how many replicas must have a record of client credentials before it counts as written.

    With Sentinels or a cluster, what a server does not carry out goes to the one that takes its place, if that is found
    within 5 s. Anybody who can read the server's memory, its files or its traffic can read the records. None ever
    expires.

    Raises:
        ConfigurationError: the URL or the client cannot be used; at the first use, if the server is part of a cluster
            and was not named as one, or the other way round.
    """

    def __init__(
        self,
        server: str | redis.Redis | RedisCluster,
        *,
        prefix: str = "dcrauth:",
        lease: float = LEASE,
        replicas: int = 0,
    ) -> None:
        check_text(prefix, "prefix")
        check_seconds(lease, "lease")
        if isinstance(replicas, bool) or not isinstance(replicas, int):
            raise wrong("replicas", "a number of replicas", replicas)
        if lease < _SHORTEST_LEASE or not 0 <= replicas <= _MOST_REPLICAS:
            raise ConfigurationError(
                f"The lease of a RedisStore is {_SHORTEST_LEASE} s or more, and replicas are 0 to {_MOST_REPLICAS}"
            )
        self._servers = servers_of(server)
        self._names = Names(prefix, tagged=self._servers.is_cluster)
        self._replicas = replicas
        self._records = Records(self._servers, self._names, replicas)
        self._lease = lease
        self._held = threading.local()
        fork.watch(self)

    @unfailing
    def __repr__(self) -> str:
        return f"<RedisStore at {self._servers.where} with prefix {self._names.prefix!r}>"

    @property
    def place(self) -> Hashable:
        """Where the records are, however many objects lead there."""
        return self._servers.place, self._names.prefix

    def close(self) -> None:
        """Close the connections, unless the client is yours; the next call opens them again."""
        self._servers.close()

    def after_fork(self) -> None:
        """Leave the connections of the parent alone."""
        self._servers.after_fork()
        self._held = threading.local()

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if the server has none."""
        found = self._records.read(key)
        return None if found is None else found.value

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what `get` returns for each of the *keys*, or the error that it raises.

        In one round trip, or in a cluster one for each identity.
        """
        return self._records.read_many(keys)

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        record = Record.new(value)
        command = ("SET", self._names.record(key), record.content, "NX")
        return self._records.decided(key, record, command, lambda found: found is None)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        record = Record.new(value)
        command = ("EVAL", SWAP, 1, self._names.record(key), expected, record.content)
        return self._records.decided(key, record, command, lambda found: found is not None and found.value == expected)

    def put(self, key: str, value: bytes) -> None:
        """Write a record that the server may lose when it fails; the last writer wins."""
        self._records.carry_out("write a record", "SET", key, Record.new(value).content)

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        self._records.carry_out("delete a record", "DEL", key)

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records, one perhaps twice; what is none of ours is told at the end.

        The servers look through everything they have for them. While slots of a cluster are being moved, keys in them
        may be missing.
        """
        unread = Unread()
        self._records.check()
        with self._records.told("list the records"):
            for name in self._servers.names(self._names.pattern):
                key = self._names.key(name)
                if key is not None:
                    yield key
                    continue
                with unread.noting():
                    raise self._records.not_ours(name)
        unread.report()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep all others from renewing *key* until the lease ends; wait for at most *wait* seconds."""
        self._records.check()
        self._servers.begin()
        lease = Lease(self._servers, self._names.lock(key), self._lease)
        with self._records.told("lock an identity"):
            held = lease.acquire(wait)
        if not held:
            raise StoreUnavailable(
                f"Another process or thread has been renewing this identity for {wait:g} s; try again"
            )
        before = getattr(self._held, "key", None)
        self._held.key = key
        try:
            with LEASES.extended(lease.extend, self._lease, of=self.place):
                yield
        finally:
            self._held.key = before
            # A lease that has ended meanwhile is no error: locks save calls only, `add` and `replace` decide. Nor is a
            # server that cannot be told: the lease ends by itself.
            with suppress(*FAULTS):
                lease.give_back()

    def healthcheck(self) -> None:
        """Raise unless a record could be written now; warn of settings with which records may be lost.

        A thread that holds a lock asks the server that has what is locked; else all are asked that have records.

        Raises:
            StoreUnavailable: a server cannot be reached, is a replica, refuses writes, or has too few replicas.
        """
        self._records.check()
        held = getattr(self._held, "key", None)
        with self._records.told("be asked about itself"):
            keys = self._servers.samples(self._names.scratch) if held is None else [held]
        for key in keys:
            where = self._servers.where_of(self._names.scratch(key))
            for doubt in self._doubts(key, where):
                warnings.warn(f"Redis at {where} {doubt}", StoreWarning, stacklevel=2)

    def _doubts(self, key: str, where: str) -> Iterator[str]:
        """Look at one server; return what is wrong with its settings."""
        trial = self._trial(self._names.scratch(key))
        told, settings, *tried = self._records.answers(
            "be asked about itself", self._names.scratch(key), ("INFO",), ("CONFIG GET", "save"), *trial
        )
        facts = facts_in(told)
        if facts.get("role") == "slave":
            raise StoreUnavailable(f"Redis at {where} is a replica; name its primary")
        if facts.get("connected_slaves", self._replicas) < self._replicas:
            raise StoreUnavailable(f"Redis at {where} has fewer than {self._replicas} replicas; connect more")
        with self._records.told("be written to"):
            granted(tried)
        return doubts_of(facts, facts_in(settings))

    def _trial(self, scratch: bytes) -> list[tuple[Any, ...]]:
        """Return the commands that writing a record takes, for where there are no records."""
        before, after = Record.new(b""), Record.new(b"")
        swap = ("EVAL", SWAP, 1, scratch, before.value, after.content)
        return [("SET", scratch, before.content, "NX"), swap, ("DEL", scratch)]
