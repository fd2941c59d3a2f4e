"""One process of the application: a real token source, some callers, and the renewal under way, effect by effect."""

from __future__ import annotations

from contextvars import Context
from typing import Any, NoReturn

from adapters_tests.simulation.calls import EPOCH
from adapters_tests.simulation.surroundings import Caller, World
from adapters_tests.simulation.tasks import NEVER, Evidence, Task, TokenInUse, Vain
from dcrauth import Clock, DCRAuthError, MemoryStore, Policy, StoreUnavailable, TokenSource
from dcrauth.credentials import AccessToken
from dcrauth.engine import renewal, rules, store_repair
from dcrauth.engine.client_updated import unregistered
from dcrauth.engine.effects import Claim, Effect, Emit, LockTry, Release, ReportOutcome
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import StoredCredentials
from dcrauth.engine.refused_statements import Refusals
from dcrauth.engine.single_flight import Flight
from dcrauth.engine.store_health import StoreHealth
from dcrauth.events import Event
from dcrauth.providers.protocol import Request


class UnusedTransport:
    """Stands where the process performs the effects itself."""

    def send(self, request: Request) -> NoReturn:
        raise AssertionError("a simulated renewal sends nothing by itself")


class SimulatedSource(TokenSource):
    """The real thing, except that a renewal is not run on a thread but handed to the simulated process."""

    def __init__(self, process: Process, policy: Policy) -> None:
        clock = Clock(wall=process.wall, monotonic=process.monotonic)
        super().__init__(
            process.world.server.provider, store=MemoryStore(), transport=UnusedTransport(), policy=policy, clock=clock
        )
        self.process = process

    def _start(self, flight: Flight, held: Any, after_refusal: bool, is_urgent: bool, caller: Context) -> bool:
        self.process.asked(Task(self._context(held.token if held else None, after_refusal), flight))
        return True

    def _emit(self, event: Event) -> None:
        self.process.told(event)


