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

from dcrauth._internal import fork, steady
from dcrauth._internal.arguments import wrong
from dcrauth._internal.threads import OnDemand
from dcrauth.engine.job import Job, State, Wait
from dcrauth.engine.parked import Parked
from dcrauth.engine.ready import Ready, most_at_one_endpoint
from dcrauth.errors import ConfigurationError

MOST = 64
"""So many workers there are unless it is said otherwise."""

IDLE = 10.0
"""Seconds after which a worker without a job ends."""


class _Worker:
    """A thread of the pool.

    Attributes:
        gate: what it waits at while it has no job.
        is_coming: whether it was started or woken, and has not looked for a job since.
        is_there: whether its thread has begun.
        job: what it does.
        waits: for how many other jobs it waits at once, as the tasks of an event loop do that it runs.
    """

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.is_coming = True
        self.is_there = False
        self.job: Job | None = None
        self.waits = 0


class _Here(threading.local):
    worker: _Worker | None = None


class Workers:
    """The pool.

    Parameters:
        most: how many jobs are done at once; a worker that waits for the job of another source does not count.
        clock: tells the time in seconds.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = steady.now) -> None:
        self.most = most
        self.clock = clock
        self._starter = OnDemand(self._attend, self._is_needed, "dcrauth-starter")
        self._here = _Here()
        self._is_watched = False
        self._begin()

    def after_fork(self) -> None:
        """Forget the threads and the jobs of the parent process, which go on there."""
        self._starter.after_fork()
        self._here = _Here()
        self._begin()

    def _begin(self) -> None:
        # Held by threads of the pool only, and never while anything is called that is not of this package.
        self._lock = threading.Lock()
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ready = Ready(most_at_one_endpoint(self.most))
        self._parked = Parked()
        self._idle: list[_Worker] = []
        self._count = self._coming = self._aside = self._running = 0

    # What any thread may call, also where an interrupt may come.

    def submit(self, job: Job) -> bool:
        """Have *job* done; return False where no thread can be had for it."""
        job.asked = self.clock()
        if not self._is_watched:  # only now, for the sake of programs that import this and ask for nothing
            fork.watch(self)
            self._is_watched = True
        if not self._starter.ensure():
            return False
        self._asked.put(partial(self._make_ready, job))
        if self._starter.ensure():
            return True
        job.state = State.ENDED
        return False

    def hurry(self, job: Job) -> None:
        """Do *job* before those that nobody waits for, and at once if what it waits for has come by its own clock."""
        if not job.is_urgent:
            job.is_urgent = True
            self._ask(partial(self._put_forward, job))
        if job.is_due():
            self._ask(partial(self._take_up, job))

    def wake(self, job: Job, key: Hashable) -> None:
        """Take *job* up if it waits for *key*, which has come."""
        self._ask(partial(self._wake, job, key))

    def set_most(self, most: int) -> None:
        """Do so many jobs at once from now on."""
        self.most = most
        self._ask(lambda: self._ready.set_limit(most_at_one_endpoint(most)))

    @property
    def is_busy(self) -> bool:
        """Whether a job is being done, or waits for a worker."""
        return bool(self._running or len(self._ready) or not self._asked.empty())

    def _ask(self, act: Callable[[], None]) -> None:
        """Have *act* done by the starter, under the lock."""
        self._asked.put(act)
        self._starter.ensure()

    # A worker that waits for another job.

    def step_aside(self, job: Job | None) -> bool:
        """Let other workers go on in the place of the one that calls this, first with *job*, which it waits for.

        Returns:
            Whether it is a worker, and so has to step back afterwards.
        """
        worker = self._here.worker
        if worker is None or worker.job is None:
            return False
        with self._lock:
            worker.waits += 1
            if worker.waits == 1:
                self._aside += 1
                self._ready.ended(worker.job)
            if job is not None:
                job.is_awaited = True
                self._put_forward(job)
        self._ask(_nothing)
        return True

    def step_back(self) -> None:
        """Go on."""
        worker = self._here.worker
        if worker is None or worker.job is None:
            return
        with self._lock:
            worker.waits -= 1
            if not worker.waits:
                self._aside -= 1
                self._ready.goes_on(worker.job)

    # The starter.

    def _is_needed(self) -> bool:
        return bool(self._count or len(self._ready) or len(self._parked) or not self._asked.empty())

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
            if not self._count and not len(self._parked):
                return 0.0
            seconds = self._parked.next_look() - self.clock()
        return None if math.isinf(seconds) else max(0.0, seconds)

    def _look(self) -> None:
        """Take up those whose wait is over, by whichever clock."""
        with self._lock:
            over, others = self._parked.pop(self.clock())
            for job in over:
                self._take_up(job)
        for job in others:
            if job.is_due():  # by a clock that is not ours: nothing is locked while it is asked
                with self._lock:
                    self._take_up(job)

    def _man(self) -> None:
        """Wake and start as many workers as there are jobs for; do them here where there is nobody else to."""
        while (worker := self._called_up()) is not None:
            if worker.is_there:
                worker.gate.release()
            elif not self._start(worker):
                break
        while (job := self._left_over()) is not None:
            self._do(job)

    def _called_up(self) -> _Worker | None:
        with self._lock:
            if len(self._ready) <= self._coming or not self._has_room():
                return None
            self._coming += 1
            if self._idle:
                worker = self._idle.pop()
                worker.is_coming = True
                return worker
            self._count += 1
            return _Worker()

    def _has_room(self) -> bool:
        """Whether one more job may be done at once."""
        active = self._count - self._aside
        is_bounded = self._count < 2 * self.most or self._ready.is_awaited
        return bool(self._idle) or (active < self.most and is_bounded)

    def _start(self, worker: _Worker) -> bool:
        try:
            threading.Thread(target=self._work, args=(worker,), name="dcrauth-worker", daemon=True).start()
        except BaseException:  # there may be too many threads, or no memory: those that are there go on
            with self._lock:
                self._count -= 1
                self._coming -= 1
            return False
        return True

    def _left_over(self) -> Job | None:
        with self._lock:
            is_left = not self._count or (self._count == self._aside and self._ready.is_awaited)
            return self._next_job() if is_left else None

    # What is done under the lock.

    def _make_ready(self, job: Job) -> None:
        if job.state is State.NEW:
            self._ready.put(job)

    def _put_forward(self, job: Job) -> None:
        if job.state is State.READY:
            self._ready.put(job)

    def _take_up(self, job: Job) -> None:
        if job.state is State.PARKED:
            self._parked.remove(job)
            self._ready.put(job)

    def _wake(self, job: Job, key: Hashable) -> None:
        if job.state is State.RUNNING:
            job.woken = key
        elif job.wait is not None and job.wait.key == key:
            self._take_up(job)

    def _next_job(self) -> Job | None:
        job = self._ready.take()
        self._running += job is not None
        return job

    # A worker.

    def _work(self, worker: _Worker) -> None:
        self._here.worker = worker
        worker.is_there = True
        try:
            while self._has_found(worker):
                """It has done a job, and looks for another one."""
        finally:
            self._leave(worker)

    def _has_found(self, worker: _Worker) -> bool:
        """Do the next job, after a wait for it; return False if none has come."""
        worker.job = self._job_for(worker)
        if worker.job is not None:
            self._do(worker.job)
            worker.job = None  # which nobody need know any more
            return True
        if worker.gate.acquire(timeout=IDLE):
            return True
        with self._lock:
            if worker.is_coming:  # it was woken in this moment
                worker.gate.acquire()
                return True
            self._idle.remove(worker)
            return False

    def _job_for(self, worker: _Worker) -> Job | None:
        with self._lock:
            self._coming -= worker.is_coming
            worker.is_coming = False
            job = self._next_job()
            if job is None:
                self._idle.append(worker)
            return job

    def _do(self, job: Job) -> None:
        wait: Wait | None = None
        try:
            wait = job.take()
        except BaseException as reason:  # not even how it has ended could be noted; the worker goes on
            told = (type(reason), reason, reason.__traceback__, threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(told))
        finally:
            self._settle(job, wait)

    def _settle(self, job: Job, wait: Wait | None) -> None:
        with self._lock:
            self._running -= 1
            self._ready.ended(job)
            if wait is None:
                job.state = State.ENDED
            elif wait.key is not None and wait.key == job.woken:
                self._ready.put(job)
            else:
                self._parked.put(job, wait, self.clock())
            is_for_others = wait is not None or (len(self._ready) > 1 and self._has_room())
        if is_for_others:
            self._ask(_nothing)

    def _leave(self, worker: _Worker) -> None:
        with self._lock:
            self._count -= 1
            self._coming -= worker.is_coming
            if worker in self._idle:
                self._idle.remove(worker)
        self._ask(_nothing)


def _nothing() -> None:
    """Only wake the starter."""


WORKERS = Workers()
"""Those of this process."""


def set_workers(most: int) -> None:
    """Have at most so many workers in this process, which renew tokens; 64 unless this says otherwise.

    Each renews one token at a time. What has to wait for longer than a second needs none meanwhile. Transports keep as
    many connections as the usual number of workers.

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
