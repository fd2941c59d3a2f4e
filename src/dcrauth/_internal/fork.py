"""Objects that hold locks, threads or connections, around a fork; and what no fork may come in the middle of."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

from dcrauth._internal.log import log

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
        """Go on after a fork; once more, if an interrupt came in the middle of that."""
        ...


# No WeakSet, which cannot be gone through while another thread adds something.
_living: "set[weakref.ref[Forkable]]" = set()
_suspendable: "set[weakref.ref[Suspendable]]" = set()


class _Here(threading.local):
    """What the thread has suspended for the fork that it is about to make."""

    def __init__(self) -> None:
        self.suspended: list[Suspendable] = []


class _Forks:
    """Forks take turns, and wait for what none of them may come in the middle of."""

    def __init__(self) -> None:
        self.turn = threading.RLock()  # which only its holder can release
        self.undivided: dict[threading.Lock, int] = {}
        """For each thread that is in the middle of something: a lock that it holds, and its number."""


_here = _Here()
_forks = _Forks()
_LONGEST = 30.0
"""How long a fork waits for its turn, in seconds."""

_PATIENCE = 5.0
"""How long a fork waits for everything that it must not divide, in seconds."""

_SHORT_PATIENCE = 2.0
"""How long such a thing waits for a fork that is under way, in seconds."""


@contextmanager
def undivided() -> Iterator[None]:
    """Do something that no fork comes in the middle of.

    Forks and whoever does such a thing wait for each other for a few seconds only: what is stuck is no reason for
    everything else to be.
    """
    _look_after_forks()
    forks = _forks  # which are others in a child that is forked meanwhile
    mark = threading.Lock()
    with mark:
        _put(mark, forks)
        try:
            yield
        finally:
            del forks.undivided[mark]


def _put(mark: threading.Lock, forks: _Forks) -> None:
    # In a turn of its own, so that no fork is under way that has not seen it.
    try:
        forks.turn.acquire(timeout=_SHORT_PATIENCE)
        forks.undivided[mark] = threading.get_ident()
    finally:
        with suppress(RuntimeError):  # it was waited for in vain
            forks.turn.release()


def watch(each: Forkable) -> None:
    """See to it that ``each.after_fork()`` is called in every forked child for as long as *each* lives."""
    _look_after_forks()
    _living.add(weakref.ref(each, _living.discard))


def suspend(each: Suspendable) -> None:
    """See to it that *each* is suspended during every fork for as long as it lives."""
    _look_after_forks()
    _suspendable.add(weakref.ref(each, _suspendable.discard))


def _those(references: "set[weakref.ref[_T]]") -> list[_T]:
    return [each for each in (reference() for reference in references.copy()) if each is not None]


def _before_fork() -> None:
    # An exception from here would be printed, and the fork would go on: so is whatever can be suspended.
    if not _has_its_turn():
        log(
            logging.WARNING, "A fork does not wait any longer for one in another thread, which has taken %g s", _LONGEST
        )
        return
    with _logged("What no fork should come in the middle of could not be waited for"):
        _await_undivided()
    for each in _those(_suspendable):
        _here.suspended.append(each)
        with _logged(f"{type(each).__name__} could not be suspended for a fork"):
            each.suspend()


def _has_its_turn() -> bool:
    end = time.monotonic() + _LONGEST
    while (left := end - time.monotonic()) > 0:
        with _logged("An interrupt came while a fork waited for another one"):
            return _forks.turn.acquire(timeout=left)
    return False


def _await_undivided() -> None:
    end = time.monotonic() + _PATIENCE
    for mark, thread in _forks.undivided.copy().items():
        if thread != threading.get_ident() and mark.acquire(timeout=max(0.0, end - time.monotonic())):
            mark.release()


def _after_fork_in_parent() -> None:
    """Go on with what was suspended, and let others fork; called twice, for an interrupt may come before any line."""
    with _logged("An interrupt came while what was suspended for a fork went on"):
        while _here.suspended:
            try:
                _here.suspended[-1].resume(in_child=False)
            except Exception:
                log(logging.ERROR, "Something could not go on after a fork", exc_info=True)
            _here.suspended.pop()
        with suppress(RuntimeError):
            while True:  # as often as it was taken: an interrupt may have come right after the first time
                _forks.turn.release()


def _after_fork_in_child() -> None:
    global _forks  # noqa: PLW0603  # other threads, which are not here, hold its locks
    _forks = _Forks()
    # All of them, for one may have been made while others were being suspended.
    _here.suspended.clear()
    for each in _those(_suspendable):
        with _logged("Something could not go on after a fork"):
            each.resume(in_child=True)
    for other in _those(_living):
        with _logged("Something could not be made anew after a fork"):
            other.after_fork()


@contextmanager
def _logged(what: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        log(logging.ERROR, "%s", what, exc_info=True)


class _Hooks:
    """What the interpreter calls around a fork; of several, made by threads at once, the last one is in use."""

    def before(self) -> None:
        if _hooks is self:
            _before_fork()

    def after_in_parent(self) -> None:
        if _hooks is self:
            _after_fork_in_parent()

    def after_in_child(self) -> None:
        if _hooks is self:
            _after_fork_in_child()


_hooks: _Hooks | None = None


def _look_after_forks() -> None:
    """Register the hooks, from the first thing on that they are there for.

    What is registered first is called last before a fork: filelock and the pools of threads, which take their locks
    then, do so after what is here, which may need those of filelock, and may wait for long. Both are imported for that
    only now: a program that only imports this package need not pay for them.
    """
    global _hooks  # noqa: PLW0603  # no lock, which a fork could leave locked
    if _hooks is None and hasattr(os, "register_at_fork"):
        with suppress(RuntimeError):  # the main thread has ended, and others go on: then no pool can begin any more
            import concurrent.futures.thread  # noqa: F401, PLC0415
        with suppress(RuntimeError):  # older versions begin a pool themselves; stores on disk cannot be had then either
            import filelock  # noqa: F401, PLC0415

        hooks = _Hooks()
        os.register_at_fork(
            before=hooks.before, after_in_parent=hooks.after_in_parent, after_in_child=hooks.after_in_child
        )
        # Once more, for an interrupt may come before the first line of the other one.
        os.register_at_fork(after_in_parent=hooks.after_in_parent)
        _hooks = hooks
