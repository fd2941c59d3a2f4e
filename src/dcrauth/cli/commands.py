"""The ``dcrauth`` command from its beginning to its end: `main`, which every error comes to.

The commands themselves are in modules named after them. They are declared twice: in `app`, with Typer, and in `plain`,
with nothing but the standard library, those four that have to run without the extra.
"""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dcrauth.cli.arguments import check_no_secrets
from dcrauth.cli.exit_codes import ExitCode, exit_code
from dcrauth.cli.output import complain, complain_at_length, flush, output, show_any_character
from dcrauth.engine.answer_errors import names_no_endpoint
from dcrauth.errors import ConfigurationError, DCRAuthError, Unavailable, told_moment

_DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status, which `dcrauth.cli.exit_codes` explains.

    Parameters:
        arguments: what follows the command's name; by default those of this process. ``--debug`` may stand anywhere.
    """
    show_any_character()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = _DEBUG in given
    with _warnings_as_sentences(), _log(debug):
        return _ended([each for each in given if each != _DEBUG], debug)


def _ended(arguments: Sequence[str], debug: bool) -> int:
    """Run the command and return its status; nothing that is raised gets past here, and so no traceback."""
    try:
        check_no_secrets(arguments)
        code = _code(arguments)
        flush()  # what was asked for, such as the version, may still be in the buffer
    except BaseException as reason:
        told = _of_output(reason) if isinstance(reason, OSError) else reason
        if debug:
            complain_at_length("".join(traceback.format_exception(reason)).splitlines())
        if not isinstance(told, KeyboardInterrupt):
            complain(_sentence(told))
        return exit_code(told)
    return code


def _of_output(reason: BaseException) -> BaseException:
    """Return *reason*, or that the output cannot be written if this is behind it, as where a help was printed."""
    try:
        if isinstance(reason, BrokenPipeError):  # as where a help was longer than its reader wanted
            with output():
                raise reason
        flush()
    except ConfigurationError as told:
        return told
    return reason


def _code(arguments: Sequence[str]) -> int:
    try:
        return _front()(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.GOOD


def _front() -> Callable[[Sequence[str]], int]:
    """Return what reads the arguments: Typer, where the extra is installed."""
    try:
        from dcrauth.cli.app import run  # noqa: PLC0415  # needs the extra
    except ImportError as missing:
        if (missing.name or "dcrauth").partition(".")[0] == "dcrauth":
            raise
        from dcrauth.cli.plain import run  # noqa: PLC0415  # only without it
    return run


def _sentence(reason: BaseException) -> str:
    if isinstance(reason, DCRAuthError):  # the next request, of which its text tells, is another run of the command
        return f"{reason.message}{_when(reason)}"
    if isinstance(reason, ImportError):
        return str(reason)
    if isinstance(reason, OSError):
        return f"The system refuses what this takes: {reason}"
    return f"This ended unexpectedly with {type(reason).__name__}; please report it, with what --debug shows"


def _when(error: DCRAuthError) -> str:
    """Return when to try again, as text behind a sentence; "" where to do so will not help."""
    if error.retry_at is None or not isinstance(error, Unavailable) or names_no_endpoint(error):
        return ""
    return f"; try again after {told_moment(error.retry_at)}"


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Have warnings, as of permissions of a store, told as all else is: without a line of code."""

    def tell(message: Warning | str, *_: object, **__: object) -> None:
        complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield


@contextmanager
def _log(wanted: bool) -> Iterator[None]:
    """Have the log of this library on stderr meanwhile, if it is *wanted*."""
    if not wanted:
        yield
        return
    logger, told = logging.getLogger("dcrauth"), logging.StreamHandler()
    before = logger.level
    logger.addHandler(told)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(told)
        logger.setLevel(before)
