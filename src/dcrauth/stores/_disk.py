"""What the stores ask of the file system, call by call, relative to directories that are held open.

A directory that is held open cannot be exchanged for another one between a look at it and its use. Windows has no
descriptors of directories: there names are resolved anew each time, in directories that only their owner can change.
"""

import os
import stat
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from dcrauth.errors import InsecureStore, StoreCorrupt, StoreUnavailable, StoreWarning
from dcrauth.stores._ownership import OPEN_TO_OTHERS, check_owner, closed_to_others, permissions_of

T = TypeVar("T")

_COMMON = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON
# O_NONBLOCK: opening a FIFO that somebody put in a record's place must not hang.
_OLD = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _COMMON
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _COMMON
LARGEST = 1 << 20
"""The most bytes that a file of a store has; anything larger in its place is not ours."""

# Windows refuses to replace a file that a reader or a virus scanner has open: ERROR_ACCESS_DENIED,
# ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION. It passes within moments; two seconds in all are waited.
_HELD_ON_WINDOWS = (5, 32, 33)
_PAUSES = (0.01, 0.05, 0.1, 0.2, 0.4, 0.5, 0.74)


@dataclass(frozen=True)
class Folder:
    """A directory: its path and, where there is such a thing, its open descriptor."""

    path: str
    fd: int | None

    def at(self, name: str) -> str:
        """Return what a call that is given ``dir_fd=self.fd`` takes for *name*."""
        return name if self.fd is not None else os.path.join(self.path, name)


