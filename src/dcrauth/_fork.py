"""Objects that hold locks, threads or connections, around a fork; and what no fork may come in the middle of."""

import concurrent.futures.thread  # noqa: F401
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

# What is registered first is called last before a fork: filelock and the pools of threads then hold their locks still.
# So they have to be imported first: what is suspended here may need a lock of filelock's, and takes its time.
import filelock as _filelock  # noqa: F401

_T = TypeVar("_T")


class Forkable(Protocol):
    """An object that has something to make anew after a fork."""

    def after_fork(self) -> None:
        """Forget the threads and the locks of the parent process."""
        ...


class Suspendable(Protocol):
    """An object that has something which no two processes may share."""

    def suspend(self) -> None:
        """Let go of it before a fork, and hold still."""
        ...

    def resume(self, *, in_child: bool) -> None:
        """Go on after a fork."""
        ...


class _Here(threading.local):
    """What the thread has suspended for the fork that it is about to make."""

    def __init__(self) -> None:
        self.suspended: list[Suspendable] = []


# No WeakSet, which cannot be gone through while another thread adds something.
_living: "set[weakref.ref[Forkable]]" = set()
_suspendable: "set[weakref.ref[Suspendable]]" = set()
_here = _Here()
_one_at_a_time = threading.RLock()  # which only its holder can release
_LONGEST = 30.0
_PATIENCE = 5.0
_PATIENCE_WITH_A_FORK = 1.0

logger = logging.getLogger("dcrauth")


class Undivided:
    """Keeps forks out of the middle of what its holder does, and other threads out as well.

    Both wait for a few seconds only: what is stuck is no reason for everything else to be.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._suspended = False
        suspend(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do something that no fork comes in the middle of."""
        lock = self._lock  # which is another one in a child that is forked by the holder itself
        has_it = lock.acquire(timeout=_PATIENCE_WITH_A_FORK)
        try:
            yield
        finally:
            if has_it:
                lock.release()

    def suspend(self) -> None:
        """Wait for the holder before a fork."""
        self._suspended = self._lock.acquire(timeout=_PATIENCE)

    def resume(self, *, in_child: bool) -> None:
        """Let others go on after a fork."""
        if in_child:
            self._lock = threading.RLock()
        elif self._suspended:
            self._lock.release()
        self._suspended = False


def watch(each: Forkable) -> None:
    """See to it that ``each.after_fork()`` is called in every forked child for as long as *each* lives."""
    _living.add(weakref.ref(each, _living.discard))


def suspend(each: Suspendable) -> None:
    """See to it that *each* is suspended during every fork for as long as it lives."""
    _suspendable.add(weakref.ref(each, _suspendable.discard))


def _those(references: "set[weakref.ref[_T]]") -> list[_T]:
    return [each for each in (reference() for reference in references.copy()) if each is not None]


def _before_fork() -> None:
    # An exception from here would be printed, and the fork would go on: so each is suspended, whatever happens here.
    if not _has_its_turn():
        logger.warning("A fork does not wait any longer for one in another thread, which has taken %g s", _LONGEST)
        return
    for each in _those(_suspendable):
        _here.suspended.append(each)
        with _logged(f"{type(each).__name__} could not be suspended for a fork"):
            each.suspend()


def _has_its_turn() -> bool:
    end = time.monotonic() + _LONGEST
    while (left := end - time.monotonic()) > 0:
        with _logged("An interrupt came while a fork waited for another one"):
            return _one_at_a_time.acquire(timeout=left)
    return False


def _after_fork_in_parent() -> None:
    try:
        while _here.suspended:
            with _logged("Something could not go on after a fork"):
                _here.suspended.pop().resume(in_child=False)
    finally:
        with suppress(RuntimeError):  # it was waited for in vain
            _one_at_a_time.release()


def _after_fork_in_child() -> None:
    global _one_at_a_time  # noqa: PLW0603  # a thread that is not here may hold it
    _one_at_a_time = threading.RLock()
    # All of them, for one may have been made while others were being suspended.
    _here.suspended.clear()
    for each in _those(_suspendable):
        each.resume(in_child=True)
    for other in _those(_living):
        other.after_fork()


@contextmanager
def _logged(what: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        logger.exception("%s", what)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
