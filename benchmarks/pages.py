"""The places in the documentation that are meant for the figures of a benchmark."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
END = "<!-- end of these figures -->"


def place(path: Path, inside: str, program: str) -> None:
    """Write *inside* where the page *path* is meant to have the figures of *program*.

    Raises:
        ValueError: it has no such place.
    """
    begin = f"<!-- figures of benchmarks/{program} -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, ends, after = rest.partition(END)
    if not (found and ends):
        raise ValueError(f"{path} has no place for figures, between {begin!r} and {END!r}")
    path.write_text(f"{before}{begin}\n\n{inside}\n\n{END}{after}", encoding="utf-8")
