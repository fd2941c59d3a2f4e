"""Leases: locks that end by themselves, so that nobody waits for a process that was killed.

A lease lasts for 15 s and is extended every 4 s while its holder lives. So it is gone at most 15 s after that was
killed, and is not lost by a holder that stands still for up to 10 s. One that is lost all the same is no error: locks
save calls only, and what must not go wrong rests on `add` and `replace`.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dcrauth._internal import fork
from dcrauth._internal.log import log
from dcrauth._internal.steady import now
from dcrauth._internal.threads import OnDemand

LEASE = 15.0
"""For how long a lease lasts, in seconds."""

SHARE = 4 / 15
"""After which part of its time a lease is extended."""

MOST_OF_ONE = 4
"""So many leases of one store are extended at a time: another store is not kept waiting by one that hangs."""

_MOST = 16
"""So many threads extend leases, for all stores together."""

_IDLE = 10.0


@dataclass(eq=False)
class _Held:
    extend: Callable[[], object] = field(repr=False)
    every: float
    due: float
    of: Hashable
    is_busy: bool = False


class Leases:
    """The leases that this process holds, of all stores, and the threads that extend them.

    While there are any, one thread waits for what is due next. Before it extends that, it has another one wait in its
    place; when that is done, one of both ends.

    Parameters:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._threads = [OnDemand(self._extend_until_idle, self._is_needed, "dcrauth-leases") for _ in range(_MOST)]
        self._begin()

    def _begin(self) -> None:
        self._held: dict[_Held, None] = {}
        self._guard = threading.Lock()
        self._gate = threading.Event()
        self._waiting = threading.Lock()  # of the thread that waits for what is due next
        self._is_watched = False

    def after_fork(self) -> None:
        """Forget the leases of the parent, which goes on to extend them."""
        for thread in self._threads:
            thread.after_fork()
        self._begin()

    @contextmanager
    def extended(self, extend: Callable[[], object], lease: float = LEASE, *, of: Hashable = None) -> Iterator[None]:
        """Have a lease extended meanwhile.

        Parameters:
            extend: extends it if it is still ours; called on another thread, and what it raises is passed over.
            lease: for how long it lasts, in seconds.
            of: the store that it is in, by its place.
        """
        held = _Held(extend, lease * SHARE, self._clock() + lease * SHARE, of)
        self._add(held)
        try:
            yield
        finally:
            self._held.pop(held, None)

    def _add(self, held: _Held) -> None:
        if not self._is_watched:
            fork.watch(self)
            self._is_watched = True
        with self._guard:
            self._held[held] = None
        self._ensure()
        self._gate.set()

    def _ensure(self) -> None:
        """Have a thread wait for what is due next, unless one does or will."""
        if not self._waiting.locked() and not any(each.is_starting for each in self._threads):
            for thread in self._threads:
                if not thread.is_there:
                    thread.ensure()
                    return

    def _is_needed(self) -> bool:
        return bool(self._held) and not self._waiting.locked()

    def _extend_until_idle(self) -> None:
        last_held = self._clock()
        while self._clock() - last_held < _IDLE:
            wait = self.look()
            if self._held:
                last_held = self._clock()
            if not self._has_waited(wait):
                return

    def _has_waited(self, wait: float) -> bool:
        """Wait for what is due next, unless another thread does: that is told to look what it is by now."""
        waiting, gate = self._waiting, self._gate
        if not waiting.acquire(blocking=False):
            gate.set()
            return False
        try:
            gate.wait(wait)
            gate.clear()
        finally:
            waiting.release()
        return True

    def look(self) -> float:
        """Extend what is due; return the seconds until something is again."""
        while (held := self._taken()) is not None:
            self._ensure()
            try:
                self._extend(held)
            finally:
                held.is_busy = False
        with self._guard:
            return max(0.0, min((each.due for each in self._open()), default=self._clock() + _IDLE) - self._clock())

    def _taken(self) -> _Held | None:
        """Take what has been due for longest, so that no other thread does; return None if nothing is."""
        with self._guard:
            moment = self._clock()
            first = min(self._open(), key=lambda each: each.due, default=None)
            if first is None or first.due > moment:
                return None
            first.is_busy, first.due = True, moment + first.every
            return first

    def _open(self) -> list[_Held]:
        """Return the leases that may be extended now or when they are due: their stores are not busy with others."""
        held = tuple(self._held)
        busy = Counter(each.of for each in held if each.is_busy)
        return [each for each in held if not each.is_busy and busy[each.of] < MOST_OF_ONE]

    def _extend(self, held: _Held) -> None:
        try:
            if held in self._held:
                held.extend()
        except Exception as reason:
            log(logging.DEBUG, "A lease could not be extended: %s", type(reason).__name__)


LEASES = Leases()
"""Those of the process."""
