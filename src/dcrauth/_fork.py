"""Objects that hold locks or threads, made anew in the child of a fork."""

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An object that has something to make anew after a fork."""

    def after_fork(self) -> None:
        """Forget the threads and the locks of the parent process."""
        ...


_living: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def watch(each: Forkable) -> None:
    """See to it that ``each.after_fork()`` is called in every forked child for as long as *each* lives."""
    _living.add(each)


def _after_fork() -> None:
    for each in list(_living):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
