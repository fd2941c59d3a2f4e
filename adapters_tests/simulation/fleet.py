"""A simulated fleet: two processes that act for many identities each, with few workers, one store and one server.

The token sources, their jobs and turns, the queues, and what a process knows of its identities are the real ones. A
seed decides who asks when, how long a call takes, what fails, and how many sources a process holds. While a call is
under way the others take their turns. So that the two can be compared, a token lives for longer than the simulation.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from unittest import mock

from adapters_tests.simulation.invariants import Invariant, require
from adapters_tests.simulation.knowledge import nothing_known
from adapters_tests.simulation.server import PROVIDER, SimulatedServer
from adapters_tests.simulation.store import SimulatedStore
from dcrauth import Clock, DCRAuthError, Policy, ServerUnavailable, StoreUnavailable, TokenSource, TokenSources
from dcrauth.credentials import AccessToken
from dcrauth.engine import single_flight, source, turn
from dcrauth.engine.calls import Calls
from dcrauth.engine.identity import Identity
from dcrauth.engine.incident_breaker import IncidentBreaker
from dcrauth.engine.job import Job
from dcrauth.engine.pool_state import PoolState, Worker
from dcrauth.engine.ready import most_at_one_endpoint
from dcrauth.engine.refused_statements import Refusals
from dcrauth.engine.renewing import Renewing
from dcrauth.engine.single_flight import Flight
from dcrauth.providers.protocol import Request, Response

_IDLE = 10.0
_LIFE = 1_000_000
_TROUBLED = 600.0
"""For so many seconds something may fail."""

_CALM = _TROUBLED + 90_000.0
"""So late all is forgotten that a failure has led to: a registration that was of no use, a client never stored."""

_ASKED_AGAIN = 3
FAULTS = ("busy", "revoked", "unusable", "no writes", "silent")
_NO_SECRET = Response(201, {}, b'{"client_id": "nobody-s"}')


class Fleet:
    """The world of one seed.

    Parameters:
        seed: decides everything.
        count: how many identities there are; the seed decides unless it is given.
    """

    def __init__(self, seed: int, count: int | None = None) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.faults = [fault for fault in FAULTS if self.rng.random() < 0.25]
        self.server = SimulatedServer(life=_LIFE, retry_after=self.rng.choice((None, "7", "600")))
        self.store = SimulatedStore()
        self.locks: set[str] = set()
        self.given_up: set[str] = set()
        """Whose lock was held for so long that others have gone on without it."""
        self.names = [f"device-{number}" for number in range(count or self.rng.choice((1, 2, 5, 20)))]
        self.useless = {name for name in self.names if "unusable" in self.faults and self.rng.random() < 0.5}
        self.agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0
        self.processes = [FleetProcess(self, number) for number in range(2)]

    def run(self) -> None:
        """Let everything happen, and judge it."""
        with self._in_place():
            self._trouble()
            for process in self.processes:
                process.ask_for_all()
            for begin in (_TROUBLED, _CALM):
                self.until(begin)
                for process in self.processes:
                    process.ask_again()
            self.until(_CALM + 10_000.0)
            for process in self.processes:
                process.judge_in_the_end()
            self._judge_calls()

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        self._number += 1
        heapq.heappush(self.agenda, (self.now + seconds, self._number, act))

    def until(self, moment: float) -> None:
        """Let the time come for *moment*, and happen what happens before it."""
        while self.agenda and self.agenda[0][0] <= moment:
            due, _, act = heapq.heappop(self.agenda)
            self.now = max(self.now, due)
            act()
            for process in self.processes:
                process.attend()
        self.now = max(self.now, moment)

    def of(self, job: Job) -> FleetProcess:
        """Return the process that *job* is one of."""
        return next(process for process in self.processes if process.clock is job.clock)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """Have the processes of this fleet in the place of the real one."""
        with ExitStack() as stack:
            for module in (source, single_flight, turn):
                stack.enter_context(mock.patch.object(module, "WORKERS", FleetWorkers(self)))
            stack.enter_context(mock.patch.object(source, "random", self.rng))
            stack.enter_context(mock.patch.object(single_flight, "_MOMENT", 0.0))
            stack.enter_context(mock.patch.object(turn, "REGISTRATIONS"))
            stack.enter_context(nothing_known())
            yield

    def _trouble(self) -> None:
        for fault in self.faults:
            if fault != "unusable":
                begin = self.rng.random() * 0.5 * _TROUBLED
                self.at(begin, partial(self._set, fault, on=True))
                self.at(begin + self.rng.random() * 0.5 * _TROUBLED, partial(self._set, fault, on=False))
        self.at(_TROUBLED, self.useless.clear)

    def _set(self, fault: str, *, on: bool) -> None:
        match fault:
            case "busy":
                self.server.throttled = on
            case "revoked":
                self.server.revoked = on
            case "no writes":
                self.store_is_full = on
            case "silent":
                self.is_silent = on

    store_is_full = False
    is_silent = False

    def _judge_calls(self) -> None:
        """Require one registration and one token call for each identity, unless something was in their way."""
        for name in self.names:
            registered, granted = [[counts[name] for counts in each] for each in self._made()]
            require(max(registered) <= 1, Invariant.ONE_CALL_EACH, f"{registered} registrations of {name}")
            if "no writes" not in self.faults and _key(name) not in self.given_up:
                one = sum(registered) == sum(granted) == 1
                require(one, Invariant.ONE_CALL_EACH, f"{registered} registrations, {granted} token calls of {name}")

    def _made(self) -> tuple[list[Counter[str]], list[Counter[str]]]:
        """Return the registrations and the token calls of each process, by identity."""
        return [process.registered for process in self.processes], [process.granted for process in self.processes]


class FleetProcess:
    """A process: its sources, its workers, and who asks.

    Parameters:
        fleet: the world.
        number: which of the two it is.
    """

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet, rng = fleet, fleet.rng
        self.name, boot = f"p{number}", 1e5 * number
        self.clock = FleetClock(
            lambda: 1.7e9 + fleet.now, lambda: boot + fleet.now, lambda seconds: fleet.until(fleet.now + seconds)
        )
        self.state = PoolState(rng.choice((1, 2, 3, 8)))
        self.registered: Counter[str] = Counter()
        self.granted: Counter[str] = Counter()
        self.useless: Counter[str] = Counter()
        self.refused_until: dict[str, float] = {}
        self.unfinished = 0
        self.served_in_the_end: set[str] = set()
        self._next_look = -1.0
        most = rng.choice((1, 1 + len(fleet.names) // 3, len(fleet.names)))
        self.sources = TokenSources(
            PROVIDER, store=FleetStore(fleet), transport=FleetTransport(self), most=most, clock=self.clock
        )
        options = self.sources._options
        calls = Calls(self.state.wake, self.clock.monotonic)
        driver = replace(options.driver, calls=calls, breaker=IncidentBreaker(), refusals=Refusals())
        self.sources._options = replace(options, driver=driver)
        self._names = {_key(name): name for name in fleet.names}
        self.running: list[Job] = []

    def instance(self) -> str:
        """Return whose turn it is that makes a call."""
        job = self.running[-1]
        assert isinstance(job, Renewing)
        assert job._context is not None
        return self._names[job._context.identity.key]

    # Callers.

    def ask_for_all(self) -> None:
        """Ask for the token of each identity a few times, among many others, so that sources come and go."""
        for name in self.fleet.names:
            for _ in range(self.fleet.rng.randint(1, 4)):
                self.fleet.at(self.fleet.rng.random() * _TROUBLED, partial(self._ask, name))

    def ask_again(self) -> None:
        """Ask again, now that nothing is in the way."""
        for name in self.fleet.names:
            for turn_ in range(_ASKED_AGAIN):
                self.fleet.at(turn_ * 1_000.0 + self.fleet.rng.random(), partial(self._ask, name))

    def _ask(self, name: str) -> None:
        held = self.sources.get(name)
        try:
            found = held.fresh() or held._token_or_flight(None)
        except DCRAuthError:
            return
        if isinstance(found, AccessToken):
            self._serve(name)
        elif not found.wake(lambda: self.fleet.at(0.0, lambda: self._look(name, held, found))):
            self._look(name, held, found)

    def _look(self, name: str, held: TokenSource, flight: Flight) -> None:
        """Hear what has become of a renewal; who has waited lets its source go with that."""
        try:
            held._after(flight, None)
        except DCRAuthError as error:
            retry_at = getattr(error, "retry_at", None)
            self.refused_until[name] = self.fleet.now if retry_at is None else retry_at - 1.7e9
        else:
            self._serve(name)

    def _serve(self, name: str) -> None:
        self.refused_until.pop(name, None)
        if self.fleet.now >= _CALM:
            self.served_in_the_end.add(name)

    # The starter and the workers.

    def attend(self) -> None:
        """Do what the starter does."""
        fleet, state = self.fleet, self.state
        over, others = state.parked.pop(fleet.now)
        for job in (*over, *(each for each in others if each.is_due())):
            state.take_up(job)
        while (worker := state.called_up()) is not None:
            fleet.at(0.0, partial(self._look_for_a_job, worker))
        look = state.parked.next_look()
        if len(state.parked) and not fleet.now < self._next_look <= look:
            self._next_look = max(look, fleet.now)
            fleet.at(self._next_look - fleet.now, _nothing)

    def _look_for_a_job(self, worker: Worker) -> None:
        worker.is_there = True
        job = self.state.job_for(worker)
        if job is None:
            self.fleet.at(_IDLE, partial(self._end_if_idle, worker))
            return
        self.running.append(job)
        self._judge_workers()
        wait = job.take()
        self.running.remove(job)
        self.state.settle(job, wait, self.fleet.now)
        self.unfinished -= wait is None
        worker.job = None  # which holds its source
        self.fleet.at(0.0, partial(self._look_for_a_job, worker))

    def _end_if_idle(self, worker: Worker) -> None:
        if worker in self.state.idle:
            self.state.leave(worker)

    # What must hold.

    def _judge_workers(self) -> None:
        most = self.state.most
        limit = most_at_one_endpoint(most)
        at_once, most_there = len(self.running), max(Counter(job.endpoint for job in self.running).values())
        few = at_once <= most and self.state.count <= most and most_there <= limit
        require(few, Invariant.NEVER_MORE_AT_ONCE, f"{at_once} renewals of {self.name}, {self.state.count} workers")

    def calls(self, name: str) -> None:
        """Judge a call that is about to be made for an identity."""
        until = self.refused_until.get(name, 0.0)
        patient = self.fleet.now >= until - 1e-3
        require(patient, Invariant.PAUSE_AFTER_FAILURE, f"{self.name} calls for {name} before {until:g}")

    def judge_in_the_end(self) -> None:
        """Require that nothing is left, and that everybody is served."""
        state = self.state
        ended = not self.unfinished and not state.running
        require(ended, Invariant.NO_JOB_LOST, f"{self.unfinished} renewals have not ended")
        missing = set(self.fleet.names) - self.served_in_the_end
        require(not missing, Invariant.RECOVERY, f"{self.name} is not served for {sorted(missing)}")
        twice = [name for name, count in self.useless.items() if count > 1]
        require(not twice, Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE, f"{self.name} has registered {twice} in vain")
        require(len(self.sources) <= self.sources._most, Invariant.NEVER_MORE_AT_ONCE, "more sources than may be held")


class FleetClock(Clock):
    """A clock by which only short waits are waited for where they come up, as by the machine's."""

    @property
    def has_a_sleep_of_its_own(self) -> bool:
        return False


