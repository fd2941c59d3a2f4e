"""What the commands read from standard input: secrets, files, and the answer to a question."""

import sys

from dcrauth._internal.secret_text import check_is_secret
from dcrauth.errors import ConfigurationError

_LONGEST = 256 * 1024
"""In bytes; nothing that the commands read is near it."""


def read_secret(what: str) -> str:
    """Return a secret from standard input, without the line end behind it; on a terminal it is asked for, unseen.

    Raises:
        ConfigurationError: there is none, or something else than a secret alone.
    """
    text = _asked(what) if _is_terminal() else read_text(what)
    if not text.strip():
        raise ConfigurationError(
            f"There is no {what} on standard input: pipe it in, as from a file that only you can read"
        )
    check_is_secret(text, "What is on standard input")
    return text.rstrip("\r\n")


def read_text(what: str) -> str:
    """Return all that is on standard input, which has to be text.

    Raises:
        ConfigurationError: it is too long, no text, or cannot be read.
    """
    try:
        data = sys.stdin.buffer.read(_LONGEST + 1) if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
        if len(data) <= _LONGEST:
            return data.decode("utf-8-sig")
    except (OSError, ValueError, AttributeError):
        raise ConfigurationError(
            f"The {what} cannot be read from standard input: it is closed, or not in UTF-8"
        ) from None
    raise ConfigurationError(f"What is on standard input is too long for a {what}: more than {_LONGEST} bytes")


def check_agreed(question: str, *, yes: bool) -> None:
    """Ask *question* on the terminal, unless the answer is *yes* already.

    Raises:
        ConfigurationError: the answer is another one, or there is nobody to ask.
    """
    if yes:
        return
    if not _is_terminal():
        raise ConfigurationError("This asks first, and standard input is no terminal: give --yes if you are sure")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ConfigurationError("Nothing was done, since the answer was not yes")


def _asked(what: str) -> str:
    from getpass import getpass  # noqa: PLC0415  # needs a terminal

    try:
        return getpass(f"{what}: ")
    except EOFError:
        return ""


def _is_terminal() -> bool:
    try:
        return None not in {sys.stdin, sys.stderr} and sys.stdin.isatty()
    except ValueError:  # it is closed
        return False
