"""Waiting for one piece of work from anywhere: threads, asyncio tasks on any loop, trio tasks in any run.

The work itself runs on a thread of its own, so that no waiter's cancellation, timeout or closed loop can stop it
half-way; a waiter only ever gives up waiting. No asyncio or trio lock is involved: those belong to one loop.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from typing import Any


def take_off(work: Callable[[], None]) -> bool:
    """Run *work* on a thread that the interpreter waits for at its exit.

    Returns:
        Whether it runs: at interpreter shutdown there are no new threads.
    """
    try:
        threading.Thread(target=work, name="dcrauth-renewal", daemon=False).start()
    except RuntimeError:
        return False
    return True


def wait(future: Future[Any], seconds: float) -> bool:
    """Block until *future* is done or *seconds* have passed; return whether it is done."""
    return bool(wait_for_futures([future], timeout=seconds).done)


async def wait_async(future: Future[Any], seconds: float) -> bool:
    """Wait in an asyncio or trio task until *future* is done or *seconds* have passed; return whether it is done."""
    # Trio first: in guest mode an asyncio loop is running underneath, but the task belongs to trio.
    if _in_trio():
        await _wait_trio(future, seconds)
    else:
        await _wait_asyncio(future, seconds)
    return future.done()


def _in_trio() -> bool:
    trio: Any = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())


async def _wait_asyncio(future: Future[Any], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    landed = loop.create_future()

    def settle() -> None:
        if not landed.done():
            landed.set_result(None)

    def wake(_: object) -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            """The loop was closed meanwhile: nobody is left to wake."""

    future.add_done_callback(wake)
    await asyncio.wait([landed], timeout=seconds)


async def _wait_trio(future: Future[Any], seconds: float) -> None:
    import trio  # noqa: PLC0415  # only ever reached inside a trio task

    landed = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def wake(_: object) -> None:
        try:
            token.run_sync_soon(landed.set)
        except trio.RunFinishedError:
            """The run has ended meanwhile: nobody is left to wake."""

    future.add_done_callback(wake)
    with trio.move_on_after(seconds):
        await landed.wait()