class FleetWorkers:
    """What callers know of the workers of whichever process a job is one of."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def submit(self, job: Job) -> bool:
        process = self._fleet.of(job)
        job.asked = self._fleet.now
        process.unfinished += 1
        process.state.add(job)
        return True

    def hurry(self, job: Job) -> None:
        state = self._fleet.of(job).state
        if not job.is_urgent:
            job.is_urgent = True
            state.put_forward(job)
        if job.is_due():
            state.take_up(job)

    def wake(self, job: Job, key: object) -> None:
        self._fleet.of(job).state.wake(job, key)


class FleetTransport:
    """Carries the calls of a process, while which the others go on."""

    def __init__(self, process: FleetProcess) -> None:
        self._process = process

    def send(self, request: Request) -> Response:
        process, fleet = self._process, self._process.fleet
        name = process.instance()
        process.calls(name)
        response = self._answered(request, name)
        fleet.until(fleet.now + fleet.rng.random() * fleet.rng.choice((0.1, 1.0, 5.0)))
        if response is None:
            raise ServerUnavailable("no answer")
        return response

    def _answered(self, request: Request, name: str) -> Response | None:
        process, fleet = self._process, self._process.fleet
        if fleet.is_silent:
            return None
        registering = request.endpoint == PROVIDER.register_url
        if registering and name in fleet.useless:
            process.useless[name] += 1
            return _NO_SECRET
        response = fleet.server.answer(request, fleet.now, process.name)
        if response.status == 201:
            (process.registered if registering else process.granted)[name] += 1
        return response


class FleetStore(SimulatedStore):
    """The store of the fleet, as a process sees it."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self._fleet = fleet
        self.records = fleet.store.records

    def keys(self) -> Iterator[str]:
        return iter(tuple(self.records))

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        if key in self._fleet.locks:
            raise StoreUnavailable(f"Somebody else has held the lock for {wait:g} s")
        self._fleet.locks.add(key)
        begun = self._fleet.now
        try:
            yield
        finally:
            self._fleet.locks.discard(key)
            if self._fleet.now - begun > Policy().lock_wait:
                self._fleet.given_up.add(key)

    def _write(self, key: str, value: bytes | None) -> None:
        if self._fleet.store_is_full:
            raise StoreUnavailable("the simulated store takes nothing for a while")
        super()._write(key, value)


def _key(name: str) -> str:
    return Identity.of(PROVIDER.register_url, PROVIDER.token_url, PROVIDER.application, name).key


def _nothing() -> None:
    """Only let the starter look."""
