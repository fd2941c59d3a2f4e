"""Fixtures: applications on devices that call the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from adapters_tests.simulator.described import Caller, Description
from dcrauth.simulator import Simulator


@pytest.fixture
def description(adobe: Simulator) -> Description:
    """What the simulator says of itself."""
    return Description(adobe)


@pytest.fixture
def caller_of(adobe: Simulator, description: Description) -> Iterator[Callable[..., Caller]]:
    """Make applications on devices."""
    made: list[Caller] = []

    def make(device: str = "device-1") -> Caller:
        made.append(Caller(adobe, description, device))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def caller(caller_of: Callable[..., Caller]) -> Caller:
    """An application on a device."""
    return caller_of()
