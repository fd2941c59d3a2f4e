"""Seconds for waits of our own, which go on whatever a test does to the clocks of its program."""

import time


def now() -> float:
    """Return seconds that never step back: those of ``time.monotonic`` stand still under freezegun."""
    return time.clock_gettime(time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic()
