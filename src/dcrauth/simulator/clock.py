"""The simulator's own clock: it goes with another one, and can be put forward."""

import threading
from collections.abc import Callable


class VirtualClock:
    """Seconds since the epoch, of another clock and so many more.

    Parameters:
        base: the other clock.
    """

    def __init__(self, base: Callable[[], float]) -> None:
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
            ValueError: *seconds* is below 0, or no number that a clock can be put forward by.
        """
        if not 0 <= seconds < 1e10:
            raise ValueError(f"a clock is put forward, by 0 seconds or more, not by {seconds!r}")
        with self._lock:
            self._ahead += seconds
