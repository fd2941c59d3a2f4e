"""What all tests of stores begin with."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def _tidy() -> None:
    """Let go of what tests of other rooms have left: each of the many forks here goes through all of it."""
    gc.collect()
