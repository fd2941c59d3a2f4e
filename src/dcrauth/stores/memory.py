"""Records in this process's memory."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakValueDictionary

from dcrauth._internal import fork
from dcrauth._internal.confidential import Confidential, unfailing
from dcrauth.errors import StoreUnavailable
from dcrauth.stores import Closing, Reading


class MemoryStore(Confidential, Closing):
    """A store that ends with the process: each start registers anew, which logs end users out. For tests and trials."""

    single_writer = True
    """It promises nothing to other processes, which have a memory of their own."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make new locks: those of the parent may be held by threads that do not exist here."""
        self._guard = threading.Lock()
        # One that nobody knows any more is forgotten, also if an interrupt has left it taken.
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    @unfailing
    def __repr__(self) -> str:
        return f"<MemoryStore with {len(self._records)} records>"

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None."""
        return self._records.get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what there is under each of the *keys*, as of one moment."""
        with self._guard:
            return {key: self._records.get(key) for key in keys}

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        with self._guard:
            absent = key not in self._records
            if absent:
                self._records[key] = value
            return absent

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        with self._guard:
            fits = self._records.get(key) == expected
            if fits:
                self._records[key] = value
            return fits

    def put(self, key: str, value: bytes) -> None:
        """Write a record; the last writer wins."""
        with self._guard:
            self._records[key] = value

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        with self._guard:
            self._records.pop(key, None)

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records."""
        return iter(tuple(self._records))

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep other threads from renewing *key* meanwhile; wait for at most *wait* seconds."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=wait):
            raise StoreUnavailable(f"Another thread has been renewing this identity for {wait:g} s; try again")
        try:
            yield
        finally:
            lock.release()

    def healthcheck(self) -> None:
        """Do nothing: memory can always be written."""
