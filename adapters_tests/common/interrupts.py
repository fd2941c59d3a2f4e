"""Ctrl-C in any line: what is left behind, and what its traceback shows."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, ParamSpec, Self

import dcrauth

OURS = os.path.dirname(dcrauth.__file__) + os.sep
"""What the names of our files begin with; the folder of a clone may be called dcrauth as well."""

Line = tuple[str, int]
P = ParamSpec("P")


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


def on_a_thread(test: Callable[P, None]) -> Callable[P, None]:
    """Run *test* on a thread of its own.

    Python 3.12 does not always come back out of an ``except`` whose first line is interrupted: the exception stays the
    one that is being handled on that thread, and whatever is raised there later has it as its context.
    """

    @functools.wraps(test)
    def aside(*given: P.args, **named: P.kwargs) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(test, *given, **named).result()

    return aside
