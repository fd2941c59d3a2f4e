"""A bar that grows on a terminal while much is done, and is gone at the end; nothing elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from dcrauth.cli.lines import WIDTH
from dcrauth.engine.copied_store import Phase, Progress


@contextmanager
def shown_progress() -> Iterator[Progress | None]:
    """Yield what shows how far a copy is, on the standard error output, if that is a terminal; else None."""
    if not _is_terminal(sys.stderr):
        yield None
        return
    from rich import progress  # noqa: PLC0415  # not needed elsewhere
    from rich.console import Console  # noqa: PLC0415  # the same

    console = Console(file=sys.stderr)
    console.width = min(console.width, WIDTH)
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn())
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=console, transient=True) as bar:
        tasks = {phase: bar.add_task(phase.value, total=None, visible=False) for phase in Phase}

        def show(phase: Phase, done: int, total: int) -> None:
            bar.update(tasks[phase], completed=done, total=total, visible=True)

        yield show


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # it is closed
        return False
