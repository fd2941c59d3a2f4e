"""A moment on both clocks of a process."""

from typing import NamedTuple


class Instant(NamedTuple):
    """A moment on both clocks, in seconds: *wall* since the epoch, *monotonic* since some moment of this process."""

    wall: float
    monotonic: float

    def later(self, seconds: float) -> "Instant":
        """The moment *seconds* after this one."""
        return Instant(self.wall + seconds, self.monotonic + seconds)

    def reached(self, now: "Instant") -> bool:
        """Whether either clock has come to this moment: the earlier wins, so that no clock step keeps a dead token."""
        return now.wall >= self.wall or now.monotonic >= self.monotonic
