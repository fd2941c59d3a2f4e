"""Records in files, one each, for one host and any number of processes.

    DIRECTORY/records/4f/4f2c…    a record: its key on the first line, then its bytes
    DIRECTORY/records/store.json  the mark that goes when the records go …
    DIRECTORY/store.json          … and one of two that stay: where only these stand, the records were lost
    DIRECTORY/new/                records that are being written; what a killed writer left goes after an hour
    DIRECTORY/locks/4f2.lock      held while an identity is renewed
    DIRECTORY/locks/swap-4f.lock  held for the moment in which a record that is there is replaced or deleted
    DIRECTORY/trash/              records that were deleted: files are moved, never removed

A record is written to a new file first, which then takes its name in one step: a reader sees the old record or the
new one, whatever happens to the writer.
"""

import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from dcrauth._internal.arguments import path_of
from dcrauth._internal.confidential import discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError, StoreCorrupt, StoreWarning
from dcrauth.stores import Closing, Reading, reading
from dcrauth.stores._disk import LARGEST, Folder, told
from dcrauth.stores._file_folders import LOCKS, NEW, RECORDS, TRASH, Folders
from dcrauth.stores._listing import Unread
from dcrauth.stores._locks import digest, locked, stripe
from dcrauth.stores._mounts import network_filesystem
from dcrauth.stores._placing import Publish, linked, renamed, set_aside, swapped, sweep, written

_PROBE = "probe"
_SWAP_WAIT = 10.0
DIRECTORY_VARIABLE = "DCRAUTH_DATA_DIRECTORY"
_NAME = re.compile("[0-9a-f]{64}")
"""What the file of a record is called; anything else among them, such as .DS_Store, somebody else has put there."""


