"""Records in files, one each, for one host and any number of processes.

    DIRECTORY/records/4f/4f2c…    a record: its key on the first line, then its bytes
    DIRECTORY/records/store.json  the mark that goes when the records go …
    DIRECTORY/store.json          … and one of two that stay: where only these stand, the records were lost
    DIRECTORY/new/                records that are being written; what a killed writer left goes after an hour
    DIRECTORY/locks/4f2.lock      held while an identity is renewed
    DIRECTORY/locks/swap-4f.lock  held for the moment of a compare-and-swap
    DIRECTORY/trash/              records that were deleted: files are moved, never removed

A record is written to a new file first, which then takes its name in one step: a reader sees the old record or the
new one, whatever happens to the writer.
"""

import json
import os
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from platformdirs import user_data_dir

from dcrauth.errors import ConfigurationError, StoreCorrupt, StoreWarning
from dcrauth.stores._disk import LARGEST, WRITABLE_BY_OTHERS, Disk, Folder, told
from dcrauth.stores._locks import digest, locked, stripe
from dcrauth.stores._mounts import network_filesystem
from dcrauth.stores._sentinel import Sentinel, check_mark, write_mark

_RECORDS, _NEW, _LOCKS, _TRASH, _MARK = "records", "new", "locks", "trash", "store.json"
_SWAP_WAIT = 10.0
_ABANDONED = 3600.0

Publish = Callable[[Folder, str, Folder, str], bool]
"""A way to give a new file in one folder its name in another one; returns whether it has it."""


