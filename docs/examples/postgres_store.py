"""A store in PostgreSQL, with a lease in a row: nothing is held between two statements."""

import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from dcrauth import StoreUnavailable

TABLES = """CREATE TABLE clients (id bytea PRIMARY KEY, name bytea NOT NULL, value bytea NOT NULL);
CREATE TABLE leases (id bytea PRIMARY KEY, owner bytea NOT NULL, until timestamptz NOT NULL)"""
GET = "SELECT value FROM clients WHERE id = %s"
ADD = "INSERT INTO clients VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING RETURNING 1"
REPLACE = "UPDATE clients SET value = %s WHERE id = %s AND value = %s RETURNING 1"
PUT = "INSERT INTO clients VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET value = excluded.value RETURNING 1"
DELETE = "DELETE FROM clients WHERE id = %s RETURNING 1"
PAGE = "SELECT id, name FROM clients WHERE id > %s ORDER BY id LIMIT 1000"
LOCK = """INSERT INTO leases VALUES (%s, %s, clock_timestamp() + interval '15 s') ON CONFLICT (id) DO UPDATE
SET owner = excluded.owner, until = excluded.until WHERE leases.until < clock_timestamp() RETURNING 1"""
EXTEND = "UPDATE leases SET until = clock_timestamp() + interval '15 s' WHERE id = %s AND owner = %s RETURNING 1"
RELEASE = "DELETE FROM leases WHERE id = %s AND owner = %s RETURNING 1"


class PostgresStore:
    def __init__(self, database: str) -> None:
        self._database = database

    def get(self, key: str) -> bytes | None:
        return next((bytes(value) for (value,) in self._rows(GET, _id(key))), None)

    def add(self, key: str, value: bytes) -> bool:
        return bool(self._rows(ADD, _id(key), _name(key), value))

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        return bool(self._rows(REPLACE, value, _id(key), expected))

    def put(self, key: str, value: bytes) -> None:
        self._rows(PUT, _id(key), _name(key), value)

    def delete(self, key: str) -> None:
        self._rows(DELETE, _id(key))

    def keys(self) -> Iterator[str]:
        last = b""
        while rows := self._rows(PAGE, last):
            yield from (bytes(name).decode("utf-8", "surrogatepass") for _, name in rows)
            last = rows[-1][0]

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        owner, end, over = secrets.token_bytes(16), time.monotonic() + wait, threading.Event()
        while not self._rows(LOCK, _id(key), owner):
            if time.monotonic() >= end:
                raise StoreUnavailable(f"Another process or thread has been renewing this identity for {wait:g} s")
            time.sleep(0.05)
        threading.Thread(target=self._extend, args=(key, owner, over), daemon=True).start()
        try:
            yield
        finally:
            over.set()
            with suppress(StoreUnavailable):  # it ends by itself
                self._rows(RELEASE, _id(key), owner)

    def healthcheck(self) -> None:
        key = secrets.token_hex(16)
        self.put(key, b"")
        self.delete(key)

    def _extend(self, key: str, owner: bytes, over: threading.Event) -> None:
        while not over.wait(4.0):
            with suppress(StoreUnavailable):
                self._rows(EXTEND, _id(key), owner)

    def _rows(self, statement: str, *values: object) -> list[Any]:
        try:
            with psycopg.connect(self._database, autocommit=True, connect_timeout=5) as connection:
                return connection.execute(statement.encode(), values, prepare=False).fetchall()
        except psycopg.Error as reason:  # whose text may quote a record
            failure = StoreUnavailable(f"PostgreSQL did not answer as it should: {type(reason).__name__}")
        raise failure


def _id(key: str) -> bytes:
    return hashlib.sha256(_name(key)).digest()


def _name(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
