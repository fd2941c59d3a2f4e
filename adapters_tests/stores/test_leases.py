"""Leases that this process holds: when they are extended, and when not."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref

import pytest

from dcrauth.stores._leases import LEASE, SHARE, Leases


class Clock:
    """Seconds that go on when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def leases(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Leases:
    """Leases that no thread looks after."""
    leases = Leases(clock)
    monkeypatch.setattr(leases._thread, "ensure", lambda: True)
    return leases


def test_a_lease_is_extended_every_four_seconds(leases: Leases, clock: Clock) -> None:
    """It is extended long before it ends, as often as its holder lives, and not any more afterwards."""
    moments: list[float] = []
    with leases.extended(lambda: moments.append(clock.now)):
        for _ in range(40):
            leases.look()
            clock.now += 0.5
    clock.now += LEASE
    leases.look()
    assert [round(moment) for moment in moments] == [104, 108, 112, 116]
    assert LEASE * SHARE == 4.0


def test_each_is_extended_when_it_is_due(leases: Leases, clock: Clock) -> None:
    """What is due next is what the thread waits for."""
    extended: list[str] = []
    with leases.extended(lambda: extended.append("long")), leases.extended(lambda: extended.append("short"), 1.5):
        assert leases.look() == pytest.approx(0.4)
        clock.now += 0.4
        leases.look()
        assert extended == ["short"]
        clock.now += 4.0
        leases.look()
    assert extended == ["short", "long", "short"]


def test_one_that_cannot_be_extended_is_no_error(
    leases: Leases, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its holder nor the others hear of it, nor does a log above DEBUG."""
    caplog.set_level(logging.INFO)
    others: list[float] = []

    def fail() -> None:
        raise OSError("canary")

    with leases.extended(fail), leases.extended(lambda: others.append(clock.now)):
        clock.now += 5.0
        leases.look()
    assert others == [105.0]
    assert not caplog.records


def test_nothing_is_kept_of_a_lease(leases: Leases) -> None:
    """What extends a lease is let go with it."""

    def extend() -> None:
        """Extend it."""

    gone = weakref.ref(extend)
    with leases.extended(extend):
        pass
    del extend
    gc.collect()
    assert gone() is None


def test_a_thread_extends_them() -> None:
    """One thread does it for all, also for one that comes while it waits for another."""
    leases, reached = Leases(), [threading.Event(), threading.Event()]
    with leases.extended(reached[0].set, 60.0):
        time.sleep(0.05)
        with leases.extended(reached[1].set, 0.1):
            assert reached[1].wait(10)
    assert [each.name for each in threading.enumerate()].count("dcrauth-leases") >= 1
    assert not reached[0].is_set()


def test_a_child_extends_nothing(leases: Leases, clock: Clock) -> None:
    """After a fork the leases are the parent's."""
    moments: list[float] = []
    with leases.extended(lambda: moments.append(clock.now)):
        leases.after_fork()
        clock.now += 5.0
        leases.look()
    assert not moments
