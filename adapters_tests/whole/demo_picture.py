"""The picture in the README, drawn from what ``dcrauth demo`` says: ``python -m adapters_tests.whole.demo_picture``."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
WIDTH = 96


def demo() -> list[str]:
    """Return what the demo says about its first client and its last one, before the table."""
    command = [sys.executable, "-m", "dcrauth", "demo"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    steps = said[: next(number for number, line in enumerate(said) if "Calls that the server counted" in line)]
    heads = [number for number, line in enumerate(steps) if line and not line.startswith(" ")]
    return [*steps[: heads[2]], "  …", *steps[heads[-1] :]]


def picture(lines: list[str]) -> str:
    """Return *lines* as a terminal that is drawn in SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ dcrauth demo", style="bold"))
    for line in lines:
        text = Text(line, no_wrap=True)
        text.highlight_regex(r"^  ok", "green")
        text.highlight_regex(r"^\w.*", "bold")
        console.print(text)
    drawn = console.export_svg(title="dcrauth demo", theme=DIMMED_MONOKAI, unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\n\s*", "", drawn, flags=re.DOTALL)  # a picture fetches nothing


if __name__ == "__main__":
    PICTURE.write_text(picture(demo()), encoding="utf-8")
