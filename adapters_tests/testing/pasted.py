"""The examples of docs/testing.md that are tests, as a user pastes them; imports the standard library only."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def examples() -> str:
    """Return all blocks of the page that have tests in them, joined."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return "\n".join(block for block in blocks if "def test_" in block)


def first_example() -> str:
    """Return the first of them, which stands by itself."""
    return examples().partition("import unittest")[0]
