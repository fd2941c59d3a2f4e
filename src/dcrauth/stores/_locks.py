"""Locks between processes of one host, in files that are never deleted: that would split those who wait for one."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from dcrauth.errors import InsecureStore, StoreUnavailable

_POLL = 0.01


def stripe(key: str, digits: int) -> str:
    """Return which of 16 to the power of *digits* lock files serves *key*."""
    return digest(key)[:digits]


def digest(key: str) -> str:
    """Return the name that stands for *key* wherever a name has to be safe, short and telling nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def locked(path: str, wait: float) -> Iterator[None]:
    """Hold the lock file *path*, in a directory that only its owner can change, against all threads and processes.

    Raises:
        StoreUnavailable: somebody else held it for *wait* seconds.
        InsecureStore: something that is no file stands in its place.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  # forks are what first imports it: see dcrauth._fork

    _check(path)
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


def _check(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise InsecureStore(f"{path} is not a lock file; move it away")
