"""Looking at everything that happens in a simulation, and judging it at once."""

from __future__ import annotations

import json
from typing import Any

from adapters_tests.simulation.callers import Caller
from adapters_tests.simulation.calls import CANARY, Purpose
from adapters_tests.simulation.client_watch import ClientWatch
from adapters_tests.simulation.invariants import Invariant, require
from adapters_tests.simulation.process import Process
from adapters_tests.simulation.surroundings import World
from adapters_tests.simulation.tasks import Evidence, Task, TokenInUse
from dcrauth import ConfigurationError, DCRAuthError, StoreCorrupt, StoreError, StoreLost
from dcrauth.credentials import AccessToken
from dcrauth.engine.effects import Add, Delete, Effect, Get, GetMany, Now, Put, Replace, Send, Sleep
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import Forgotten, StoredCredentials, read_credentials, read_unusable
from dcrauth.events import Event
from dcrauth.providers.protocol import Request, Response, Verdict

_SLACK = 1e-3
_MOST_CALLS = 6
_DAY, _HOUR = 86_400.0, 3_600.0
_CLOCKS_APART = 300.0


class Watch:
    """Looks at everything that happens in a world, and remembers what it takes to judge it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity: Identity = Identity.of(*world.server.provider.anchor, "default")
        self.clients = ClientWatch(world)
        self.stored: dict[str, int] = {}
        self.read_answers: list[str] = []
        self.excused: dict[str, str] = {}
        self._used: dict[int, str] = {}
        self._deleted: list[str] = []
        self._brought_by_a_refusal: set[str] = set()
        self._parsed: dict[bytes, StoredCredentials | Forgotten] = {}

    def parsed(self, data: bytes | None) -> StoredCredentials | Forgotten | None:
        """Return what a credentials record says."""
        if data is None:
            return None
        if data not in self._parsed:
            self._parsed[data] = read_credentials(self.identity.credentials, data)
        return self._parsed[data]

    @property
    def intact(self) -> bool:
        """Whether the store has lost nothing that it had acknowledged."""
        return self.world.store.losses == 0

    # Effects, before they are performed.

    def before(self, process: Process, task: Task, effect: Effect) -> None:
        """Judge what a renewal is about to do."""
        if task.evidence.looked_up is not None and not isinstance(effect, Now):
            # Only now: a renewal that has found a token in the same reading makes nothing of the credentials.
            self._learns(process, task.evidence, *task.evidence.looked_up)
        match effect:
            case Send():
                self._calls(process, task, effect.request)
            case Sleep():
                late = process.monotonic() + effect.seconds - task.context.deadline
                bounded = task.evidence.disturbed or late <= self.world.policy.timeout
                require(bounded, Invariant.BOUNDED_RENEWAL, f"a renewal sleeps {late:g} s beyond its deadline")
            case Put() | Delete():
                notes = {self.identity.registration, self.identity.kept}
                disposable = {self.identity.token, self.identity.asked} | (notes if isinstance(effect, Put) else set())
                allowed = effect.key in disposable or (
                    isinstance(effect, Delete) and task.flight is None and effect.key != self.identity.credentials
                )
                require(allowed, Invariant.NOTHING_OVERWRITTEN, f"{type(effect).__name__} of {effect.key[64:]}")
            case _:
                """Nothing to say against it."""

    def _calls(self, process: Process, task: Task, request: Request) -> None:
        evidence, purpose = task.evidence, self.world.server.purpose(request)
        self._within_bounds(process, evidence, purpose)
        at_home = self.world.server.is_at_home(request)
        require(at_home, Invariant.SECRETS_STAY_HOME, f"a secret is in a call that {purpose.value}, or goes elsewhere")
        match purpose:
            case Purpose.REGISTRATION:
                self._registers(process, task)
            case Purpose.TOKEN:
                self._uses(process, evidence, request)
                self.clients.sends(process, request)
            case Purpose.MANAGEMENT:
                self.clients.manages(process, task, request)

    def _within_bounds(self, process: Process, evidence: Evidence, purpose: Purpose) -> None:
        is_discovery = purpose is Purpose.DISCOVERY
        evidence.calls += not is_discovery
        evidence.looked_around += is_discovery
        most = _MOST_CALLS * self.world.policy.attempts
        few = evidence.calls <= most and evidence.looked_around <= 2 * most
        require(few, Invariant.BOUNDED_RENEWAL, f"more than {most} calls in one renewal")
        counted = self.world.server.throttles(purpose)
        until = 0.0 if counted is None else process.throttled_until.get(counted, 0.0)
        patient = self.world.now >= until - _SLACK
        require(patient, Invariant.PAUSE_AFTER_THROTTLE, f"{process.name} calls too early after a 429")

    def repeats(self, process: Process, request: Request) -> None:
        """Judge that a transport sends a call once more, whose connection has turned out dead."""
        repeatable = {Purpose.DISCOVERY, Purpose.TOKEN}
        if self.world.server.purpose(request) is Purpose.TOKEN:
            self.clients.sends(process, request)
        allowed = self.world.server.purpose(request) in repeatable
        require(allowed, Invariant.ORPHANS_HAVE_A_CAUSE, "a call that must be made once is made twice")

    def _registers(self, process: Process, task: Task) -> None:
        evidence, who = task.evidence, process.name
        require(task.locked, Invariant.REGISTERED_UNDER_THE_LOCK, f"{who} registers without the lock")
        self._none_in_vain(process, evidence)
        require(evidence.read, Invariant.REASON_TO_REGISTER, f"{who} registers though it could not read the record")
        (found,) = evidence.read or (None,)
        if isinstance(found, StoredCredentials):
            self._replaces(process, task, found)
            return
        generation = found.generation if found is not None else 0
        unknown = evidence.known is None or evidence.known.generation <= generation
        require(unknown, Invariant.REASON_TO_REGISTER, f"{who} registers though it knows a pair")

    def _none_in_vain(self, process: Process, evidence: Evidence) -> None:
        who, vain = process.name, process.vain
        binding = vain is not None and vain.losses in {None, self.world.store.losses}
        free = not binding or vain is None or vain.until.reached(process.instant())
        require(free, Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE, f"{who} registers again within a day")
        told = f"{who} registers without having looked for a note"
        require(evidence.note, Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE, told)
        (note,) = evidence.note or (None,)
        age = None if note is None else process.wall() - note.noted_at
        stands = age is not None and -_CLOCKS_APART + _SLACK < age < _DAY - _SLACK and not evidence.disturbed
        require(not stands, Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE, f"{who} registers in spite of the note")

    def _replaces(self, process: Process, task: Task, found: StoredCredentials) -> None:
        who, client, policy, evidence = process.name, found.credentials, self.world.policy, task.evidence
        pair = self.world.server.pair(client)
        times = evidence.refusals.get(pair, [])
        paused = len(times) > 1 and times[-1] - times[0] >= policy.least_pause - _SLACK
        looked = evidence.began if evidence.disturbed else self.world.now  # held up, it may register much later
        suspect = task.context.after_refusal and looked < process.suspected.get(client.client_id, 0.0)
        believed = (paused and pair in evidence.reread) or suspect
        require(believed, Invariant.REASON_TO_REGISTER, f"{who} registers though it has read {client.client_id}")
        never = policy.reregister == "never"
        require(not never, Invariant.SELDOM_REPLACED, f"{who} registers again, against the policy")
        age = None if client.replaced_at is None else process.wall() - client.replaced_at
        early = age is not None and 0.0 <= age < float(policy.reregister)
        allowed = evidence.disturbed or not early
        require(allowed, Invariant.SELDOM_REPLACED, f"{who} registers again too soon after the last time")
        self.clients.replaces(process, evidence, found)

    def _uses(self, process: Process, evidence: Evidence, request: Request) -> None:
        server, shown = self.world.server, self.world.server.shown(request)
        client_id = shown.client_id
        known = next((each for each in process.readings if server.pair(each.credentials) == shown.pair), None)
        require(known, Invariant.USED_AS_STORED, f"{process.name} uses {client_id}, which is not what it has read")
        if known is not None and self.intact:
            first = self._used.setdefault(known.generation, client_id)
            require(first == client_id, Invariant.ONE_PAIR_IN_USE, f"{client_id} is used, and so was {first}")

    # Effects, once they were performed.

    def wrote(self, process: Process, task: Task, effect: Any, before: bytes | None) -> None:
        """Judge a write that has just reached the store."""
        if getattr(effect, "key", None) == self.identity.registration:
            self._noted(process, effect)
        if getattr(effect, "key", None) != self.identity.credentials:
            return
        after = self.world.store.records.get(effect.key)
        if after == before:
            return
        self.clients.wrote()
        old, new = self.parsed(before), self.parsed(after)
        if self.world.recovery is not None and _client_in(old) != _client_in(new):
            self.world.recovery.changed()
        if new is not None and old is not None:
            rising = new.generation > old.generation
            require(rising, Invariant.NOTHING_OVERWRITTEN, f"{process.name} takes the record back a generation")
        if isinstance(new, StoredCredentials):
            self._arrives(process, new)
        if isinstance(old, StoredCredentials):
            self._departs(task, old, new)

    def _noted(self, process: Process, effect: Any) -> None:
        if isinstance(effect, Delete):
            for each in self.world.processes:
                each.vain = None
        elif process.vain is not None:
            process.vain.losses = self.world.store.losses

    def _arrives(self, process: Process, new: StoredCredentials) -> None:
        client_id = new.credentials.client_id
        gone = self.intact and client_id in self._deleted
        require(not gone, Invariant.DELETED_STAYS_DELETED, f"{process.name} puts {client_id} back")
        self.stored[client_id] = new.generation

    def _departs(self, task: Task, old: StoredCredentials, new: StoredCredentials | Forgotten | None) -> None:
        client_id = old.credentials.client_id
        if isinstance(new, Forgotten):
            self._deleted.append(client_id)
            return
        same = isinstance(new, StoredCredentials) and _pair(new) == _pair(old)
        safe = same or self._aside(old) or task.evidence.losses != self.world.store.losses
        require(safe, Invariant.NOTHING_OVERWRITTEN, f"{client_id} is replaced and not kept aside")

    def _aside(self, pair: StoredCredentials) -> bool:
        """Whether a copy of *pair* is in the store under a key other than its own."""
        text = json.dumps(pair.credentials.client_secret or pair.credentials.client_id).encode()
        held = (data for key, data in self.world.store.records.items() if ".replaced-" in key)
        return any(text in data for data in held)

    def performed(self, process: Process, task: Task, effect: Effect, result: Any, error: Exception | None) -> None:
        """Note what a renewal learns from an effect."""
        if isinstance(effect, GetMany):
            task.evidence.looked_up = _parted(self.identity.credentials, result, error)
            if (note := self.identity.registration) in effect.keys:
                task.evidence.note = self._note_in(note, *_parted(note, result, error))
        elif isinstance(effect, Get) and effect.key == self.identity.credentials:
            self._learns(process, task.evidence, result, error)
        elif isinstance(effect, Get) and effect.key == self.identity.registration:
            task.evidence.note = self._note_in(effect.key, result, error)
        elif isinstance(effect, Send):
            self._answered(process, task, effect.request, result if isinstance(result, Response) else None)
        elif isinstance(effect, Add | Replace) and effect.key == self.identity.credentials:
            self._saved(task.evidence, result, error)
            if result is False:
                self.clients.drops(process)

    def _learns(self, process: Process, evidence: Evidence, result: Any, error: Exception | None) -> None:
        evidence.looked_up = None
        if error is not None:
            evidence.read = None
            return
        found = self.parsed(result)
        evidence.read = (found,)
        evidence.reread = list(evidence.refusals)
        if isinstance(found, StoredCredentials):
            later = [each for each in process.readings if each.generation > found.generation]
            process.readings = [*later, found]

    def _note_in(self, key: str, result: Any, error: Exception | None) -> Any:
        if error is None:
            return (None if result is None else read_unusable(key, result),)
        return (None,) if isinstance(error, StoreCorrupt | StoreLost) else None

    def _answered(self, process: Process, task: Task, request: Request, answer: Response | None) -> None:
        purpose = self.world.server.purpose(request)
        if answer is not None and answer.status == 429:
            told = answer.headers.get("retry-after")
            counted = self.world.server.throttles(purpose)
            process.throttled_until[counted] = self.world.now + max(1.0, float(told or 0.0))
        match purpose:
            case Purpose.REGISTRATION:
                self._hears_of_a_registration(process, task.evidence, answer)
            case Purpose.TOKEN if answer is not None:
                self._hears_of_a_token(task, request, answer)
            case Purpose.MANAGEMENT:
                self.clients.hears(process, task.evidence, request, answer)

    def _hears_of_a_registration(self, process: Process, evidence: Evidence, answer: Response | None) -> None:
        made = None if answer is None else self.world.server.made(answer)
        lost = answer is None and getattr(self.world.server.provider, "repeats", "new") == "refused"
        if made is not None:
            evidence.unsaved = made
            self.read_answers.append(made)
            self._deleted = [client_id for client_id in self._deleted if client_id != made]
        elif lost or (answer is not None and 200 <= answer.status < 300):
            process.registered_in_vain(_DAY - _SLACK)

    def _hears_of_a_token(self, task: Task, request: Request, answer: Response) -> None:
        granted = self.world.server.granted(answer)
        if granted is not None:
            self._brought_by_a_refusal |= {granted} if task.context.after_refusal else set()
        elif answer.status in {400, 401} and _is_invalid_client(answer.body):
            pair = self.world.server.shown(request).pair
            task.evidence.refusals.setdefault(pair, []).append(self.world.now)

    def _saved(self, evidence: Evidence, result: Any, error: Exception | None) -> None:
        if error is not None:
            self.excuse(evidence, "the store failed")
        elif result is False:
            self.excuse(evidence, "another pair was there")
        evidence.unsaved = None

    def excuse(self, evidence: Evidence, cause: str) -> None:
        """Note why a registration may have been in vain."""
        if evidence.unsaved is not None:
            self.excused[evidence.unsaved] = cause

    def cut_short(self, evidence: Evidence) -> None:
        """A process dies in the middle of a renewal."""
        self.excuse(evidence, "the process died")

    # Renewals as a whole.

    def begins(self, process: Process, task: Task) -> None:
        """Judge that a renewal begins now."""
        if task.flight is None:
            return
        alone = process.task is None or process.task.flight is None
        require(alone, Invariant.ONE_RENEWAL_AT_A_TIME, f"{process.name} has two renewals")
        now, failed, policy = self.world.now, process.failed_at, self.world.policy
        patient = failed is None or now - failed >= policy.least_pause * 0.5 - _SLACK
        require(patient, Invariant.PAUSE_AFTER_FAILURE, f"{process.name} renews too soon after a failure")
        self._not_too_soon(process, process.held)

    def _not_too_soon(self, process: Process, held: TokenInUse | None) -> None:
        if held is None or process.source._held is None or not self._is_the_second(process, held):
            return
        now = process.instant()
        left = min(held.expiry.wall - now.wall, held.expiry.monotonic - now.monotonic)
        needless = left > 0.3 * held.token.life
        require(not needless, Invariant.SECOND_TOKEN_STAYS, f"{process.name} renews a token that a refusal has brought")

    def _is_the_second(self, process: Process, held: TokenInUse) -> bool:
        """Whether the refusal of another token has brought this one just now."""
        now, end = process.instant(), held.obtained.later(self.world.policy.spared_for - _SLACK)
        spared = now.wall < end.wall and now.monotonic < end.monotonic
        return spared and held.token.value in self._brought_by_a_refusal

    def refused(self, process: Process, token: AccessToken, verdict: Verdict) -> None:
        """Note that a protected API has refused a token, and what that says about its client."""
        held, client = process.held, process.source._memory.client
        if verdict is not Verdict.CREDENTIALS or held is None or client is None or held.token.value != token.value:
            return
        if self._is_the_second(process, held):
            process.suspected[client.credentials.client_id] = self.world.now + _HOUR

    def ends(self, process: Process, task: Task, result: Any, error: DCRAuthError | None) -> None:
        """Judge how a renewal has ended."""
        evidence = task.evidence
        if error is not None:
            self._clean(error)
        if isinstance(error, StoreError):
            self._saved(evidence, None, error)
        settled = evidence.unsaved is None
        require(settled, Invariant.ORPHANS_HAVE_A_CAUSE, f"{process.name} does nothing with a new registration")
        if isinstance(result, AccessToken) and not evidence.disturbed:
            before, now = task.context.instead_of, process.instant()
            same = before is not None and before.value == result.value
            require(not same, Invariant.RENEWAL_BRINGS_NEWS, f"{process.name} has the same token again")
            lives = now.wall < result.expires_at
            require(lives, Invariant.RENEWAL_BRINGS_NEWS, f"{process.name} has a token that is dead")

    def told(self, event: Event) -> None:
        """Judge an event."""
        require(CANARY not in repr(event), Invariant.SECRETS_STAY_HOME, f"a secret in {type(event).__name__}")
        if isinstance(error := getattr(event, "error", None), DCRAuthError):
            self._clean(error)

    def _clean(self, error: DCRAuthError) -> None:
        text = f"{error!r} {error} {error.evidence}"
        require(CANARY not in text, Invariant.SECRETS_STAY_HOME, f"a secret in {type(error).__name__}")

    # Callers.

    def owed(self, caller: Caller) -> TokenInUse | None:
        """Return what a caller has a right to: the token that its process holds, if it is good for it."""
        held = caller.process.held
        if held is None or not held.alive(caller.process.instant()):
            return None
        return None if caller.refused is not None and caller.refused.value == held.token.value else held

    def denied(self, caller: Caller, error: DCRAuthError, owed: TokenInUse | None) -> None:
        """Judge that a caller gets no token."""
        self._clean(error)
        right = owed is None or isinstance(error, ConfigurationError)
        require(right, Invariant.LIVE_TOKEN_SERVED, f"{caller.name} gets {type(error).__name__}, with a live token")

    def handed_out(self, caller: Caller, token: AccessToken) -> None:
        """Judge the token that a caller is given."""
        held = caller.process.held
        if held is None or held.token.value != token.value or caller.disturbed:
            return
        alive = held.alive(caller.process.instant()) or self.world.now == held.finished
        require(alive, Invariant.DEAD_TOKEN_NOT_SERVED, f"{caller.name} is given a dead token")

    def waited(self, caller: Caller) -> None:
        """Judge how long a caller has waited."""
        took = self.world.now - caller.asked_at
        within = caller.disturbed or took <= self.world.policy.timeout + _SLACK
        require(within, Invariant.BOUNDED_WAIT, f"{caller.name} has waited for {took:g} s")


def _client_in(found: StoredCredentials | Forgotten | None) -> str | None:
    return found.credentials.client_id if isinstance(found, StoredCredentials) else None


def _pair(client: StoredCredentials) -> tuple[str, str | None]:
    return client.credentials.client_id, client.credentials.client_secret


def _parted(key: str, result: Any, error: Exception | None) -> tuple[Any, Exception | None]:
    """Return what reading several records says of one of them, as if that had been read alone."""
    found = error or result[key]
    return (None, found) if isinstance(found, Exception) else (found, None)


def _is_invalid_client(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("error") == "invalid_client"
