"""Where time comes from; tests put another clock in its place."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dcrauth._internal.arguments import wrong
from dcrauth._internal.confidential import discreet_constructor
from dcrauth.engine.instant import Instant

_sleep = time.sleep


@discreet_constructor
@dataclass(frozen=True)
class Clock:
    """The clocks of the machine.

    Parameters:
        wall: returns seconds since the epoch.
        monotonic: returns seconds that never step back.
        sleep: waits for so many seconds. One of your own is called for each wait of a renewal, on the worker that
            renews; without one, long waits keep no worker.

    Raises:
        ConfigurationError: one of them is no function.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = _sleep
    _hash: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("wall", "monotonic", "sleep"):
            if not (callable(getattr(self, name)) and isinstance(getattr(self, name), Hashable)):
                raise wrong(f"Clock: {name}", "a function", getattr(self, name))
        object.__setattr__(self, "_hash", hash((self.wall, self.monotonic, self.sleep)))

    def __hash__(self) -> int:
        """Return what it was at first: tests that freeze Python's own functions change the hash of these meanwhile.

        So a clock is the same one for as long as it is held, and one that is made meanwhile is another.
        """
        return self._hash

    @property
    def has_a_sleep_of_its_own(self) -> bool:
        """Whether time passes by *sleep* alone, as in tests that skip it."""
        return self.sleep is not _sleep

    def now(self) -> Instant:
        """Return the present moment on both clocks."""
        return Instant(self.wall(), self.monotonic())


_default: Clock | None = None


def default_clock() -> Clock:
    """Return the clock of those that are given none: the machine's, unless a test has another one stand in for it."""
    return _default or Clock()


@contextmanager
def standing_in(clock: Clock) -> Iterator[None]:
    """Make *clock* the default one meanwhile, for the token sources that are made meanwhile."""
    global _default  # noqa: PLW0603  # which clock is the default is a matter of the whole process
    former, _default = _default, clock
    try:
        yield
    finally:
        _default = former
