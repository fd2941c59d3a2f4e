"""Which calls may be made now: as few as a server that is silent, or has asked for fewer, can do with.

An endpoint that answers nothing is not asked by everybody at once: one call finds out when it is back. A server that
has answered 429 is asked by one after the other of those that it counts together, until it answers one. Then not all
of them come at once: each answer, or turn that is not taken, lets some more go on.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum

from dcrauth._internal import fork, steady
from dcrauth.engine.job import Job
from dcrauth.engine.workers import WORKERS

MOST_UNANSWERED = 8
"""After so many calls in a row without an answer one at a time goes to an endpoint."""

WOKEN_AT_ONCE = 8
"""So many that wait go on after each answer: were it all of them, a server that throttles but some of its calls would
have each of a crowd begin anew each time, to wait once more."""

LONGEST_THROTTLE = 3_600.0
"""Seconds after which a 429 says nothing any more."""

_SWEPT_EVERY = 60.0
"""Seconds between looks for those: a look at each 429 would be at all that there are."""


class Admission(Enum):
    """What is to become of a call."""

    GO = "make it now; `Calls.end` has to follow"
    WAIT = "wait until another one has been answered: the job is woken then"
    SILENT = "do not make it: another one is finding out whether the endpoint is back"


@dataclass
class _Endpoint:
    """How many calls are under way, and how many of the last ones in a row were not answered."""

    under_way: int = 0
    unanswered: int = 0


@dataclass
class _Throttle:
    """When it was told last, who makes the one call that may be made, and who waits for that, the first one first.

    Parameters:
        is_over: whether a call was answered since, so that anybody may make one; those who wait are still being woken.
    """

    since: float = 0.0
    is_over: bool = False
    holder: Job | None = None
    # Not a dict, which passes over all that was taken from its front each time that its oldest is asked for.
    waiting: OrderedDict[Job, None] = field(default_factory=OrderedDict)


class Calls:
    """The calls of this process.

    Parameters:
        wake: called with a job and the key that it waits for, when its turn has come.
        clock: tells the time in seconds.
    """

    def __init__(self, wake: Callable[[Job, Hashable], None], clock: Callable[[], float] = steady.now) -> None:
        self._wake, self._clock = wake, clock
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Forget the calls of the parent process, and those who make them."""
        self._lock = threading.Lock()
        self._endpoints: dict[Hashable, _Endpoint] = {}
        self._throttles: dict[Hashable, _Throttle] = {}
        self._swept = self._clock()

    def begin(self, endpoint: Hashable, key: Hashable, job: Job) -> Admission:
        """Ask whether to make a call now.

        Parameters:
            endpoint: where it goes.
            key: what the server counts it by when it limits calls.
            job: what it is for; it is woken with *key* if it has to wait.
        """
        with self._lock:
            there = self._endpoints.get(endpoint)
            if there is not None and there.under_way and there.unanswered >= MOST_UNANSWERED:
                return Admission.SILENT
            if not self._has_turn(key, job):
                return Admission.WAIT
            self._endpoints.setdefault(endpoint, _Endpoint()).under_way += 1
        return Admission.GO

    def has_turn(self, key: Hashable, job: Job) -> bool:
        """Return whether *job* may make a call now, as far as others with its *key* are concerned; else it is woken."""
        with self._lock:
            return self._has_turn(key, job)

    def end(self, endpoint: Hashable, key: Hashable, job: Job, status: int | None) -> None:
        """Note what has come of a call that was begun.

        Parameters:
            status: that of the answer; None if there was none.
        """
        with self._lock:
            self._note(endpoint, answered=status is not None)
            if status == 429:
                self._throttled(key)
            elif status is not None and (throttle := self._throttles.get(key)) is not None:
                throttle.is_over, throttle.holder = True, None
                self._let_on(key, throttle, WOKEN_AT_ONCE - 1)
            self._hand_over(key, job)

    def leave(self, key: Hashable, job: Job) -> None:
        """Let others have the turn of *job*, which makes no call with it."""
        with self._lock:
            if (throttle := self._throttles.get(key)) is not None:
                throttle.waiting.pop(job, None)
            self._hand_over(key, job)

    def _has_turn(self, key: Hashable, job: Job) -> bool:
        throttle = self._throttles.get(key)
        if throttle is None or throttle.is_over:
            return True
        if throttle.holder not in {None, job}:
            throttle.waiting[job] = None
            return False
        throttle.holder = job
        return True

    def _note(self, endpoint: Hashable, *, answered: bool) -> None:
        there = self._endpoints[endpoint]
        there.under_way -= 1
        there.unanswered = 0 if answered else there.unanswered + 1
        if not there.under_way and not there.unanswered:
            del self._endpoints[endpoint]

    def _throttled(self, key: Hashable) -> None:
        now = self._clock()
        throttle = self._throttles.setdefault(key, _Throttle())
        throttle.since, throttle.is_over = now, False
        if now - self._swept >= _SWEPT_EVERY:
            self._swept = now
            self._forget_before(now - LONGEST_THROTTLE)

    def _forget_before(self, moment: float) -> None:
        """Forget what was told before *moment*: a key may be that of a device that never comes again."""
        self._throttles = {key: each for key, each in self._throttles.items() if each.since >= moment}

    def _hand_over(self, key: Hashable, job: Job) -> None:
        throttle = self._throttles.get(key)
        if throttle is None or throttle.holder not in {None, job}:
            return
        throttle.holder = self._let_on(key, throttle, 1)
        if throttle.is_over:
            throttle.holder = None
            if not throttle.waiting:
                del self._throttles[key]

    def _let_on(self, key: Hashable, throttle: _Throttle, most: int) -> Job | None:
        """Wake so many of those who wait, the first ones first; return the last one that was woken, if any was."""
        job = None
        for _ in range(min(most, len(throttle.waiting))):
            job, _ = throttle.waiting.popitem(last=False)
            self._wake(job, key)
        return job


CALLS = Calls(WORKERS.wake)
"""Those of this process."""
