"""A clock that a test puts forward."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dcrauth._internal.arguments import shown, wrong
from dcrauth._internal.strict_json import number
from dcrauth.engine.clock import Clock, standing_in
from dcrauth.errors import ConfigurationError


class ManualClock:
    """A clock that goes with the machine's, or with what freezegun or time-machine show of it, and can be put forward.

    Attributes:
        clock: it as a `dcrauth.Clock`, for a `TokenSource` of one's own.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()
        self._monotonic = time.monotonic
        # Waits are not made: who puts a clock forward has no time.
        self.clock = Clock(wall=self.wall, monotonic=self.monotonic, sleep=self.advance)

    def __repr__(self) -> str:
        return f"<ManualClock {self._ahead:g} s ahead>"

    def wall(self) -> float:
        """Return seconds since the epoch."""
        # Of time.time, freezegun tells another time to some threads than to others; it freezes this one everywhere.
        return dt.datetime.now(dt.UTC).timestamp() + self._ahead

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return self._monotonic() + self._ahead

    def advance(self, seconds: float | dt.timedelta) -> None:
        """Put the clock forward.

        Parameters:
            seconds: by how much: a number that is not negative, or a `datetime.timedelta`.

        Raises:
            ConfigurationError: it is something else.
        """
        if isinstance(seconds, dt.timedelta):
            seconds = seconds.total_seconds()
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise wrong("seconds", "a number of seconds or a timedelta", seconds)
        if (number(seconds) or 0.0) < 0 or number(seconds) is None:
            raise ConfigurationError(f"A clock is put forward, by 0 seconds or more, not by {shown(str(seconds))}")
        with self._lock:
            self._ahead += seconds

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the token sources that are made meanwhile, and are given no clock, go by this one."""
        try:
            with standing_in(self.clock):
                yield
        finally:
            self._ahead = 0.0
