"""This dcrauth beside an earlier one: what a request and an import cost, and whether the same goes over the wire.

The earlier one is taken from the repository. Both are measured in turns, each time in a process of its own, and the
ratio is that of the two which were measured one after the other, so that it holds also where the machine's speed
drifts. What is sent is recorded byte for byte, by the program that the tests' golden is from. Run:

    python benchmarks/versions.py [REVISION ...]

`--docs` writes the figures into docs/benchmarks.md, with the machine, the versions and the date; `--pairs` and
`--imports` say how many pairs there are.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from machine import described
from pages import DOCS, place

ROOT = Path(__file__).parents[1]
BEFORE = ("4b9358d", "103e5f5")
"""Before the engine of today, the rooms and many identities; and right before providers were flows."""
PAIRS, IMPORTS = 9, 15
IMPORTED = ("dcrauth", "dcrauth.requests", "dcrauth.httpx", "dcrauth.httpx2", "dcrauth.aiohttp")
IMPORT = """
import json, sys, time
start = time.process_time()
import {}
spent = time.process_time() - start
ours = sum(name.partition(".")[0] == "dcrauth" for name in sys.modules)
print(json.dumps([spent * 1e3, ours, len(sys.modules) - ours]))
"""


@dataclass(frozen=True)
class Version:
    """One dcrauth: the folder of its source, and what its modules compile into."""

    source: Path
    compiled: Path

    def runs(self, *arguments: str) -> Any:
        """Run Python with it on the path; return the JSON that is printed."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPATH": str(self.source), "PYTHONPYCACHEPREFIX": str(self.compiled)}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, timeout=300)
        return json.loads(done.stdout)

    def request(self) -> dict[str, dict[str, float]]:
        """Return what a request costs with each client, in microseconds."""
        told = self.runs("benchmarks/version_costs.py")
        assert Path(told["of"]).is_relative_to(self.source), told["of"]
        found: dict[str, dict[str, float]] = told["found"]
        return found

    def imports(self, module: str) -> tuple[float, int, int]:
        """Return the milliseconds of an import, and the modules that there are then: ours, and others."""
        spent, ours, others = self.runs("-c", IMPORT.format(module))
        return spent, ours, others

    def sent(self) -> dict[str, list[str]]:
        """Return what each client sends to Adobe's server."""
        found: dict[str, list[str]] = self.runs("-m", "adapters_tests.adapters.wire.recording")
        return found


@contextmanager
def checked_out(revision: str | None) -> Iterator[Version]:
    """The version of a *revision*, or the one that is here."""
    with tempfile.TemporaryDirectory() as folder:
        source = ROOT / "src"
        if revision is not None:
            archive = subprocess.run(
                ["git", "archive", revision, "src"], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60
            )
            with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
                files.extractall(folder, filter="data")
            source = Path(folder) / "src"
        yield Version(source.resolve(), Path(folder) / "compiled")


def requests_compared(before: Version, now: Version, pairs: int) -> list[str]:
    """Return the lines of what requests cost."""
    runs = [(before.request(), now.request()) for _ in range(pairs)]
    lines = ["| request with | static header, µs | before, µs | now, µs | now / before |", "| --- |" + " ---: |" * 4]
    for client in runs[0][0]:
        costs = [(old[client]["dcrauth"], new[client]["dcrauth"]) for old, new in runs]
        static = min(each[client]["static"] for pair in runs for each in pair)
        lines.append(f"| {client} | {static:.2f} | {compared(costs, 2)} |")
    return lines


def imports_compared(before: Version, now: Version, pairs: int) -> list[str]:
    """Return the lines of what imports cost."""
    lines = [
        "| import | before, ms | now, ms | now / before | modules of ours, before | now | others, before | now |",
        "| --- |" + " ---: |" * 7,
    ]
    for module in IMPORTED:
        for version in (before, now):
            version.imports(module)  # compiles
        runs = [(before.imports(module), now.imports(module)) for _ in range(pairs)]
        (_, *were), (_, *are) = runs[0]
        counts = " | ".join(f"{old} | {new}" for old, new in zip(were, are, strict=True))
        lines.append(f"| `{module}` | {compared([(old[0], new[0]) for old, new in runs], 1)} | {counts} |")
    return lines


def compared(pairs: list[tuple[float, float]], digits: int) -> str:
    """Return the least of both, and the median of the ratios."""
    old, new = (min(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(after / before for before, after in pairs)
    return f"{old:.{digits}f} | {new:.{digits}f} | {ratio:.2f}"


def wire_compared(before: Version, now: Version) -> list[str]:
    """Return the lines of what is sent."""
    were, are = before.sent(), now.sent()
    lines = ["| to Adobe's server, with | requests | of them not the same, byte for byte |", "| --- | ---: | ---: |"]
    for client, sent in were.items():
        other = sum(old != new for old, new in zip(sent, are[client], strict=True))
        lines.append(f"| {client} | {len(sent)} | {other} |")
    return lines


def side_by_side(revision: str, pairs: int, imports: int) -> list[str]:
    """Return all lines of one revision beside what is here."""
    with checked_out(revision) as before, checked_out(None) as now:
        return [
            f"Before: `{revision}`.",
            "",
            *requests_compared(before, now, pairs),
            "",
            *imports_compared(before, now, imports),
            "",
            *wire_compared(before, now),
        ]


def main() -> None:
    """Compare and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", default=BEFORE, help="what to compare with")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of processes that time requests")
    parser.add_argument("--imports", type=int, default=IMPORTS, help="pairs of processes that time an import")
    parser.add_argument("--docs", type=Path, nargs="?", const=DOCS, help="write the figures into the page there")
    given = parser.parse_args()
    parts = [side_by_side(revision, given.pairs, given.imports) for revision in given.revisions]
    machine = described("dcrauth", "requests", "httpx", "httpx2", "aiohttp").replace("\n", "; ")
    figures = "\n\n".join([f"{machine}.", *("\n".join(each) for each in parts)])
    print(figures)
    if given.docs:
        place(given.docs / "benchmarks.md", figures, "versions.py")


if __name__ == "__main__":
    main()
