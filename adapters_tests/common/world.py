"""A world for renewals without any I/O: a store, a server and a clock that are plain values, and steps one by one.

Several processes run the real ``renewal`` generator. Between any two of their effects the others may go on, a process
may die, an answer may be lost, the server may fail or forget its clients, and time may pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from dcrauth import (
    DCRAuthError,
    DecryptionFailed,
    InsecureStore,
    Policy,
    ServerUnavailable,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreTooNew,
    StoreUnavailable,
    events,
)
from dcrauth.credentials import AccessToken
from dcrauth.engine.effects import (
    Add,
    Claim,
    Delete,
    Effect,
    Emit,
    Get,
    GetMany,
    Memory,
    Now,
    Put,
    Release,
    RenewalContext,
    Replace,
    ReportOutcome,
    Send,
    Sleep,
)
from dcrauth.engine.identity import Identity
from dcrauth.engine.incident_breaker import IncidentBreaker
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.engine.refused_statements import Refusals
from dcrauth.engine.renewal import renewal
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.protocol import Request, Response, instance_of, token_key
from dcrauth.stores import reading

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"


@dataclass
class World:
    """Everything outside the processes."""

    records: dict[str, bytes] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    issued: int = 0
    now: float = 1_000_000.0
    used: list[str] = field(default_factory=list)
    told: list[events.Event] = field(default_factory=list)
    registrations: int = 0
    breaker: IncidentBreaker = field(default_factory=IncidentBreaker)
    refusals: Refusals = field(default_factory=Refusals)
    token_calls: int = 0

    provider = AdobePass(STATEMENT)
    identity = Identity.of(provider.register_url, provider.token_url, provider.application, "default")

    @classmethod
    def of(cls, provider: Any) -> World:
        """Return the one around a server that *provider* calls."""
        world = cls()
        instance = instance_of(provider, "default")
        world.provider = provider
        world.identity = Identity.of(*provider.anchor, instance, token_key=token_key(provider))
        return world

    def stored_client(self) -> str | None:
        data = self.records.get(self.identity.credentials)
        found = None if data is None else read_credentials(self.identity.credentials, data)
        return found.credentials.client_id if isinstance(found, StoredCredentials) else None

    def answer(self, request: Request) -> Response:
        """What the server says when nothing is wrong with it."""
        if request.endpoint == self.provider.register_url:
            return self._register()
        return self._token(parse_qs(request.body.decode()))

    def _register(self) -> Response:
        self.registrations += 1
        client_id = f"client-{self.registrations}"
        self.clients[client_id] = f"secret-{self.registrations}"
        return _json(201, {"client_id": client_id, "client_secret": self.clients[client_id]})

    def _token(self, form: dict[str, list[str]]) -> Response:
        self.token_calls += 1
        client_id = form["client_id"][0]
        self.used.append(client_id)
        if self.clients.get(client_id) != form["client_secret"][0]:
            return _json(400, {"error": "invalid_client"})
        self.issued += 1
        return _json(201, {"access_token": f"token-{self.issued}", "token_type": "bearer", "expires_in": 3600})


def _json(status: int, fields: dict[str, Any]) -> Response:
    return Response(status, {}, json.dumps(fields).encode())


BROKEN = {
    "503": Response(503, {}, b"<html>busy</html>"),
    "429": Response(429, {}, b"<html>429 Too Many Requests</html>"),
    "html": Response(200, {}, b"<html>please log in</html>"),
    "401 html": Response(401, {}, b"<html>WAF</html>"),
    "half": Response(201, {}, b'{"access_tok'),
}


STORE_FAULTS = {
    "store down": StoreUnavailable,
    "corrupt": StoreCorrupt,
    "too new": StoreTooNew,
    "lost": StoreLost,
    "insecure": InsecureStore,
    "no key": DecryptionFailed,
}


class Process:
    """One process of the application, renewing its token over and over; it can be killed at any step."""

    def __init__(self, world: World, policy: Policy, chance: Callable[[], float]) -> None:
        self.world, self.policy, self.chance = world, policy, chance
        self.identity = world.identity
        self.token: AccessToken | None = None
        self.outcome: Any = None
        self.error: DCRAuthError | None = None
        self.memory = Memory()
        self.after_refusal = False
        self._steps: Any = None
        self._waiting: dict[type[Effect], list[str]] = {}
        self._result: Any = None
        self._thrown: DCRAuthError | None = None
        self.sends = 0
        self.longest = 0

    @property
    def busy(self) -> bool:
        return self._steps is not None

    def start(self) -> None:
        deadline = self.world.now + self.policy.timeout
        whose = (self.identity, self.world.provider, self.policy, self.token)
        context = RenewalContext(*whose, deadline, self.chance, self.memory, self.after_refusal)
        self._steps, self._result, self._thrown, self.sends = renewal(context), None, None, 0

    def take(self, steps: Any) -> None:
        """Begin other steps than those of a renewal."""
        self._steps, self._result, self._thrown, self.sends = steps, None, None, 0

    def kill(self) -> None:
        """Die here and now, with everything that is only in memory."""
        self._steps, self.token, self.memory = None, None, Memory()

    def step(self, fault: str = "") -> Effect | None:
        """Perform one effect, with a fault if there is one for it; return the effect, or None at the end."""
        if self._steps is None:
            self.start()
        try:
            effect: Effect = (
                self._steps.throw(self._thrown) if self._thrown is not None else self._steps.send(self._result)
            )
        except StopIteration as end:
            self._steps, self.outcome, self.error = None, end.value, None
            if isinstance(end.value, AccessToken):
                self.token = end.value
            return None
        except DCRAuthError as error:
            self._steps, self.error = None, error
            return None
        self._result = self._thrown = None
        try:
            self._result = self._perform(effect, fault)
        except DCRAuthError as error:
            self._thrown = error
        return effect

    def run(self, faults: dict[type[Effect], list[str]] | None = None) -> None:
        """Run one renewal to its end; *faults* are used up by the effects of their kind, in order."""
        for _ in self.effects(faults):
            """Each is performed when the next one is asked for."""

    def effects(self, faults: dict[type[Effect], list[str]] | None = None) -> Iterator[Effect]:
        """Run one renewal to its end, and yield each effect after it was performed."""
        self._waiting = {kind: list(each) for kind, each in (faults or {}).items()}
        while (effect := self.step("scripted")) is not None:
            yield effect

    def _perform(self, effect: Effect, fault: str) -> Any:
        if fault == "scripted":
            fault = "" if isinstance(effect, GetMany) else self._next_fault(type(effect))
        match effect:
            case Now():
                return Instant(self.world.now, self.world.now)
            case Sleep():
                self.world.now += effect.seconds
            case Emit():
                self.world.told.append(effect.event)
            case ReportOutcome():
                return self.world.breaker.report(effect.identity, self.world.now, refused=effect.refused)
            case Claim():
                return self.world.refusals.claim((effect.endpoint, effect.statement), self.world.now)
            case Release():
                key = (effect.endpoint, effect.statement)
                self.world.refusals.release(key, self.world.now, effect.refusal, effect.seconds)
            case Send():
                return self._send(effect.request, fault)
            case _:
                return self._store(effect, fault)
        return None

    def _send(self, request: Request, fault: str) -> Response:
        self.sends += 1
        self.longest = max(self.longest, self.sends)
        if fault == "unreachable":
            raise ServerUnavailable("no route")
        if fault in BROKEN:
            return BROKEN[fault]
        answer = self.world.answer(request)
        if fault == "lost":
            raise ServerUnavailable("the answer was lost")
        return answer

    def _next_fault(self, kind: type[Effect]) -> str:
        queue = self._waiting.get(kind, [])
        return queue.pop(0) if queue else ""

    def _reading(self, key: str) -> bytes | StoreError | None:
        """Read one record of several; a fault of a reading strikes it as if it were read alone."""
        return reading(lambda key: self._store(Get(key), self._next_fault(Get)), key)

    def _store(self, effect: Effect, fault: str) -> Any:
        records = self.world.records
        if fault in STORE_FAULTS:
            raise STORE_FAULTS[fault]("the store says no")
        match effect:
            case Get():
                return records.get(effect.key)
            case GetMany():
                return {key: self._reading(key) for key in effect.keys}
            case Add():
                absent = effect.key not in records
                records.setdefault(effect.key, effect.value)
                return absent
            case Replace():
                fits = records.get(effect.key) == effect.expected
                if fits:
                    records[effect.key] = effect.value
                return fits
            case Put():
                records[effect.key] = effect.value
            case Delete():
                records.pop(effect.key, None)
            case _:
                """The store is well."""
        return None


def context_of(process: Process) -> RenewalContext:
    """Return what a renewal of *process* is about, for steps that a test takes by hand."""
    world = process.world
    policy, chance = process.policy, process.chance
    deadline = world.now + policy.timeout
    return RenewalContext(world.identity, world.provider, policy, process.token, deadline, chance, process.memory)
