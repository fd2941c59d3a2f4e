"""The simulation of the workers: its seeds, and rules that are broken on purpose."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import pytest

from adapters_tests.simulation.invariants import Invariant, Violation
from adapters_tests.simulation.pool import SimulatedPool
from dcrauth.engine.job import Job, State
from dcrauth.engine.parked import Parked
from dcrauth.engine.pool_state import PoolState
from dcrauth.engine.ready import Ready

QUICK = 20
ENOUGH = 400
"""Within so many seeds every broken rule has to be found."""


@pytest.mark.parametrize("first", [0, pytest.param(QUICK, marks=pytest.mark.slow)])
def test_every_invariant_of_the_pool_holds(first: int) -> None:
    """With fewer workers than jobs, whichever wait, and workers that die, nobody starves and no job is lost."""
    for seed in range(first, first + (QUICK if first == 0 else 400)):
        try:
            SimulatedPool(seed).run()
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}", pytrace=False)


def _forgets_the_dead(state: PoolState, worker: Any) -> None:
    state._arrives(worker)
    if worker in state.idle:
        state.idle.remove(worker)


def _background_last(ready: Ready, job: Job) -> None:
    job.state, job.number = State.READY, next(ready._numbers)
    heapq.heappush(ready._heap, (job.asked + (0.0 if job.is_urgent else 1e9), job.number, job))


def _everybody_at_once(ready: Ready) -> Job | None:
    ready.limit = 1_000
    return _take(ready)


def _holds_back_for_ever(ready: Ready, endpoint: Any) -> None:
    """Nobody comes after."""


def _hears_nothing_while_it_runs(state: PoolState, job: Job, key: Any) -> None:
    if job.state is State.PARKED and job.wait is not None and job.wait.key == key:
        state.take_up(job)


def _as_many_as_come(state: PoolState) -> Job | None:
    job = state.ready.take()
    state.running += job is not None
    return job


def _takes_up_only_what_looks(parked: Parked, now: float) -> Any:
    over, others = _pop(parked, now)
    return over[:1], others


_take, _pop = Ready.take, Parked.pop


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "replacement", "invariant"),
    [
        (PoolState, "leave", _forgets_the_dead, Invariant.NO_JOB_LOST),
        (Ready, "put", _background_last, Invariant.NOBODY_STARVES),
        (Ready, "take", _everybody_at_once, Invariant.NEVER_MORE_AT_ONCE),
        (Ready, "_let_on", _holds_back_for_ever, Invariant.NO_JOB_LOST),
        (PoolState, "wake", _hears_nothing_while_it_runs, Invariant.NO_JOB_LOST),
        (PoolState, "next_job", _as_many_as_come, Invariant.NEVER_MORE_AT_ONCE),
        (Parked, "pop", _takes_up_only_what_looks, Invariant.NO_JOB_LOST),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_a_broken_rule_of_the_pool_is_found(
    owner: type, name: str, replacement: Callable[..., Any], invariant: Invariant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule of the queues and counts that is broken on purpose is found by an invariant that is about it."""
    monkeypatch.setattr(owner, name, replacement)
    assert any(_violated(seed) is invariant for seed in range(ENOUGH))


def _violated(seed: int) -> Invariant | None:
    try:
        SimulatedPool(seed).run()
    except Violation as violation:
        return violation.invariant
    except (AssertionError, ValueError, KeyError):
        return None
    return None
