"""Records in Redis or Valkey, for any number of hosts.

    PREFIX record:KEY   a record: 32 hexadecimal digits drawn for this writing, a newline, then its bytes
    PREFIX lock:KEY     stands while an identity is renewed, and for as long as a lease lasts after a kill
    PREFIX scratch      written to see whether the server takes writes, and whether its replicas follow; soon gone

An answer may be lost after its command was carried out, and a client may send a command twice. So only a plain yes is
believed: the digits of the record that is there tell whether we have written it.
"""

import re
import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

try:
    import redis
except ImportError as missing:
    raise ImportError("RedisStore needs redis; run: pip install dcrauth[redis]") from missing

from dcrauth._internal.arguments import check_seconds, check_text, wrong
from dcrauth._internal.confidential import Confidential, discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError, StoreCorrupt, StoreUnavailable, StoreWarning
from dcrauth.stores import Closing, Reading, reading
from dcrauth.stores._leases import LEASE, LEASES
from dcrauth.stores._listing import Unread
from dcrauth.stores._redis import (
    FAULTS,
    IN_CLUSTER,
    LOST,
    Lease,
    address_of,
    answers,
    client_of,
    doubts_of,
    facts_in,
    granted,
    reason,
)

__all__ = ["RedisStore"]

_SHORTEST_LEASE = 0.001
_MOST_REPLICAS = 1000
_POLL = 0.05
_ATTEMPTS = 2
_PAGE = 1000
_SCRATCH_LIFE = 60
_REPLICATION = 1000
"""How long replicas may take to follow, in milliseconds."""

_HEADING = re.compile(rb"[0-9a-f]{32}\n")
_HEADING_LENGTH = 33
_GLOB = re.compile(rb"([\\*?\[\]])")
_UNKNOWN = "whether a record was written is not known, and the next reading will tell"

