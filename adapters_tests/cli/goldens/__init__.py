"""What the commands print at 80 columns, plain and coloured, as files to read and to compare with.

Renew them with ``python -m adapters_tests.cli.goldens``, and read the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from adapters_tests.cli import samples
from dcrauth.cli import check_lines, status
from dcrauth.cli.findings import Finding
from dcrauth.cli.lines import Line, plain
from dcrauth.cli.show import coloured

FOLDER = Path(__file__).parent

PAGES: dict[str, Callable[[], Iterable[Line]]] = {
    "status": lambda: status.lines_of(samples.REPORT),
    "status-reveal": lambda: status.lines_of(samples.REPORT, reveal=True),
    "status-empty": lambda: status.lines_of(samples.EMPTY),
    "status-new": lambda: status.lines_of(samples.NEW),
    "status-given": lambda: status.lines_of(samples.GIVEN),
    "check-good": lambda: checked(samples.GOOD),
    "check-bad": lambda: checked(samples.BAD),
}


def checked(findings: list[Finding]) -> Iterable[Line]:
    """Return what ``dcrauth check`` prints."""
    yield from check_lines.lines_of(findings)
    yield from check_lines.summary_of(findings)


def printed() -> dict[Path, str]:
    """Return all goldens as the code prints them now."""
    plain_ones = {FOLDER / f"{name}.txt": _plain(lines()) for name, lines in PAGES.items()}
    return plain_ones | {FOLDER / f"{name}.ansi": _coloured(lines()) for name, lines in PAGES.items()}


def _plain(lines: Iterable[Line]) -> str:
    return "".join(f"{plain(line)}\n" for line in lines)


def _coloured(lines: Iterable[Line]) -> str:
    return "".join(map(coloured, lines))
