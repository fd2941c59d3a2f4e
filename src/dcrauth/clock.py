"""Where time comes from; tests put another clock in its place."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dcrauth.rules import Instant


@dataclass(frozen=True)
class Clock:
    """The clocks of the machine.

    Parameters:
        wall: returns seconds since the epoch.
        monotonic: returns seconds that never step back.
        sleep: waits for so many seconds.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def now(self) -> Instant:
        """Return the present moment on both clocks."""
        return Instant(self.wall(), self.monotonic())
