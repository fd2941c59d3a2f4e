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
from dcrauth.stores._disk import LARGEST, Disk, Folder, told
from dcrauth.stores._listing import Unread
from dcrauth.stores._locks import digest, locked, stripe
from dcrauth.stores._mounts import network_filesystem
from dcrauth.stores._ownership import WRITABLE_BY_OTHERS
from dcrauth.stores._placing import Publish, linked, renamed, set_aside, swapped, sweep, written
from dcrauth.stores._sentinel import Sentinel, check_mark, make_mark

_RECORDS, _NEW, _LOCKS, _TRASH, _MARK = "records", "new", "locks", "trash", "store.json"
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
        self._disk = Disk()
        above, name = os.path.split(self._directory)
        marks = (os.path.join(self._directory, _MARK), os.path.join(above, f".{name}.dcrauth"))
        self._sentinel = Sentinel(f"The store in {self._directory}", marks)
        self._swept = False
        self._settled: set[str] = set()
        self._root_synced = False
        self._layout_known = False
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
            self._check_layout()
            try:
                with self._opened(_RECORDS, name[:2]) as shard, self._made(_TRASH) as trash:
                    set_aside(self._disk, shard, name, trash)
            except FileNotFoundError:
                return

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records, of one folder of 256 at a time; what cannot be read is told at the end."""
        with told(f"read {self._directory}"):
            self._check_layout()
        found, unread = False, Unread()
        for number in range(256):
            for key in self._keys_in(f"{number:02x}", unread):
                found = True
                yield key
        unread.report()
        if not found:
            with told(f"read {self._directory}"):
                self._check_not_lost()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep other processes and threads from renewing *key* meanwhile; wait for at most *wait* seconds."""
        with self._locked(f"{stripe(key, 3)}.lock", wait, key):
            yield

    def healthcheck(self) -> None:
        """Raise unless a record could be added now: everything that this takes is done once, and undone."""
        with told(f"write to {self._directory}"), self._made(_NEW) as new, self._made(_RECORDS) as records:
            self._check_layout()
            self._sync_root()
            sweep(self._disk, new)
            with written(self._disk, new, b"?" * 4096) as temporary:
                self._disk.link(new, temporary, records, _PROBE)
                self._disk.sync(records)
                self._disk.unlink(records, _PROBE)

    @contextmanager
    def _found(self) -> Iterator[Folder | None]:
        """Open the folder of records; yield None if there is none."""
        folder = None
        with ExitStack() as opened:
            with told(f"read {self._directory}"), suppress(FileNotFoundError):
                self._check_layout()
                folder = opened.enter_context(self._opened(_RECORDS))
            yield folder

    def _value(self, records: Folder | None, key: str) -> bytes | None:
        name = digest(key)
        with told(f"read {self._path(name)}"):
            content = self._content(records, name)
            if content is None:
                self._check_not_lost()
                return None
        heading, _, value = content.partition(b"\n")
        if heading != _heading(key):
            raise _damaged(self._path(name))
        return value

    def _content(self, records: Folder | None, name: str) -> bytes | None:
        if records is None:
            return None
        try:
            with self._disk.folder(name[:2], records) as shard:
                return self._disk.read(shard, name)
        except FileNotFoundError:
            return None

    def _write(self, key: str, value: bytes, publish: Publish, *, durable: bool) -> bool:
        name, content = digest(key), _heading(key) + b"\n" + value
        if len(content) > LARGEST:
            raise ConfigurationError(f"A record of {len(content)} bytes is too large for a FileStore ({LARGEST} bytes)")
        with told(f"write {self._path(name)}"):
            self._check_layout()
            with self._made(_NEW) as new, self._shard(name[:2], durable=durable) as shard:
                if not self._swept:
                    sweep(self._disk, new)
                    self._swept = True
                with written(self._disk, new, content) as temporary:
                    return publish(self._disk, new, temporary, shard, name)

    def _keys_in(self, folder: str, unread: Unread) -> Iterator[str]:
        names: list[str] = []
        reading = told(f"read {self._directory}/{_RECORDS}/{folder}")
        with unread.noting(), reading, suppress(FileNotFoundError), self._opened(_RECORDS, folder) as shard:
            names = sorted(filter(_NAME.fullmatch, self._disk.names(shard)))
        for name in names:
            key = None
            with unread.noting():
                key = self._key_of(folder, name)
            if key is not None:
                yield key

    def _key_of(self, folder: str, name: str) -> str | None:
        path = os.path.join(self._directory, _RECORDS, folder, name)
        with told(f"read {path}"):
            try:
                with self._opened(_RECORDS, folder) as shard:
                    heading, _, _ = self._disk.read(shard, name).partition(b"\n")
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
                with self._made(_LOCKS) as locks:
                    path = os.path.join(locks.path, name)
                held.enter_context(locked(path, wait, key))
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
            self._root_synced = self._root_synced and name != _RECORDS
            if name == _TRASH:  # what is moved there goes from its place at once
                self._disk.sync(root)

    @contextmanager
    def _shard(self, name: str, *, durable: bool) -> Iterator[Folder]:
        """Open one of the 256 folders of records, and make it if need be; *durable*, so that it outlasts anything."""
        with ExitStack() as opened:
            try:
                self._settle(name, durable=durable)
                folder = opened.enter_context(self._opened(_RECORDS, name))
            except FileNotFoundError:  # somebody has removed the directory while it was in use
                self._settled.clear()
                self._root_synced = False
                self._settle(name, durable=durable)
                folder = opened.enter_context(self._opened(_RECORDS, name))
            yield folder

    def _settle(self, name: str, *, durable: bool) -> None:
        """Make a folder of records, and see to it that it and all above it outlast a power failure if it has to be."""
        if name in self._settled:
            return
        with self._made(_RECORDS) as records:
            self._disk.make_folder(records, name)
            if durable or not self._settled:
                self._sync_records(records)

    def _sync_records(self, records: Folder) -> None:
        """See to it that the store, with the folders that it has now, outlasts a power failure, and a loss is told.

        What was there already is synced as well: whoever made it may have been killed before doing that.
        """
        self._sync_root()
        # A store that was lost is not marked anew: it takes records back, but goes on saying that it was lost.
        marking = self._disk.status(records, _MARK) is not None or not self._sentinel.found()
        if marking:
            make_mark(self._disk, records, _MARK)
        there = list(self._disk.names(records))
        self._disk.sync(records)
        if marking:  # only now: these marks without that one are what a loss looks like
            self._sentinel.write(self._disk)
        self._settled.update(there)

    def _sync_root(self) -> None:
        """See to it, once, that the directory and what was made in it outlast a power failure."""
        if self._root_synced:
            return
        self._disk.sync_above(self._directory)
        with self._opened() as root:
            self._disk.sync(root)
        self._root_synced = True

    def _check_not_lost(self) -> None:
        # Outside first: those marks are the last ones that a store in the making gets, and that is not a lost one.
        if self._sentinel.found() and not self._marked():
            self._sentinel.check()

    def _marked(self) -> bool:
        try:
            with self._opened(_RECORDS) as records:
                return self._disk.status(records, _MARK) is not None
        except FileNotFoundError:
            return False

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

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, _RECORDS, name[:2], name)


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
