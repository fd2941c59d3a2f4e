"""A clock that tests put forward, and a policy that does not wait."""

from __future__ import annotations

import threading

from dcrauth import Clock, Policy

EAGER = Policy(spared_for=0.0, least_pause=0.01, settling=0.0)
"""The usual policy, but for three waits that tests need not make."""


class ManualClock:
    """A clock that runs with the real one and can be put forward."""

    def __init__(self) -> None:
        self._real = Clock()
        self._ahead = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.clock = Clock(wall=self.wall, monotonic=self.monotonic, sleep=self.sleep)

    def wall(self) -> float:
        return self._real.wall() + self._ahead

    def monotonic(self) -> float:
        return self._real.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Pass the time at once, and remember how much it was."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._ahead += seconds
