"""Leases that this process holds: when they are extended, and when not."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from contextlib import ExitStack, suppress

import pytest

from dcrauth.stores._leases import LEASE, MOST_OF_ONE, SHARE, Leases


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
    monkeypatch.setattr(leases, "_ensure", lambda: None)
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
    assert extended == ["short", "short", "long"]  # what has been due for longer comes first


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
    """A thread does it, also for one that comes while it waits for another."""
    leases, reached = Leases(), [threading.Event(), threading.Event()]
    with leases.extended(reached[0].set, 60.0):
        time.sleep(0.05)
        with leases.extended(reached[1].set, 0.1):
            assert reached[1].wait(10)
    assert [each.name for each in threading.enumerate()].count("dcrauth-leases") >= 1
    assert not reached[0].is_set()


def test_a_store_that_hangs_holds_up_no_other() -> None:
    """While every extension in one store hangs, the leases in another one are extended, by not many threads."""
    leases, is_over, reached, hanging = Leases(), threading.Event(), threading.Event(), list[int]()

    def hang() -> None:
        hanging.append(1)
        is_over.wait(20)

    with ExitStack() as held:
        held.callback(is_over.set)
        for _ in range(10):
            held.enter_context(leases.extended(hang, 0.01, of="hanging"))
        held.enter_context(leases.extended(reached.set, 0.2, of="other"))
        assert reached.wait(20)
        assert len(hanging) <= MOST_OF_ONE


def test_leases_of_one_store_are_extended_side_by_side() -> None:
    """A few are extended at a time: what one of them waits for, others need not wait for."""
    leases, together, met = Leases(), threading.Barrier(MOST_OF_ONE), threading.Event()

    def extend() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(20)
            met.set()

    with ExitStack() as held:
        held.callback(together.abort)
        for _ in range(64):
            held.enter_context(leases.extended(extend, 0.1, of="store"))
        assert met.wait(20)
        assert sum(each.is_there for each in leases._threads) <= MOST_OF_ONE + 2


def test_a_lease_that_hangs_is_extended_once_at_a_time(leases: Leases, clock: Clock) -> None:
    """What is being extended is not due again before that has ended."""
    begun: list[float] = []

    def extend() -> None:
        begun.append(clock.now)
        if len(begun) == 1:
            clock.now += 9.0
            leases.look()  # as another thread does meanwhile

    with leases.extended(extend):
        clock.now += 5.0
        leases.look()
    assert begun == [105.0, 114.0]


def test_a_child_extends_nothing(leases: Leases, clock: Clock) -> None:
    """After a fork the leases are the parent's."""
    moments: list[float] = []
    with leases.extended(lambda: moments.append(clock.now)):
        leases.after_fork()
        clock.now += 5.0
        leases.look()
    assert not moments
