"""The workers of this process: a bounded number of threads that do the jobs of all sources, and one that starts them.

Whoever has a job for them only puts it into a queue, which is a single step: no interrupt comes in the middle of it,
and no event loop waits for a thread to begin. All else is done by these threads among themselves. They are daemons, so
that none of them keeps the interpreter from ending; see `exit` for what is waited for.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Hashable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from dcrauth._internal import fork, steady
from dcrauth._internal.arguments import wrong
from dcrauth._internal.threads import OnDemand, begin_bare
from dcrauth.engine.job import Job, State, Wait
from dcrauth.engine.pool_state import PoolState, Worker
from dcrauth.errors import ConfigurationError
from dcrauth.transports._pool_size import POOL_SIZE

T = TypeVar("T")

MOST = 64
"""So many workers there are unless it is said otherwise."""

IDLE = 10.0
"""Seconds after which a worker without a job ends."""

SCARCITY = 1.0
"""Seconds for which it is not tried again to have one worker more, where there was no thread to be had."""


class _Here(threading.local):
    worker: Worker | None = None


class Workers:
    """The pool.

    Parameters:
        most: how many jobs are done at once; one that waits for the job of another source does not count.
        clock: tells the time in seconds.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = steady.now) -> None:
        self.clock = clock
        self._starter = OnDemand(self._attend, self._is_needed, "dcrauth-starter")
        self._is_watched = False
        self._begin(most)

    def after_fork(self) -> None:
        """Forget the threads and the jobs of the parent process, which go on there."""
        self._starter.after_fork()
        self._begin(self.state.most)

    def _begin(self, most: int) -> None:
        # Held by threads of the pool only, and never while anything is called that is not of this package.
        self._lock = threading.Lock()
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._here = _Here()
        self._scarce_until = 0.0
        self.state = PoolState(most)

    # What any thread may call, also where an interrupt may come.

    def submit(self, job: Job) -> bool:
        """Have *job* done; return False where no thread can be had for it."""
        job.asked = self.clock()
        self._look_after_forks()
        is_scarce = job.asked < self._scarce_until and not self.state.idle
        if is_scarce:
            return False
        if self._starter.ensure():
            self._asked.put(partial(self.state.add, job))
            if self._starter.ensure():
                return True
            job.state = State.ENDED
        self._do_left_behind()
        return False

    def _do_left_behind(self) -> None:
        """Do what others have asked for meanwhile, who rely on a thread that could not be had."""
        with contextlib.suppress(Empty):
            while True:
                act = self._asked.get_nowait()
                self._locked(act)
        while (job := self._locked(self.state.left_over)) is not None:
            self._do(job)

    def hurry(self, job: Job) -> None:
        """Do *job* before those that nobody waits for, and at once if what it waits for has come by its own clock."""
        if not job.is_urgent:
            job.is_urgent = True
            self._ask(partial(self.state.put_forward, job))
        if job.is_due():
            self._ask(partial(self.state.take_up, job))

    def wake(self, job: Job, key: Hashable) -> None:
        """Take *job* up if it waits for *key*, which has come."""
        self._ask(partial(self.state.wake, job, key))

    def set_most(self, most: int) -> None:
        """Do so many jobs at once from now on."""
        self._ask(partial(self.state.set_most, most))

    @property
    def is_busy(self) -> bool:
        """Whether a job is being done, or waits for a worker."""
        return bool(self.state.running or len(self.state.ready) or not self._asked.empty())

    def _ask(self, act: Callable[[], None]) -> None:
        """Have *act* done by the starter, under the lock."""
        self._look_after_forks()
        self._asked.put(act)
        self._starter.ensure()

    def _look_after_forks(self) -> None:
        if not self._is_watched:  # only now, for the sake of programs that import this and ask for nothing
            fork.watch(self)
            self._is_watched = True

    # A worker that waits for another job.

    def step_aside(self, awaited: Job | None) -> bool:
        """Let other workers go on in the place of the one that calls this, first with what is *awaited*.

        Returns:
            Whether it is a worker, and so has to step back afterwards.
        """
        worker = self._here.worker
        if worker is None or worker.job is None:
            return False
        with self._lock:
            worker.waits += 1
            if worker.waits == 1:
                self.state.step_aside(worker.job)
            if awaited is not None:
                self.state.put_first(awaited)
        self._ask(_nothing)
        return True

    def step_back(self) -> None:
        """Go on."""
        worker = self._here.worker
        if worker is not None and worker.job is not None:  # else this is a child, forked meanwhile
            with self._lock:
                worker.waits -= 1
                if not worker.waits:
                    self.state.step_back(worker.job)

    # The starter.

    def _is_needed(self) -> bool:
        return not (self.state.is_deserted and self._asked.empty())

    def _attend(self) -> None:
        while self._is_needed():
            self._listen()
            self._look()
            self._man()

    def _listen(self) -> None:
        """Do what was asked for, after a wait for it until there is something else to do."""
        with contextlib.suppress(Empty):
            act = self._asked.get(timeout=self._patience())
            while True:
                with self._lock:
                    act()
                act = self._asked.get_nowait()

    def _patience(self) -> float | None:
        with self._lock:
            if not self.state.count and not len(self.state.parked):
                return 0.0
            seconds = self.state.parked.next_look() - self.clock()
        return None if math.isinf(seconds) else max(0.0, seconds)

    def _look(self) -> None:
        """Take up those whose wait is over, by whichever clock."""
        with self._lock:
            over, others = self.state.parked.pop(self.clock())
            for job in over:
                self.state.take_up(job)
        for job in others:
            if _says_so(job):  # by a clock that is not ours: nothing is locked while it is asked
                with self._lock:
                    self.state.take_up(job)

    def _man(self) -> None:
        """Wake and start as many workers as there are jobs for; do them here where there is nobody else to."""
        is_scarce = False
        while not is_scarce and (worker := self._locked(self.state.called_up)) is not None:
            if worker.is_there:
                worker.gate.release()
            else:
                is_scarce = not self._start(worker)
        find = self.state.next_job if is_scarce else self.state.left_over
        while (job := self._locked(find)) is not None:
            self._do_here(job)

    def _do_here(self, job: Job) -> None:
        """Do *job* on this thread, which can see to no other one meanwhile: callers do theirs by themselves."""
        self._scarce_until = math.inf
        self._do(job)
        self._scarce_until = self.clock() + SCARCITY

    def _start(self, worker: Worker) -> bool:
        try:
            begin_bare(threading.Thread(target=self._work, args=(worker,), name="dcrauth-worker", daemon=True))
        except BaseException:  # there may be too many threads, or no memory: those that are there go on
            self._locked(partial(self.state.leave, worker))
            return False
        return True

    def _locked(self, act: Callable[[], T]) -> T:
        with self._lock:
            return act()

    # A worker.

    def _work(self, worker: Worker) -> None:
        pool, self._here.worker = self._lock, worker
        worker.is_there = True
        try:
            # In a child that a job has forked, and that goes on from there, this is no worker any more.
            while self._has_found(worker) and pool is self._lock:
                """It has done a job, and looks for another one."""
        finally:
            if pool is self._lock:
                self._locked(partial(self.state.leave, worker))
                self._ask(_nothing)

    def _has_found(self, worker: Worker) -> bool:
        """Do the next job, after a wait for it; return False if none has come."""
        job = self._locked(partial(self.state.job_for, worker))
        if job is not None:
            self._do(job)
            worker.job = None  # which nobody need know any more
            return True
        if worker.gate.acquire(timeout=IDLE):
            return True
        with self._lock:
            if worker.is_coming:  # it was woken in this moment
                worker.gate.acquire()
            else:
                self.state.idle.remove(worker)
            return worker.is_coming

    def _do(self, job: Job) -> None:
        wait, pool = None, self._lock
        try:
            wait = job.take()
        except BaseException as reason:  # not even how it has ended could be noted; the worker goes on
            told = (type(reason), reason, reason.__traceback__, threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(told))
        finally:
            if pool is self._lock:
                self._settle(job, wait)

    def _settle(self, job: Job, wait: Wait | None) -> None:
        with self._lock:
            self.state.settle(job, wait, self.clock())
            is_for_others = wait is not None or (len(self.state.ready) > 1 and self.state.has_room)
        if is_for_others:
            self._ask(_nothing)


def _says_so(job: Job) -> bool:
    """Whether *job* is due by its own clock; one whose clock is broken finds that out itself."""
    try:
        return job.is_due()
    except Exception:
        return True


def _nothing() -> None:
    """Only wake the starter."""


WORKERS = Workers()
"""Those of this process."""


def set_workers(most: int) -> None:
    """Have at most so many workers in this process, which renew tokens; 64 unless this says otherwise.

    Each renews one token at a time. What has to wait for longer than a second needs none meanwhile. Transports keep as
    many connections as there are workers.

    Parameters:
        most: how many, at least 1.

    Raises:
        ConfigurationError: that is no such number.
    """
    if isinstance(most, bool) or not isinstance(most, int):
        raise wrong("most", "a whole number", most)
    if most < 1:
        raise ConfigurationError(f"most must be at least 1, not {most}")
    WORKERS.set_most(most)
    POOL_SIZE.most = most
