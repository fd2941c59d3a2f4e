"""The simulation of two processes with many identities: its seeds, and rules that are broken on purpose."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from adapters_tests.simulation.fleet import FAULTS, Fleet
from adapters_tests.simulation.invariants import Invariant, Violation
from dcrauth.engine.driver import Driver
from dcrauth.engine.known import Known
from dcrauth.engine.pool_state import PoolState
from dcrauth.engine.ready import Ready
from dcrauth.engine.sources import TokenSources

QUICK, CHUNK = 10, 100
SEEDS = max(310, int(os.environ.get("DCRAUTH_SEEDS", "300")) // 5)
ENOUGH = 400
"""Within so many seeds every broken rule has to be found."""

_slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, QUICK), *(pytest.param(first, first + CHUNK, marks=_slow) for first in range(QUICK, SEEDS, CHUNK))],
)
def test_every_invariant_of_a_fleet_holds(first: int, last: int) -> None:
    """Sources are let go and made again, calls fail: nobody is left out, nothing is lost, each call is made once."""
    for seed in range(first, last):
        _run(seed)


@pytest.mark.parametrize("seeds", [1, pytest.param(10, marks=_slow)])
def test_two_processes_with_a_hundred_identities_each(seeds: int) -> None:
    """A hundred identities that two processes ask for are registered once each, with whatever number of workers."""
    for seed in range(seeds):
        _run(seed, 100)


def test_every_fault_strikes_and_sources_come_and_go() -> None:
    """Among a few seeds each fault is on in some, and none in others; sources are let go by hundreds."""
    fleets = [Fleet(seed) for seed in range(2 * QUICK)]
    assert {fault for fleet in fleets for fault in fleet.faults} == set(FAULTS)
    assert any(not fleet.faults for fleet in fleets)
    assert any(process.sources._most < len(fleet.names) for fleet in fleets for process in fleet.processes)


def _run(seed: int, count: int | None = None) -> None:
    try:
        Fleet(seed, count).run()
    except Violation as violation:
        pytest.fail(f"seed {seed}, {count or 'any number of'} identities: {violation}", pytrace=False)


def _keeps_nothing(known: Known) -> None:
    """What no store holds is forgotten with its source."""


@contextmanager
def _locks_nothing(driver: Driver, context: Any, wait: float | None = None) -> Iterator[None]:
    yield


def _takes_up_nothing(state: PoolState, job: Any) -> None:
    """What is parked stays there."""
    if job.number:
        state.parked.remove(job)


def _everybody_at_once(ready: Ready) -> Any:
    ready.limit = 1_000
    return _take(ready)


def _holds_all(sources: TokenSources, instance: str, source: Any) -> Any:
    sources._held[instance] = source
    return source


_take = Ready.take


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "replacement", "invariant"),
    [
        (Known, "let_go", _keeps_nothing, Invariant.PAUSE_AFTER_FAILURE),
        (Known, "let_go", _keeps_nothing, Invariant.ONE_CALL_EACH),
        (Driver, "locked", _locks_nothing, Invariant.ONE_CALL_EACH),
        (PoolState, "take_up", _takes_up_nothing, Invariant.NO_JOB_LOST),
        (Ready, "take", _everybody_at_once, Invariant.NEVER_MORE_AT_ONCE),
        (TokenSources, "_let_go", _holds_all, Invariant.NEVER_MORE_AT_ONCE),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_a_broken_rule_of_a_fleet_is_found(
    owner: type, name: str, replacement: Callable[..., Any], invariant: Invariant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule that is broken on purpose is found by an invariant that is about it."""
    monkeypatch.setattr(owner, name, replacement)
    assert any(_violated(seed) is invariant for seed in range(ENOUGH))


@pytest.fixture(autouse=True)
def without_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads what so many processes tell."""
    caplog.set_level(logging.CRITICAL, "dcrauth")


def _violated(seed: int) -> Invariant | None:
    try:
        Fleet(seed).run()
    except Violation as violation:
        return violation.invariant
    return None
