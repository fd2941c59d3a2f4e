"""What a renewal costs a store: its calls, one by one, and what goes over the line to a Redis."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from adapters_tests.servers.redis_server import Line
from dcrauth import Store
from dcrauth.stores import Reading, get_many


class CountedStore:
    """A store that notes by name what is asked of it.

    Parameters:
        inner: what it asks.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.calls: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.calls.append("get")
        return self.inner.get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        self.calls.append("get_many")
        return get_many(self.inner, keys)

    def add(self, key: str, value: bytes) -> bool:
        self.calls.append("add")
        return self.inner.add(key, value)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        self.calls.append("replace")
        return self.inner.replace(key, value, expected=expected)

    def put(self, key: str, value: bytes) -> None:
        self.calls.append("put")
        self.inner.put(key, value)

    def delete(self, key: str) -> None:
        self.calls.append("delete")
        self.inner.delete(key)

    def keys(self) -> Iterator[str]:
        return self.inner.keys()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        self.calls.append("lock")
        with self.inner.lock(key, wait=wait):
            yield

    def healthcheck(self) -> None:
        self.calls.append("healthcheck")
        self.inner.healthcheck()


class CountedLine(Line):
    """A line to a Redis that notes what is sent over it in one go, but for what opens a connection."""

    def __init__(self, server: Any) -> None:
        self.trips: list[bytes] = []
        super().__init__(server)

    def _sent(self, data: bytes, far: socket.socket) -> bool:
        if data and not any(word in data for word in (b"HELLO", b"SETINFO", b"CLIENT", b"SELECT")):
            self.trips.append(data)
        return super()._sent(data, far)
