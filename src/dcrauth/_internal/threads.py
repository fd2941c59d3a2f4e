"""Threads that are started where an interrupt may come at any moment."""

import _thread
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def begin_bare(thread: threading.Thread) -> None:
    """Start *thread* in an empty context, not in that of whoever happens to need it first.

    Threads inherit that of their starter where Python is told so (``thread_inherit_context``, the usual thing from 3.14
    on without a GIL), and where OpenTelemetry's instrumentation of them is in use. They would hold it while they live.
    """
    Context().run(thread.start)


def start_thread(work: Callable[[], object], *, name: str, daemon: bool) -> bool:
    """Do *work* on a thread of its own.

    `threading.Thread.start` waits for the new thread at a condition. An interrupt in the middle of that can leave the
    condition's lock taken, and then the new thread never begins, and the interpreter does not end. So it is called on
    another new thread, where no interrupt comes; to begin that one is a single step, and waits for nothing.

    Parameters:
        work: what must not raise.
        name: what the thread is called.
        daemon: whether the interpreter ends without waiting for it.

    Returns:
        Whether a thread could be had: not at interpreter shutdown, for instance.

    Raises:
        RecursionError: there is no room left on the caller's stack, which is no lack of threads.
    """
    try:
        _thread.start_new_thread(_start, (work, name, daemon))
    except RuntimeError as reason:
        if isinstance(reason, RecursionError) or _is_from_within(reason):
            raise
        return False
    return True


class OnDemand:
    """A thread that is there as long as there is something to do for it, and does not keep the interpreter from ending.

    It may be asked for anywhere, also where an interrupt may come at any moment: nothing is locked for that, and
    nothing waited for.

    Parameters:
        work: does what there is to do, and returns when there has been nothing for a while.
        is_needed: tells whether there is something to do.
        name: what the thread is called.
    """

    def __init__(self, work: Callable[[], object], is_needed: Callable[[], bool], name: str) -> None:
        self._work, self._is_needed, self._name = work, is_needed, name
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the thread of the parent process."""
        self._running = threading.Lock()
        self._starting = False

    @property
    def is_starting(self) -> bool:
        """Whether the thread was asked for, and has not begun."""
        return self._starting

    @property
    def is_there(self) -> bool:
        """Whether the thread is there, or will be."""
        return self._starting or self._running.locked()

    def ensure(self) -> bool:
        """Have the thread there after what was put where it finds it; return False where no thread can be had."""
        if self.is_there:
            return True
        try:
            self._starting = True
            if start_thread(self._run, name=self._name, daemon=True):
                return True
            self._starting = False
        except BaseException:
            self._starting = False
            raise
        return False

    def _run(self) -> None:
        self._starting, running = False, self._running
        while self._is_needed() and running.acquire(blocking=False):
            try:
                self._work()
            finally:
                running.release()


def to_the_end(work: Callable[[], T]) -> T:
    """Do *work* on a thread of its own, in the caller's context, and return or raise what it does.

    If the caller is interrupted, the work goes on: it is not left half done, and no lock that it needs is left taken.
    Where no thread can be had, the caller does it.
    """
    results, faults, gate = list[T](), list[BaseException](), threading.Lock()

    def act() -> None:
        try:
            results.append(work())
        except BaseException as reason:  # it is raised again by who waits for it
            faults.append(reason)
        finally:
            gate.release()

    gate.acquire()
    if not start_thread(partial(copy_context().run, act), name="dcrauth-to-the-end", daemon=False):
        return work()
    gate.acquire()
    if faults:
        raise faults.pop()
    return results.pop()


def _is_from_within(reason: BaseException) -> bool:
    """Whether a function in Python has raised *reason*: a signal handler, where one of C was called."""
    return reason.__traceback__ is not None and reason.__traceback__.tb_next is not None


def _start(work: Callable[[], object], name: str, daemon: bool) -> None:
    try:
        begin_bare(threading.Thread(target=work, name=name, daemon=daemon))
    except BaseException:  # whatever keeps a second thread from being had, the first one is there
        work()


def need_room(frames: int) -> None:
    """Raise RecursionError unless so many more *frames* fit on the caller's stack."""
    if frames:
        need_room(frames - 1)
