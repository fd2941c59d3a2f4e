"""Locks between processes of one host, in files that are never deleted: that would split those who wait for one.

The threads of one process share a file, of which there are fewer than keys: the first of them takes it, the last one
lets it go. So whoever waits for a file waits for another process, and threads wait for each other only on account of
the same key.
"""

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from dcrauth._internal import fork
from dcrauth.errors import InsecureStore, StoreUnavailable
from dcrauth.stores._ownership import check_owner

_POLL = 0.01


def stripe(key: str, digits: int) -> str:
    """Return which of 16 to the power of *digits* lock files serves *key*."""
    return digest(key)[:digits]


def digest(key: str) -> str:
    """Return the name that stands for *key* wherever a name has to be safe, short and telling nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def locked(path: str, wait: float, key: str = "") -> Iterator[None]:
    """Hold *key* against all other threads of this process, and its lock file against all other processes.

    Parameters:
        path: of the lock file, in a directory that only its owner can change.
        wait: for how long to wait for both, in seconds.
        key: what else is locked by the same file does not stop other threads of this process.

    Raises:
        StoreUnavailable: somebody else held it for *wait* seconds.
        InsecureStore: something that is no file stands in its place, or a file of another user.
    """
    _check(path)
    end = time.monotonic() + wait
    file, turn = _shared.of(path, key)
    if not turn.acquire(timeout=_left(end)):
        raise StoreUnavailable(f"Another thread of this process has held {path} for {wait:g} s; try again")
    try:
        if not file.taken(end):
            raise StoreUnavailable(
                f"Another process has held {path} for {wait:g} s; if it is stopped, end it or let it go on"
            )
        try:
            yield
        finally:
            file.let_go()
    finally:
        turn.release()


class _LockFile:
    """A lock file as the threads of one process hold it, for as long as any of them does."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._holders = 0
        self._release: Callable[[], object] | None = None

    def taken(self, end: float) -> bool:
        """Hold the file for one thread more; return whether that succeeded before *end*, by the monotonic clock."""
        while not self._tried():
            if _left(end) == 0.0:
                return False
            time.sleep(min(_POLL, _left(end)))
        return True

    def _tried(self) -> bool:
        """Hold the file for one thread more, unless another process has it: nobody waits for that here."""
        with self._guard:
            if self._release is None:
                self._release = _acquired(self._path)
            self._holders += self._release is not None
            return self._release is not None

    def let_go(self) -> None:
        """Hold the file for one thread less; in a forked child nothing is held, and the guard may never be free."""
        if os.getpid() != self._process:
            return
        with self._guard:
            self._holders -= 1
            if self._release is not None and not self._holders:
                release, self._release = self._release, None
                release()


class _Shared:
    """The lock files and the keys that threads of this process hold or wait for; all others are forgotten.

    So what an interrupt has left taken is free again as soon as nobody knows it any more.
    """

    def __init__(self) -> None:
        self._watched = False
        self.after_fork()

    def of(self, path: str, key: str) -> tuple[_LockFile, threading.Lock]:
        """Return the file at *path*, and the lock that threads with the same *key* have to take turns at."""
        if not self._watched:  # only now, for the sake of programs that import this and lock nothing
            fork.watch(self)
            self._watched = True
        with self._guard:
            file = self._files.setdefault(path, _LockFile(path))
            turn = self._turns.setdefault((path, key), threading.Lock())
        return file, turn

    def after_fork(self) -> None:
        """Begin anew: what the parent holds, it goes on to hold, and its threads are not here."""
        self._guard = threading.Lock()
        self._files: WeakValueDictionary[str, _LockFile] = WeakValueDictionary()
        self._turns: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()


_shared = _Shared()


def _acquired(path: str) -> Callable[[], object] | None:
    """Take a lock file from all other processes; return what lets it go, or None if one of them has it."""
    from filelock import FileLock, Timeout  # noqa: PLC0415  # forks are what first imports it: see dcrauth._internal.fork

    # A new one each time, since none survives a fork; and of all threads, since the one that comes last lets it go.
    lock = FileLock(path, mode=0o600, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if not os.path.lexists(path):  # then nobody has it: filelock takes what cannot be made for what is taken
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
        return None
    return lock.release


def _left(end: float) -> float:
    return min(max(0.0, end - time.monotonic()), threading.TIMEOUT_MAX)


def _check(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise InsecureStore(f"{path} is not a lock file; move it away")
    check_owner(path, found)
