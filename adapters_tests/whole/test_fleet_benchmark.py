"""The benchmark of many identities runs, and its figures find their place in the docs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "benchmarks" / "fleet.py"
FEW = {"who": "by hand", "count": 5, "wall": 0.5, "cpu": 0.1, "cpu each": 0.02, "wall each": 0.1, "memory": 4e3}
MORE = FEW | {"count": 50, "memory": 3e3}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="the benchmarks are not part of the source distribution"),
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc"),
]


def run(*arguments: str | Path) -> str:
    """Run the benchmark; return what it prints."""
    command = [sys.executable, PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rows_come_to_an_end(tmp_path: Path) -> None:
    """With a handful of identities each of ours gets one registration and one token, and none when it is warm."""
    kept = tmp_path / "figures.json"
    run("--rows", "cold", "held", "outcome", "--sizes", "5", "--rounds", "1", "--keep", kept)
    _, found = json.loads(kept.read_text())
    assert {(each["registrations"], each["tokens"]) for each in found["cold"]} == {(5, 5)}
    assert [each["calls"] for each in found["held"] if each["who"] == "dcrauth"] == [0]


def test_figures_take_their_place_in_the_page(tmp_path: Path) -> None:
    """Those of a run before are replaced, what stands around them is not, and each contestant has lines in the plot."""
    for name in ("benchmarks.md", "servers.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    kept = tmp_path / "figures.json"
    kept.write_text(json.dumps(["a machine", {"cold": [FEW, MORE, FEW | {"who": "<ours>"}]}]))
    run("--from", kept, "--docs", tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    run("--from", kept, "--docs", tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() == page
    assert page.count("| by hand | 50 | 0.50 | 0.10 |") == 1
    assert "## What a record costs in a store" in page
    assert "| <ours> | 5 | 0.50 | 0.10 |" in (tmp_path / "servers.md").read_text()
    drawing = ET.parse(tmp_path / "fleet.svg").getroot()  # noqa: S314  # our own
    assert len([each for each in drawing.iter() if each.tag.endswith("polyline")]) == 6
    assert "<ours>" in [each.text for each in drawing.iter()]