class Disk:
    """The file system of this machine; tests put one in its place that records, or fails.

    Parameters:
        by_descriptor: whether directories are held open.
    """

    def __init__(self, by_descriptor: bool = os.open in os.supports_dir_fd) -> None:
        self._by_descriptor = by_descriptor
        self._warned = False

    @contextmanager
    def folder(self, path: str, within: Folder | None = None, forbidden: int = OPEN_TO_OTHERS) -> Iterator[Folder]:
        """Open a directory after a look at whose it is.

        Parameters:
            path: its path, or its name *within* another one.
            forbidden: permissions that nobody else may have on it; they are taken away.

        Raises:
            InsecureStore: it belongs to another user, stays open to others, or is no directory.
        """
        full = os.path.join(within.path, path) if within else path
        if not self._by_descriptor:
            self._check_folder(full, full, os.lstat(full), forbidden)
            yield Folder(full, None)
            return
        try:
            fd = os.open(path, _FOLDER, dir_fd=within.fd if within else None)
        except NotADirectoryError:
            raise _no_directory(full) from None
        try:
            self._check_folder(full, fd, os.fstat(fd), forbidden)
            yield Folder(full, fd)
        finally:
            os.close(fd)

    def keep_private(self, path: str, at: int | str, found: os.stat_result, forbidden: int = OPEN_TO_OTHERS) -> None:
        """See to it that something is our own, and that nobody else has the *forbidden* permissions on it.

        Parameters:
            path: what it is called in messages.
            at: its open descriptor, or its path where nobody else could put a link in its place.
            found: what is known of it.

        Raises:
            InsecureStore: it belongs to another user, or stays open to others.
        """
        check_owner(path, found)
        if closed_to_others(path, at, found, forbidden) and not self._warned:
            self._warned = True  # one is enough: a mount that has changed this has changed all the others
            warnings.warn(
                f"{path} was open to others ({permissions_of(found)}), and is not any more, like all that belongs to "
                "the store. A volume of Kubernetes with an fsGroup does that; otherwise see who could have read it",
                StoreWarning,
                stacklevel=2,
            )

    def _check_folder(self, path: str, at: int | str, found: os.stat_result, forbidden: int) -> None:
        if not stat.S_ISDIR(found.st_mode):
            raise _no_directory(path)
        self.keep_private(path, at, found, forbidden)

    def make_path(self, path: str) -> None:
        """Make a directory that only its owner can enter, and those above it that are missing.

        They are there for good after `sync_above`.

        Raises:
            InsecureStore: one of them is something else.
            StoreUnavailable: one of them cannot be made.
        """
        if os.path.isdir(path):
            return
        if os.path.lexists(path) and not os.path.isdir(path):  # looked at twice: another process may make it just now
            raise _no_directory(path)
        above, name = os.path.split(path)
        self.make_path(above)
        with told(f"make {path}"):
            self.make_folder(Folder(above, None), name)

    def sync_path(self, path: str) -> None:
        """Wait until the names in the directory *path* are on the disk, as far as we may ask for that."""
        if os.name != "posix":
            return
        try:
            fd = os.open(path, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        except PermissionError:
            return  # one may be allowed to make a directory in another one that one must not read
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_above(self, path: str) -> None:
        """Wait until the name of the directory *path* is on the disk, and of those above it that we may have made.

        These are the ones that only we can enter. One that is there need not be on the disk yet: whoever made it may
        have been killed.
        """
        while os.name == "posix" and path != os.path.dirname(path) and _is_private(os.lstat(path)):
            path = os.path.dirname(path)
            self.sync_path(path)

    def make_folder(self, within: Folder, name: str) -> None:
        """Make a directory that only its owner can enter, unless it is there."""
        try:
            os.mkdir(within.at(name), 0o700, dir_fd=within.fd)
        except FileExistsError:
            return

    def read(self, folder: Folder, name: str) -> bytes:
        """Return the content of a regular file.

        Raises:
            StoreCorrupt: it is something else, or larger than any record.
            InsecureStore: it belongs to another user, who may have put it there while the directory was open to others.
        """
        fd, path = os.open(folder.at(name), _OLD, dir_fd=folder.fd), os.path.join(folder.path, name)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                raise StoreCorrupt(f"{path} is not a record of this store; it was left as it is")
            check_owner(path, found)
            closed_to_others(path, fd, found, OPEN_TO_OTHERS)  # without a warning: nobody can get into its directory
            with open(fd, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(fd)

    def create(self, folder: Folder, name: str, content: bytes, *, durable: bool) -> None:
        """Write a new file that only its owner can read; leave nothing behind if that fails."""
        fd = self.make_file(folder, name)
        try:
            try:
                self.write(fd, content)
                if durable:
                    self.sync_file(fd)
            finally:
                os.close(fd)
        except BaseException:
            self.unlink(folder, name)
            raise

    def make_file(self, folder: Folder, name: str) -> int:
        """Make an empty file that only its owner can read, under a name that is free; return its descriptor."""
        return os.open(folder.at(name), _NEW, 0o600, dir_fd=folder.fd)

    def write(self, fd: int, content: bytes) -> None:
        """Write all of *content* to a file."""
        with open(fd, "wb", closefd=False) as file:
            file.write(content)

    def sync_file(self, fd: int) -> None:
        """Wait until a file's content is on the disk; macOS has a call of its own for that (fcntl(2))."""
        if hasattr(os, "O_DIRECTORY"):
            import fcntl  # noqa: PLC0415  # there is none on Windows

            if (full := getattr(fcntl, "F_FULLFSYNC", None)) is not None:
                fcntl.fcntl(fd, full)
                return
        os.fsync(fd)

    def sync(self, folder: Folder) -> None:
        """Wait until the names in a directory are on the disk; Windows has no such call and needs none."""
        if folder.fd is not None:
            os.fsync(folder.fd)

    def link(self, source: Folder, name: str, folder: Folder, new_name: str) -> bool:
        """Give a file a second name unless that name is taken; return whether it was free."""
        try:
            os.link(
                source.at(name),
                folder.at(new_name),
                src_dir_fd=source.fd,
                dst_dir_fd=folder.fd,
                follow_symlinks=os.link not in os.supports_follow_symlinks,
            )
        except FileExistsError:
            return False
        return True

    def rename(self, source: Folder, name: str, folder: Folder, new_name: str) -> None:
        """Move a file, in one step, to a name that may be taken."""
        _patiently(lambda: os.replace(source.at(name), folder.at(new_name), src_dir_fd=source.fd, dst_dir_fd=folder.fd))

    def unlink(self, folder: Folder, name: str) -> None:
        """Remove a name, if it is there."""
        try:
            os.unlink(folder.at(name), dir_fd=folder.fd)
        except FileNotFoundError:
            return

    def status(self, folder: Folder, name: str) -> os.stat_result | None:
        """Return what is known of *name*, or None if there is no such name."""
        try:
            return os.stat(folder.at(name), dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self, folder: Folder) -> Iterator[str]:
        """Yield the names in a directory, in no order."""
        with os.scandir(folder.fd if folder.fd is not None else folder.path) as entries:
            for entry in entries:
                yield entry.name


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn what the operating system says into an error that says what could not be done."""
    try:
        yield
    except OSError as reason:
        raise StoreUnavailable(f"The store cannot {doing}: {reason.strerror or type(reason).__name__}") from reason


def _no_directory(path: str) -> InsecureStore:
    """Return the error that *path* is no directory, or that what is above it is none."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return InsecureStore(f"{path} is not a directory; move it away")


def _is_private(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & OPEN_TO_OTHERS


def _patiently(act: Callable[[], T]) -> T:
    for pause in _PAUSES:
        try:
            return act()
        except PermissionError as refusal:
            if getattr(refusal, "winerror", None) not in _HELD_ON_WINDOWS:
                raise
        time.sleep(pause)
    return act()
