"""Lines on the standard output: coloured on a terminal, plain everywhere else."""

import sys
from collections.abc import Iterable

from dcrauth.cli.lines import Line, plain
from dcrauth.cli.output import is_coloured, output


def show(lines: Iterable[Line]) -> None:
    """Print *lines*, each as soon as it is there.

    Raises:
        ConfigurationError: the standard output cannot be written to.
    """
    colours = is_coloured(sys.stdout)
    for line in lines:
        text = coloured(line) if colours else f"{plain(line)}\n"
        with output():
            print(text, end="", flush=True)


def coloured(line: Line) -> str:
    """Return *line* with its styles as a terminal has them, and its line end; plain where rich is not installed."""
    try:
        from rich.console import Console  # noqa: PLC0415  # an extra, which nothing else here needs
        from rich.text import Text  # noqa: PLC0415  # the same
    except ImportError:
        return f"{plain(line)}\n"
    text = Text.assemble(*((part, style.value) for part, style in line))
    text.rstrip()
    console = Console(force_terminal=True, color_system="standard", width=_ANY_WIDTH, _environ={})
    with console.capture() as written:
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    return written.get()


_ANY_WIDTH = 10_000
"""Lines come wrapped; rich is not to break them again."""
