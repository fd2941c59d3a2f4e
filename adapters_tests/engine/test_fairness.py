"""Whose turn it is: what somebody waits for first, no server alone, and one call at a time where it has to be."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from adapters_tests.common.direct import Server
from adapters_tests.common.world import STATEMENT
from dcrauth import AccessToken, AdobePass, Clock, MemoryStore, Policy, ServerUnavailable, Throttled, TokenSource
from dcrauth.engine.calls import LONGEST_THROTTLE, MOST_UNANSWERED, WOKEN_AT_ONCE, Admission, Calls
from dcrauth.engine.job import Job, Wait
from dcrauth.engine.ready import BEHIND, Ready, most_at_one_endpoint
from dcrauth.engine.records import write_token
from dcrauth.engine.workers import WORKERS
from dcrauth.providers.protocol import Request, Response

PATIENCE = 10.0


class Named(Job):
    """A job that is never done."""

    def __init__(
        self,
        name: str = "",
        endpoint: str = "endpoint",
        asked: float = 0.0,
        *,
        is_urgent: bool = True,
        store: str | None = None,
    ) -> None:
        super().__init__(endpoint, Clock(), is_urgent=is_urgent, store=store)
        self.name, self.asked = name, asked

    def __repr__(self) -> str:
        return self.name

    def take(self) -> Wait | None:
        raise AssertionError("nobody does this one")


def order(ready: Ready) -> list[str]:
    names = []
    while (job := ready.take()) is not None:
        assert isinstance(job, Named)
        names.append(job.name)
        ready.ended(job)
    return names


def test_what_is_waited_for_comes_first() -> None:
    """A caller's renewal overtakes a thousand that nobody waits for."""
    ready = Ready(8)
    for number in range(1_000):
        ready.put(Named("background", asked=float(number) / 100, is_urgent=False))
    ready.put(Named("caller", asked=20.0))
    assert order(ready) == ["caller"] + ["background"] * 1_000


def test_nobody_is_behind_for_ever() -> None:
    """A renewal that nobody waits for is a minute behind the others at the most, however many come."""
    ready = Ready(8)
    ready.put(Named("background", asked=0.0, is_urgent=False))
    for second in range(100):
        ready.put(Named(f"{second}", asked=float(second)))
    assert order(ready).index("background") == BEHIND


def test_a_renewal_that_somebody_comes_to_wait_for() -> None:
    """A background renewal moves forward once it is waited for, and is done once."""
    ready = Ready(8)
    jobs = [Named(f"{number}", asked=float(number), is_urgent=False) for number in range(5)]
    for job in jobs:
        ready.put(job)
    jobs[3].is_urgent = True
    ready.put(jobs[3])
    assert order(ready) == ["3", "0", "1", "2", "4"]


def test_what_a_worker_waits_for_comes_before_all() -> None:
    """A job that another job waits for comes first: that one has a worker, which stands still for it."""
    ready = Ready(8)
    for number in range(5):
        ready.put(Named(f"{number}", asked=float(number)))
    awaited = Named("awaited", asked=10.0)
    awaited.is_awaited = True
    ready.put(awaited)
    assert order(ready)[0] == "awaited"


@pytest.mark.parametrize(("workers", "most"), [(64, 56), (8, 7), (7, 6), (2, 1), (1, 1)])
def test_the_last_eighth_is_for_others(workers: int, most: int) -> None:
    """One endpoint never has all workers, unless there is only one."""
    ready = Ready(most_at_one_endpoint(workers))
    for number in range(100):
        ready.put(Named(f"{number}", "slow", asked=float(number)))
    taken = []
    while (job := ready.take()) is not None:
        taken.append(job)
    assert len(taken) == most
    ready.put(Named("elsewhere", "quick", asked=200.0))
    other = ready.take()
    assert repr(other) == "elsewhere"
    for job in taken:
        ready.ended(job)
    assert order(ready) == [f"{number}" for number in range(most, 100)]


