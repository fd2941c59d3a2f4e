"""Doing what may block beside an event loop, and to its end, whatever becomes of the task that waits."""

from collections.abc import Callable
from typing import TypeVar

from dcrauth._internal.arguments import LONGEST_WAIT
from dcrauth._internal.threads import start_thread
from dcrauth.engine.single_flight import Flight, wait_async
from dcrauth.errors import DCRAuthError

T = TypeVar("T")


async def to_the_end_async(work: Callable[[], T]) -> T:
    """Do *work* on a thread of its own, and return or raise what it does, in an asyncio or trio task.

    If the task is cancelled the work goes on. Where no thread can be had, it is done here.
    """
    results, faults, ended = list[T](), list[BaseException](), Flight()

    def act() -> None:
        try:
            results.append(work())
        except BaseException as reason:  # it is raised again by who waits for it
            faults.append(reason)
        finally:
            ended.finish(DCRAuthError("it has ended"))

    if not start_thread(act, name="dcrauth-to-the-end", daemon=False):
        return work()
    await wait_async(ended, LONGEST_WAIT)
    if faults:
        raise faults.pop()
    return results.pop()
