"""Lines for people: text with a style for each part, wrapped to a width, and nothing in it that rules a terminal."""

import textwrap
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeAlias

from dcrauth.cli.output import visible

WIDTH = 80


class Style(StrEnum):
    """How a part of a line looks where there are colours."""

    PLAIN = ""
    HEADING = "bold"
    GOOD = "green"
    DOUBTFUL = "yellow"
    BAD = "bold red"
    FAINT = "dim"


Span: TypeAlias = tuple[str, Style]
Line: TypeAlias = tuple[Span, ...]


def plain(line: Line) -> str:
    """Return *line* without its styles."""
    return "".join(text for text, _ in line).rstrip()


def heading(text: str) -> Line:
    """Return a line that others stand below."""
    return ((visible(text), Style.HEADING),)


def wrapped(text: str, indent: int, width: int = WIDTH, style: Style = Style.PLAIN) -> Iterator[Span]:
    """Yield *text*, from anywhere, as parts that each fit into a line behind *indent* columns; at least one."""
    room = max(20, width - indent)
    for part in textwrap.wrap(visible(text), room, break_on_hyphens=False) or [""]:
        yield part, style


def entry(label: Line, text: str, width: int = WIDTH, style: Style = Style.PLAIN) -> Iterator[Line]:
    """Yield the lines of *text*, the first one behind *label* and the others below its beginning."""
    indent = sum(len(part) for part, _ in label)
    for number, part in enumerate(wrapped(text, indent, width, style)):
        yield (*label, part) if number == 0 else ((" " * indent, Style.PLAIN), part)
