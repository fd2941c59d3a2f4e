"""Leases: locks that end by themselves, so that nobody waits for a process that was killed.

A lease lasts for 15 s and is extended every 4 s while its holder lives. So it is gone at most 15 s after that was
killed, and is not lost by a holder that stands still for up to 10 s. One that is lost all the same is no error: locks
save calls only, and what must not go wrong rests on `add` and `replace`.
"""

import logging
import threading
from collections.abc import Callable, Iterator
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

_IDLE = 10.0


@dataclass(eq=False)
class _Held:
    extend: Callable[[], object] = field(repr=False)
    every: float
    due: float


class Leases:
    """The leases that this process holds, of all stores, and the thread that extends them.

    Parameters:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._thread = OnDemand(self._extend_until_idle, self._has_some, "dcrauth-leases")
        self._begin()

    def _begin(self) -> None:
        self._held: dict[_Held, None] = {}
        self._guard = threading.Lock()
        self._gate = threading.Event()
        self._is_watched = False

    def after_fork(self) -> None:
        """Forget the leases of the parent, which goes on to extend them."""
        self._thread.after_fork()
        self._begin()

    @contextmanager
    def extended(self, extend: Callable[[], object], lease: float = LEASE) -> Iterator[None]:
        """Have a lease extended meanwhile.

        Parameters:
            extend: extends it if it is still ours; called on another thread, and what it raises is passed over.
            lease: for how long it lasts, in seconds.
        """
        held = _Held(extend, lease * SHARE, self._clock() + lease * SHARE)
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
        self._thread.ensure()
        self._gate.set()

    def _has_some(self) -> bool:
        return bool(self._held)

    def _extend_until_idle(self) -> None:
        last_held = self._clock()
        while self._clock() - last_held < _IDLE:
            wait = self.look()
            if self._held:
                last_held = self._clock()
            self._gate.wait(wait)
            self._gate.clear()

    def look(self) -> float:
        """Extend what is due; return the seconds until something is again."""
        moment = self._clock()
        with self._guard:
            due = [each for each in tuple(self._held) if each.due <= moment]
        for each in due:
            each.due = moment + each.every
            self._extend(each)
        with self._guard:
            return max(0.0, min((each.due for each in tuple(self._held)), default=moment + _IDLE) - self._clock())

    def _extend(self, held: _Held) -> None:
        try:
            if held in self._held:
                held.extend()
        except Exception as reason:
            log(logging.DEBUG, "A lease could not be extended: %s", type(reason).__name__)


LEASES = Leases()
"""Those of the process."""
