"""What the commands say, on outputs that may be full, closed, or without the characters for it."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dcrauth.errors import ConfigurationError

_LONG = re.compile(r"[^\s/\\]{101,}")
_BEGINNING = 20


def show_any_character() -> None:
    """Have the standard outputs write in escapes what they have no character for, as in an old code page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write a line to the standard output.

    Raises:
        ConfigurationError: it cannot be written to.
    """
    with output():
        print(visible(text), flush=True)


def complain(text: str) -> None:
    """Write a line to the standard error output, if there is any."""
    with suppress(OSError):
        if sys.stderr is not None:
            print(f"dcrauth: {shortened(text)}", file=sys.stderr, flush=True)


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


def shortened(text: str) -> str:
    """Return *text* as a message may show it: nothing in it that is so long that it may be a secret."""
    return _LONG.sub(lambda found: f"{found[0][:_BEGINNING]}… ({len(found[0])} characters)", visible(text))


def visible(text: str) -> str:
    """Return *text* on one line, with escapes for what would not be seen, or would rule the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _drop_the_rest() -> None:
    """Let what is still in the buffer go nowhere: Python writes it when it ends, and would fail again."""
    with suppress(OSError, ValueError):  # a standard output that is no file has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