def test_a_store_that_hangs_leaves_room_to_others() -> None:
    """Of what one endpoint may have, no store has all: others there go on, and nobody is passed over."""
    ready = Ready(most_at_one_endpoint(64))
    for number in range(100):
        ready.put(Named(f"{number}", asked=float(number), store="hangs"))
    for number in range(20):
        ready.put(Named(f"other {number}", asked=200.0 + number, store="answers"))
    taken = list[Job]()
    while (job := ready.take()) is not None:
        taken.append(job)
    assert [repr(job) for job in taken] == [f"{number}" for number in range(54)] + [f"other {n}" for n in range(2)]
    ready.ended(taken[-1])
    assert order(ready) == [f"other {number}" for number in range(2, 20)]
    for job in taken[:-1]:
        ready.ended(job)
    assert order(ready) == [f"{number}" for number in range(54, 100)]


def test_a_job_that_is_held_back_moves_forward() -> None:
    """A job that waits for its endpoint is done once, though it came to be waited for meanwhile."""
    ready = Ready(1)
    first, second, third = (Named(name, "slow", is_urgent=False) for name in ("first", "second", "third"))
    for job in (first, second, third):
        ready.put(job)
    assert ready.take() is first
    assert ready.take() is None
    third.is_urgent = True
    ready.put(third)
    assert ready.take() is None
    ready.ended(first)
    assert order(ready) == ["third", "second"]


def test_a_caller_overtakes_what_its_endpoint_holds_back() -> None:
    """A caller's renewal comes before those that nobody waits for where they are held back, too."""
    ready = Ready(1)
    for number in range(100):
        ready.put(Named("background", "slow", asked=float(number) / 100, is_urgent=False))
    first = ready.take()
    assert first is not None
    assert ready.take() is None
    ready.put(Named("caller", "slow", asked=20.0))
    assert ready.take() is None
    ready.ended(first)
    assert order(ready)[0] == "caller"


def test_who_waits_comes_first_also_at_a_crowded_endpoint() -> None:
    """A caller's renewal overtakes those in the background that were held back before it came."""
    ready = Ready(1)
    for number in range(10):
        ready.put(Named(f"{number}", "slow", is_urgent=False))
    running = ready.take()
    assert running is not None
    assert ready.take() is None
    ready.put(Named("caller", "slow", asked=30.0))
    assert ready.take() is None
    ready.ended(running)
    assert order(ready)[0] == "caller"


# Calls.


class Time:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def woken() -> list[Job]:
    """Whose turn has come."""
    return []


@pytest.fixture
def calls(woken: list[Job]) -> Calls:
    """The calls of a process."""
    return Calls(lambda job, key: woken.append(job))


def test_a_silent_endpoint_is_asked_by_one(calls: Calls) -> None:
    """After eight calls without an answer there is one at a time, until one is answered."""
    jobs = [Named(f"{number}") for number in range(MOST_UNANSWERED)]
    for job in jobs:
        assert calls.begin("endpoint", "key", job) is Admission.GO
    for job in jobs:
        calls.end("endpoint", "key", job, None)
    probe, other = Named("probe"), Named("other")
    assert calls.begin("endpoint", "key", probe) is Admission.GO
    assert calls.begin("endpoint", "key", other) is Admission.SILENT
    assert calls.begin("another", "key", other) is Admission.GO
    calls.end("endpoint", "key", probe, None)
    assert calls.begin("endpoint", "key", other) is Admission.GO
    calls.end("endpoint", "key", other, 500)
    assert {calls.begin("endpoint", "key", job) for job in jobs} == {Admission.GO}


def test_an_answer_in_between_is_enough(calls: Calls) -> None:
    """Seven lost calls, an answer, and seven more are no silence."""
    for status in [None] * 7 + [503] + [None] * 7:
        calls.begin("endpoint", "key", Named())
        calls.end("endpoint", "key", Named(), status)
    assert [calls.begin("endpoint", "key", Named()) for _ in range(2)] == [Admission.GO] * 2


