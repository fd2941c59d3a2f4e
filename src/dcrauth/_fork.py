"""Objects that hold locks, threads or connections, around a fork."""

import logging
import os
import threading
import weakref
from contextlib import suppress
from typing import Protocol

# What is registered first is called last before a fork, and filelock then holds all of its locks still. So it has to be
# imported first: what is suspended here may need a lock for that.
import filelock as _filelock  # noqa: F401


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


_living: "weakref.WeakSet[Forkable]" = weakref.WeakSet()
_suspendable: "weakref.WeakSet[Suspendable]" = weakref.WeakSet()
_suspended: list[Suspendable] = []
_LONGEST = 30.0
undivided = threading.RLock()  # which only its holder can release
"""Held while something is done that no fork may come in the middle of; forks wait for it, and for each other.

It is another one in a child: take it by way of this module each time.
"""

logger = logging.getLogger("dcrauth")


def watch(each: Forkable) -> None:
    """See to it that ``each.after_fork()`` is called in every forked child for as long as *each* lives."""
    _living.add(each)


def suspend(each: Suspendable) -> None:
    """See to it that *each* is suspended during every fork for as long as it lives."""
    _suspendable.add(each)


def _before_fork() -> None:
    # An exception from here would be printed, and the fork would go on: so each is resumed, whatever happens here.
    with suppress(Exception):
        undivided.acquire(timeout=_LONGEST)
    for each in list(_suspendable):
        _suspended.append(each)
        try:
            each.suspend()
        except BaseException:
            logger.exception("%s could not be suspended for a fork", type(each).__name__)


def _after_fork_in_parent() -> None:
    while _suspended:
        _suspended.pop().resume(in_child=False)
    # It is not held where waiting for it was interrupted, or in vain.
    with suppress(RuntimeError):
        undivided.release()


def _after_fork_in_child() -> None:
    global undivided  # noqa: PLW0603  # where it was waited for in vain, a thread holds it that is not here
    undivided = threading.RLock()
    # All of them, for one may have been made while others were being suspended.
    _suspended.clear()
    for each in list(_suspendable):
        each.resume(in_child=True)
    for other in list(_living):
        other.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
