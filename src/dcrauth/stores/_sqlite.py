"""What a SQLite file has to be before it is opened and before it is used, and how it is opened."""

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from dcrauth._internal.log import log
from dcrauth.errors import InsecureStore, StoreCorrupt, StoreTooNew, StoreUnavailable
from dcrauth.stores._disk import Disk
from dcrauth.stores._ownership import OPEN_TO_OTHERS, check_owner

APPLICATION = int.from_bytes(b"dcra", "big")
"""What ``PRAGMA application_id`` says of a file of ours."""

SCHEMA = 1
_BRIEF_WAIT = 2.0
"""How long a look at a file waits for whoever is laying it out, in seconds."""

_TABLES = {"records", "store", "scratch"}
_COLUMNS = "number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, key BLOB NOT NULL, value BLOB NOT NULL"
LAYOUT = (
    f"CREATE TABLE IF NOT EXISTS records ({_COLUMNS})",
    "CREATE TABLE IF NOT EXISTS store (created_at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS scratch (content BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)
_SETTINGS = ("trusted_schema = OFF", "fullfsync = ON", "checkpoint_fullfsync = ON", "secure_delete = ON")

_MENDED = ((3, 44, 6), (3, 50, 7))
"""Versions of SQLite before 3.51.3 that have got its mended write-ahead log."""


@contextmanager
def connecting(path: str, wait: float) -> Iterator[sqlite3.Connection]:
    """Open the file, and close it again if it turns out to be of no use."""
    connection = _connect(path, wait)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _connect(path: str, wait: float) -> sqlite3.Connection:
    _note_version(sqlite3.sqlite_version_info)
    uri = f"{Path(path).as_uri()}?{'immutable=1' if _is_read_only(path) else 'mode=rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    return connection


def _is_read_only(path: str) -> bool:
    """Return whether the file system can only be read: SQLite then has to be told to do without its log."""
    if not (hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY):
        return False
    with suppress(FileNotFoundError):
        if os.stat(f"{path}-wal").st_size:
            raise StoreUnavailable(
                f"{path}-wal is on a read-only file system, and has to be worked off; make it writable"
            )
    return True


def is_there(path: str, disk: Disk) -> bool:
    """Return whether there is a file, which then is our own, as is what SQLite has put beside it.

    None is ever opened here but by SQLite: closing it otherwise would drop SQLite's own locks on it (fcntl(2)).
    """
    files = (f"{path}-wal", f"{path}-shm", path)
    modes = [0 if found is None else found.st_mode for found in map(_own, files)]
    if os.name == "posix" and modes[-1] & OPEN_TO_OTHERS and not any(mode & stat.S_IWOTH for mode in modes):
        _check_not_foreign(path)
    found = [_is_kept_private(each, disk) for each in files]
    return found[-1]


def _own(path: str) -> os.stat_result | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:  # or it has gone since, as a log does that its last user has worked off
        return None
    if not stat.S_ISREG(found.st_mode):
        raise InsecureStore(f"{path} is not a regular file; move it away")
    check_owner(path, found)
    return found


def _check_not_foreign(path: str) -> None:
    """Look whose database it is before others lose their permissions: those of another application may need them."""
    with closing(_connect(path, _BRIEF_WAIT)) as connection:
        is_laid_out(connection, path)


def _is_kept_private(path: str, disk: Disk) -> bool:
    if (found := _own(path)) is None:
        return False
    disk.keep_private(path, path, found)
    return True


def identities(path: str) -> object:
    """Return what tells the file and its log from others that may take their names."""
    try:
        found = [os.stat(each) for each in (path, f"{path}-wal")]
    except FileNotFoundError:
        return None
    return [(each.st_dev, each.st_ino) for each in found]


def is_laid_out(connection: sqlite3.Connection, path: str) -> bool:
    """Return whether our tables are there; an empty file is none of anybody's."""
    connection.execute("BEGIN")  # all is read as of one moment: another process may be laying the file out
    with connection:
        ((application,), (schema,)) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application != APPLICATION and (application or tables):
        raise StoreCorrupt(f"{path} is a database of another application; it was left as it is. Choose another file")
    if schema > SCHEMA:
        raise StoreTooNew(f"{path} was laid out by a later version of dcrauth (schema {schema}); upgrade")
    return tables >= _TABLES


@cache
def _note_version(version: tuple[int, ...]) -> None:
    """Say once that another program should not write to the file while it is in use (sqlite.org/wal.html, 11).

    It is no warning: our own processes write one at a time, and few know which version of SQLite their Python has.
    """
    line = version[:2]
    if version < (3, 51, 3) and not any(line == mended[:2] and version >= mended for mended in _MENDED):
        log(
            logging.INFO,
            "SQLite %s may damage a database when two connections write and checkpoint at the same time. SQLiteStore "
            "keeps its own from doing that; let no other program write to its file, or upgrade SQLite to 3.51.3",
            ".".join(map(str, version)),
        )