def test_after_a_429_there_is_one_call_at_a_time(calls: Calls, woken: list[Job]) -> None:
    """The others of the same key wait, and have their turns one after the other, in order, until one is answered."""
    throttled(calls, "key")
    first, *others = jobs = [Named(f"{number}") for number in range(4)]
    admitted = [calls.begin("endpoint", "key", job) for job in jobs]
    assert admitted == [Admission.GO] + [Admission.WAIT] * 3
    assert calls.begin("endpoint", "another key", Named()) is Admission.GO
    calls.end("endpoint", "key", first, 429)
    assert woken == others[:1]
    assert calls.begin("endpoint", "key", first) is Admission.WAIT
    assert calls.begin("endpoint", "key", others[0]) is Admission.GO
    calls.end("endpoint", "key", others[0], None)
    assert woken == others[:2]
    assert calls.begin("endpoint", "key", others[1]) is Admission.GO
    calls.end("endpoint", "key", others[1], 200)
    assert woken == [*others[:2], others[2], first]
    assert {calls.begin("endpoint", "key", job) for job in jobs} == {Admission.GO}


def test_a_crowd_goes_on_by_and_by(calls: Calls, woken: list[Job]) -> None:
    """An answer lets some of those go on who wait, and each of these some more, but for another 429 in between."""
    throttled(calls, "key")
    holder, *others = [Named(f"{number}") for number in range(1_000)]
    for job in (holder, *others):
        calls.begin("endpoint", "key", job)
    calls.end("endpoint", "key", holder, 201)
    assert woken == others[:WOKEN_AT_ONCE]
    calls.end("endpoint", "key", begun(calls, holder), 429)
    assert woken == others[: WOKEN_AT_ONCE + 1]
    assert calls.begin("endpoint", "key", woken[0]) is Admission.WAIT
    calls.end("endpoint", "key", begun(calls, woken[-1]), 201)
    for at, job in enumerate(woken):
        assert at < WOKEN_AT_ONCE or calls.begin("endpoint", "key", job) is Admission.GO
        if at % 2:
            calls.leave("key", job)
        elif at >= WOKEN_AT_ONCE:
            calls.end("endpoint", "key", job, 200)
    assert set(woken) == set(others)
    assert calls._throttles == {}


def begun(calls: Calls, job: Job) -> Job:
    assert calls.begin("endpoint", "key", job) is Admission.GO
    return job


def test_a_turn_that_is_not_taken_is_anothers(calls: Calls, woken: list[Job]) -> None:
    """Whoever needs no call any more, be it that it waits or that its turn has come, stops nobody."""
    throttled(calls, "key")
    jobs = [Named(f"{number}") for number in range(5)]
    for job in jobs:
        calls.begin("endpoint", "key", job)
    calls.leave("key", jobs[1])
    calls.end("endpoint", "key", jobs[0], 429)
    assert woken == [jobs[2]]
    calls.leave("key", jobs[2])
    assert woken == [jobs[2], jobs[3]]
    assert calls.begin("endpoint", "key", jobs[3]) is Admission.GO


def test_nothing_is_kept_of_old_throttles() -> None:
    """What a device was told that never came again is forgotten after an hour."""
    time = Time()
    calls = Calls(lambda job, key: None, time)
    for number in range(1_000):
        throttled(calls, f"address {number}")
    time.now += LONGEST_THROTTLE + 1.0
    throttled(calls, "one more")
    assert len(calls._throttles) == 1
    assert calls._endpoints == {}


def throttled(calls: Calls, key: str) -> None:
    job = Named()
    assert calls.begin("endpoint", key, job) is Admission.GO
    calls.end("endpoint", key, job, 429)


# Whole renewals.


class Counting(Server):
    """A server that counts how many calls are under way at once, by the addresses that they are for."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        super().__init__()
        self.answer, self.lock = answer, threading.Lock()
        self.calls: list[str] = []
        self.under_way: list[str] = []
        self.peak = 0

    def send(self, request: Request) -> Response:
        address = request.headers.get("X-Forwarded-For", "")
        with self.lock:
            self.calls.append(request.endpoint)
            self.under_way.append(address)
            self.peak = max(self.peak, self.under_way.count(address))
        try:
            return self.answer(request)
        finally:
            with self.lock:
                self.under_way.remove(address)


def own_clock() -> Clock:
    """A clock that is not the process's, so that nothing is known of its servers."""
    return Clock(wall=lambda: Clock().wall())


