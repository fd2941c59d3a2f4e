"""A simulated pool: the real queues and counts of the workers, with jobs, workers and time that a seed decides about.

There are fewer workers than jobs. Jobs take their time, wait for moments, for each other and for what others bring;
workers die. After each event the invariants are checked, and in the end every job has to have ended.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable

from adapters_tests.simulation.invariants import Invariant, require
from dcrauth import Clock
from dcrauth.engine.job import Job, State, Wait
from dcrauth.engine.pool_state import PoolState, Worker
from dcrauth.engine.ready import BEHIND, most_at_one_endpoint, most_with_one_store

_IDLE = 10.0
_MOST_EVENTS = 20_000


class SimulatedJob(Job):
    """A job that is to be taken up a number of times."""

    def __init__(self, pool: SimulatedPool, name: int) -> None:
        rng = pool.rng
        endpoint = rng.choice(("a", "a", "b", "c"))
        clock, store = Clock(lambda: pool.now, lambda: pool.now), rng.choice((None, "store", "store", "another"))
        super().__init__(endpoint, clock, is_urgent=rng.random() < 0.5, store=store)
        self.name, self.asked = name, pool.now
        self.turns_left = rng.choice((1, 1, 2, 4))
        self.awaits: SimulatedJob | None = None
        self.goes_on = False
        self.ended = 0

    def take(self) -> Wait | None:
        raise AssertionError("a simulated job is done by the simulation")


class SimulatedPool:
    """The pool of one seed.

    Parameters:
        seed: decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.state = PoolState(self.rng.choice((1, 2, 3, 8)))
        self.jobs: list[SimulatedJob] = []
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0
        self._next_look = -1.0
        self._most_aside = 0
        self._is_busy = False
        for _ in range(self.rng.choice((10, 60))):
            self.at(self.rng.random() * self.rng.choice((1.0, 100.0)), self._ask)

    def run(self) -> None:
        """Let everything happen, and require that every job has ended."""
        for _ in range(_MOST_EVENTS):
            if not self._agenda:
                break
            self.now, _, act = heapq.heappop(self._agenda)
            act()
            self._attend()
            self._judge()
        lost = [job.name for job in self.jobs if job.ended != 1]
        require(not lost, Invariant.NO_JOB_LOST, f"jobs {lost} have not ended once")
        require(self.state.running == self.state.aside == 0, Invariant.NO_JOB_LOST, "jobs run that have ended")

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        self._number += 1
        heapq.heappush(self._agenda, (self.now + seconds, self._number, act))

    # The starter.

    def _attend(self) -> None:
        if self._is_busy:  # it does a job itself
            return
        over, others = self.state.parked.pop(self.now)
        for job in (*over, *(each for each in others if each.is_due())):
            self.state.take_up(job)
        while (worker := self.state.called_up()) is not None:
            is_started = worker.is_there or self.rng.random() < 0.9
            self.at(0.0, self._arrival(worker)) if is_started else self.state.leave(worker)
            if not is_started:
                self.at(1.0, _nothing)
                break
        if (job := self.state.left_over()) is not None:
            self._is_busy = True
            self._begin(job, None)
        look = self.state.parked.next_look()
        if len(self.state.parked) and not self.now < self._next_look <= look:
            self._next_look = max(look, self.now)
            self.at(self._next_look - self.now, _nothing)

    def _ask(self) -> None:
        job = SimulatedJob(self, len(self.jobs))
        if self.jobs and self.rng.random() < 0.2:
            job.awaits = self.rng.choice(self.jobs)
        self.jobs.append(job)
        self.state.add(job)
        if not job.is_urgent and self.rng.random() < 0.3:
            self.at(self.rng.random() * 30.0, lambda: self._hurry(job))

    def _hurry(self, job: SimulatedJob) -> None:
        job.is_urgent = True
        self.state.put_forward(job)

    # Workers.

    def _arrival(self, worker: Worker) -> Callable[[], None]:
        return lambda: self._look_for_a_job(worker)

    def _look_for_a_job(self, worker: Worker) -> None:
        worker.is_there = True
        if self.rng.random() < 0.05:
            self.state.leave(worker)  # it has died
            return
        self._check_turn()
        job = self.state.job_for(worker)
        if job is None:
            self.at(_IDLE, lambda: self._end_if_idle(worker))
        else:
            self._begin(job, worker)

    def _end_if_idle(self, worker: Worker) -> None:
        if worker in self.state.idle:
            self.state.leave(worker)

    def _begin(self, job: Job, worker: Worker | None) -> None:
        assert isinstance(job, SimulatedJob)
        seconds = self.rng.choice((0.01, 1.0, 20.0)) * self.rng.random()
        awaited = job.awaits
        if worker is not None and awaited is not None and awaited.state is not State.ENDED:
            self.state.step_aside(job)
            self.state.put_first(awaited)
            self.at(0.1, lambda: self._look_back(job, awaited, worker, self.now + 60.0))
        else:
            self.at(seconds, lambda: self._end_turn(job, worker))

    def _look_back(self, job: SimulatedJob, awaited: SimulatedJob, worker: Worker, end: float) -> None:
        if awaited.state is not State.ENDED and self.now < end:
            self.at(0.1, lambda: self._look_back(job, awaited, worker, end))
            return
        job.goes_on, job.awaits = True, None
        self.state.step_back(job)
        self.at(0.5, lambda: self._end_turn(job, worker))

    def _end_turn(self, job: SimulatedJob, worker: Worker | None) -> None:
        job.turns_left, job.goes_on = job.turns_left - 1, False
        wait = None if job.turns_left <= 0 else self._wait(job)
        job.ended += wait is None
        self.state.settle(job, wait, self.now)
        if worker is None:
            self._is_busy = False
        else:
            self.at(0.0, self._arrival(worker))

    def _wait(self, job: SimulatedJob) -> Wait:
        seconds = self.rng.choice((0.05, 2.0, 90.0))
        kind = self.rng.choice(("moment", "key", "lock"))
        if kind == "key":
            if self.rng.random() < 0.3:
                self.state.wake(job, "key")  # it has come already
            else:
                self.at(self.rng.random(), lambda: self.state.wake(job, "key"))
            return Wait(1e9, job.clock.now().later(1e9), "key")
        return Wait(seconds, job.clock.now().later(seconds), is_lock_try=kind == "lock")

    # What must hold.

    def _judge(self) -> None:
        state = self.state
        running = [job for job in self.jobs if job.state is State.RUNNING]
        gone_on = sum(job.goes_on for job in running)
        active = state.running - state.aside - gone_on
        here = sum(1 for job in running) - state.count
        require(active <= state.most, Invariant.NEVER_MORE_AT_ONCE, f"{active} jobs run at once")
        self._most_aside = max(self._most_aside, state.aside)
        workers = state.count <= 2 * state.most + max(0, self._most_aside - state.most)
        require(workers and here <= 1, Invariant.NEVER_MORE_AT_ONCE, f"there are {state.count} workers")
        at_once = Counter(job.endpoint for job in running if not job.goes_on and job.awaits is None)
        limit = most_at_one_endpoint(state.most)
        crowded = [endpoint for endpoint, count in at_once.items() if count > limit]
        require(not crowded, Invariant.NEVER_MORE_AT_ONCE, f"more than {limit} jobs run at {crowded}")
        of_stores = Counter((job.endpoint, job.store) for job in running if not job.goes_on and job.awaits is None)
        share = most_with_one_store(limit)
        crowded = [place for place, count in of_stores.items() if place[1] is not None and count > share]
        require(not crowded, Invariant.NEVER_MORE_AT_ONCE, f"more than {share} jobs run at {crowded}")

    def _check_turn(self) -> None:
        """Require that the job that is begun next is the one whose turn it is."""
        state = self.state
        if state.running - state.aside >= state.most:
            return
        job = state.next_job()
        if job is None:
            return
        before = [each for each in self.jobs if each.state is State.READY and _place(each) < _place(job)]
        free = [each.name for each in before if state.ready._crowded(each) is None]
        state.running -= 1
        state.ready.ended(job)
        state.ready.put(job)
        require(not free, Invariant.NOBODY_STARVES, f"{job} is begun before {free}")


def _place(job: Job) -> float:
    return float("-inf") if job.is_awaited else job.asked + (0.0 if job.is_urgent else BEHIND)


def _nothing() -> None:
    """Only let the starter look."""
