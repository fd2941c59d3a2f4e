"""A steady load, in a process of its own: requests start on schedule, whatever became of those before them.

A latency counts from the moment at which the request was to start, so that waiting for a thread or for a blocked event
loop is part of it. What has not been answered some time after the last start counts as failed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from contestants import ASYNC, BLOCKING, Get, GetAsync, Setting
from endpoints import CONTEXT, control

THREADS = 128
GRACE = 10.0
"""Seconds for the last requests to be answered."""


@dataclass(frozen=True)
class Plan:
    """What a load does.

    Parameters:
        rate: requests per second.
        seconds: how long.
        warm_up: seconds of the same load before that, which do not count.
        orders: what the endpoints are told, and how many seconds after the beginning.
    """

    rate: float
    seconds: float
    warm_up: float = 2.0
    orders: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Sample:
    """One request.

    Parameters:
        due: when it was to start, in seconds of `time.monotonic`.
        latency: seconds from then to its end; to the end of the benchmark if it never ended.
        ok: whether it was answered by 200.
    """

    due: float
    latency: float
    ok: bool


def measured(name: str, setting: Setting, plan: Plan) -> list[Sample]:
    """Put one contestant under load, in a process of its own, and return what became of each request."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_child, args=(name, setting, plan, sender), daemon=True)
    process.start()
    try:
        if not receiver.poll(plan.warm_up + plan.seconds + 2 * GRACE + 60):
            raise TimeoutError(f"{name} did not come to an end")
        samples: list[Sample] = receiver.recv()
        return samples
    finally:
        process.kill()
        process.join()


def _child(name: str, setting: Setting, plan: Plan, sender: Any) -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    if name in BLOCKING:
        samples = _in_threads(BLOCKING[name](setting), plan, setting.url)
    else:
        samples = asyncio.run(_in_tasks(ASYNC[name](setting), plan, setting.url))
    sender.send(samples)
    # Threads that still wait for a token are not waited for.
    os._exit(0)


class Log:
    """What has become of each request so far."""

    def __init__(self, plan: Plan, url: str) -> None:
        self.begin = time.monotonic() + plan.warm_up + 0.2
        count = int(plan.rate * plan.seconds)
        early = int(plan.rate * plan.warm_up)
        self.schedule = [self.begin + number / plan.rate for number in range(-early, count)]
        self.ended: dict[float, tuple[float, bool]] = {}
        gc.collect()
        gc.freeze()
        for after, order in ((0.0, "reset"), *plan.orders):
            timer = threading.Timer(self.begin + after - time.monotonic(), control, (url, order))
            timer.daemon = True
            timer.start()

    def end(self, due: float, status: int) -> None:
        self.ended[due] = (time.monotonic() - due, status == 200)

    def is_complete(self) -> bool:
        return len(self.ended) == len(self.schedule)

    def samples(self) -> list[Sample]:
        now, ended = time.monotonic(), dict(self.ended)
        counted = [due for due in self.schedule if due >= self.begin]
        return [Sample(due, *ended.get(due, (now - due, False))) for due in counted]

    def pauses(self) -> Iterator[float]:
        """Seconds between looks whether all has ended, for as long as it is worth waiting."""
        while not self.is_complete() and time.monotonic() < self.schedule[-1] + GRACE:
            yield 0.05


def _in_threads(get: Get, plan: Plan, url: str) -> list[Sample]:
    get()
    log = Log(plan, url)

    def one(due: float) -> None:
        try:
            status = get()
        except Exception:
            status = 0
        log.end(due, status)

    pool = ThreadPoolExecutor(THREADS)
    for due in log.schedule:
        time.sleep(max(0.0, due - time.monotonic()))
        pool.submit(one, due)
    for pause in log.pauses():
        time.sleep(pause)
    return log.samples()


async def _in_tasks(client: Any, plan: Plan, url: str) -> list[Sample]:
    async with client as get:
        await get()
        log, tasks = Log(plan, url), set()
        for due in log.schedule:
            await asyncio.sleep(due - time.monotonic())
            task = asyncio.create_task(_one(get, log, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for pause in log.pauses():
            await asyncio.sleep(pause)
        return log.samples()


async def _one(get: GetAsync, log: Log, due: float) -> None:
    try:
        status = await get()
    except Exception:
        status = 0
    log.end(due, status)
