"""Records in one SQLite file, for one host, any number of processes, and up to a million identities.

PATH              the database: a table ``records``, and a table ``store`` whose one row goes when the records go
PATH-wal, -shm    SQLite's log of what is on its way into the database, and its index
PATH.lock         held while anybody writes: SQLite alone would let writers wait in no order
PATH.locks/4f2.lock    held while an identity is renewed
PATH.mark         one of two marks that stay: where these stand and the row is gone, the records were lost
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from dcrauth._internal.arguments import path_of
from dcrauth._internal.confidential import discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError, StoreCorrupt
from dcrauth.stores import Closing, Reading, reading
from dcrauth.stores._database import Database
from dcrauth.stores._disk import Disk, told
from dcrauth.stores._listing import Unread
from dcrauth.stores._locks import digest, locked, stripe
from dcrauth.stores._mounts import network_filesystem
from dcrauth.stores._ownership import WRITABLE_BY_OTHERS
from dcrauth.stores._sentinel import Sentinel

__all__ = ["SQLiteStore"]

_ID_DIGITS = 32
_PAGE = 1000
_PROBE = bytes(16_384)

_INSERT = "INSERT INTO records (id, key, value) VALUES (?, ?, ?)"
_ADD = f"{_INSERT} ON CONFLICT (id) DO NOTHING"
_PUT = f"{_INSERT} ON CONFLICT (id) DO UPDATE SET value = excluded.value WHERE key = excluded.key"
_REPLACE = "UPDATE records SET value = ? WHERE id = ? AND key = ? AND value = ?"
_GET = "SELECT id, key, value FROM records WHERE id IN ({})"
_DELETE = "DELETE FROM records WHERE id = ? AND key = ?"
_TRY = "INSERT INTO scratch VALUES (?)"
_CLEAR = "DELETE FROM scratch"
_KEYS = "SELECT number, key FROM records WHERE number > ? ORDER BY number LIMIT ?"


@discreet_constructor
class SQLiteStore(Closing):
    """A store in a SQLite file on a local disk, readable by its owner only.

    Parameters:
        path: the file; it is made, and its directory as well, if it is not there, and a ``~`` is expanded.

    Anybody who can run programs as the same user can read the records. Permissions of others on what belongs to the
    store are taken away, and a `dcrauth.StoreWarning` tells of them.

    To make one looks where the file is, which may block; it is opened when it is used.

    Raises:
        ConfigurationError: the file is on a network file system, where SQLite's locks may not exclude other hosts; or
            nobody knows the user's home directory, where one is needed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        directory, name = os.path.split(os.path.abspath(path_of(path, "path")))
        directory = os.path.realpath(directory)
        self._path = os.path.join(directory, name)
        if kind := network_filesystem(directory):
            raise ConfigurationError(
                f"{self._path} is on a network file system ({kind}), where SQLite is not safe. "
                "Use a local file for each host, or a SQLStore or RedisStore for all of them"
            )
        above, folder = os.path.split(directory)
        marks = (f"{self._path}.mark", os.path.join(above, f".{folder}%{name}.sqlite.dcrauth"))
        self._sentinel = Sentinel(f"The store in {self._path}", marks)
        self._disk = Disk()
        self._database = Database(self._path, self._sentinel)

    @unfailing
    def __repr__(self) -> str:
        return f"SQLiteStore({self._path!r})"

    @property
    def place(self) -> tuple[str, ...]:
        """Where the records are, however many objects lead there."""
        return "sqlite", self._path

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if there is no row for it and the store has not lost its rows."""
        return self._value(self._rows([key]), key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what `get` returns for each of the *keys*, as of one moment, or the error that it raises."""
        value = partial(self._value, self._rows(keys))
        return {key: reading(value, key) for key in keys}

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        return self._changed(_ADD, (_id(key), _encoded(key), value))

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        return self._changed(_REPLACE, (value, _id(key), _encoded(key), expected))

    def put(self, key: str, value: bytes) -> None:
        """Write a record that a power failure may undo; the last writer wins."""
        self._changed(_PUT, (_id(key), _encoded(key), value), durable=False)

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one, so that nothing is left of it, nor of what it was before."""
        with self._database.writing(durable=True, erasing=True) as connection:
            connection.execute(_DELETE, (_id(key), _encoded(key)))

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records; a thousand at a time are read. Damaged rows are told at the end."""
        last, unread = -1, Unread()
        while rows := self._rows_after(last):
            last = rows[-1][0]
            yield from unread.keys(rows, lambda row: self._decoded(*row))
        unread.report()
        if last == -1:
            self._check_not_lost()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep other processes and threads from renewing *key* meanwhile; wait for at most *wait* seconds."""
        with ExitStack() as held:
            with told(f"lock {self._path}"):
                held.enter_context(locked(os.path.join(self._locks(), f"{stripe(key, 3)}.lock"), wait, key))
            yield

    def healthcheck(self) -> None:
        """Raise unless a record could be written now: more than that is written beside the records, and removed."""
        with self._database.writing(durable=True) as connection:
            connection.execute(_TRY, (_PROBE,))
        with self._database.writing(durable=False) as connection:
            connection.execute(_CLEAR)

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a copy of the whole store, as it is at one moment, to a new file; other calls wait meanwhile.

        Parameters:
            path: where to; the directory has to be there. To restore the copy move it to the place of the lost file,
                while no process uses the store, and remove the files ``-wal`` and ``-shm`` beside that.

        Raises:
            StoreUnavailable: there is a file already, or it cannot be written.
            InsecureStore: the directory belongs to another user.
        """
        self._database.back_up(os.path.abspath(path_of(path, "path")))

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        self._database.close()

    def _changed(self, statement: str, values: tuple[bytes, ...], *, durable: bool = True) -> bool:
        with self._database.writing(durable=durable) as connection:
            return connection.execute(statement, values).rowcount == 1

    def _rows(self, keys: Sequence[str]) -> dict[bytes, tuple[object, object]]:
        """Return the key and the value in each of the rows of *keys* that are there, by their ids."""
        ids = [_id(key) for key in keys]
        with self._database.reading() as connection:
            found = connection.execute(_GET.format(", ".join("?" * len(ids))), ids).fetchall() if connection else []
        return {number: (key, value) for number, key, value in found}

    def _value(self, rows: dict[bytes, tuple[object, object]], key: str) -> bytes | None:
        row = rows.get(_id(key))
        if row is None:
            self._check_not_lost()
            return None
        found, value = row
        if found != _encoded(key) or not isinstance(value, bytes):
            raise StoreCorrupt(f"The row {_id(key).hex()} in {self._path} is damaged; it was left as it is")
        return value

    def _rows_after(self, number: int) -> list[tuple[int, bytes]]:
        with self._database.reading() as connection:
            return connection.execute(_KEYS, (number, _PAGE)).fetchall() if connection else []

    def _decoded(self, number: int, key: object) -> str:
        try:
            return bytes.decode(key, "utf-8", "surrogatepass")  # type: ignore[arg-type]
        except (TypeError, UnicodeDecodeError):
            raise StoreCorrupt(f"Row {number} in {self._path} is damaged; it was left as it is") from None

    def _check_not_lost(self) -> None:
        if self._sentinel.found() and not self._database.is_marked():
            self._sentinel.check()

    def _locks(self) -> str:
        """Return the directory of lock files, made if it is not there."""
        directory, name = os.path.split(f"{self._path}.locks")
        self._disk.make_path(directory)
        with self._disk.folder(directory, forbidden=WRITABLE_BY_OTHERS) as folder:
            self._disk.make_folder(folder, name)
            with self._disk.folder(name, folder) as locks:
                return locks.path


def _id(key: str) -> bytes:
    """Return half of a digest: an index of whole keys would double the size of the file."""
    return bytes.fromhex(digest(key)[:_ID_DIGITS])


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
