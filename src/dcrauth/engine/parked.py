"""Jobs that wait for something else than a worker: plain values, without a lock or a clock of their own."""

import heapq
import itertools
import math

from dcrauth.engine.job import Job, State, Wait

LOOK = 30.0
"""Seconds between two looks at a job's own clock, which may be set forward, or go on while the machine sleeps."""

BETWEEN_TRIES = 0.01
"""Seconds between two tries of locks that somebody else holds, whoever's they are."""

_Entry = tuple[float, int, Job]


class Parked:
    """What waits, ordered by the moments at which something is to be done about it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._heap: list[_Entry] = []
        self._tries: list[_Entry] = []
        self._next_try = -math.inf
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, job: Job, wait: Wait, now: float) -> None:
        """Park *job* at the moment *now*, by the clock of the workers."""
        job.state, job.wait, job.until = State.PARKED, wait, now + wait.seconds
        self._count += 1
        self._enter(job, now)

    def remove(self, job: Job) -> None:
        """Take *job* out, which is to be taken up again; its entry is passed over when its turn comes."""
        job.number = 0
        self._count -= 1

    def pop(self, now: float) -> tuple[list[Job], list[Job]]:
        """Return the jobs whose wait is over, one lock to be tried at a time, and those whose own clocks may say so."""
        found = self._popped(self._heap, now)
        over = [job for job in found if job.until <= now]
        waiting = [job for job in found if job.until > now]
        for job in waiting:
            self._enter(job, now)
        if now >= self._next_try and (tries := self._popped(self._tries, now, most=1)):
            self._next_try = now + BETWEEN_TRIES
            over += tries
        return over, waiting

    def next_look(self) -> float:
        """Return the next moment at which there is something to do; infinity if there is none."""
        of_tries = max(self._tries[0][0], self._next_try) if self._tries else math.inf
        return min(self._heap[0][0] if self._heap else math.inf, of_tries)

    def _enter(self, job: Job, now: float) -> None:
        job.number = next(self._numbers)
        if job.wait is not None and job.wait.is_lock_try:
            heapq.heappush(self._tries, (job.until, job.number, job))
        else:
            heapq.heappush(self._heap, (min(job.until, now + LOOK), job.number, job))

    @staticmethod
    def _popped(heap: list[_Entry], now: float, most: int | None = None) -> list[Job]:
        """Return the jobs in front of *heap* that are to be seen to by now, without those that have left it."""
        found: list[Job] = []
        while heap and heap[0][0] <= now and len(found) != most:
            _, number, job = heapq.heappop(heap)
            if job.state is State.PARKED and job.number == number:
                found.append(job)
        return found
