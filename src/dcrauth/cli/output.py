"""What the commands say, on outputs that may be full, closed, or without the characters for it.

Three kinds of output: lines for people (`say`), what programs read (`write_line`, `write_json`), which goes out
byte for byte, and what is wrong (`complain`).
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from dcrauth.errors import ConfigurationError

_LONG = re.compile(r"[^\s/\\]{101,}")
_BEGINNING = 20
_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"


def show_any_character() -> None:
    """Have the standard outputs write in escapes what they have no character for, as in an old code page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write a line to the standard output, in which all that could rule a terminal is visible.

    Raises:
        ConfigurationError: it cannot be written to.
    """
    with output():
        print(visible(text), flush=True)


def write_line(text: str) -> None:
    """Write *text* and one line end to the standard output, as it is: for what programs read.

    Raises:
        ConfigurationError: it cannot be written to, or there is none.
    """
    if sys.stdout is None:
        raise ConfigurationError("There is no standard output to write to: it is closed; send it somewhere")
    with output():
        print(text, flush=True)


def write_json(value: Any) -> None:
    """Write *value* as JSON on one line, in ASCII, so that no terminal and no code page makes a difference.

    Raises:
        ConfigurationError: the standard output cannot be written to.
    """
    write_line(json.dumps(value))


def complain(text: str) -> None:
    """Write a line to the standard error output, if there is any."""
    _tell(f"{_name(sys.stderr)} {shortened(text)}")


def complain_at_length(lines: Sequence[str]) -> None:
    """Write lines of a traceback to the standard error output, if there is any."""
    for line in lines:
        _tell(visible(line))


def is_coloured(stream: TextIO | None) -> bool:
    """Return whether *stream* is to have colours: one that is a terminal, unless the environment says otherwise.

    ``NO_COLOR`` (https://no-color.org) wins over ``FORCE_COLOR`` (https://force-color.org); empty, they say nothing.
    """
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    with suppress(ValueError):  # it is closed
        return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()
    return False


@contextmanager
def output() -> Iterator[None]:
    """Turn a failure of the standard output into an error that says so."""
    try:
        yield
    except OSError as reason:
        _drop_the_rest()
        raise ConfigurationError(
            f"The standard output cannot be written ({reason.strerror}); send it elsewhere. What was done before stands"
        ) from None


def flush() -> None:
    """Write what is still in the buffer of the standard output.

    Raises:
        ConfigurationError: it cannot be written to.
    """
    with output():
        print(end="", flush=True)


def shortened(text: str) -> str:
    """Return *text* as a message may show it: nothing in it that is so long that it may be a secret."""
    return _LONG.sub(lambda found: f"{found[0][:_BEGINNING]}… ({len(found[0])} characters)", visible(text))


def visible(text: str) -> str:
    """Return *text* on one line, with escapes for what would not be seen, or would rule the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _tell(line: str) -> None:
    with suppress(OSError):
        if sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


def _name(stream: TextIO | None) -> str:
    return f"{_RED}dcrauth:{_PLAIN}" if is_coloured(stream) else "dcrauth:"


def _drop_the_rest() -> None:
    """Let what is still in the buffer go nowhere: Python writes it when it ends, and would fail again."""
    with suppress(OSError, ValueError):  # a standard output that is no file has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
