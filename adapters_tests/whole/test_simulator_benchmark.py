"""The benchmark of the simulator runs, and its figures find their place in the docs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "benchmarks" / "simulator.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="the benchmarks are not part of the source distribution"),
]


def test_figures_take_their_place_in_the_page(tmp_path: Path) -> None:
    """What was measured, and on what, stands in the page once, however often it is written; what is around it stays."""
    page = tmp_path / "benchmarks.md"
    shutil.copy(ROOT / "docs" / "benchmarks.md", page)
    for _ in range(2):
        command = [sys.executable, PROGRAM, "--quick", "--docs", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert re.search(r"CPython [\d.]+, \d{4}-\d\d-\d\d; dcrauth [^;]+, joserfc [\d.]+\.\n\n\| call", text)
    assert len(re.findall(r"\| the first of a process \| [\d.]+ \| [\d.]+ \|", text)) == 1
    assert "## What a record costs in a store" in text
