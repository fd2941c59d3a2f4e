"""Running a seed: who takes the next step, when the faults cease, and the report of what has happened."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

from adapters_tests.simulation.calls import Server
from adapters_tests.simulation.faults import OAUTH_CALLS, OAUTH_EVENTS, Faults
from adapters_tests.simulation.invariants import Invariant, Violation, require
from adapters_tests.simulation.knowledge import nothing_known
from adapters_tests.simulation.oauth_server import oauth_server
from adapters_tests.simulation.recovery import Recovery
from adapters_tests.simulation.server import adobe_pass
from adapters_tests.simulation.trace import words
from adapters_tests.simulation.world import World
from dcrauth.engine import endpoint_calls, source

_STEPS = (100, 200, 400)
_MOST_STEPS = 200_000


@dataclass(frozen=True)
class Report:
    """What has become of a seed.

    Parameters:
        seed: the seed.
        world: everything, as it was at the end.
        drawn: the faults that were on.
        violation: what did not hold, if anything.
    """

    seed: int
    world: World
    drawn: list[str]
    violation: Violation | None

    def __str__(self) -> str:
        outcome = "every invariant held" if self.violation is None else f"VIOLATION {self.violation}"
        faults = ", ".join(self.drawn) or "none"
        lines = (words(line) for line in self.world.trace)
        return "\n".join(
            [
                f"seed {self.seed}, {self.world.server.provider!r}",
                f"faults: {faults}",
                *lines,
                f"seed {self.seed}: {outcome}",
            ]
        )


@dataclass(frozen=True)
class Kind:
    """One kind of server.

    Parameters:
        draw: draws one.
        calls, events: further faults that there are.
    """

    draw: Callable[[random.Random], Server]
    calls: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


KINDS = (Kind(adobe_pass), Kind(oauth_server, OAUTH_CALLS, OAUTH_EVENTS))
"""The first is that of the seeds 0, 2, 4, …, the second one of the others."""


def simulate(seed: int) -> Report:
    """Run the simulation of *seed* to its end, or to the first violation."""
    number, which = divmod(seed, len(KINDS))
    kind, rng = KINDS[which], random.Random(number)
    faults = Faults.drawn(rng, kind.calls, kind.events)
    with seeded(rng, number):
        world = World(rng, faults, kind.draw)
        try:
            _faulty(world, rng.choice(_STEPS))
            _quiet(world, untroubled=faults.none)
        except Violation as violation:
            return Report(seed, world, faults.names, violation)
    return Report(seed, world, faults.names, None)


@contextmanager
def seeded(rng: random.Random, number: int) -> Iterator[None]:
    """Let token sources draw their numbers from *rng*, flows from one of their own; nobody knows of other histories."""
    of_flows = SimpleNamespace(token_bytes=random.Random(number).randbytes)
    with (
        mock.patch.object(source, "random", rng),
        mock.patch.object(endpoint_calls, "secrets", of_flows),
        nothing_known(),
    ):
        yield


def _faulty(world: World, steps: int) -> None:
    for _ in range(steps):
        world.strike()
        step(world)


def _quiet(world: World, *, untroubled: bool) -> None:
    world.calm_down()
    world.recovery = recovery = Recovery(world)
    for _ in range(_MOST_STEPS):
        if recovery.complete or recovery.hopeless:
            break
        step(world)
    recovery.judge()
    if untroubled and world.server.lasts:
        made = len(world.server.registered)
        require(made == 1, Invariant.ORPHANS_HAVE_A_CAUSE, f"{made} registrations in a world without faults")


def step(world: World) -> None:
    """Let one of those who are ready take a step; where nobody is, let time pass."""
    moments = [
        (max(actor.ready, process.frozen_until), actor)
        for process in world.processes
        for actor in (process, *process.callers)
    ]
    first = min(moment for moment, _ in moments)
    act = world.due(first)
    if act is not None:
        act()
        return
    world.now = max(world.now, first)
    ready = [actor for moment, actor in moments if moment <= world.now]
    actor = ready[0] if len(ready) == 1 else world.rng.choice(ready)
    actor.step()
