"""The simulator's own clock: it goes with another one, and can be put forward."""

import threading
from collections.abc import Callable

from dcrauth._internal.arguments import check_function
from dcrauth.simulator.fields import as_said, check_range

_FARTHEST = 1e10
"""In seconds, which is three centuries."""


class VirtualClock:
    """Seconds since the epoch, of another clock and so many more.

    Parameters:
        base: the other clock.

    Raises:
        ConfigurationError: it is no function, or does not return a number.
    """

    def __init__(self, base: Callable[[], float]) -> None:
        check_function(base, "clock", "a function that returns seconds since the epoch, such as time.time")
        as_said(base(), float, "What clock() returns")
        self._base = base
        self._ahead = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return what it shows."""
        return self._base() + self._ahead

    @property
    def ahead(self) -> float:
        """How far it was put forward, in seconds."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        """Put it forward.

        Raises:
            ConfigurationError: *seconds* is below 0, or no number that a clock can be put forward by.
        """
        check_range(as_said(seconds, float, "seconds"), "seconds", 0, _FARTHEST)
        with self._lock:
            self._ahead += seconds
