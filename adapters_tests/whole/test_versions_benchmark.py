"""The comparison with earlier versions says what is another one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.exists(), reason="the benchmarks are not part of the source distribution"
)


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The program."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("versions")
    for name in ("machine", "pages", "versions"):
        sys.modules.pop(name, None)


def test_a_request_that_is_another_one_is_counted(versions: Any) -> None:
    """Of what both send, each request whose bytes differ is counted."""
    before = SimpleNamespace(sent=lambda: {"requests": ["GET / HTTP/1.1", "POST / HTTP/1.1"]})
    now = SimpleNamespace(sent=lambda: {"requests": ["GET / HTTP/1.1", "PUT / HTTP/1.1"]})
    assert versions.wire_compared(before, now)[-1] == "| requests | 2 | 1 |"


def test_a_ratio_is_that_of_neighbours(versions: Any) -> None:
    """Where the machine slows down for a while the ratio stays, and the least of both are shown."""
    assert versions.compared([(1.0, 2.0), (10.0, 20.0), (1.0, 1.0)], 1) == "1.0 | 1.0 | 2.00"
