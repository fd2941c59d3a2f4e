"""The end of the process: what registers is waited for until its outcome is stored, and nothing else is.

That is done by a thread that is no daemon, and is there only meanwhile: `atexit` comes too late where such threads are
waited for first, and not at all in forked children of `multiprocessing`.
"""

import threading
from contextlib import suppress

from dcrauth._internal import fork, steady
from dcrauth._internal.threads import begin_bare

LONGEST = 20.0
"""How long the end of a process is held up, in seconds."""

_LOOK = 0.1
"""Seconds between two looks whether the process is about to end."""


class Registrations:
    """Those that are under way on workers, which do not live longer than the program by themselves."""

    def __init__(self) -> None:
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Forget those of the parent process, which waits for them itself."""
        self._lock = threading.Lock()
        self._gate = threading.Lock()
        self._gate.acquire()
        self._count = 0
        self._is_guarded = False
        self._end: float | None = None

    def begin(self) -> None:
        """Note that a registration is about to be sent. To be called on threads of ours only."""
        with self._lock:
            self._count += 1
            is_guarded, self._is_guarded = self._is_guarded, True
        if not is_guarded:
            try:
                begin_bare(threading.Thread(target=self._guard, name="dcrauth-exit", daemon=False))
            except BaseException:  # there is no thread to be had: all the same it is begun
                self._is_guarded = False

    def end(self) -> None:
        """Note that what has come of it is stored, or that nothing has."""
        with self._lock:
            self._count -= 1
            is_last = self._count == 0
        if is_last:
            with suppress(RuntimeError):  # it has been released already
                self._gate.release()

    def _guard(self) -> None:
        while self._is_under_way():
            self._gate.acquire(timeout=_LOOK)
            if self._end is None and _is_ending():
                self._end = steady.now() + LONGEST

    def _is_under_way(self) -> bool:
        with self._lock:
            self._is_guarded = self._count > 0 and (self._end is None or steady.now() < self._end)
            return self._is_guarded


def _is_ending() -> bool:
    """Whether nothing else keeps the interpreter from ending: other threads may go on after the main one has ended."""
    main, here = threading.main_thread(), threading.current_thread()
    return not main.is_alive() and all(thread.daemon or thread in {main, here} for thread in threading.enumerate())


REGISTRATIONS = Registrations()
"""Those of this process."""
