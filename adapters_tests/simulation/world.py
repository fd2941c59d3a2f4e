"""Everything outside the simulated processes: time, store, server, network, and what goes wrong with them."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from adapters_tests.simulation.callers import Caller
from adapters_tests.simulation.calls import Server
from adapters_tests.simulation.faults import Faults
from adapters_tests.simulation.network import Network
from adapters_tests.simulation.process import Process
from adapters_tests.simulation.recovery import Recovery
from adapters_tests.simulation.store import TROUBLES, SimulatedStore
from adapters_tests.simulation.tasks import Task
from adapters_tests.simulation.watch import Watch
from dcrauth import DCRAuthError, Policy, StoreUnavailable
from dcrauth.credentials import AccessToken
from dcrauth.engine.effects import Add, Check, Delete, Effect, Get, GetMany, Now, Put, Replace, Send, Sleep
from dcrauth.providers.protocol import Response
from dcrauth.stores import Reading

_DURATIONS = (2.0, 20.0, 90.0, 700.0, 5000.0)


class World:
    """One simulation's world.

    Parameters:
        rng: decides everything.
        faults: what may go wrong.
        draw_server: draws the server.
    """

    def __init__(self, rng: random.Random, faults: Faults, draw_server: Callable[[random.Random], Server]) -> None:
        self.rng, self.faults = rng, faults
        self.now = 0.0
        self.trace: list[tuple[float, str, Any, Any]] = []
        self.policy = Policy(reregister="never") if rng.random() < 0.1 else Policy()
        self.store = SimulatedStore()
        self.server = draw_server(rng)
        self.shares_address = rng.random() < 0.3
        self.lease = rng.choice((8.0, 60.0, None))
        self.lease_until = 0.0
        self.holder: tuple[Process, int] | None = None
        self.down_until = 0.0
        self.struck: Counter[str] = Counter()
        self.recovery: Recovery | None = None
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0
        self.network = Network(self)
        self.watch = Watch(self)
        self.processes = [self._process(number) for number in range(rng.randint(2, 4))]

    def _process(self, number: int) -> Process:
        process = Process(self, number)
        process.callers = [Caller(process, f"{process.name}.{each}") for each in range(self.rng.randint(1, 2))]
        return process

    def note(self, who: str, what: Any, outcome: Any = None) -> None:
        """Add a line to the trace; it is put into words only if somebody wants to read it."""
        self.trace.append((self.now, who, what, outcome))

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Do something at a later moment."""
        self._number += 1
        heapq.heappush(self._agenda, (moment, self._number, act))

    def due(self, before: float) -> Callable[[], object] | None:
        """Return what is to be done next, if it is due *before* a moment, and let the time come for it."""
        if not self._agenda or self._agenda[0][0] > before:
            return None
        moment, _, act = heapq.heappop(self._agenda)
        self.now = max(self.now, moment)
        return act

    # The lock of the store: a lease, or a lock that ends with the process.

    def acquired(self, process: Process) -> bool:
        """Take the lock for *process* if it is free."""
        if self.store.trouble is StoreUnavailable or self.strikes("no lock"):
            raise StoreUnavailable("the simulated lock cannot be had")
        if self.holder is not None and self.now < self.lease_until:
            return False
        self.holder = (process, process.incarnation)
        self.lease_until = self.now + (self.lease or 1e9)
        return True

    def released(self, process: Process) -> None:
        """Give the lock back, if *process* still has it."""
        if self.holder == (process, process.incarnation):
            self.holder, self.lease_until = None, 0.0
            for each in self.processes:
                # A renewal is parked, and tries again by itself.
                if each.task is not None and each.task.steps is None and each.task.flight is None:
                    each.ready = self.now

    def abandoned(self, process: Process) -> None:
        """A process has died: a lease stands, a lock is free."""
        if self.lease is None:
            self.released(process)

    # What renewals ask for.

    def perform(self, process: Process, task: Task, effect: Effect) -> None:
        """Perform *effect* for *process*, which is told of the outcome now or later."""
        self.watch.before(process, task, effect)
        match effect:
            case Now():
                process.receives(process.instant(), None, 0.0)
            case Sleep():
                process.sleeps(task, effect.seconds)
            case Send():
                self.network.call(process, effect.request)
            case Get() | GetMany() | Add() | Replace() | Put() | Delete() | Check():
                process.receives(*self._in_store(process, task, effect), self.rng.random() * 0.01)
            case _:
                raise NotImplementedError(
                    f"The simulation does not know the effect {type(effect).__name__}: "
                    "say in World.perform what it does, and in Watch what it must not do"
                )
        self._strike_after(process)

    def _strike_after(self, process: Process) -> None:
        if self.strikes("death after an effect"):
            self.note(process.name, "dies")
            process.crash(self.rng.random() * 10.0)
        elif self.strikes("halt after an effect"):
            process.freeze(self.rng.choice(_DURATIONS) * self.rng.random())

    def _in_store(self, process: Process, task: Task, effect: Any) -> tuple[Any, DCRAuthError | None]:
        if isinstance(effect, Check):
            return self._checked(process, task, effect)
        result, error = self._tried(process, task, effect)
        if error is not None:
            process.health.doubt()
        return result, error

    def _checked(self, process: Process, task: Task, effect: Check) -> tuple[None, DCRAuthError | None]:
        def attempt() -> None:
            _, error = self._tried(process, task, effect)
            if error is not None:
                raise error

        try:
            process.health.ensure(process.monotonic(), attempt)
        except DCRAuthError as error:
            return None, error
        return None, None

    def _tried(self, process: Process, task: Task, effect: Any) -> tuple[Any, DCRAuthError | None]:
        writing = not isinstance(effect, Get | GetMany)
        if self.strikes("write fails" if writing else "read fails"):
            return None, StoreUnavailable("the simulated store has failed")
        before = self.store.records.get(effect.key) if writing and not isinstance(effect, Check) else None
        try:
            result = self._done(effect)
        except DCRAuthError as error:
            return None, error
        if writing:
            self.watch.wrote(process, task, effect, before)
        if writing and self.strikes("write fails after the deed"):
            return None, StoreUnavailable("the answer of the simulated store was lost")
        return result, None

    def _done(self, effect: Any) -> Any:
        match effect:
            case Get():
                return self.store.get(effect.key)
            case GetMany():
                return {key: self._read(found) for key, found in self.store.get_many(effect.keys).items()}
            case Check():
                return self.store.healthcheck()
            case _:
                return self._written(effect)

    def _written(self, effect: Any) -> Any:
        match effect:
            case Add():
                return self.store.add(effect.key, effect.value)
            case Replace():
                return self.store.replace(effect.key, effect.value, expected=effect.expected)
            case Put():
                return self.store.put(effect.key, effect.value)
            case Delete():
                return self.store.delete(effect.key)

    def _read(self, found: Reading) -> Reading:
        """Return what was *found* of one record of several, unless just that one cannot be read."""
        return StoreUnavailable("the simulated record cannot be read") if self.strikes("read fails") else found

    def strikes(self, name: str) -> bool:
        """Return whether the fault of that name strikes here and now."""
        rate = self.faults.rates.get(name)
        if rate is None or self.rng.random() >= rate:
            return False
        self.struck[name] += 1
        return True

    def refusal(self, token: AccessToken) -> Response | None:
        """Call a protected API; return how it refuses *token*, or None if it does not."""
        if self.strikes("token refused without reason"):
            return self.rng.choice(self.server.stray_refusals)
        return self.server.refusal(token.value, self.now)

    def request_over(
        self, caller: Caller, *, served: AccessToken | None = None, error: DCRAuthError | None = None
    ) -> None:
        """Let a caller rest until its next request."""
        caller.rest(self._gap() if self.recovery is None else self.recovery.gap(caller, served, error))

    def _gap(self) -> float:
        span = self.rng.choice((0.5, 2.0, 15.0, 0.2 * self.server.life, self.server.life))
        return self.rng.random() * span

    # What happens between two steps.

    def strike(self) -> None:
        """Let one of the events happen, now and then."""
        if self.rng.random() >= self.faults.pace:
            return
        name = self.rng.choice(self.faults.events)
        process, duration = self.rng.choice(self.processes), self.rng.choice(_DURATIONS) * self.rng.random()
        self.struck[name] += 1
        self.note("world", name, process.name)
        match name:
            case "crash":
                process.crash(self.rng.random() * 10.0)
            case "pause" | "suspend":
                process.freeze(duration, suspended=name == "suspend")
            case "clock step":
                process.set_clock(self.rng.choice((0.0, 3.0, -3.0, 200.0, -200.0, 4000.0, -4000.0)))
            case "credentials deleted on purpose":
                self._forget(process)
            case "token record damaged":
                self._damage_the_token()
            case _:
                self._strike_outside(name, duration)

    def _strike_outside(self, name: str, duration: float) -> None:
        server, store, later = self.server, self.store, self.now + duration
        match name:
            case "server down":
                self.down_until = later
            case "some nodes refuse every client":
                server.doubt = self.rng.choice((0.3, 0.7, 1.0))
                self.at(later, lambda: setattr(server, "doubt", 0.0))
            case "statement revoked":
                server.revoked = True
                self.at(later, lambda: setattr(server, "revoked", False))
            case "clients forgotten":
                server.forget_clients()
            case "tokens revoked":
                server.grants.clear()
            case "store down":
                store.trouble = self.rng.choice(TROUBLES)
                self.at(later, lambda: setattr(store, "trouble", None))
            case "failover":
                store.fail_over(self.rng)
            case "store emptied" | "store lost":
                store.empty(loudly=name == "store lost")
            case "metadata broken":
                server.happens(name, self.now, self.rng)
                self.at(later, lambda: server.happens("metadata mended", later, self.rng))
            case _:
                server.happens(name, self.now, self.rng)

    def _forget(self, process: Process) -> None:
        if self.rng.random() < 0.3 and process.task is None:
            # What is answered decides nothing here: the server may delete the client, and does not say so.
            unregisters = hasattr(self.server.provider, "unregister") and self.rng.random() < 0.3
            process.asked(Task(process.source._context(None), None, unregisters=unregisters))

    def _damage_the_token(self) -> None:
        key = self.watch.identity.token
        if key in self.store.records:
            self.store.records[key] = b"\x00 damaged"

    def calm_down(self) -> None:
        """End all faults for good."""
        self.note("world", "calms down")
        self.faults = Faults()
        self.down_until = 0.0
        self.server.doubt, self.server.revoked, self.store.trouble = 0.0, False, None
        self.server.calms_down()
