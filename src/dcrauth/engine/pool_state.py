"""Which jobs there are and who does them: the state of a pool of workers, for whoever holds its lock."""

import threading
from collections.abc import Hashable

from dcrauth.engine.job import Job, State, Wait
from dcrauth.engine.parked import Parked
from dcrauth.engine.ready import Ready, most_at_one_endpoint


class Worker:
    """A thread of a pool.

    Attributes:
        gate: what it waits at while it has no job.
        is_there: whether its thread has begun.
        is_coming: whether it was started or woken, and has not looked for a job since.
        job: what it does.
        waits: for how many other jobs it waits at once, as the tasks of an event loop do that it runs.
    """

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.is_there = False
        self.is_coming = True
        self.job: Job | None = None
        self.waits = 0


class PoolState:
    """The jobs that are ready, parked and running, and the workers.

    Parameters:
        most: how many jobs run at once; one that waits for another one does not count meanwhile.

    Attributes:
        count: how many workers there are.
        coming: how many of them were started or woken, and have not looked for a job since.
        running: how many jobs run.
        aside: how many of those wait for others.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.ready = Ready(most_at_one_endpoint(most))
        self.parked = Parked()
        self.idle: list[Worker] = []
        self.count = self.coming = self.running = self.aside = 0

    @property
    def is_deserted(self) -> bool:
        """Whether there are neither jobs nor workers."""
        return not (self.count or self.running or len(self.ready) or len(self.parked))

    def set_most(self, most: int) -> None:
        """Let so many jobs run at once from now on."""
        self.most = most
        self.ready.set_limit(most_at_one_endpoint(most))

    # Jobs.

    def add(self, job: Job) -> None:
        """Take *job* on, unless whoever has asked for it does it by now."""
        if job.state is State.NEW:
            self.ready.put(job)

    def put_forward(self, job: Job) -> None:
        """Put *job* where it belongs, now that somebody waits for it."""
        if job.state is State.READY:
            self.ready.put(job)

    def take_up(self, job: Job) -> None:
        """Let *job* wait for a worker only, if it waits for something else."""
        if job.state is State.PARKED:
            self.parked.remove(job)
            self.ready.put(job)

    def wake(self, job: Job, key: Hashable) -> None:
        """Take *job* up if it waits for *key*, or is about to."""
        if job.state is State.RUNNING:
            job.woken |= {key}
        elif job.wait is not None and job.wait.key == key:
            self.take_up(job)

    def next_job(self) -> Job | None:
        """Return the next job that may run, which then does."""
        if self.running - self.aside >= self.most:
            return None
        job = self.ready.take()
        self.running += job is not None
        return job

    def settle(self, job: Job, wait: Wait | None, now: float) -> None:
        """Note that *job* runs no longer, be it that it has ended or that it has to *wait*."""
        self.running -= 1
        self.ready.ended(job)
        if wait is None:
            job.state = State.ENDED
        elif wait.key is not None and wait.key in job.woken:
            self.ready.put(job)
        else:
            self.parked.put(job, wait, now)

    def step_aside(self, job: Job) -> None:
        """Let others run in the place of *job*."""
        self.aside += 1
        self.ready.ended(job)

    def put_first(self, job: Job) -> None:
        """Have *job* run before all that no worker waits for."""
        job.is_awaited = True
        self.put_forward(job)

    def step_back(self, job: Job) -> None:
        """Let *job* run on."""
        self.aside -= 1
        self.ready.goes_on(job)

    # Workers.

    @property
    def has_room(self) -> bool:
        """Whether one more job may run, and there is an idle worker for it or another one may be started."""
        if self.running - self.aside + self.coming >= self.most:
            return False
        is_bounded = self.count < 2 * self.most or self.ready.is_awaited
        return bool(self.idle) or (self.count - self.aside < self.most and is_bounded)

    def called_up(self) -> Worker | None:
        """Return a worker to be woken, or started if it is not there, where there is a job more than workers come."""
        if len(self.ready) <= self.coming or not self.has_room:
            return None
        self.coming += 1
        if not self.idle:
            self.count += 1
            return Worker()
        worker = self.idle.pop()
        worker.is_coming = True
        return worker

    def left_over(self) -> Job | None:
        """Return a job that there is no worker for, where none can be had."""
        is_left = not self.count or (self.count == self.aside and self.ready.is_awaited)
        return self.next_job() if is_left else None

    def job_for(self, worker: Worker) -> Job | None:
        """Return the next job for *worker*, which is idle if there is none."""
        self._arrives(worker)
        worker.job = self.next_job()
        if worker.job is None:
            self.idle.append(worker)
        return worker.job

    def leave(self, worker: Worker) -> None:
        """Count *worker* no longer."""
        self._arrives(worker)
        self.count -= 1
        if worker in self.idle:
            self.idle.remove(worker)

    def _arrives(self, worker: Worker) -> None:
        self.coming -= worker.is_coming
        worker.is_coming = False