def sources_of(server: Server, addresses: list[str], clock: Clock | None = None) -> list[TokenSource]:
    """A cold source for each of the addresses."""
    clock = clock or own_clock()
    return [
        server.source_here(
            MemoryStore(),
            clock=clock,
            policy=Policy(attempts=1),
            provider=AdobePass(STATEMENT, forwarded_for=address),
            instance=f"{number}",
        )
        for number, address in enumerate(addresses)
    ]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Lets a server answer; it does at the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


def eventually(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.001)


@pytest.mark.fault(
    "many devices behind one address are throttled (429)",
    "their calls are made one at a time, until one is answered; devices at other addresses are not held up",
)
def test_one_address_is_asked_for_one_at_a_time() -> None:
    """Once its server has answered 429, devices of one address call one after the other; others as before."""
    answered = threading.Event()

    def answer(request: Request) -> Response:
        if request.headers.get("X-Forwarded-For") == "192.0.2.1" and not answered.is_set():
            return Response(429, {"retry-after": "100"}, b"")
        return server.world.answer(request)

    server = Counting(answer)
    sources = sources_of(server, ["192.0.2.1"] * 20 + ["192.0.2.2"])
    with pytest.raises(Throttled):
        sources[0].token()
    server.peak = 0
    with ThreadPoolExecutor(20) as callers:
        found = list(callers.map(lambda source: type(source_error(source)), sources[1:20]))
    assert (set(found), server.peak) == ({Throttled}, 1)
    assert sources[20].token().value
    answered.set()
    late = sources_of(server, ["192.0.2.1"] * 10, sources[0]._clock)
    with ThreadPoolExecutor(10) as callers:
        assert all(each.value for each in callers.map(lambda source: source.token(), late))


def test_a_turn_that_a_renewal_does_not_need() -> None:
    """A renewal whose turn has come, and that finds a token in the store, lets the next one have its turn at once."""
    begun, gate = threading.Event(), threading.Event()

    def answer(request: Request) -> Response:
        if request.endpoint.endswith("token") and throttles:
            begun.set()
            assert gate.wait(PATIENCE)
            return Response(429, {"retry-after": "100"}, b"")
        return server.world.answer(request)

    server, throttles = Counting(answer), list[bool]()
    clock = own_clock()
    sources = sources_of(server, ["192.0.2.1"] * 3, clock)
    tokens = [source.token() for source in sources]
    throttles.append(True)
    gate.set()
    with pytest.raises(Throttled):
        sources[0].token(instead_of=tokens[0])
    gate.clear()
    begun.clear()
    fresh = sources_of(server, ["192.0.2.1"] * 3, clock)
    for source, former in zip(fresh, sources, strict=True):
        source._driver.store._records = former._driver.store._records  # type: ignore[attr-defined]
    with ThreadPoolExecutor(3) as callers:
        waiting = [callers.submit(fresh[0].token, instead_of=fresh[0].token())]
        assert begun.wait(PATIENCE)
        for source in fresh[1:]:
            waiting.append(callers.submit(source.token, instead_of=source.token()))
            eventually(lambda: len(WORKERS.state.parked) == len(waiting) - 1)
        key, data = written(fresh[1])
        fresh[1]._driver.store.put(key, data)
        gate.set()
        assert isinstance(waiting[0].exception(PATIENCE), Throttled)
        assert waiting[1].result(PATIENCE).value == "ofapeer"
        assert isinstance(waiting[2].exception(PATIENCE), Throttled)


def written(source: TokenSource) -> tuple[str, bytes]:
    """The record of a token that a peer of *source* has got."""
    now = Clock().wall()
    return source._identity.token, write_token(source._identity.token, AccessToken("ofapeer", now, now + 3_600.0))


