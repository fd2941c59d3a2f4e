"""Jobs that wait for a worker, in the order in which they get one: plain values, without a lock or a clock."""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Hashable

from dcrauth.engine.job import Job, State

BEHIND = 60.0
"""A job that nobody waits for comes so many seconds later than it would otherwise, and no more than that."""

_FOR_OTHER_STORES = 2
"""Few, since most programs have one store, and would go without them for nothing."""

_Entry = tuple[float, int, Job]


def most_at_one_endpoint(workers: int) -> int:
    """Return how many of so many *workers* may be at one endpoint: all but the last eighth, which is for the others."""
    return max(1, workers - max(1, workers // 8))


def most_with_one_store(limit: int) -> int:
    """Return how many of *limit* jobs of an endpoint may use one store, which may hang by itself."""
    return max(1, limit - _FOR_OTHER_STORES)


class Ready:
    """The queue.

    Parameters:
        limit: how many jobs of one endpoint may run at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._numbers = itertools.count(1)
        self._heap: list[_Entry] = []
        self._running: Counter[Hashable] = Counter()
        self._held_back: dict[Hashable, list[_Entry]] = {}

    def __len__(self) -> int:
        """Return how many jobs a worker may find, at the most."""
        return len(self._heap)

    def put(self, job: Job) -> None:
        """Add *job*, or put it where it belongs now."""
        job.state, job.number = State.READY, next(self._numbers)
        moment = -math.inf if job.is_awaited else job.asked + (0.0 if job.is_urgent else BEHIND)
        heapq.heappush(self._heap, (moment, job.number, job))

    @property
    def is_awaited(self) -> bool:
        """Whether the next job is one that a worker waits for."""
        return bool(self._heap) and self._heap[0][0] == -math.inf

    def take(self) -> Job | None:
        """Return the next job that may run, which then does; None if there is none."""
        while self._heap:
            entry = heapq.heappop(self._heap)
            job = entry[2]
            if not _is_present(entry):
                continue
            if (crowded := self._crowded(job)) is not None:
                self._hold_back(entry, crowded)
                continue
            self.goes_on(job)
            job.state, job.woken, job.wait = State.RUNNING, frozenset(), None
            return job
        return None

    def ended(self, job: Job) -> None:
        """Let another job of the endpoint run in the place of *job*."""
        for place in _places(job):
            self._running[place] -= 1
            if not self._running[place]:
                del self._running[place]
            self._let_on(place)

    def goes_on(self, job: Job) -> None:
        """Let *job* run on, in whose place others may have begun."""
        self._running.update(_places(job))

    def set_limit(self, limit: int) -> None:
        """Let so many jobs of one endpoint run at once."""
        self.limit = limit
        for place in list(self._held_back):
            for entry in self._held_back.pop(place):
                heapq.heappush(self._heap, entry)

    def _crowded(self, job: Job) -> Hashable | None:
        """Return where *job* would be one too many; None if it may run."""
        limits = self.limit, most_with_one_store(self.limit)
        places = zip(_places(job), limits, strict=False)
        # That of the store comes first: what waits for it takes up no room among those who wait for the endpoint.
        return next((place for place, limit in reversed(list(places)) if self._running[place] >= limit), None)

    def _hold_back(self, entry: _Entry, place: Hashable) -> None:
        heapq.heappush(self._held_back.setdefault(place, []), entry)
        if place != (endpoint := entry[2].endpoint) and self._running[endpoint] < self.limit:
            self._let_on(endpoint)  # it may have been let on in the place of another one

    def _let_on(self, place: Hashable) -> None:
        held_back = self._held_back.get(place, [])
        while held_back:
            entry = heapq.heappop(held_back)
            if _is_present(entry):
                heapq.heappush(self._heap, entry)
                break
        if not held_back:
            self._held_back.pop(place, None)


def _places(job: Job) -> tuple[Hashable, ...]:
    """Where *job* is counted: at its endpoint, and at that with its store."""
    return (job.endpoint,) if job.store is None else (job.endpoint, (job.endpoint, job.store))


def _is_present(entry: _Entry) -> bool:
    """Whether the job still stands at this place, and not at another one since."""
    return entry[2].state is State.READY and entry[2].number == entry[1]
