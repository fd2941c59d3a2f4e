"""The stores under test behind one face: how to open each, again and elsewhere, and how to damage what it keeps."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dcrauth import FileStore, MemoryStore, Store
from dcrauth.stores._disk import Disk
from dcrauth.stores._locks import digest
from dcrauth.stores.encrypted import EncryptedStore
from dcrauth.stores.redis import RedisStore
from dcrauth.stores.sql import SQLStore
from dcrauth.stores.sqlite import SQLiteStore

KEY = bytes(range(32))

Factory = Callable[[], Store]
Damage = Callable[[str, bytes], None]


@dataclass(frozen=True)
class Kind:
    """One kind of store on storage of its own.

    Parameters:
        open: opens it; picklable, unless the store ends with the process.
        damage: puts bytes in the place of the stored form of a record, behind the store's back.
    """

    open: Factory
    damage: Damage = field(repr=False)


def memory() -> Kind:
    store = MemoryStore()
    return Kind(lambda: store, store.put)


def file(directory: Path) -> Kind:
    return Kind(partial(FileStore, directory / "store"), partial(_damage_file, directory / "store"))


def file_by_path(directory: Path) -> Kind:
    """The file store as it works where directories have no descriptors."""
    return Kind(partial(_file_store_by_path, directory / "store"), partial(_damage_file, directory / "store"))


def sqlite(directory: Path) -> Kind:
    path = directory / "store" / "records.db"
    return Kind(partial(SQLiteStore, path), partial(_damage_sqlite, path))


def in_redis(url: str) -> Kind:
    prefix = f"{secrets.token_hex(8)}:"
    return Kind(partial(RedisStore, url, prefix=prefix), partial(_damage_redis, url, prefix))


def in_sql(url: str) -> Kind:
    """A store in tables of its own, which are made."""
    table = f"records_{secrets.token_hex(8)}"
    with SQLStore(url, table=table) as store:
        store.create_tables()
    return Kind(partial(SQLStore, url, table=table), partial(_damage_sql, url, table))


def encrypted(inner: Kind) -> Kind:
    return Kind(partial(_encrypted_store, inner.open), inner.damage)


def _file_store_by_path(path: Path) -> FileStore:
    store = FileStore(path)
    store._folders.disk = Disk(by_descriptor=False)
    return store


def _encrypted_store(inner: Factory) -> EncryptedStore:
    return EncryptedStore(inner(), keys=[KEY])


def _damage_file(directory: Path, key: str, content: bytes) -> None:
    name = digest(key)
    (directory / "records" / name[:2] / name).write_bytes(content)


def _damage_sqlite(path: Path, key: str, content: bytes) -> None:
    connection = sqlite3.connect(path, timeout=20)
    try:
        with connection:
            changed = connection.execute("UPDATE records SET value = ? WHERE key = ?", (content, os.fsencode(key)))
            assert changed.rowcount == 1
    finally:
        connection.close()


def _damage_sql(url: str, table: str, key: str, content: bytes) -> None:
    """Put *content* in the place of a record's name, as a hand at the table might."""
    with SQLStore(url, table=table) as store, store._together.begin() as connection:
        records = store.tables[0]
        of_key = records.c.id == hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        connection.execute(records.update().where(of_key).values(name=content))


def _damage_redis(url: str, prefix: str, key: str, content: bytes) -> None:
    with RedisStore(url, prefix=prefix) as store:
        name = store._names.record(key)
        store._servers.answers(name, ("SET", name, content))
