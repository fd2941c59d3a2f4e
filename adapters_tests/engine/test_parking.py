"""Renewals that have to wait: without a worker, a lock or a generator, and as often as it takes until they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import pytest

from adapters_tests.common.direct import Server
from adapters_tests.common.forks import forked
from adapters_tests.common.interrupts import interrupts, on_a_thread
from adapters_tests.common.world import STATEMENT
from dcrauth import (
    AdobePass,
    Clock,
    ConfigurationError,
    MemoryStore,
    RegistrationRejected,
    RegistrationsLimited,
    ServerUnavailable,
    StoreUnavailable,
    Throttled,
    TokenSource,
    TokenSources,
    events,
)
from dcrauth.engine.calls import CALLS, MOST_UNANSWERED
from dcrauth.engine.job import Job, State, Wait
from dcrauth.engine.parked import LOOK, Parked
from dcrauth.engine.workers import WORKERS, Workers
from dcrauth.providers.protocol import Request, Response

PATIENCE = 10.0
REFUSED = Response(400, {}, b'{"error":"invalid_client"}')
BUSY = Response(429, {"retry-after": "20"}, b"")


class Hands:
    """A clock whose hands are set by hand, and that leaves it to the workers to wait."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_700_000_000.0, 1_000.0
        self.looks = 0
        self.clock = Clock(wall=self._read, monotonic=lambda: self.monotonic)

    def _read(self) -> float:
        self.looks += 1
        return self.wall

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def hands() -> Hands:
    """The clock of a test."""
    return Hands()


class Faulty(Server):
    """A server whose next answers may be other ones than it would give."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.answers: list[Response] = []
        self.lock = threading.Lock()

    def send(self, request: Request) -> Response:
        with self.lock:
            self.calls.append(request.endpoint.rpartition("/")[2])
            return self.answers.pop(0) if self.answers else super().send(request)


@pytest.fixture
def server() -> Faulty:
    """The server of a test."""
    return Faulty()


def eventually(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.001)


def is_parked(source: TokenSource) -> bool:
    flight = source._flight
    return flight is not None and flight.job is not None and flight.job.state is State.PARKED


@contextmanager
def asked(source: TokenSource) -> Iterator[Any]:
    """Ask for a token, and wait until the renewal is parked."""
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(source.token)
        eventually(lambda: is_parked(source))
        yield waiting


def taken_up(source: TokenSource) -> None:
    """Ask for the token as another caller does, who has the clocks looked at."""
    flight = source._flight
    if flight is not None:
        flight.hurry()


def test_what_is_parked_has_no_worker_and_no_lock(server: Faulty, hands: Hands) -> None:
    """While a 429 is waited for no worker is busy and the lock of the identity is free; then the renewal goes on."""
    store, told = MemoryStore(), list[events.Event]()
    source = server.source(store, clock=hands.clock, on_event=told.append)
    source.token()
    hands.advance(3_600.0)
    server.answers = [BUSY]
    with asked(source) as waiting:
        eventually(lambda: not WORKERS.is_busy)
        with store.lock(source._identity.key, wait=0):
            assert not waiting.done()
        hands.advance(25.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-2"
    assert source.flush_events(PATIENCE)
    renewed = told[-1]
    assert isinstance(renewed, events.TokenRenewed)
    assert (renewed.attempts, renewed.seconds) == (2, 25.0)


def test_attempts_survive_a_wait(server: Faulty, hands: Hands) -> None:
    """A renewal that is parked twice has made three calls in all, and does not begin to count anew."""
    source = server.source(MemoryStore(), clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    server.calls.clear()
    server.answers = [Response(429, {"retry-after": "2"}, b"")] * 3
    with asked(source) as waiting:
        hands.advance(3.0)
        taken_up(source)
        eventually(lambda: is_parked(source) and len(server.calls) == 2)
        hands.advance(3.0)
        taken_up(source)
        with pytest.raises(Throttled):
            waiting.result(PATIENCE)
    assert server.calls == ["token"] * 3


def test_a_token_that_came_meanwhile_is_adopted(server: Faulty, hands: Hands) -> None:
    """A renewal that is taken up again looks into the store before it calls."""
    store = MemoryStore()
    source = server.source(store, clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    server.answers = [BUSY]
    with asked(source) as waiting:
        other = server.source(store, clock=Clock(lambda: hands.wall, lambda: hands.monotonic, lambda seconds: None))
        assert other.token().value == "token-2"
        hands.advance(25.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-2"
    assert server.calls == ["register", "token", "token", "token"]


def test_a_refusal_is_doubted_over_a_wait(server: Faulty, hands: Hands) -> None:
    """The second of two refusals of a client counts as the second, though the renewal has begun anew between them."""
    store = MemoryStore()
    source = server.source(store, clock=hands.clock)
    source.token()
    hands.advance(7_200.0)
    server.answers = [REFUSED, REFUSED]
    with asked(source) as waiting:
        assert server.calls == ["register", "token", "token"]
        hands.advance(2.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-2"
    assert server.calls[3:] == ["token", "register", "token"]
    assert server.world.registrations == 2


def test_a_single_refusal_is_not_believed(server: Faulty, hands: Hands) -> None:
    """If the server knows the client again after the pause, no other one is registered."""
    source = server.source(MemoryStore(), clock=hands.clock)
    source.token()
    hands.advance(7_200.0)
    server.answers = [REFUSED]
    with asked(source) as waiting:
        hands.advance(2.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-2"
    assert server.world.registrations == 1


def test_a_registration_is_parked(server: Faulty, hands: Hands) -> None:
    """A 503 with a wait parks a registration as well, and lets other identities show the statement meanwhile."""
    source = server.source(MemoryStore(), clock=hands.clock, instance="first")
    other = server.source(MemoryStore(), clock=hands.clock, instance="second")
    server.answers = [Response(503, {"retry-after": "10"}, b"")]
    with asked(source) as waiting:
        assert other.token().value == "token-1"
        hands.advance(15.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-2"
    assert server.world.registrations == 2


def test_a_renewal_under_the_clock_of_a_test_is_not_parked(server: Faulty) -> None:
    """A sleep of one's own is called for every wait, however long."""
    slept: list[float] = []
    source = server.source(MemoryStore(), clock=Clock(sleep=slept.append))
    source.token()
    server.answers = [BUSY]
    assert source.token(instead_of=source.fresh()).value == "token-2"
    assert 20.0 <= slept[0] <= 25.0