def source_error(source: TokenSource) -> BaseException | None:
    try:
        source.token()
    except Throttled as error:
        return error
    return None


@pytest.mark.fault(
    "a server does not answer at all, and hundreds of identities call it",
    "after eight calls one at a time finds out whether it is back; all others fail at once with `retry_at`",
)
def test_a_silent_server_is_asked_by_one(gate: threading.Event) -> None:
    """While one call finds out whether a silent server is back, others fail at once; when it is, all are served."""
    is_back = threading.Event()

    def answer(request: Request) -> Response:
        if is_back.is_set():
            return server.world.answer(request)
        if len(server.calls) > MOST_UNANSWERED:
            assert gate.wait(PATIENCE)
        raise ServerUnavailable("no route")

    server = Counting(answer)
    sources = sources_of(server, [f"192.0.2.{number}" for number in range(30)])
    for source in sources[:MOST_UNANSWERED]:
        with pytest.raises(ServerUnavailable, match="no route"):
            source.token()
    sources.pop()._token_or_flight(None)
    eventually(lambda: len(server.calls) > MOST_UNANSWERED)
    before = len(server.calls)
    for source in sources[MOST_UNANSWERED:]:
        with pytest.raises(ServerUnavailable, match="one at a time") as caught:
            source.token()
        assert caught.value.retry_at is not None
    assert len(server.calls) == before
    is_back.set()
    gate.set()
    fresh = sources_of(server, [f"198.51.100.{number}" for number in range(30)])
    eventually(lambda: not WORKERS.is_busy)
    with ThreadPoolExecutor(30) as callers:
        assert all(each.value for each in callers.map(lambda source: source.token(), fresh))


def test_a_slow_server_leaves_workers_to_others(gate: threading.Event) -> None:
    """With all workers that one server may have waiting for it, a renewal at another one has its token at once."""

    def answer(request: Request) -> Response:
        assert gate.wait(PATIENCE)
        return server.world.answer(request)

    server, other = Counting(answer), Server()
    other.world.provider = AdobePass(STATEMENT, base_url="https://elsewhere.example")
    sources = sources_of(server, [f"192.0.2.{number}" for number in range(40)])
    quick = other.source(MemoryStore(), clock=Clock(), provider=other.world.provider)
    gate.set()
    held = [source.token() for source in sources]
    gate.clear()
    server.calls.clear()
    WORKERS.set_most(8)
    try:
        with ThreadPoolExecutor(40) as callers:
            waiting = [
                callers.submit(source.token, instead_of=token) for source, token in zip(sources, held, strict=True)
            ]
            eventually(lambda: len(server.calls) == 7)
            assert quick.token().value == "token-1"
            assert len(server.calls) == 7
            gate.set()
            assert all(each.result(PATIENCE).value for each in waiting)
    finally:
        WORKERS.set_most(64)


class Hanging(MemoryStore):
    """A store that does not answer until *gate* is open."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate, self.waiting = gate, itertools.count()
        self.asked = 0

    def get(self, key: str) -> bytes | None:
        self.asked = next(self.waiting) + 1
        assert self.gate.wait(PATIENCE)
        return super().get(key)


def test_a_store_that_hangs_delays_no_other(gate: threading.Event) -> None:
    """While one store keeps all workers that it may have, identities in another one at the same server are served."""
    server, clock, store = Server(), own_clock(), Hanging(gate)
    stuck = [server.source_here(store, clock=clock, instance=f"{number}") for number in range(20)]
    quick = server.source_here(MemoryStore(), clock=clock, instance="quick")
    WORKERS.set_most(8)
    try:
        with ThreadPoolExecutor(20) as callers:
            waiting = [callers.submit(source.token) for source in stuck]
            eventually(lambda: store.asked == 5)
            assert quick.token().value == "token-1"
            assert store.asked == 5
            gate.set()
            assert all(each.result(PATIENCE).value for each in waiting)
    finally:
        WORKERS.set_most(64)
