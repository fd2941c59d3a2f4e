"""One thread that ends in time what must not last: a call, and a connection that nobody uses."""

import logging
import math
import threading
import time
from collections.abc import Callable

from dcrauth._internal import fork
from dcrauth._internal.log import log
from dcrauth._internal.threads import start_thread


def now() -> float:
    """Return seconds that count on whatever a test does: those of ``time.monotonic`` stand still under freezegun."""
    return time.clock_gettime(time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic()


class Deadline:
    """A moment, and what is done then unless it was called off.

    Parameters:
        moment: when, by the clock of its `Deadlines`.
        act: what to do; it must not wait for anything.
    """

    def __init__(self, moment: float, act: Callable[[], object]) -> None:
        self.moment = moment
        self._act: Callable[[], object] | None = act
        self._lock = threading.Lock()

    def call_off(self) -> None:
        """Have nothing done any more; what is being done is over afterwards."""
        with self._lock:
            self._act = None

    def come(self) -> None:
        """Do it, once."""
        with self._lock:
            act, self._act = self._act, None
            if act is not None:
                act()


class Deadlines:
    """All that are set, and the thread that waits for them: it begins with the first, and ends when none is left.

    Parameters:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self.clock = clock
        self.after_fork()

    def after_fork(self) -> None:
        """Forget what a parent process was waiting for."""
        self._lock = threading.Lock()
        self._set: dict[Deadline, None] = {}
        self._waiting = False
        self._next = math.inf
        self._gate = threading.Lock()
        self._gate.acquire()

    def set(self, seconds: float, act: Callable[[], object]) -> Deadline:
        """Have *act* done in so many *seconds*; where no thread can be had, as at the end of the interpreter, never."""
        deadline = Deadline(self.clock() + seconds, act)
        with self._lock:
            self._set[deadline] = None
            begins, self._waiting = not self._waiting, True
            is_sooner = deadline.moment < self._next
            self._next = min(self._next, deadline.moment)
        if begins:
            fork.watch(self)
            self._waiting = start_thread(self._wait, name="dcrauth-deadlines", daemon=True)
        elif is_sooner:
            self._wake()
        return deadline

    def call_off(self, deadline: Deadline) -> None:
        """Call *deadline* off: what it would have done is not done, or over, afterwards."""
        deadline.call_off()
        with self._lock:
            self._set.pop(deadline, None)

    def look(self) -> float | None:
        """Do what is due; return the seconds until something is again, or None if nothing is left to wait for."""
        moment = self.clock()
        with self._lock:
            due = [each for each in self._set if each.moment <= moment]
            for each in due:
                del self._set[each]
        for each in due:
            try:
                each.come()
            except Exception:  # nothing else may be left to last for that
                log(logging.ERROR, "What a deadline is about could not be ended", exc_info=True)
        with self._lock:
            self._waiting = bool(self._set)
            self._next = min((each.moment for each in self._set), default=math.inf)
            return max(0.0, self._next - moment) if self._set else None

    def _wait(self) -> None:
        while (seconds := self.look()) is not None:
            self._gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))

    def _wake(self) -> None:
        try:
            self._gate.release()
        except RuntimeError:
            """It has been woken already."""


DEADLINES = Deadlines()
"""Those of the process."""
