"""The context (`contextvars`) of who has asked for a renewal, for as long as that one has to do with it."""

import weakref
from collections.abc import Callable
from contextvars import Context
from typing import TypeVar

T = TypeVar("T")


class CallersContext:
    """Runs parts of a renewal in a copy of the context that its caller was in: they carry its trace and its ids.

    A context holds all that a program has put into it, such as a whole request. So it is held by the caller itself for
    as long as it waits, and here only until the first part is done where nobody waits. What comes after that, as when
    the renewal was parked and its caller has given up, is run in an empty context.

    Parameters:
        context: the copy.
        is_waiting: whether the caller waits, and holds the copy meanwhile.
    """

    __slots__ = ("_held", "_known")

    def __init__(self, context: Context, *, is_waiting: bool) -> None:
        self._held = None if is_waiting else context
        self._known = weakref.ref(context)

    def run(self, part: Callable[[], T]) -> T:
        """Do *part*, and return what comes of it."""
        context = self._known()
        self._held = None  # from here on it is held by this call
        return (Context() if context is None else context).run(part)
