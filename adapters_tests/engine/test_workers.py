"""The workers: how many there are, who starts them, and that no job is lost, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import pytest

import dcrauth
from adapters_tests.common.direct import Server
from adapters_tests.common.forks import forked
from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, Clock, ConfigurationError, MemoryStore, TokenSource
from dcrauth._internal import threads
from dcrauth.engine import workers as module
from dcrauth.engine.job import Job, State, Wait
from dcrauth.engine.workers import WORKERS, Workers
from dcrauth.providers.protocol import Request, Response

PATIENCE = 10.0
CLOCK = Clock()


class Work(Job):
    """A job that does *act* once."""

    def __init__(self, act: Callable[[], Any], endpoint: object = "endpoint", *, is_urgent: bool = True) -> None:
        super().__init__(endpoint, CLOCK, is_urgent=is_urgent)
        self.act = act
        self.ended = threading.Event()

    def take(self) -> Wait | None:
        try:
            wait = self.act()
        except BaseException:
            self.ended.set()
            raise
        if isinstance(wait, Wait):
            return wait
        self.ended.set()
        return None


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Four workers, which end soon when they are idle."""
    monkeypatch.setattr(module, "IDLE", 0.05)
    made = Workers(4)
    yield made
    eventually(lambda: not made._starter.is_there)


def eventually(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.001)


def test_never_more_than_there_may_be(pool: Workers) -> None:
    """Of a hundred jobs at a hundred endpoints as many run at once as there are workers, and all are done."""
    running, peak, lock, four = [0], [0], threading.Lock(), threading.Barrier(4)

    def act() -> None:
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        four.wait(PATIENCE)
        with lock:
            running[0] -= 1

    jobs = [Work(act, number) for number in range(100)]
    assert all(pool.submit(job) for job in jobs)
    assert all(job.ended.wait(PATIENCE) for job in jobs)
    assert peak == [4]


def test_idle_workers_end_and_others_come(pool: Workers) -> None:
    """Nobody is left of a pool that has nothing to do; the next job finds a worker all the same."""
    for _ in range(2):
        job = Work(lambda: None)
        assert pool.submit(job)
        assert job.ended.wait(PATIENCE)
        eventually(lambda: not pool._starter.is_there)
        assert pool.state.count == 0


def test_no_caller_starts_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the thread of an event loop no thread is started, however many identities renew, and with a listener each."""
    starters: list[int] = []
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        starters.append(threading.get_ident())
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", started)
    server = Server()
    told: list[object] = []
    sources = [server.source(MemoryStore(), instance=f"device-{number}", on_event=told.append) for number in range(50)]

    async def main() -> None:
        await asyncio.gather(*(source.token_async() for source in sources))

    asyncio.run(main())
    assert threading.get_ident() not in starters
    assert all(source.flush_events(PATIENCE) for source in sources)
    assert len(told) == 100


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("reason", [SystemExit, MemoryError, KeyboardInterrupt, ValueError])
def test_a_worker_that_dies(pool: Workers, reason: type[BaseException]) -> None:
    """What a job raises ends nobody but itself: all others are done, by as many workers as before."""

    def dies() -> None:
        raise reason

    for _ in range(10):
        assert pool.submit(Work(dies))
    jobs = [Work(lambda: None) for _ in range(10)]
    assert all(pool.submit(job) for job in jobs)
    assert all(job.ended.wait(PATIENCE) for job in jobs)
    eventually(lambda: pool.state.running == 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_is_lost_is_replaced(pool: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a worker's own thread breaks, its place is another one's."""
    broken = iter([True] * 4)
    find = Workers._has_found

    def breaks(workers: Workers, worker: Any) -> bool:
        if next(broken, False):
            raise SystemExit
        return find(workers, worker)

    monkeypatch.setattr(Workers, "_has_found", breaks)
    jobs = [Work(lambda: None, number) for number in range(20)]
    assert all(pool.submit(job) for job in jobs)
    assert all(job.ended.wait(PATIENCE) for job in jobs)