# The heading is looked at here as well: what is no record of ours is left as it is.
_SWAP = f"""
local found = redis.call('GET', KEYS[1])
if not found then return 0 end
local _, heading = string.find(found, '^[0-9a-f]+\\n')
if heading ~= {_HEADING_LENGTH} or string.sub(found, {_HEADING_LENGTH + 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


@dataclass(frozen=True)
class _Record:
    """A record as the server holds it.

    Parameters:
        mark: 32 hexadecimal digits that no other writing has.
        value: what was to be kept.
    """

    mark: bytes
    value: bytes = field(repr=False)

    @classmethod
    def new(cls, value: bytes) -> Self:
        return cls(secrets.token_hex(16).encode(), value)

    @property
    def content(self) -> bytes:
        return self.mark + b"\n" + self.value


@discreet_constructor
class RedisStore(Confidential, Closing):
    """A store in a Redis (6 or later) or Valkey server, for all hosts that can reach it.

    Parameters:
        server: a URL, ``redis://``, ``rediss://`` or ``unix://``, with redis-py's own options for TLS and
            authentication, or a `redis.Redis` client. One that is made from a URL waits for 5 s each time and repeats
            nothing, and has at most 50 connections, for one of which a thread waits for 20 s; unless the URL says
            otherwise (``socket_timeout``, ``max_connections``, ``timeout``).
        prefix: what the names of all keys begin with. Applications share nothing if none has a prefix that begins with
            another one's: what is below ``dcrauth:record:`` are records to ``dcrauth:`` as well.
        lease: after how long a lock ends by itself when its holder was killed, in seconds; while that lives, the lock
            is extended. Of two that register at once only the first is ever used, but the other one was in vain.
        replicas: how many replicas must have a record of client credentials before it counts as written.

    Anybody who can read the server's memory, its files or its traffic can read the records. None ever expires.

    Raises:
        ConfigurationError: the URL or the client cannot be used; at the first use, if the server is part of a cluster.
    """

    def __init__(
        self, server: str | redis.Redis, *, prefix: str = "dcrauth:", lease: float = LEASE, replicas: int = 0
    ) -> None:
        check_text(prefix, "prefix")
        check_seconds(lease, "lease")
        if isinstance(replicas, bool) or not isinstance(replicas, int):
            raise wrong("replicas", "a number of replicas", replicas)
        if lease < _SHORTEST_LEASE or not 0 <= replicas <= _MOST_REPLICAS:
            raise ConfigurationError(
                f"The lease of a RedisStore is {_SHORTEST_LEASE} s or more, and replicas are 0 to {_MOST_REPLICAS}"
            )
        self._client: Any = client_of(server)
        self._is_users = not isinstance(server, str)
        self._where = address_of(self._client)
        self._prefix = prefix
        self._records, self._locks, self._scratch = (
            _encoded(prefix + kind) for kind in ("record:", "lock:", "scratch")
        )
        self._lease = lease
        self._replicas = replicas
        # WAIT counts from the last write on its own connection; that is why one goes with it. Replicas keep the order.
        follow = (("SET", self._scratch, b"", "EX", _SCRATCH_LIFE), ("WAIT", replicas, _REPLICATION))
        self._following = follow if replicas else ()
        self._server_checked = False

    @unfailing
    def __repr__(self) -> str:
        return f"<RedisStore at {self._where} with prefix {self._prefix!r}>"

    @property
    def place(self) -> tuple[str, ...]:
        """Where the records are, however many objects lead there."""
        return "redis", self._where, str(self._client.connection_pool.connection_kwargs.get("db") or 0), self._prefix

    def close(self) -> None:
        """Close the connections, unless the client is yours; the next call opens them again."""
        if not self._is_users:
            self._client.close()
            self._client.connection_pool.disconnect()

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if the server has none."""
        (answer,) = self._answers("read a record", ("GET", self._name(key)))
        return self._value(answer, key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what `get` returns for each of the *keys*, or the error that it raises, in one round trip."""
        # No MGET, to which a list or a hash in a record's place is nothing at all.
        found = self._answers("read records", *(("GET", self._name(key)) for key in keys))
        return {key: reading(partial(self._value, each), key) for key, each in zip(keys, found, strict=True)}

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        record = _Record.new(value)
        command = ("SET", self._name(key), record.content, "NX")
        return self._decided(key, record, command, lambda found: found is None)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        record = _Record.new(value)
        command = ("EVAL", _SWAP, 1, self._name(key), expected, record.content)
        return self._decided(key, record, command, lambda found: found is not None and found.value == expected)

    def put(self, key: str, value: bytes) -> None:
        """Write a record that the server may lose when it fails; the last writer wins."""
        self._check_server()
        with self._told("write a record"):
            self._client.set(self._name(key), _Record.new(value).content)

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        self._check_server()
        with self._told("delete a record"):
            self._client.delete(self._name(key))

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records, one perhaps twice; what is none of ours is told at the end.

        The server looks through everything it has for them.
        """
        pattern = _GLOB.sub(rb"\\\1", self._records) + b"*"
        unread = Unread()
        self._check_server()
        with self._told("list the records"):
            for name in self._client.scan_iter(match=pattern, count=_PAGE):
                key = None
                with unread.noting():
                    key = self._key(name)
                if key is not None:
                    yield key
        unread.report()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep all others from renewing *key* until the lease ends; wait for at most *wait* seconds."""
        name: Any = self._locks + _encoded(key)
        self._check_server()
        lease = Lease(self._client, name, self._lease, _POLL, blocking_timeout=wait, thread_local=False)
        token = secrets.token_hex(16)
        with self._told("lock an identity"):
            # A token of our own: redis-py's is made of the time and what forked processes share, so two may be equal.
            held = lease.acquire(token=token)
        if not held:
            raise StoreUnavailable(
                f"Another process or thread has been renewing this identity for {wait:g} s; try again"
            )
        try:
            with LEASES.extended(lambda: lease.extend_ours(token), self._lease):
                yield
        finally:
            # A lease that has ended meanwhile is no error: locks save calls only, `add` and `replace` decide. Nor is a
            # server that cannot be told: the lease ends by itself.
            with suppress(*FAULTS):
                lease.release()

    def healthcheck(self) -> None:
        """Raise unless a record could be written now; warn of settings with which records may be lost.

        Raises:
            StoreUnavailable: the server cannot be reached, is a replica, refuses writes, or has too few replicas.
        """
        self._check_server()
        told, settings, *tried = self._answers(
            "be asked about itself", ("INFO",), ("CONFIG GET", "save"), *self._trial()
        )
        facts = facts_in(told)
        if facts.get("role") == "slave":
            raise StoreUnavailable(f"Redis at {self._where} is a replica; name its primary")
        if facts.get("connected_slaves", self._replicas) < self._replicas:
            raise StoreUnavailable(f"Redis at {self._where} has fewer than {self._replicas} replicas; connect more")
        with self._told("be written to"):
            granted(tried)
        for doubt in doubts_of(facts, facts_in(settings)):
            warnings.warn(f"Redis at {self._where} {doubt}", StoreWarning, stacklevel=2)

    def _trial(self) -> list[tuple[Any, ...]]:
        """Return the commands that writing a record takes, for where there are no records."""
        before, after = _Record.new(b""), _Record.new(b"")
        swap = ("EVAL", _SWAP, 1, self._scratch, before.value, after.content)
        return [("SET", self._scratch, before.content, "NX"), swap, ("DEL", self._scratch)]

    def _check_server(self) -> None:
        """Raise, at the first use, if the server is part of a cluster: it would refuse most keys, each in its turn."""
        if not self._server_checked:
            self._answers("be asked about itself")

    def _answers(self, doing: str, *commands: tuple[Any, ...]) -> list[Any]:
        """Send several commands in one go, at the first use behind the question what the server is."""
        first = () if self._server_checked else (("INFO", "cluster"),)
        with self._told(doing):
            found = answers(self._client, *first, *commands)
        if first and facts_in(found.pop(0)).get("cluster_enabled"):
            raise ConfigurationError(f"Redis at {self._where} cannot be used: {IN_CLUSTER}")
        self._server_checked = True
        return found

    def _decided(
        self, key: str, record: _Record, command: tuple[Any, ...], open_still: Callable[[_Record | None], bool]
    ) -> bool:
        """Write on a condition, and find out what came of it.

        Parameters:
            key: where to write.
            record: what to write.
            command: writes it, and is true if it has.
            open_still: whether another attempt might succeed, by what is there after one that has not.
        """
        self._check_server()
        for _ in range(_ATTEMPTS):
            refusal = None
            try:
                if self._carried_out(command):
                    return True
            except LOST:
                pass  # whether it was carried out is read below
            except FAULTS as fault:
                refusal = self._failure("write a record", fault)
            # Even a refusal may be that of a second sending, after a first one that was carried out.
            found = self._read_after_writing(key)
            if found is not None and found.mark == record.mark:
                self._await_replicas()
                return True
            if refusal is not None:
                raise refusal
            if not open_still(found):
                self._await_replicas()
                return False
        raise StoreUnavailable(f"Redis at {self._where} cannot write a record: no answer; {_UNKNOWN}")

    def _carried_out(self, command: tuple[Any, ...]) -> bool:
        """Write on a condition; return whether that was met, and then the replicas have it."""
        done, *following = granted(answers(self._client, command, *self._following))
        if done and following:
            self._check_followed(following[-1])
        return bool(done)

    def _read_after_writing(self, key: str) -> _Record | None:
        try:
            return self._read(key)
        except StoreUnavailable as silence:
            raise StoreUnavailable(f"{silence}; {_UNKNOWN}") from None

    def _read(self, key: str) -> _Record | None:
        (answer,) = self._answers("read a record", ("GET", self._name(key)))
        return self._record(answer, key)

    def _value(self, answer: Any, key: str) -> bytes | None:
        found = self._record(answer, key)
        return None if found is None else found.value

    def _record(self, answer: Any, key: str) -> _Record | None:
        """Return the record in the *answer* to a reading of *key*."""
        if answer is None:
            return None
        if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
            raise self._failure("read a record", answer)
        # Of another type it is a list, a hash or the like.
        if isinstance(answer, Exception) or not _HEADING.match(answer):
            raise self._not_ours(self._name(key))
        return _Record(answer[: _HEADING_LENGTH - 1], answer[_HEADING_LENGTH:])

    def _await_replicas(self) -> None:
        """Raise unless enough replicas have everything that was written before."""
        if self._replicas:
            with self._told("say whether its replicas have a record"):
                _, followed = granted(answers(self._client, *self._following))
            self._check_followed(followed)

    def _check_followed(self, followed: int) -> None:
        if followed < self._replicas:
            raise StoreUnavailable(
                f"Redis at {self._where} has the record, but only {followed} of {self._replicas} replicas have it as "
                "well; see to the replicas and try again"
            )

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turn what redis-py raises into an error that says what could not be done, where, and why."""
        try:
            yield
        except FAULTS as fault:
            raise self._failure(doing, fault) from None

    def _failure(self, doing: str, fault: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"Redis at {self._where} cannot {doing}: {reason(fault)}")

    def _name(self, key: str) -> bytes:
        return self._records + _encoded(key)

    def _key(self, name: bytes) -> str:
        try:
            return name.removeprefix(self._records).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self._not_ours(name) from None

    def _not_ours(self, name: bytes) -> StoreCorrupt:
        return StoreCorrupt(
            f"{name[:80]!r} in Redis at {self._where} is damaged or not a record of this store; it was left as it is"
        )


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
