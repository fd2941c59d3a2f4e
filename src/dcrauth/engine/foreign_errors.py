"""What stores and transports raise that users may have written: it becomes an error of ours, and gives nothing away."""

from collections.abc import Callable
from traceback import clear_frames
from typing import TypeVar

from dcrauth._internal.confidential import chain_of
from dcrauth.errors import DCRAuthError, ServerUnavailable, described, is_refusal

T = TypeVar("T")


def guarded(kind: type[DCRAuthError], what: str, act: Callable[[], T]) -> T:
    """Do *act*; an error that a custom store or transport lets through becomes one of ours, its text left out.

    What a test refuses a call with stays as it is.
    """
    try:
        return act()
    except DCRAuthError:
        raise
    except Exception as reason:
        if kind is ServerUnavailable and is_refusal(reason):
            raise
        failure = kind(f"The {what} failed with {described(reason)}, which it should have turned into {kind.__name__}")
    raise failure


def discreetly(act: Callable[[], T]) -> T:
    """Do *act*; from what it raises nobody learns the variables of our functions, which hold records and secrets.

    There are programs that log them, frame by frame, for each error.
    """
    try:
        return act()
    except DCRAuthError as error:
        failure = without_frames(error)
    except BaseException as reason:
        for each in chain_of(reason):
            clear_frames(each.__traceback__)  # the lines stay: they are what one needs to mend a bug
        raise
    raise failure


def without_frames(error: DCRAuthError) -> DCRAuthError:
    """Return *error* without the tracebacks of itself and of all that led to it; its text says what was wrong."""
    for each in chain_of(error):
        each.__traceback__ = None
    return error
