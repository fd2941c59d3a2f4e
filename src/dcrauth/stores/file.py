"""Records in files, one each, for one host and any number of processes.

    DIRECTORY/records/4f/4f2c…      a record: its key on the first line, then its bytes
    DIRECTORY/locks/4f2c….lock      held while an identity is renewed; never deleted, as that would split the waiters
    DIRECTORY/locks/replace-4f.lock held for the moment of a compare-and-swap

A record is written to a new file first, which then takes its name in one step: a reader sees the old record or the
new one, whatever happens to the writer.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_data_dir

from dcrauth.errors import InsecureStore, StoreCorrupt, StoreUnavailable

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# O_NONBLOCK: opening a FIFO that somebody put in a record's place must not hang.
_OLD = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_LARGEST = 1 << 20
_POLL = 0.01
_SWAP_WAIT = 10.0


class FileStore:
    """A store in a directory of a local file system, readable by its owner only.

    Parameters:
        directory: where to keep the records; made if it is not there. By default the user's data directory for
            dcrauth, as the platform has it.

    Anybody who can run programs as the same user can read the records. Network file systems do not keep the promises
    that this store builds on.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = Path(directory or user_data_dir("dcrauth", appauthor=False)).absolute()

    def __repr__(self) -> str:
        return f"FileStore({str(self._directory)!r})"

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if there is no file for it."""
        path = self._path(key)
        with _told(f"read {path}"):
            try:
                content = _read(path)
            except FileNotFoundError:
                return None
        first, _, value = content.partition(b"\n")
        if first != _heading(key):
            raise StoreCorrupt(f"{path} is damaged or not a record of this store; it was left as it is")
        return value

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        return self._write(key, value, _link, durable=True)

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        name = f"replace-{_digest(key)[:2]}"
        with self._locked(name, _SWAP_WAIT):
            return self.get(key) == expected and self._write(key, value, _rename, durable=True)

    def put(self, key: str, value: bytes) -> None:
        """Write a record that a power failure may undo; the last writer wins."""
        self._write(key, value, _rename, durable=False)

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        path = self._path(key)
        with _told(f"remove {path}"), suppress(FileNotFoundError):
            path.unlink()

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records."""
        for path in sorted(self._directory.glob("records/??/" + "?" * 64)):
            with _told(f"read {path}"):
                first, _, _ = _read(path).partition(b"\n")
            yield _key_in(first, path)

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep other processes and threads from renewing *key* meanwhile; wait for at most *wait* seconds."""
        with self._locked(_digest(key), wait):
            yield

    def healthcheck(self) -> None:
        """Raise unless a file can be written to the directory now."""
        with _told(f"write to {self._directory}"):
            folder = self._folder("records")
            temporary = _write_new(folder, b"?" * 4096, durable=False)
            temporary.unlink()

    def _write(self, key: str, value: bytes, publish: Callable[[Path, Path], bool], *, durable: bool) -> bool:
        path = self._path(key)
        with _told(f"write {path}"):
            folder = self._folder("records", path.parent.name)
            temporary = _write_new(folder, _heading(key) + b"\n" + value, durable=durable)
            try:
                written = publish(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            if durable:
                _sync_folder(folder)
        return written

    def _path(self, key: str) -> Path:
        digest = _digest(key)
        return self._directory / "records" / digest[:2] / digest

    @contextmanager
    def _locked(self, name: str, wait: float) -> Iterator[None]:
        with _told(f"lock {self._directory}"):
            path = self._folder("locks") / f"{name}.lock"
            # A new one for each claim: an instance re-enters, and does not survive a fork.
            lock = FileLock(path, timeout=wait, mode=0o600, poll_interval=_POLL, fallback_to_soft=False)
            try:
                lock.acquire()
            except Timeout:
                raise StoreUnavailable(
                    f"Another process has held {path} for {wait:g} s; if it is stopped, end it or let it go on"
                ) from None
        try:
            yield
        finally:
            lock.release()

    def _folder(self, *names: str) -> Path:
        """Return a folder of the store, made if need be, in which nobody else can plant anything."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The directory itself may be one that an administrator made, readable by others; what we make in it is not.
        _check_owner(self._directory.resolve(), forbidden=stat.S_IWGRP | stat.S_IWOTH)
        folder = self._directory
        for name in names:
            folder = folder / name
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            _check_owner(folder, forbidden=stat.S_IRWXG | stat.S_IRWXO)
        return folder


def _check_owner(folder: Path, forbidden: int) -> None:
    found = os.stat(folder, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise InsecureStore(f"{folder} is not a directory; move it away")
    if os.name != "posix":
        return
    if found.st_uid != os.geteuid():
        raise InsecureStore(f"{folder} belongs to another user (uid {found.st_uid}); choose another directory")
    if found.st_mode & forbidden:
        raise InsecureStore(f"{folder} is open to others (mode {found.st_mode & 0o777:o}); run: chmod 700 {folder}")


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Turn what the operating system says into an error that says what could not be done."""
    try:
        yield
    except OSError as reason:
        raise StoreUnavailable(f"The store cannot {doing}: {reason.strerror or type(reason).__name__}") from reason


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _heading(key: str) -> bytes:
    return json.dumps(key).encode()


def _key_in(heading: bytes, path: Path) -> str:
    try:
        return str(json.loads(heading))
    except ValueError:
        raise StoreCorrupt(f"{path} is damaged or not a record of this store; it was left as it is") from None


def _read(path: Path) -> bytes:
    with open(os.open(path, _OLD), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise StoreCorrupt(f"{path} is not a record of this store; it was left as it is")
        return file.read()


def _write_new(folder: Path, content: bytes, *, durable: bool) -> Path:
    path = folder / f"new-{secrets.token_hex(8)}"
    try:
        with open(os.open(path, _NEW, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _link(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True


def _rename(temporary: Path, path: Path) -> bool:
    os.replace(temporary, path)
    return True


def _sync_folder(folder: Path) -> None:
    """Make a new name durable (fsync(2)); Windows has no such call and needs none."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
