"""What the parts of a simulation know of all that is around them; `World`, on top, makes it of these very parts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from adapters_tests.simulation.calls import Server
from adapters_tests.simulation.store import SimulatedStore
from adapters_tests.simulation.tasks import Task
from dcrauth import DCRAuthError, Policy
from dcrauth.credentials import AccessToken
from dcrauth.engine.effects import Effect
from dcrauth.providers.protocol import Response


class Caller(Protocol):
    """A caller, as its process knows it."""

    disturbed: bool

    def rest(self, seconds: float) -> None:
        """Begin anew in so many seconds."""

    def wake(self) -> None:
        """Look at once whether the renewal that was waited for has ended."""


class World(Protocol):
    """Time, chance, store and server, the other processes, and who judges."""

    rng: random.Random
    now: float
    policy: Policy
    store: SimulatedStore
    server: Server
    watch: Any
    processes: list[Any]
    recovery: Any
    lease_until: float
    down_until: float
    shares_address: bool

    def note(self, who: str, what: Any, outcome: Any = None) -> None:
        """Add a line to the trace."""

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Do something at a later moment."""

    def strikes(self, name: str) -> bool:
        """Return whether the fault of that name strikes here and now."""

    def perform(self, process: Any, task: Task, effect: Effect) -> None:
        """Perform *effect* for *process*, which is told of the outcome now or later."""

    def acquired(self, process: Any) -> bool:
        """Take the lock for *process* if it is free."""

    def released(self, process: Any) -> None:
        """Give the lock back, if *process* still has it."""

    def abandoned(self, process: Any) -> None:
        """A process has died."""

    def refusal(self, token: AccessToken) -> Response | None:
        """Call a protected API; return how it refuses *token*, or None if it does not."""

    def request_over(
        self, caller: Any, *, served: AccessToken | None = None, error: DCRAuthError | None = None
    ) -> None:
        """Let a caller rest until its next request."""
