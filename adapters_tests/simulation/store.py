"""The simulated store: a dictionary that can fail, forget its latest writes, and lose everything."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dcrauth import DecryptionFailed, StoreCorrupt, StoreError, StoreLost, StoreUnavailable
from dcrauth.stores import Reading, reading

_LATEST = 8
"""How many writes a failover may undo."""


class SimulatedStore:
    """Records in memory, and how often it has lost some of them."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.trouble: type[StoreError] | None = None
        self.lost = False
        self.losses = 0
        self._latest: list[tuple[str, bytes | None]] = []

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*; a lost store has none that it is sure about."""
        self._available()
        found = self.records.get(key)
        if found is None and self.lost:
            raise StoreLost("the simulated store was in use before and is empty now")
        return found

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return for each of the *keys* what `get` returns or raises; nothing if the store cannot be used at all."""
        self._available()
        return {key: reading(self.get, key) for key in keys}

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one."""
        self._available()
        absent = key not in self.records
        if absent:
            self._write(key, value)
        return absent

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record over the *expected* one."""
        self._available()
        fits = self.records.get(key) == expected
        if fits:
            self._write(key, value)
        return fits

    def put(self, key: str, value: bytes) -> None:
        """Write a record."""
        self._available()
        self._write(key, value)

    def delete(self, key: str) -> None:
        """Remove a record."""
        self._available()
        self._write(key, None)

    def healthcheck(self) -> None:
        """Raise unless a record could be written."""
        self._available()

    def fail_over(self, rng: random.Random) -> None:
        """Lose some of the latest writes, although they were acknowledged."""
        self.losses += bool(self._latest)
        for _ in range(min(rng.randint(1, 4), len(self._latest))):
            key, value = self._latest.pop()
            self._set(key, value)

    def empty(self, *, loudly: bool) -> None:
        """Lose everything; the store itself knows of it or does not."""
        self.losses += bool(self.records)
        self.records.clear()
        self._latest.clear()
        self.lost = loudly

    def _available(self) -> None:
        if self.trouble is not None:
            raise self.trouble("the simulated store cannot be used for a while")

    def _write(self, key: str, value: bytes | None) -> None:
        self._latest = [*self._latest[1 - _LATEST :], (key, self.records.get(key))]
        self._set(key, value)

    def _set(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.records.pop(key, None)
        else:
            self.records[key] = value


TROUBLES = (StoreUnavailable, StoreUnavailable, StoreCorrupt, DecryptionFailed)


class PublicStore:
    """The simulated store as any other, for the tests that all stores have to pass; without faults, for threads."""

    single_writer = True

    def __init__(self) -> None:
        self._store = SimulatedStore()
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def __repr__(self) -> str:
        return "<PublicStore>"

    def get(self, key: str) -> bytes | None:
        with self._guard:
            return self._store.get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        with self._guard:
            return self._store.get_many(keys)

    def add(self, key: str, value: bytes) -> bool:
        with self._guard:
            return self._store.add(key, value)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        with self._guard:
            return self._store.replace(key, value, expected=expected)

    def put(self, key: str, value: bytes) -> None:
        with self._guard:
            self._store.put(key, value)

    def delete(self, key: str) -> None:
        with self._guard:
            self._store.delete(key)

    def keys(self) -> Iterator[str]:
        with self._guard:
            return iter(tuple(self._store.records))

    def healthcheck(self) -> None:
        with self._guard:
            self._store.healthcheck()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=wait):
            raise StoreUnavailable(f"Somebody else has held the lock for {wait:g} s")
        try:
            yield
        finally:
            lock.release()