# Claims of statements.


def test_others_wait_for_the_first_to_show_a_statement(server: Faulty, hands: Hands) -> None:
    """While one identity shows a statement the others are parked; when it is refused all of them hear it at once."""
    gate = threading.Event()
    send = server.send

    def held(request: Request) -> Response:
        assert gate.wait(PATIENCE)
        send(request)
        return Response(400, {}, b'{"error":"invalid_software_statement"}')

    server.send = held  # type: ignore[method-assign]
    sources = [server.source(MemoryStore(), clock=hands.clock, instance=f"{number}") for number in range(20)]
    with ThreadPoolExecutor(20) as callers:
        waiting = [callers.submit(source.token) for source in sources]
        eventually(lambda: sum(map(is_parked, sources)) == 19)
        gate.set()
        assert {type(each.exception(PATIENCE)) for each in waiting} == {RegistrationRejected}
    assert server.calls == ["register"]


def test_all_register_once_the_first_has(server: Faulty, hands: Hands) -> None:
    """As soon as the statement is accepted, all that have waited for that are registered, once each."""
    sources = [server.source(MemoryStore(), clock=hands.clock, instance=f"{number}") for number in range(100)]
    with ThreadPoolExecutor(100) as callers:
        assert len({each.value for each in callers.map(lambda source: source.token(), sources)}) == 100
    assert (server.calls.count("register"), server.calls.count("token")) == (100, 100)


class Looked(MemoryStore):
    """A store that counts how often it is read."""

    looks = 0

    def get(self, key: str) -> bytes | None:
        self.looks += 1
        return super().get(key)


def test_a_crowd_that_is_throttled_as_it_registers(server: Faulty, hands: Hands) -> None:
    """Of many new devices each is taken up a few times, not whenever another one is told to wait."""
    store, send = Looked(), server.send
    sources = [server.source(store, clock=hands.clock, instance=f"{number}") for number in range(60)]
    server.answers = [BUSY] * 60

    def slowly(request: Request) -> Response:
        sleep(0.001)  # the others might look meanwhile
        return send(request)

    server.send = slowly  # type: ignore[method-assign]
    with ThreadPoolExecutor(60) as callers:
        waiting = [callers.submit(source.token) for source in sources]
        eventually(lambda: len(server.calls) == 60 and all(map(is_parked, sources)))
        assert store.looks < 2_500
        hands.advance(26.0)
        for source in sources:
            taken_up(source)
        assert len({each.result(PATIENCE).value for each in waiting}) == 60
    assert server.calls.count("register") == 120


