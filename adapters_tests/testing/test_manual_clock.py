"""The clock that a test puts forward."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from dcrauth import ConfigurationError
from dcrauth.engine.clock import Clock, default_clock
from dcrauth.testing import ManualClock


def test_it_is_the_default_clock_while_it_is_in_use() -> None:
    """Whoever asks for the default clock meanwhile gets it, and afterwards that of the machine."""
    clock = ManualClock()
    with clock.in_use():
        assert default_clock() is clock.clock
        before = default_clock().now()
        clock.advance(dt.timedelta(hours=1))
        clock.clock.sleep(600.0)
        after = default_clock().now()
    assert after.wall - before.wall >= 4200.0
    assert after.monotonic - before.monotonic >= 4200.0
    assert default_clock() == Clock()
    assert repr(clock) == "<ManualClock 0 s ahead>"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 10**400, "60", True, None])
def test_it_is_put_forward_by_a_time(seconds: Any) -> None:
    """What no clock can be put forward by is an error, and the clock stays where it is."""
    clock = ManualClock()
    with pytest.raises(ConfigurationError):
        clock.advance(seconds)
    assert repr(clock) == "<ManualClock 0 s ahead>"