@discreet_constructor
class FileStore(Closing):
    """A store in a directory of a local file system, readable by its owner only.

    Parameters:
        directory: where to keep the records; made if it is not there, and a ``~`` is expanded. By default what the
            environment variable ``DCRAUTH_DATA_DIRECTORY`` says, or else the user's data directory for dcrauth, as the
            platform has it.

    That it has lost its records is noticed where the whole directory is gone, or the folder ``records`` in it; a single
    file that somebody deletes is an absent record.

    Anybody who can run programs as the same user can read the records. Network file systems do not keep the promises
    that this store builds on; a `dcrauth.StoreWarning` says so. Another one tells of permissions of others on what
    belongs to the store, which are taken away.

    To make one looks where the directory is, which may block; nothing is written or opened before it is used.

    Raises:
        ConfigurationError: *directory* is no path, or nobody knows the user's home directory, where one is needed.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = os.path.realpath(path_of(_default() if directory in (None, "") else directory, "directory"))
        self._folders = Folders(self._directory)
        self._swept = False
        if kind := network_filesystem(self._directory):
            warnings.warn(
                f"{self._directory} is on a network file system ({kind}): its locks may not exclude other hosts. "
                "Use a local directory for each host, or a SQLStore or RedisStore for all of them",
                StoreWarning,
                stacklevel=3,
            )

    @unfailing
    def __repr__(self) -> str:
        return f"FileStore({self._directory!r})"

    @property
    def place(self) -> tuple[str, ...]:
        """Where the records are, however many objects lead there."""
        return "file", self._directory

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if there is no file for it and the store has not lost its files."""
        with self._found() as records:
            return self._value(records, key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what `get` returns for each of the *keys*, or the error that it raises."""
        with self._found() as records:
            return {key: reading(partial(self._value, records), key) for key in keys}

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        return self._write(key, value, linked, durable=True)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        with self._swapping(key):
            return self.get(key) == expected and self._write(key, value, swapped, durable=True)

    def put(self, key: str, value: bytes) -> None:
        """Write a record that a power failure may undo; the last writer wins."""
        # Not while somebody else compares and swaps, who would put an older record over this one.
        with self._swapping(key):
            self._write(key, value, renamed, durable=False)

    def delete(self, key: str) -> None:
        """Move the record under *key* to the folder ``trash``, if there is one."""
        name = digest(key)
        with told(f"remove {self._path(name)}"), self._swapping(key):
            self._folders.check_layout()
            try:
                with self._folders.opened(RECORDS, name[:2]) as shard, self._folders.made(TRASH) as trash:
                    set_aside(self._folders.disk, shard, name, trash)
            except FileNotFoundError:
                return

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records, of one folder of 256 at a time; what cannot be read is told at the end."""
        with told(f"read {self._directory}"):
            self._folders.check_layout()
        found, unread = False, Unread()
        for number in range(256):
            for key in self._keys_in(f"{number:02x}", unread):
                found = True
                yield key
        unread.report()
        if not found:
            with told(f"read {self._directory}"):
                self._folders.check_not_lost()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep other processes and threads from renewing *key* meanwhile; wait for at most *wait* seconds."""
        with self._locked(f"{stripe(key, 3)}.lock", wait, key):
            yield

    def healthcheck(self) -> None:
        """Raise unless a record could be added now: everything that this takes is done once, and undone."""
        folders, disk = self._folders, self._folders.disk
        with told(f"write to {self._directory}"), folders.made(NEW) as new, folders.made(RECORDS) as records:
            folders.check_layout()
            folders.sync_root()
            sweep(disk, new)
            with written(disk, new, b"?" * 4096) as temporary:
                disk.link(new, temporary, records, _PROBE)
                disk.sync(records)
                disk.unlink(records, _PROBE)

    @contextmanager
    def _found(self) -> Iterator[Folder | None]:
        """Open the folder of records; yield None if there is none."""
        folder = None
        with ExitStack() as opened:
            with told(f"read {self._directory}"), suppress(FileNotFoundError):
                self._folders.check_layout()
                folder = opened.enter_context(self._folders.opened(RECORDS))
            yield folder

    def _value(self, records: Folder | None, key: str) -> bytes | None:
        name = digest(key)
        with told(f"read {self._path(name)}"):
            content = self._content(records, name)
            if content is None:
                self._folders.check_not_lost()
                return None
        heading, _, value = content.partition(b"\n")
        if heading != _heading(key):
            raise _damaged(self._path(name))
        return value

    def _content(self, records: Folder | None, name: str) -> bytes | None:
        if records is None:
            return None
        try:
            with self._folders.disk.folder(name[:2], records) as shard:
                return self._folders.disk.read(shard, name)
        except FileNotFoundError:
            return None

    def _write(self, key: str, value: bytes, publish: Publish, *, durable: bool) -> bool:
        name, content = digest(key), _heading(key) + b"\n" + value
        if len(content) > LARGEST:
            raise ConfigurationError(f"A record of {len(content)} bytes is too large for a FileStore ({LARGEST} bytes)")
        with told(f"write {self._path(name)}"):
            self._folders.check_layout()
            with self._folders.made(NEW) as new, self._folders.shard(name[:2], durable=durable) as shard:
                if not self._swept:
                    sweep(self._folders.disk, new)
                    self._swept = True
                with written(self._folders.disk, new, content) as temporary:
                    return publish(self._folders.disk, new, temporary, shard, name)

    def _keys_in(self, folder: str, unread: Unread) -> Iterator[str]:
        names: list[str] = []
        reading = told(f"read {self._directory}/{RECORDS}/{folder}")
        with unread.noting(), reading, suppress(FileNotFoundError), self._folders.opened(RECORDS, folder) as shard:
            names = sorted(filter(_NAME.fullmatch, self._folders.disk.names(shard)))
        yield from unread.keys(names, partial(self._key_of, folder))

    def _key_of(self, folder: str, name: str) -> str | None:
        path = os.path.join(self._directory, RECORDS, folder, name)
        with told(f"read {path}"):
            try:
                with self._folders.opened(RECORDS, folder) as shard:
                    heading, _, _ = self._folders.disk.read(shard, name).partition(b"\n")
            except FileNotFoundError:
                return None
        try:
            key = json.loads(heading)
        except (ValueError, RecursionError):
            raise _damaged(path) from None
        # A record that lies in another folder than its own is not found by its key.
        if not isinstance(key, str) or self._path(digest(key)) != path:
            raise _damaged(path)
        return key

    @contextmanager
    def _swapping(self, key: str) -> Iterator[None]:
        with self._locked(f"swap-{stripe(key, 2)}.lock", _SWAP_WAIT, key):
            yield

    @contextmanager
    def _locked(self, name: str, wait: float, key: str) -> Iterator[None]:
        with ExitStack() as held:
            with told(f"lock {self._directory}"):
                with self._folders.made(LOCKS) as locks:
                    path = os.path.join(locks.path, name)
                held.enter_context(locked(path, wait, key))
            yield

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, RECORDS, name[:2], name)


def _default() -> str:
    if chosen := os.environ.get(DIRECTORY_VARIABLE, "").strip():
        return path_of(chosen, DIRECTORY_VARIABLE)
    from platformdirs import user_data_dir  # noqa: PLC0415  # not every program asks for it

    try:
        found = user_data_dir("dcrauth", appauthor=False)
    except RuntimeError:  # older versions return a relative path instead
        found = ""
    if not os.path.isabs(found):
        raise ConfigurationError(
            "This user has no data directory, since nobody knows a home directory (HOME is not set): say where to keep "
            "the client credentials, with FileStore(path)"
        )
    return found


def _heading(key: str) -> bytes:
    return json.dumps(key).encode()


def _damaged(path: str) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is damaged or not a record of this store; it was left as it is")