def few(server: Faulty, hands: Hands, most: int) -> TokenSources:
    """Sources that may register so many instances in an hour."""
    provider = AdobePass(STATEMENT)
    store = MemoryStore()
    return TokenSources(provider, store=store, transport=server, clock=hands.clock, registrations_per_hour=most)


def test_a_parked_registration_is_counted_once(server: Faulty, hands: Hands) -> None:
    """A registration that has waited goes on, and is one of those that may be begun in an hour, not two of them."""
    sources = few(server, hands, 1)
    source = sources.get("first")
    server.answers = [Response(503, {"retry-after": "10"}, b"")]
    with asked(source) as waiting:
        hands.advance(15.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-1"
    with pytest.raises(RegistrationsLimited):
        sources.get("second").token()
    assert server.calls.count("register") == 2


def test_what_was_not_sent_is_not_counted(server: Faulty, hands: Hands) -> None:
    """A registration that was not made as its server is silent uses up none of those that may be begun in an hour."""
    sources = few(server, hands, 1)
    source = sources.get("probe")
    endpoint, job = (source._driver.breaker, source._driver.clock), Idle()
    for _ in range(MOST_UNANSWERED):
        CALLS.begin(endpoint, "key", job)
        CALLS.end(endpoint, "key", job, None)
    CALLS.begin(endpoint, "key", job)
    for instance in ("first", "second", "third"):
        with pytest.raises(ServerUnavailable, match="one at a time"):
            sources.get(instance).token()
    CALLS.end(endpoint, "key", job, 200)
    assert server.calls == []
    assert source.token().value == "token-1"


def test_what_was_not_sent_is_not_counted_by_a_caller(
    server: Faulty, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that renews itself, as there is no thread, and cannot make the request, uses up no registration."""
    sources = few(server, hands, 1)
    monkeypatch.setattr(WORKERS, "submit", lambda job: False)

    def fails(provider: AdobePass) -> Request:
        raise ConfigurationError("there is no request")

    with monkeypatch.context() as patches:
        patches.setattr(AdobePass, "statement_digest", sources.provider.statement_digest)
        patches.setattr(AdobePass, "registration_request", fails)
        with pytest.raises(ConfigurationError):
            sources.get("first").token()
    assert sources.get("second").token().value == "token-1"


# Locks that somebody else holds.


def test_a_lock_is_tried_and_not_waited_for(server: Faulty) -> None:
    """While somebody else holds the lock no worker is busy; when it is free the renewal has it, and calls once."""
    store = MemoryStore()
    source = server.source(store, clock=Clock())
    waits: list[float] = []
    lock = store.lock

    def noted(key: str, *, wait: float) -> Any:
        waits.append(wait)
        return lock(key, wait=wait)

    store.lock = noted  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as callers:
        with lock(source._identity.key, wait=0):
            waiting = callers.submit(source.token)
            eventually(lambda: len(waits) >= 3)
            assert server.calls == []
        assert waiting.result(PATIENCE).value == "token-1"
    assert set(waits) == {0.0}
    assert server.calls == ["register", "token"]


def test_a_token_is_adopted_before_the_lock_is_free(server: Faulty) -> None:
    """What the holder of the lock has written is used at once, though it has not let go yet."""
    store, peer = MemoryStore(), MemoryStore()
    other = server.source(peer, clock=Clock())
    other.token()
    source = server.source(store, clock=Clock())
    with ThreadPoolExecutor(1) as callers, store.lock(source._identity.key, wait=0):
        waiting = callers.submit(source.token)
        eventually(lambda: is_parked(source))
        store.put(source._identity.token, peer.get(source._identity.token) or b"")
        assert waiting.result(PATIENCE).value == "token-1"
    assert server.calls == ["register", "token"]


def test_after_the_wait_for_a_lock_it_goes_on_without(server: Faulty, hands: Hands) -> None:
    """After half of the timeout a renewal that has credentials goes on without the lock; one that has none fails."""
    store = MemoryStore()
    source = server.source(store, clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    cold = server.source(MemoryStore(), clock=hands.clock)
    locks = store.lock(source._identity.key, wait=0), cold._driver.store.lock(cold._identity.key, wait=0)
    with locks[0], locks[1], asked(source) as waiting, asked(cold) as failing:
        hands.advance(15.1)
        assert waiting.result(PATIENCE).value == "token-2"
        with pytest.raises(StoreUnavailable):
            failing.result(PATIENCE)
    assert server.world.registrations == 1


def test_a_store_that_is_down_is_not_waited_for(server: Faulty, hands: Hands) -> None:
    """Where neither the lock can be had nor a record be read, a process that knows its client goes on at once."""

    class Failing(MemoryStore):
        down = False

        @contextmanager
        def lock(self, key: str, *, wait: float) -> Iterator[None]:
            if self.down:
                raise StoreUnavailable("down")
            with super().lock(key, wait=wait):
                yield

        def get(self, key: str) -> bytes | None:
            if self.down:
                raise StoreUnavailable("down")
            return super().get(key)

    store = Failing()
    source = server.source(store, clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    store.down = True
    assert source.token().value == "token-2"


@pytest.mark.fault(
    "many identities wait for locks that other processes hold",
    "in the whole process 100 locks are tried in a second; none is waited for by a thread",
)
def test_locks_are_tried_seldom() -> None:
    """Of a thousand jobs that wait for locks one is taken up in each hundredth of a second, and each within ten."""
    parked, jobs = Parked(), [Idle() for _ in range(1_000)]
    for job in jobs:
        parked.put(job, Wait(0.05, job.clock.now().later(0.05), is_lock_try=True), now=0.0)
    tried = []
    for moment in range(1_100):
        over, _ = parked.pop(moment / 100)
        tried += over
        assert len(over) <= 1
        for job in over:
            parked.remove(job)
            job.state = State.RUNNING
    assert tried == jobs


# Clocks.


class Idle(Job):
    """A job that does nothing but remember that it was taken up."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__("endpoint", clock or Clock(), is_urgent=True)
        self.turns = 0

    def take(self) -> Wait | None:
        self.turns += 1
        return None


class Steady:
    """The clock of the workers, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def parked_jobs(hands: Hands, steady: Steady, seconds: float) -> tuple[Workers, list[Idle]]:
    """A thousand jobs that are parked for so many *seconds*, with workers whose threads never begin."""
    workers, jobs = Workers(4, steady), [Idle(hands.clock) for _ in range(1_000)]
    for job in jobs:
        workers.state.parked.put(job, Wait(seconds, hands.clock.now().later(seconds)), steady.now)
    return workers, jobs


def looked(workers: Workers, jobs: list[Idle]) -> int:
    """Have the workers look, and do what is ready; return how many jobs were taken up."""
    workers._look()
    before = sum(job.turns for job in jobs)
    while (job := workers.state.next_job()) is not None:
        workers._do(job)
    return sum(job.turns for job in jobs) - before


@pytest.mark.fault(
    "a machine sleeps while renewals wait, or its wall clock is set forward or back",
    "each is taken up once, half a minute after waking at the latest; none is lost, and none looks all the time",
)
def test_a_machine_that_slept(hands: Hands) -> None:
    """The wall clock is two hours ahead, the monotonic one ten seconds: a thousand are taken up, each once."""
    steady = Steady()
    workers, jobs = parked_jobs(hands, steady, 3_600.0)
    hands.wall += 7_200.0
    hands.monotonic += 10.0
    steady.now += 10.0
    assert looked(workers, jobs) == 0
    steady.now = LOOK
    assert looked(workers, jobs) == 1_000
    steady.now = 3_600.0
    assert looked(workers, jobs) == 0
    assert {job.turns for job in jobs} == {1}


def test_a_wall_clock_that_is_set_back(hands: Hands) -> None:
    """The wall clock is a day behind: none is lost, and each is looked at twice a minute until it is due."""
    steady = Steady()
    workers, jobs = parked_jobs(hands, steady, 300.0)
    hands.wall -= 86_400.0
    hands.looks = 0
    for _ in range(299):
        hands.monotonic += 1.0
        steady.now += 1.0
        assert looked(workers, jobs) == 0
    assert hands.looks == 9 * 1_000
    hands.monotonic += 1.0
    steady.now += 1.0
    assert looked(workers, jobs) == 1_000


def test_clocks_that_stand_still(hands: Hands) -> None:
    """Under clocks that a test has stopped a wait is over when so many seconds have passed in truth."""
    steady = Steady()
    workers, jobs = parked_jobs(hands, steady, 60.0)
    steady.now = 60.0
    assert looked(workers, jobs) == 1_000


def test_who_wants_the_token_has_the_clocks_looked_at(server: Faulty, hands: Hands) -> None:
    """A parked renewal whose moment has come by its own clock is taken up at once when a caller asks for it."""
    source = server.source(MemoryStore(), clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    server.answers = [BUSY]
    with asked(source) as waiting:
        hands.wall += 7_200.0
        assert source.token().value == waiting.result(PATIENCE).value == "token-2"


# Callers that go, processes that fork, ends of clients.


def test_cancelled_callers_leave_a_parked_renewal(server: Faulty, hands: Hands) -> None:
    """Who asks after all waiters of a parked renewal were cancelled waits for that one: there is no second one."""
    source = server.source(MemoryStore(), clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    server.answers = [BUSY]

    async def main() -> str:
        tasks = [asyncio.create_task(source.token_async()) for _ in range(20)]
        await asyncio.to_thread(eventually, lambda: is_parked(source))
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
        )
        hands.advance(25.0)
        return (await source.token_async()).value

    assert asyncio.run(main()) == "token-2"
    assert server.calls == ["register", "token", "token", "token"]


def test_a_parked_renewal_is_not_pushed_out(server: Faulty, hands: Hands) -> None:
    """However many others come meanwhile, a source whose parked renewal is waited for stays, and renews once."""
    sources = TokenSources(AdobePass(STATEMENT), store=MemoryStore(), transport=server, clock=hands.clock, most=1)
    sources.get("waited for").token()
    hands.advance(3_600.0)
    server.answers = [BUSY]
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(lambda: sources.get("waited for").token())
        eventually(lambda: is_parked(sources.get("waited for")))
        for number in range(10):
            sources.get(f"another {number}")
        hands.advance(25.0)
        assert sources.get("waited for").token() == waiting.result(PATIENCE)
    assert server.calls == ["register", "token", "token", "token"]


@pytest.mark.slow
@pytest.mark.fault(
    "Ctrl-C in any line of a caller who waits for a parked renewal", "the next call gets the token of that renewal"
)
@on_a_thread
def test_an_interrupted_caller_of_a_parked_renewal() -> None:
    """Wherever a caller of a parked renewal is interrupted, that goes on when its time has come, once."""
    made: list[tuple[Faulty, TokenSource]] = []

    def prepare() -> Callable[[], object]:
        server, hands = Faulty(), Hands()
        source = server.source(MemoryStore(), clock=hands.clock)
        source.token()
        hands.advance(3_600.0)
        server.answers = [BUSY]
        source._token_or_flight(None)
        eventually(lambda: is_parked(source))
        hands.advance(25.0)
        made.append((server, source))
        return source.token

    for interrupting, act in interrupts(prepare):
        with contextlib.suppress(KeyboardInterrupt), interrupting:
            act()
        server, source = made[-1]
        assert source.token().value == "token-2"
        assert server.calls == ["register", "token", "token", "token"]
    assert len(made) > 20


def test_forget_beside_a_parked_renewal(server: Faulty, hands: Hands) -> None:
    """A renewal that is parked while its client is deleted brings its waiters a token of the next client."""
    source = server.source(MemoryStore(), clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    server.answers = [BUSY]
    with asked(source) as waiting:
        flight = source._flight
        assert source.forget()
        assert source.token().value == "token-2"
        hands.advance(25.0)
        assert flight is not None
        flight.hurry()
        assert waiting.result(PATIENCE).value == "token-2"
    assert server.world.registrations == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_beside_parked_renewals(server: Faulty, hands: Hands) -> None:
    """A child does not wait for what its parent has parked, and the parent goes on with it."""
    source = server.source(MemoryStore(), clock=hands.clock)
    source.token()
    hands.advance(3_600.0)
    server.answers = [BUSY]

    def child() -> None:
        assert source.token().value == "token-2"
        assert len(WORKERS.state.parked) == 0

    with asked(source) as waiting:
        with forked(child):
            """The parent waits."""
        hands.advance(25.0)
        taken_up(source)
        assert waiting.result(PATIENCE).value == "token-2"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_lets_no_lock_of_its_parent_go(server: Faulty) -> None:
    """A child that a renewal's own call has forked, and that goes on from there, gives no lock back."""
    exits, statuses = list[int](), list[int]()

    class Watched(MemoryStore):
        @contextmanager
        def lock(self, key: str, *, wait: float) -> Iterator[None]:
            yield
            exits.append(os.getpid())

    forking = server.source(Watched(), clock=Clock())
    parent = os.getpid()

    def fork(request: Request) -> Response:
        pid = os.fork()
        if pid == 0:
            raise SystemExit
        statuses.append(os.waitpid(pid, 0)[1])
        return Faulty.send(server, request)

    server.send = fork  # type: ignore[method-assign]
    context = forking._context(None)
    try:
        forking._driver.renew(context, lambda: None)
    finally:
        if os.getpid() != parent:
            os._exit(len(exits))
    assert (exits, statuses) == ([parent], [0, 0])
