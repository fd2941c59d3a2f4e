"""What all tests of stores begin with."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have new processes started for one store only where it has to be quick: that takes longest of all."""
    for item in items:
        if "one_of_many_processes_wins[spawn]" in item.name and "TestFile::" not in item.nodeid:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="module")
def _tidy() -> None:
    """Let go of what tests of other rooms have left: each of the many forks here goes through all of it."""
    gc.collect()
