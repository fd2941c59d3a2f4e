"""A measurement in a process of its own, watched from outside: threads and memory at their peaks cost it nothing."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from endpoints import CONTEXT

LOOK = 0.01
"""Seconds between two looks at the process, and between two looks of `Lag` at its event loop."""
Found = dict[str, float]
_PR_SET_PDEATHSIG = 1


def apart(work: Callable[..., Found], *given: Any, patience: float) -> Found:
    """Do *work* in a new process; return what it does, with the peaks of its threads and of its memory.

    Parameters:
        work: called with a function to call when all is ready and the measurement begins, and with *given*.
        patience: seconds after which the process is killed.

    Raises:
        TimeoutError: it did not come to an end in time.
        RuntimeError: it ended without a result.
    """
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_child, args=(work, given, sender), daemon=True)
    process.start()
    sender.close()
    try:
        return _watched(process.pid or 0, receiver, time.monotonic() + patience)
    except EOFError:
        process.join(10)
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode} and without a result") from None
    finally:
        process.kill()
        process.join()


def _watched(pid: int, receiver: Any, deadline: float) -> Found:
    begun: Found | None = None
    peaks: Found = {}
    while time.monotonic() < deadline:
        if receiver.poll(LOOK):
            message = receiver.recv()
            if begun is not None:
                grown = {"grown": peaks["memory"] - begun["memory"]}
                return {**message, "threads": peaks["threads"], **grown}
            begun = peaks = _looked_at(pid)
        elif begun is not None:
            now = _looked_at(pid)
            peaks = {name: max(value, now[name]) for name, value in peaks.items()}
    raise TimeoutError("it did not come to an end")


def _looked_at(pid: int) -> Found:
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    # A process that has just ended has no memory any more.
    return {"threads": int(fields["Threads"]), "memory": int(fields.get("VmRSS", "0 kB").split()[0]) * 1024}


def _child(work: Callable[..., Found], given: tuple[Any, ...], sender: Any) -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    # It ends with who started it, without a thread to look for that, which would count.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sender.send(work(lambda: _begin(sender), *given))
    # What still waits for a token is not waited for.
    os._exit(0)


def _begin(sender: Any) -> None:
    gc.collect()
    gc.freeze()
    sender.send("begin")


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    gc.collect()
    return int(_looked_at(os.getpid())["memory"])


class Lag:
    """How late an event loop comes to what is due in a moment, looked at every so often, in seconds."""

    def __init__(self) -> None:
        self._late: list[float] = []

    def at(self, share: float) -> float:
        """Return the lag that this share of all looks was below."""
        return sorted(self._late)[min(int(share * len(self._late)), len(self._late) - 1)]

    async def look(self) -> None:
        """Look until cancelled."""
        while True:
            due = time.monotonic() + LOOK
            await asyncio.sleep(LOOK)
            self._late.append(time.monotonic() - due)


@asynccontextmanager
async def lag_watched() -> AsyncIterator[Lag]:
    """Look at the lag of this event loop meanwhile."""
    lag = Lag()
    looking = asyncio.create_task(lag.look())
    await asyncio.sleep(0)
    try:
        yield lag
        await asyncio.sleep(2 * LOOK)
    finally:
        looking.cancel()
