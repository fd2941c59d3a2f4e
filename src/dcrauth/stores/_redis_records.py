"""The records of a store in Redis: read and written, by answers of which any may be lost."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from dcrauth.errors import ConfigurationError, StoreCorrupt, StoreUnavailable
from dcrauth.stores import Reading, reading
from dcrauth.stores._redis_answers import FAULTS, IN_CLUSTER, LOST, granted, reason
from dcrauth.stores._redis_names import Names, tag
from dcrauth.stores._redis_record import Record
from dcrauth.stores._redis_servers import Servers
from dcrauth.stores._redis_settings import facts_in

_ATTEMPTS = 2
_SCRATCH_LIFE = 60
_REPLICATION = 1000
"""How long replicas may take to follow, in milliseconds."""

_UNKNOWN = "whether a record was written is not known, and the next reading will tell"


class Records:
    """What one store has in Redis.

    Parameters:
        servers: where they are.
        names: what they are called there.
        replicas: how many replicas must have one before it counts as written.
    """

    def __init__(self, servers: Servers, names: Names, replicas: int) -> None:
        self.servers = servers
        self.names = names
        self.replicas = replicas
        self._checked = servers.is_cluster

    def check(self) -> None:
        """Raise, at the first use, if the server is part of a cluster: it would refuse most keys, each in its turn."""
        if not self._checked:
            self.answers("be asked about itself", b"")

    def answers(self, doing: str, name: bytes, *commands: tuple[Any, ...]) -> list[Any]:
        """Send several commands in one go that may be sent twice, at the first use behind the question what it is."""
        first = () if self._checked else (("INFO", "cluster"),)
        with self.told(doing):
            found = self.servers.answers(name, *first, *commands, again=True)
        if first and facts_in(found.pop(0)).get("cluster_enabled"):
            raise ConfigurationError(f"Redis at {self.servers.where} cannot be used: {IN_CLUSTER}")
        self._checked = True
        return found

    def decided(
        self, key: str, record: Record, command: tuple[Any, ...], open_still: Callable[[Record | None], bool]
    ) -> bool:
        """Write on a condition, and find out what came of it.

        Parameters:
            key: where to write.
            record: what to write.
            command: writes it, and is true if it has.
            open_still: whether another attempt might succeed, by what is there after one that has not.
        """
        self.check()
        for _ in self.servers.tries(_ATTEMPTS):
            refusal = None
            try:
                if self._carried_out(key, command):
                    return True
            except LOST:
                pass  # whether it was carried out is read below
            except FAULTS as fault:
                refusal = self._failure("write a record", fault)
            # Even a refusal may be that of a second sending, after a first one that was carried out.
            found = self._read_after_writing(key)
            if found is not None and found.mark == record.mark:
                self._await_replicas(key)
                return True
            if refusal is not None:
                raise refusal
            if not open_still(found):
                self._await_replicas(key)
                return False
        raise StoreUnavailable(f"Redis at {self.servers.where} cannot write a record: no answer; {_UNKNOWN}")

    def _carried_out(self, key: str, command: tuple[Any, ...]) -> bool:
        """Write on a condition; return whether that was met, and then the replicas have it."""
        name = self.names.record(key)
        before = self.servers.where_of(name) if self.replicas or self.servers.are_watched else ""
        done, *following = granted(self.servers.answers(name, command, *self._following(key)))
        is_short = bool(following) and following[-1] < self.replicas
        if done and (is_short or self.servers.are_watched):
            self.servers.look_again()
            if self.servers.where_of(name) != before:
                return False  # it went to one that is no primary any more, so that it is lost
        if done and is_short:
            self._check_followed(following[-1])
        return bool(done)

    def _following(self, key: str) -> tuple[tuple[Any, ...], ...]:
        """Return what asks how many replicas have what was written before."""
        if not self.replicas:
            return ()
        # WAIT counts from the last write on its own connection; that is why one goes with it. Replicas keep the order.
        return ("SET", self.names.scratch(key), b"", "EX", _SCRATCH_LIFE), ("WAIT", self.replicas, _REPLICATION)

    def read_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return for each of the *keys* its value, or the error that stands in the way, in one go for each server."""
        found: dict[str, Reading] = {}
        for part in self._parts(keys):
            # No MGET, to which a list or a hash in a record's place is nothing at all.
            asked = [("GET", self.names.record(key)) for key in part]
            read = self.answers("read records", asked[0][1], *asked)
            found |= {key: reading(partial(self.value, each), key) for key, each in zip(part, read, strict=True)}
        return found

    def _parts(self, keys: Sequence[str]) -> list[list[str]]:
        """Return the *keys* in parts that one server has."""
        parts: dict[str, list[str]] = {}
        for key in keys:
            parts.setdefault(tag(key) if self.names.tagged else "", []).append(key)
        return list(parts.values())

    def _read_after_writing(self, key: str) -> Record | None:
        try:
            return self.read(key)
        except StoreUnavailable as silence:
            raise StoreUnavailable(f"{silence}; {_UNKNOWN}") from None

    def read(self, key: str) -> Record | None:
        """Return the record under *key*, or None if there is none."""
        name = self.names.record(key)
        (answer,) = self.answers("read a record", name, ("GET", name))
        return self._record(answer, key)

    def value(self, answer: Any, key: str) -> bytes | None:
        """Return what the *answer* to a reading of *key* holds, or None if there is nothing."""
        found = self._record(answer, key)
        return None if found is None else found.value

    def _record(self, answer: Any, key: str) -> Record | None:
        """Return the record in the *answer* to a reading of *key*."""
        if answer is None:
            return None
        if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
            raise self._failure("read a record", answer)
        # Of another type it is a list, a hash or the like.
        found = Record.read(answer)
        if found is None:
            raise self.not_ours(self.names.record(key))
        return found

    def _await_replicas(self, key: str) -> None:
        """Raise unless enough replicas have everything that was written before."""
        if self.replicas:
            with self.told("say whether its replicas have a record"):
                sent = self.servers.answers(self.names.record(key), *self._following(key), again=True)
                _, followed = granted(sent)
            self._check_followed(followed)

    def _check_followed(self, followed: int) -> None:
        if followed < self.replicas:
            raise StoreUnavailable(
                f"Redis at {self.servers.where} has the record, but only {followed} of {self.replicas} replicas have "
                "it as well; see to the replicas and try again"
            )

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Turn what redis-py raises into an error that says what could not be done, where, and why."""
        try:
            yield
        except FAULTS as fault:
            raise self._failure(doing, fault) from None

    def _failure(self, doing: str, fault: Exception) -> StoreUnavailable:
        told = reason(fault, in_cluster=self.servers.is_cluster)
        return StoreUnavailable(f"Redis at {self.servers.where} cannot {doing}: {told}")

    def not_ours(self, name: bytes) -> StoreCorrupt:
        """Return the error that something else stands in the place of a record."""
        return StoreCorrupt(
            f"{name[:80]!r} in Redis at {self.servers.where} is damaged or not a record of this store; it was left as "
            "it is"
        )

    def carry_out(self, doing: str, command: str, key: str, *given: bytes) -> None:
        """Do what is not done again where no answer came: meanwhile somebody else may have done something."""
        self.check()
        name = self.names.record(key)
        with self.told(doing):
            granted(self.servers.answers(name, (command, name, *given)))
