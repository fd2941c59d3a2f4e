"""Running a seed: who takes the next step, when the faults cease, and the report of what has happened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from adapters_tests.simulation.faults import Faults
from adapters_tests.simulation.invariants import Invariant, Violation, require
from adapters_tests.simulation.recovery import Recovery
from adapters_tests.simulation.trace import words
from adapters_tests.simulation.world import World
from dcrauth.engine import options, source
from dcrauth.engine.known import KnownIdentities

_STEPS = (100, 200, 400)
_MOST_STEPS = 200_000


@dataclass(frozen=True)
class Report:
    """What has become of a seed.

    Parameters:
        seed: the seed.
        world: everything, as it was at the end.
        violation: what did not hold, if anything.
    """

    seed: int
    world: World
    violation: Violation | None

    def __str__(self) -> str:
        outcome = "every invariant held" if self.violation is None else f"VIOLATION {self.violation}"
        faults = ", ".join(self.drawn) or "none"
        lines = (words(line) for line in self.world.trace)
        return "\n".join([f"seed {self.seed}", f"faults: {faults}", *lines, f"seed {self.seed}: {outcome}"])

    @property
    def drawn(self) -> list[str]:
        """The faults that were on."""
        return Faults.drawn(random.Random(self.seed)).names


def simulate(seed: int) -> Report:
    """Run the simulation of *seed* to its end, or to the first violation."""
    rng = random.Random(seed)
    faults = Faults.drawn(rng)
    with seeded(rng):
        world = World(rng, faults)
        try:
            _faulty(world, rng.choice(_STEPS))
            _quiet(world, untroubled=faults.none)
        except Violation as violation:
            return Report(seed, world, violation)
    return Report(seed, world, None)


@contextmanager
def seeded(rng: random.Random) -> Iterator[None]:
    """Let token sources draw their random numbers from *rng*, and know nothing of other histories."""
    with mock.patch.object(source, "random", rng), mock.patch.object(options, "KNOWN", KnownIdentities()):
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
    if untroubled:
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