class FileStore:
    """A store in a directory of a local file system, readable by its owner only.

    Parameters:
        directory: where to keep the records; made if it is not there. By default the user's data directory for
            dcrauth, as the platform has it.

    Anybody who can run programs as the same user can read the records. Network file systems do not keep the promises
    that this store builds on; a `dcrauth.StoreWarning` says so.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        chosen = directory or user_data_dir("dcrauth", appauthor=False)
        self._directory = os.path.realpath(os.fspath(chosen))
        self._disk = Disk()
        above, name = os.path.split(self._directory)
        marks = (os.path.join(self._directory, _MARK), os.path.join(above, f".{name}.dcrauth"))
        self._sentinel = Sentinel(f"The store in {self._directory}", marks)
        self._swept = False
        self._layout_known = False
        if kind := network_filesystem(_existing(self._directory)):
            warnings.warn(
                f"{self._directory} is on a network file system ({kind}): its locks may not exclude other hosts. "
                "Use a local directory for each host, or a RedisStore for all of them",
                StoreWarning,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return f"FileStore({self._directory!r})"

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if there is no file for it and the store has not lost its files."""
        name = digest(key)
        with told(f"read {self._path(name)}"):
            self._check_layout()
            try:
                with self._opened(_RECORDS, name[:2]) as shard:
                    content = self._disk.read(shard, name)
            except FileNotFoundError:
                self._check_not_lost()
                return None
        heading, _, value = content.partition(b"\n")
        if heading != _heading(key):
            raise self._damaged(name)
        return value

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        return self._write(key, value, self._linked, durable=True)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        with self._swapping(key):
            return self.get(key) == expected and self._write(key, value, self._swapped, durable=True)

    def put(self, key: str, value: bytes) -> None:
        """Write a record that a power failure may undo; the last writer wins."""
        self._write(key, value, self._renamed, durable=False)

    def delete(self, key: str) -> None:
        """Move the record under *key* to the folder ``trash``, if there is one."""
        name = digest(key)
        with told(f"remove {self._path(name)}"), self._swapping(key):
            try:
                with self._opened(_RECORDS, name[:2]) as shard, self._made(_TRASH) as trash:
                    self._disk.rename(shard, name, trash, f"{name}-{secrets.token_hex(4)}")
                    self._disk.sync(trash)
                    self._disk.sync(shard)
            except FileNotFoundError:
                return

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records; one folder of 256 at a time is read."""
        found = False
        for number in range(256):
            for key in self._keys_in(f"{number:02x}"):
                found = True
                yield key
        if not found:
            self._check_not_lost()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep other processes and threads from renewing *key* meanwhile; wait for at most *wait* seconds."""
        with self._locked(f"{stripe(key, 3)}.lock", wait):
            yield

    def healthcheck(self) -> None:
        """Raise unless a file can be written to the directory now."""
        with told(f"write to {self._directory}"), self._made(_NEW) as new:
            self._sweep(new)
            name = secrets.token_hex(8)
            self._disk.create(new, name, b"?" * 4096, durable=True)
            self._disk.unlink(new, name)

    def _write(self, key: str, value: bytes, publish: Publish, *, durable: bool) -> bool:
        name, content = digest(key), _heading(key) + b"\n" + value
        if len(content) > LARGEST:
            raise ConfigurationError(f"A record of {len(content)} bytes is too large for a FileStore ({LARGEST} bytes)")
        with told(f"write {self._path(name)}"):
            self._check_layout()
            with self._made(_NEW) as new, self._shard(name[:2]) as shard:
                if not self._swept:
                    self._sweep(new)
                temporary = secrets.token_hex(8)
                self._disk.create(new, temporary, content, durable=durable)
                try:
                    return publish(new, temporary, shard, name)
                finally:
                    self._disk.unlink(new, temporary)

    def _linked(self, new: Folder, temporary: str, shard: Folder, name: str) -> bool:
        written = self._disk.link(new, temporary, shard, name)
        try:
            # Who comes second syncs as well: it is going to use a record that the first one may not have synced yet.
            self._disk.sync(shard)
        except OSError:
            if written:
                self._disk.unlink(shard, name)  # not acknowledged, so nobody may find it and take it for durable
            raise
        return written

    def _renamed(self, new: Folder, temporary: str, shard: Folder, name: str) -> bool:
        self._disk.rename(new, temporary, shard, name)
        return True

    def _swapped(self, new: Folder, temporary: str, shard: Folder, name: str) -> bool:
        self._disk.rename(new, temporary, shard, name)
        self._disk.sync(shard)
        return True

    def _keys_in(self, folder: str) -> Iterator[str]:
        with told(f"read {self._directory}/{_RECORDS}/{folder}"):
            try:
                with self._opened(_RECORDS, folder) as shard:
                    names = sorted(self._disk.names(shard))
            except FileNotFoundError:
                return
        for name in names:
            if (key := self._key_of(folder, name)) is not None:
                yield key

    def _key_of(self, folder: str, name: str) -> str | None:
        with told(f"read {self._path(name)}"):
            try:
                with self._opened(_RECORDS, folder) as shard:
                    heading, _, _ = self._disk.read(shard, name).partition(b"\n")
            except FileNotFoundError:
                return None
        try:
            key = json.loads(heading)
        except ValueError:
            raise self._damaged(name) from None
        if not isinstance(key, str) or digest(key) != name:
            raise self._damaged(name)
        return key

    @contextmanager
    def _swapping(self, key: str) -> Iterator[None]:
        with self._locked(f"swap-{stripe(key, 2)}.lock", _SWAP_WAIT):
            yield

    @contextmanager
    def _locked(self, name: str, wait: float) -> Iterator[None]:
        with ExitStack() as held:
            with told(f"lock {self._directory}"):
                with self._made(_LOCKS) as locks:
                    path = os.path.join(locks.path, name)
                held.enter_context(locked(path, wait))
            yield

    @contextmanager
    def _opened(self, *names: str) -> Iterator[Folder]:
        """Open a folder of the store in which nobody else can plant anything; raise FileNotFoundError without one."""
        with ExitStack() as open_ones:
            # The directory itself may be one that an administrator made, readable by others; what we make in it is not.
            folder = open_ones.enter_context(self._disk.folder(self._directory, forbidden=WRITABLE_BY_OTHERS))
            for name in names:
                folder = open_ones.enter_context(self._disk.folder(name, folder))
            yield folder

    @contextmanager
    def _made(self, name: str) -> Iterator[Folder]:
        """Open a folder right below the directory, and make both if need be."""
        with ExitStack() as opened:
            try:
                folder = opened.enter_context(self._opened(name))
            except FileNotFoundError:
                self._make(name)
                folder = opened.enter_context(self._opened(name))
            yield folder

    def _make(self, name: str) -> None:
        self._disk.make_path(self._directory)
        with self._opened() as root:
            self._disk.make_folder(root, name)
            self._disk.sync(root)

    @contextmanager
    def _shard(self, name: str) -> Iterator[Folder]:
        """Open one of the 256 folders of records, and make it if need be."""
        with ExitStack() as opened:
            try:
                folder = opened.enter_context(self._opened(_RECORDS, name))
            except FileNotFoundError:
                self._make_shard(name)
                folder = opened.enter_context(self._opened(_RECORDS, name))
            yield folder

    def _make_shard(self, name: str) -> None:
        with self._made(_RECORDS) as records:
            # A store that was lost is not marked anew: it takes records back, but goes on saying that it was lost.
            if self._disk.status(records, _MARK) is not None or not self._sentinel.found():
                write_mark(self._disk, records, _MARK)
                self._sentinel.write(self._disk)
            self._disk.make_folder(records, name)
            self._disk.sync(records)

    def _check_not_lost(self) -> None:
        try:
            with self._opened(_RECORDS) as records:
                if self._disk.status(records, _MARK) is not None:
                    return
        except FileNotFoundError:
            pass  # no records at all: the marks outside say whether there were any
        self._sentinel.check()

    def _check_layout(self) -> None:
        """Raise if a later version has laid out the directory; one look is enough for the life of this object."""
        if self._layout_known:
            return
        try:
            with self._opened(_RECORDS) as records:
                check_mark(self._disk.read(records, _MARK), self._directory)
        except FileNotFoundError:
            return
        self._layout_known = True

    def _sweep(self, new: Folder) -> None:
        """Remove what writers that were killed have left behind."""
        for name in list(self._disk.names(new)):
            found = self._disk.status(new, name)
            if found is not None and time.time() - found.st_mtime > _ABANDONED:
                self._disk.unlink(new, name)
        self._swept = True

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, _RECORDS, name[:2], name)

    def _damaged(self, name: str) -> StoreCorrupt:
        return StoreCorrupt(f"{self._path(name)} is damaged or not a record of this store; it was left as it is")


def _heading(key: str) -> bytes:
    return json.dumps(key).encode()


def _existing(path: str) -> str:
    """Return *path* or the nearest directory above it that exists."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path
