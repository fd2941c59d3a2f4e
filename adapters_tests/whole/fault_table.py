"""The table of faults in ``docs/reliability.md``, made from the tests that show what comes of each.

A test says what goes wrong and what happens then: ``@pytest.mark.fault("the server is down", "…")``. To write the table
anew: ``python -m adapters_tests.whole.fault_table``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: made by adapters_tests.whole.fault_table -->\n", "<!-- end -->\n"


@dataclass(frozen=True, order=True)
class Fault:
    """Something that goes wrong.

    Parameters:
        what: goes wrong.
        outcome: what happens then.
        test: shows it.
    """

    what: str
    outcome: str
    test: str


def faults() -> Iterator[Fault]:
    """Yield the faults of all tests, in the order of files and lines."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for what, outcome in _marks(node):
                    yield Fault(what, outcome, f"{path.stem}::{node.name}")


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            what, outcome = (ast.literal_eval(argument) for argument in decorator.args)
            yield what, outcome


def table() -> str:
    """Return the table, one row for each fault, by file."""
    rows = ["| what goes wrong | what happens | shown by |", "| --- | --- | --- |"]
    rows += [f"| {fault.what} | {fault.outcome} | `{fault.test}` |" for fault in faults()]
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """Return *text* with the table in it brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + table() + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
