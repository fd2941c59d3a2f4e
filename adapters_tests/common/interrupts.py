"""Ctrl-C in any line: what is left behind, and what its traceback shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

import dcrauth

OURS = os.path.dirname(dcrauth.__file__) + os.sep
"""What the names of our files begin with; the folder of a clone may be called dcrauth as well."""

Line = tuple[str, int]


class Interrupting:
    """Raises KeyboardInterrupt where the present thread comes to a line for the first time.

    Parameters:
        line: file and number; None to interrupt nothing.
        inside: files, or folders with a separator at their end, whose lines count; by default dcrauth's.
    """

    def __init__(self, line: Line | None, inside: tuple[str, ...] = (OURS,)) -> None:
        self._line = line
        self._inside = inside
        self.seen: dict[Line, None] = {}

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *reason: object) -> None:
        sys.settrace(self._before)

    @property
    def struck(self) -> bool:
        return self._line in self.seen

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._inside):
            return None
        line = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and line not in self.seen:
            self.seen[line] = None
            if line == self._line:
                raise KeyboardInterrupt
        return self._trace


def interrupts(
    prepare: Callable[[], Callable[[], object]], inside: tuple[str, ...] = (OURS,)
) -> Iterator[tuple[Interrupting, Callable[[], object]]]:
    """Yield, for each line *inside* that is run by what *prepare* makes ready, an interrupt in it and what to run."""
    act = prepare()
    with Interrupting(None, inside) as every:
        act()
    for line in every.seen:
        yield Interrupting(line, inside), prepare()
