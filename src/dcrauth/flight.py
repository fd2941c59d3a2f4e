"""Waiting for a renewal from anywhere: threads, asyncio tasks on any loop, trio tasks in any run.

The work itself runs on a thread of its own, so that no waiter's cancellation, timeout or closed loop can stop it
half-way; a waiter only ever gives up waiting. No asyncio or trio lock is involved: those belong to one loop.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from dcrauth.credentials import AccessToken
from dcrauth.errors import DCRAuthError

_MOMENT = 0.001
"""Seconds."""


class Flight:
    """The outcome of a renewal, for any number of waiters.

    Not a `concurrent.futures.Future`, nor anything else on a `threading.Condition`: an interrupt in the middle of
    waiting for one can leave its lock taken, and then everybody else hangs. A lock itself is taken or is not.

    Attributes:
        outdated: whether the credentials are gone that the renewal began with, so that its token is not to be kept.
    """

    def __init__(self) -> None:
        self.outdated = False
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], None]] = []
        self._outcome: AccessToken | DCRAuthError | None = None

    def land(self, outcome: AccessToken | DCRAuthError) -> None:
        """Tell all waiters how it ended."""
        with self._lock:
            self._outcome = outcome
        while self._wakers:
            self._wakers.pop()()

    def outcome(self) -> AccessToken | DCRAuthError | None:
        """Return how it ended; None if it has not."""
        return self._outcome

    def give_way(self) -> None:
        """Let the other threads of the process go first for a moment, unless somebody waits for the outcome.

        A thread that only computes is made to share the interpreter every 5 ms (`sys.getswitchinterval`), and every
        system call of a request that is under way would wait that long for its turn. So a renewal lets go by itself.
        """
        if not self._wakers:
            time.sleep(_MOMENT)

    def wake(self, waker: Callable[[], None]) -> None:
        """Have *waker* called once it has ended, from whichever thread; at once if it has."""
        with self._lock:
            if self._outcome is None:
                self._wakers.append(waker)
                return
        waker()


def take_off(flight: Flight, work: Callable[[], None]) -> Callable[[], None] | None:
    """Run the *work* that *flight* is about on a thread that the interpreter waits for at its exit.

    Returns:
        The work, if no thread can be had, as at interpreter shutdown: the caller is to do it, and so waits for it.
    """
    handled = sys.exception()
    try:
        threading.Thread(target=work, name="dcrauth-renewal", daemon=False).start()
    except RuntimeError as reason:
        interrupt = reason.__context__
        if interrupt is not None and interrupt is not handled:
            raise interrupt from None  # it came while the start of the thread was waited for: the work runs
        flight.wake(lambda: None)
        return work
    return None


def wait(flight: Flight, seconds: float) -> None:
    """Block until *flight* is done or *seconds* have passed."""
    gate = threading.Lock()
    gate.acquire()
    flight.wake(gate.release)
    gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


async def wait_async(flight: Flight, seconds: float) -> None:
    """Wait in an asyncio or trio task until *flight* is done or *seconds* have passed."""
    # Trio first: in guest mode an asyncio loop is running underneath, but the task belongs to trio.
    if _in_trio():
        await _wait_trio(flight, seconds)
    else:
        await _wait_asyncio(flight, seconds)


def _in_trio() -> bool:
    trio: Any = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())


async def _wait_asyncio(flight: Flight, seconds: float) -> None:
    import asyncio  # noqa: PLC0415  # is there where a task of it waits, and costs the others 10 ms

    loop = asyncio.get_running_loop()
    landed = loop.create_future()

    def settle() -> None:
        if not landed.done():
            landed.set_result(None)

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            """The loop was closed meanwhile: nobody is left to wake."""

    flight.wake(wake)
    await asyncio.wait([landed], timeout=seconds)


async def _wait_trio(flight: Flight, seconds: float) -> None:
    import trio  # noqa: PLC0415  # only ever reached inside a trio task

    landed = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def wake() -> None:
        try:
            token.run_sync_soon(landed.set)
        except trio.RunFinishedError:
            """The run has ended meanwhile: nobody is left to wake."""

    flight.wake(wake)
    with trio.move_on_after(seconds):
        await landed.wait()