@pytest.mark.parametrize("reason", [RuntimeError, MemoryError])
def test_where_no_worker_can_be_had(
    pool: Workers, reason: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one thread can be had and no second one, that one does all jobs."""

    def fails(thread: threading.Thread) -> None:
        raise reason

    monkeypatch.setattr(threading.Thread, "start", fails)
    jobs = [Work(lambda: None, number) for number in range(20)]
    assert all(pool.submit(job) for job in jobs)
    assert all(job.ended.wait(PATIENCE) for job in jobs)


def test_callers_help_themselves_where_threads_are_scarce(pool: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the only thread that there is to be had does a job, whoever comes with another one has to do it himself."""
    gate, begun = threading.Event(), threading.Event()

    def fails(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def act() -> None:
        begun.set()
        assert gate.wait(PATIENCE)

    with monkeypatch.context() as patches:
        patches.setattr(threading.Thread, "start", fails)
        first = Work(act)
        assert pool.submit(first)
        assert begun.wait(PATIENCE)
        assert not pool.submit(Work(lambda: None))
        gate.set()
        assert first.ended.wait(PATIENCE)
    eventually(lambda: pool._scarce_until < float("inf"))
    monkeypatch.setattr(pool, "_scarce_until", 0.0)
    later = Work(lambda: None)
    assert pool.submit(later)
    assert later.ended.wait(PATIENCE)


def test_a_job_that_is_woken_before_it_waits(pool: Workers) -> None:
    """What a job is about to wait for may come in the moment before: it is taken up at once all the same."""
    turns: list[int] = []

    def act() -> Wait | None:
        turns.append(1)
        if len(turns) > 1:
            return None
        pool.wake(job, "key")
        pool.wake(job, "another key")
        eventually(lambda: job.woken == {"key", "another key"})
        return Wait(1_000.0, CLOCK.now().later(1_000.0), "key")

    job = Work(act)
    assert pool.submit(job)
    assert job.ended.wait(PATIENCE)
    assert len(turns) == 2


def test_none_is_lost_where_no_thread_can_be_had(pool: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that comes while the thread for another one is being started is done, though that thread cannot be had."""
    second = Work(lambda: None)
    relied = list[bool]()

    def fails(*_: Any, **__: Any) -> bool:
        if not relied:
            relied.append(False)
            relied[0] = pool.submit(second)
        return False

    monkeypatch.setattr(threads, "start_thread", fails)
    first = Work(lambda: None)
    assert not pool.submit(first)
    assert first.state is not State.READY
    assert relied == [True]
    assert second.ended.is_set()
    assert not pool.state.running


def test_only_what_it_waits_for_wakes_a_job(pool: Workers) -> None:
    """A job that waits because it was told to is not taken up by what it has waited for before."""
    taken = threading.Event()

    def act() -> Wait | None:
        if taken.is_set():
            return None
        taken.set()
        return Wait(1_000.0, CLOCK.now().later(1_000.0), "key")

    job = Work(act)
    assert pool.submit(job)
    eventually(lambda: len(pool.state.parked) == 1)
    pool.wake(job, "another key")
    assert not job.ended.wait(0.05)
    pool.wake(job, "key")
    assert job.ended.wait(PATIENCE)


def test_the_number_of_workers_can_be_set(pool: Workers) -> None:
    """More workers, or fewer, are there at once, and no job is lost by that."""
    gate = threading.Event()
    jobs = [Work(lambda: gate.wait(PATIENCE), number) for number in range(30)]
    assert all(pool.submit(job) for job in jobs)
    eventually(lambda: pool.state.running == 4)
    pool.set_most(9)
    eventually(lambda: pool.state.running == 9)
    pool.set_most(2)
    gate.set()
    assert all(job.ended.wait(PATIENCE) for job in jobs)


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "8", None])
def test_a_number_that_is_none(most: Any) -> None:
    """Less than one worker, and what is no number, is refused where it is given."""
    with pytest.raises(ConfigurationError, match="most"):
        dcrauth.set_workers(most)


# Jobs that wait for jobs.


class Nested(AdobePass):
    """A provider whose registration takes the token of another server's source."""

    other: TokenSource

    def registration_request(self) -> Request:
        request = super().registration_request()
        assert self.other.token().value
        return request

    @property
    def statement_digest(self) -> str:
        return "digest"


class AsyncNested(Nested):
    """The same on an event loop of its own."""

    def registration_request(self) -> Request:
        request = AdobePass.registration_request(self)
        assert asyncio.run(self.other.token_async()).value
        return request


@pytest.mark.fault(
    "what a renewal calls of yours asks another source for a token, with fewer workers than renewals",
    "all get their tokens: a worker that waits for another renewal lets another worker go on",
)
@pytest.mark.parametrize("kind", [Nested, AsyncNested])
def test_a_renewal_that_waits_for_another(kind: type[Nested]) -> None:
    """Two workers serve twenty cold sources each of which needs a token of a second server, itself cold."""
    inner, outer = Server(), Server()
    inner.world.provider = AdobePass(STATEMENT, base_url="https://inner.example")
    other = inner.source(MemoryStore(), provider=inner.world.provider)
    sources = []
    for number in range(20):
        provider = kind(STATEMENT)
        provider.other = other
        sources.append(outer.source(MemoryStore(), provider=provider, instance=f"device-{number}"))
    WORKERS.set_most(2)
    try:
        with ThreadPoolExecutor(20) as callers:
            assert len({each.value for each in callers.map(lambda source: source.token(), sources)}) == 20
    finally:
        WORKERS.set_most(64)
    assert (outer.world.registrations, outer.world.token_calls) == (20, 20)
    assert (inner.world.registrations, inner.world.token_calls) == (1, 1)


def test_waiting_workers_are_bounded(pool: Workers) -> None:
    """However many jobs wait for another one, there are at most twice as many threads, and the one gets its turn."""
    awaited = threading.Event()

    last = Work(awaited.set, "last")

    def waits() -> None:
        assert pool.step_aside(last)
        try:
            assert awaited.wait(PATIENCE)
        finally:
            pool.step_back()

    jobs = [Work(waits, number) for number in range(30)]
    assert all(pool.submit(job) for job in jobs)
    eventually(lambda: pool.state.aside == 8)
    assert pool.submit(last)
    assert all(job.ended.wait(PATIENCE) for job in (*jobs, last))
    assert pool.state.aside == 0


# What is left behind.


def test_a_worker_that_waits_for_several_is_one_worker(pool: Workers) -> None:
    """One that runs an event loop, whose tasks wait for a token each, makes room for one other, not for three."""
    gate, inside = threading.Event(), threading.Semaphore(0)

    def act() -> None:
        assert all(pool.step_aside(None) for _ in range(3))
        inside.release()
        assert gate.wait(PATIENCE)
        for _ in range(3):
            pool.step_back()

    def stay() -> None:
        inside.release()
        assert gate.wait(PATIENCE)

    jobs = [Work(act, "first")] + [Work(stay, f"{number}") for number in range(8)]
    assert pool.submit(jobs[0])
    assert inside.acquire(timeout=PATIENCE)
    for job in jobs[1:]:
        assert pool.submit(job)
    for _ in range(pool.state.most):
        assert inside.acquire(timeout=PATIENCE)
    assert not inside.acquire(timeout=0.05)
    gate.set()
    for job in jobs:
        assert job.ended.wait(PATIENCE)


def test_a_source_that_nobody_holds_is_collected() -> None:
    """Once its renewal has ended no worker, listener or hook keeps a source, nor what it was given."""
    source = Server().source(MemoryStore(), on_event=lambda event: None)
    source.token()
    assert source.flush_events(PATIENCE)
    eventually(lambda: not WORKERS.is_busy)
    gone = weakref.ref(source)
    del source
    eventually(lambda: (gc.collect(), gone() is None)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_beside_busy_workers() -> None:
    """A child that is forked while all workers are busy, and one of them has the lock of the pool, has its own."""
    gate = threading.Event()

    class Held(Server):
        def send(self, request: Request) -> Response:
            assert gate.wait(PATIENCE)
            return super().send(request)

    held = Held()
    store = MemoryStore()
    sources = [held.source(store, instance=f"device-{number}") for number in range(10)]
    gate.set()
    tokens = [source.token() for source in sources]
    gate.clear()

    def child() -> None:
        nonlocal gate
        gate = threading.Event()
        gate.set()
        assert all(source.token(instead_of=token).value for source, token in zip(sources, tokens, strict=True))

    with ThreadPoolExecutor(10) as callers:
        waiting = [
            callers.submit(source.token, instead_of=token) for source, token in zip(sources, tokens, strict=True)
        ]
        eventually(lambda: WORKERS.state.running > 0)
        WORKERS._lock.acquire()
        with forked(child):
            WORKERS._lock.release()
        gate.set()
        assert all(each.result(PATIENCE).value for each in waiting)