class Process:
    """A state machine: it looks for a token, waits for the lock, and performs one effect at each step.

    Parameters:
        world: everything outside.
        number: which process it is.
    """

    def __init__(self, world: World, number: int) -> None:
        self.world, self.name = world, f"p{number}"
        self.clock_error = world.rng.choice(world.server.clock_errors)
        self._boot = world.rng.random() * 1e5
        self.frozen_until = 0.0
        self.callers: list[Caller] = []
        self.incarnation = 0
        self.renewed: list[float] = []
        self._start()

    def _start(self) -> None:
        self.incarnation += 1
        self.ready = NEVER
        self.task: Task | None = None
        self._queue: list[Task] = []
        self.held: TokenInUse | None = None
        self.readings: list[StoredCredentials] = []
        self.failed_at: float | None = None
        self.throttled_until: dict[Any, float] = {}
        self.vain: Vain | None = None
        self.suspected: dict[str, float] = {}
        self.refusals = Refusals()
        self.health = StoreHealth()
        self._pending: Effect | None = None
        self._claimed: tuple[str, str] | None = None
        self._result: Any = None
        self._error: DCRAuthError | None = None
        self.ticket = (self.incarnation, 0)
        self.source = SimulatedSource(self, self.world.policy)

    def wall(self) -> float:
        return self.world.now + EPOCH + self.clock_error

    def monotonic(self) -> float:
        return self.world.now + self._boot

    def instant(self) -> Instant:
        return Instant(self.wall(), self.monotonic())

    def told(self, event: Event) -> None:
        """Hear of an event, whatever it is."""
        self.world.note(self.name, "tells", event)
        self.world.watch.told(event)

    def freeze(self, seconds: float, *, suspended: bool = False) -> None:
        """Stand still; the monotonic clock of a suspended machine stands still as well."""
        self.frozen_until = max(self.frozen_until, self.world.now + seconds)
        self._boot -= seconds if suspended else 0.0
        self.disturb()

    def set_clock(self, error: float) -> None:
        """Set the wall clock so that it differs by so many seconds from the truth."""
        self.clock_error = error
        self.failed_at = self.vain = None
        self.throttled_until = {}
        self.disturb()

    def registered_in_vain(self, seconds: float) -> None:
        """Note that a registration has brought nothing usable, and that there is to be no other one for a while."""
        self.vain = Vain(self.instant().later(seconds))

    def disturb(self) -> None:
        """Note that the task under way cannot be held to its times."""
        if self.task is not None:
            self.task.evidence.disturbed = True
        for caller in self.callers:
            caller.disturbed = True

    def crash(self, pause: float) -> None:
        """Die, and start anew after a while with nothing in memory."""
        if self.task is not None:
            self.world.watch.cut_short(self.task.evidence)
        self.world.watch.clients.drops(self)
        self.world.abandoned(self)
        self._start()
        for caller in self.callers:
            caller.rest(pause)

    def asked(self, task: Task) -> None:
        """Begin a task, or put it off until the present one has ended."""
        self.world.watch.begins(self, task)
        if self.task is None:
            self._begin(task)
        else:
            self._queue.append(task)

    def _begin(self, task: Task) -> None:
        self.task = task
        # The wait of the driver; what it is called is the policy's business.
        policy = task.context.policy
        task.lock_until = self.world.now + getattr(policy, "lock_wait", policy.timeout)
        task.early = task.flight is not None
        task.evidence = Evidence(self.world.now, self.world.store.losses, task.context.memory.client)
        self.ready = self.world.now

    def step(self) -> None:
        """Do the next thing."""
        assert self.task is not None
        if self.task.early and self.task.steps is None:
            self.task.steps = renewal.glimpsed(self.task.context)
        if self.task.steps is None:
            self._enter(self.task)
        else:
            self._go_on(self.task)

    def receives(self, result: Any, error: DCRAuthError | None, delay: float) -> None:
        """Be given the outcome of the pending effect in *delay* seconds."""
        self._result, self._error = result, error
        self.ready = self.world.now + delay

    def sleeps(self, task: Task, seconds: float) -> None:
        """Wait for so many *seconds*: in the middle of the steps, or parked, to begin them anew."""
        if rules.is_parked(seconds):
            self._park(task, seconds)
        else:
            self.receives(None, None, seconds)

    def _park(self, task: Task, seconds: float) -> None:
        assert task.steps is not None
        task.steps.close()
        task.steps, task.locked, self._pending = None, False, None
        task.early = task.flight is not None
        if self._claimed is not None:
            self.refusals.abandon(self._claimed)
            self._claimed = None
        self.world.note(self.name, "is parked", seconds)
        self.world.released(self)
        self.ready = self.world.now + seconds

    def _enter(self, task: Task) -> None:
        """Begin the steps under the lock, or another one where that cannot be had."""
        error: StoreUnavailable | None = None
        try:
            task.locked = self.world.acquired(self)
        except StoreUnavailable as trouble:
            error = trouble
        waits = task.flight is None and error is None and not task.locked
        if waits and self.world.now < task.lock_until:
            self.ready = min(task.lock_until, self.world.lease_until)
            return
        if not task.locked:
            error = error or StoreUnavailable("somebody else holds the simulated lock")
        self.ready = self.world.now
        if task.flight is not None:
            task.steps = renewal.renewal(task.context) if error is None else renewal.without_lock(task.context, error)
        elif error is None:
            task.steps = (unregistered if task.unregisters else store_repair.forgotten)(task.context)
        else:
            self._end(task, error=error)

    def _go_on(self, task: Task) -> None:
        assert task.steps is not None
        result, error, pending = self._result, self._error, self._pending
        if pending is not None:
            self.world.note(self.name, pending, error or result)
            self.world.watch.performed(self, task, pending, result, error)
        self._result = self._error = None
        try:
            effect = task.steps.send(result) if error is None else task.steps.throw(error)
            while isinstance(effect, Emit | ReportOutcome | Claim | Release):
                effect = task.steps.send(self._at_once(effect))
        except StopIteration as end:
            if task.early and end.value is None:
                task.early, task.steps, self._pending, self.ready = False, None, None, self.world.now
            elif isinstance(end.value, LockTry):
                self._park(task, end.value.seconds)
            else:
                self._end(task, end.value)
        except DCRAuthError as failure:
            self._end(task, error=failure)
        else:
            self._pending = effect
            self.ticket = (self.incarnation, self.ticket[1] + 1)
            self.world.perform(self, task, effect)

    def _at_once(self, effect: Emit | ReportOutcome | Claim | Release) -> Any:
        """Perform what needs neither time nor anything outside the process."""
        match effect:
            case Emit():
                return self.told(effect.event)
            case ReportOutcome():
                return effect.refused, 1
            case Claim():
                self._claimed = (effect.endpoint, effect.statement)
                return self.refusals.claim(self._claimed, self.monotonic())
            case Release():
                key, self._claimed = (effect.endpoint, effect.statement), None
                return self.refusals.release(key, self.monotonic(), effect.refusal, effect.seconds)

    def _end(self, task: Task, result: Any = None, error: DCRAuthError | None = None) -> None:
        self.world.note(self.name, "ends", error or result)
        self.task, self._pending, self.ready = None, None, NEVER
        self.world.released(self)
        self.world.watch.ends(self, task, result, error)
        if task.flight is None:
            self._forgot(error)
        elif error is not None:
            self.failed_at = self.world.now
            self.source._fail(task.flight, error, self.source._monotonic())
        else:
            self._hold(task, result)
            self.source._finish(task.flight, result)
        for caller in self.callers:
            caller.wake()
        if self._queue:
            self._begin(self._queue.pop(0))

    def _hold(self, task: Task, token: AccessToken) -> None:
        now, fetched = self.instant(), task.evidence.calls > 0
        left = min(token.expires_at - now.wall, token.life)
        obtained = now.later(-max(0.0, now.wall - token.obtained_at))
        self.held = TokenInUse(token, self.world.now, now.later(left), obtained, fetched)
        self.failed_at = None
        self.renewed.append(task.evidence.began)

    def _forgot(self, error: DCRAuthError | None) -> None:
        if error is None:
            self.source._hold(None)
            self.held = None
