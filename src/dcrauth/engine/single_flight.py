"""Waiting for a renewal from anywhere in a process: threads, asyncio tasks on any loop, trio tasks in any run.

`event_loops` has the waits that block no loop. Between processes, `registration` lets the first write win.

The work itself is done by the workers of the process, so that no waiter's cancellation, timeout or closed loop can stop
it half-way; a waiter only ever gives up waiting. No asyncio or trio lock is involved: those belong to one loop.
"""

import threading
import time
from collections.abc import Callable

from dcrauth._internal.threads import need_room
from dcrauth.credentials import AccessToken
from dcrauth.engine.job import Job
from dcrauth.engine.observer import Observation
from dcrauth.engine.workers import WORKERS
from dcrauth.errors import DCRAuthError

_MOMENT = 0.001
"""Seconds."""

_ROOM = 300
"""How many frames a renewal may need: about three times what any transport and store of ours do."""


class Flight:
    """The outcome of a renewal, for any number of waiters.

    Not a `concurrent.futures.Future`, nor anything else on a `threading.Condition`: an interrupt in the middle of
    waiting for one can leave its lock taken, and then everybody else hangs. A lock itself is taken or is not.

    Attributes:
        outdated: whether the credentials are gone that the renewal began with, so that its token is not to be kept.
        job: what the workers do about it, if they do.
        observation: what looks on, if anything does.
    """

    __slots__ = ("__weakref__", "_lock", "_outcome", "_wakers", "job", "observation", "outdated")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.observation: Observation | None = None
        self.outdated = False
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], None]] = []
        self._outcome: AccessToken | DCRAuthError | None = None

    def finish(self, outcome: AccessToken | DCRAuthError) -> None:
        """Let all waiters know how it ended; what they were told first stays."""
        observation, self.observation = self.observation, None
        if observation is not None:  # it ends before what it is a part of, which goes on now
            observation.end(outcome)
        with self._lock:
            self._outcome = self._outcome or outcome
        self.job = None  # which knows this, and the source: nobody need wait for the collector
        while self._wakers:
            self._wakers.pop()()

    def outcome(self) -> AccessToken | DCRAuthError | None:
        """Return how it ended; None if it has not."""
        return self._outcome

    def give_way(self) -> None:
        """Let the other threads of the process go first for a moment, unless somebody waits for the outcome.

        A thread that only computes is made to share the interpreter every 5 ms (`sys.getswitchinterval`), and every
        system call of a request that is under way would wait that long for its turn. So a renewal lets go by itself.
        """
        if not self._wakers:
            time.sleep(_MOMENT)

    def hurry(self) -> None:
        """Have it done before those that nobody waits for."""
        if (job := self.job) is not None:
            WORKERS.hurry(job)

    def wake(self, waker: Callable[[], None]) -> bool:
        """Have *waker* called once it has ended, from another thread; return whether it has not ended yet."""
        with self._lock:
            if self._outcome is None:
                self._wakers.append(waker)
                return True
            return False


def do_here(flight: Flight, work: Callable[[], None]) -> None:
    """Do the *work* that *flight* is about where no thread can be had, so that the caller waits for it.

    Raises:
        RecursionError: there is no room for it on the caller's stack. To begin it all the same could lose what a server
            has answered.
    """
    need_room(_ROOM)
    flight.wake(lambda: None)
    work()


def wait(flight: Flight, seconds: float) -> None:
    """Block until *flight* is done or *seconds* have passed."""
    gate = threading.Lock()
    gate.acquire()
    if not flight.wake(gate.release):
        return
    is_aside = WORKERS.step_aside(flight.job)
    try:
        gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
    finally:
        if is_aside:
            WORKERS.step_back()
