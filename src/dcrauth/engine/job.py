"""What workers do: jobs, each of which is taken up from its start until it ends, and what it waits for in between."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from dcrauth.engine.clock import Clock
from dcrauth.engine.instant import Instant


@dataclass(frozen=True, slots=True)
class Wait:
    """What a job waits for without a worker.

    Parameters:
        seconds: for how long at the most.
        moment: when that is over by the job's own clock, of which a step ends the wait as well.
        key: what ends it before; None if nothing does.
        is_lock_try: whether a lock is to be tried then, of which there are only so many tries in a second.
    """

    seconds: float
    moment: Instant
    key: Hashable | None = None
    is_lock_try: bool = False


class State(Enum):
    """Where a job stands."""

    NEW = "nobody has it yet"
    READY = "it waits for a worker"
    RUNNING = "a worker has it"
    PARKED = "it waits for something else"
    ENDED = "it is done"


class Job(ABC):
    """What a worker does.

    Parameters:
        endpoint: whose slowness is not to hold up others.
        store: whose slowness is not to hold up others at the same endpoint; None if there is none.
        clock: what its waits are measured by.
        is_urgent: whether somebody waits for it.

    Attributes:
        is_awaited: whether a worker waits for it.
        asked: when it was asked for, by the clock of the workers.
        number: that of its present entry in a queue; entries with another one are of before.
        until: when what it waits for is over at the latest, by the clock of the workers.
        wait: what it waits for.
        woken: all that it may be about to wait for, and that has come already.
    """

    __slots__ = (
        "asked",
        "clock",
        "endpoint",
        "is_awaited",
        "is_urgent",
        "number",
        "state",
        "store",
        "until",
        "wait",
        "woken",
    )

    def __init__(self, endpoint: Hashable, clock: Clock, *, is_urgent: bool, store: Hashable = None) -> None:
        self.endpoint, self.clock, self.is_urgent, self.store = endpoint, clock, is_urgent, store
        self.state, self.number, self.asked, self.until = State.NEW, 0, 0.0, 0.0
        self.wait: Wait | None = None
        self.is_awaited = False
        self.woken: frozenset[Hashable] = frozenset()

    @abstractmethod
    def take(self) -> Wait | None:
        """Do it from its start; return what it has to wait for before it is taken up again, or None if it has ended."""

    def is_due(self) -> bool:
        """Return whether the moment that it waits for has come by its own clock."""
        wait = self.wait
        return wait is not None and wait.moment.reached(self.clock.now())
