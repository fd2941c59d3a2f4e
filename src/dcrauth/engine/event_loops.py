"""What keeps event loops free: waiting for a renewal in an asyncio or trio task, and doing beside it what may block."""

import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from dcrauth._internal.arguments import LONGEST_WAIT
from dcrauth._internal.threads import start_thread
from dcrauth.engine.single_flight import Flight
from dcrauth.engine.workers import WORKERS
from dcrauth.errors import DCRAuthError

T = TypeVar("T")


async def wait_async(flight: Flight, seconds: float) -> None:
    """Wait in an asyncio or trio task until *flight* is done or *seconds* have passed."""
    is_aside = WORKERS.step_aside(flight.job)
    try:
        # Trio first: in guest mode an asyncio loop is running underneath, but the task belongs to trio.
        if in_trio():
            await _wait_trio(flight, seconds)
        else:
            await _wait_asyncio(flight, seconds)
    finally:
        if is_aside:
            WORKERS.step_back()


def in_trio() -> bool:
    """Return whether a task of trio's runs here."""
    # What another thread is only importing is there as well, with some of its names; nobody runs it yet.
    in_task: Any = getattr(sys.modules.get("trio.lowlevel"), "in_trio_task", None)
    return in_task is not None and bool(in_task())


async def _wait_asyncio(flight: Flight, seconds: float) -> None:
    import asyncio  # noqa: PLC0415  # is there where a task of it waits, and costs the others 10 ms

    loop = asyncio.get_running_loop()
    finished = loop.create_future()

    def settle() -> None:
        if not finished.done():
            finished.set_result(None)

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            """The loop was closed meanwhile: nobody is left to wake."""

    if flight.wake(wake):
        await asyncio.wait([finished], timeout=seconds)


async def _wait_trio(flight: Flight, seconds: float) -> None:
    import trio  # noqa: PLC0415  # only ever reached inside a trio task

    finished = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def wake() -> None:
        try:
            token.run_sync_soon(finished.set)
        except trio.RunFinishedError:
            """The run has ended meanwhile: nobody is left to wake."""

    if flight.wake(wake):
        with trio.move_on_after(seconds):
            await finished.wait()


async def to_the_end_async(work: Callable[[], T]) -> T:
    """Do *work* on a thread of its own, in the task's context, and return or raise what it does; for asyncio and trio.

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

    if not start_thread(partial(copy_context().run, act), name="dcrauth-to-the-end", daemon=False):
        return work()
    await wait_async(ended, LONGEST_WAIT)
    if faults:
        raise faults.pop()
    return results.pop()
