"""The renewal, driven by hand without any I/O: its order, its failures, and its invariants over random histories."""

from __future__ import annotations

import json
import random
from email.utils import formatdate

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters_tests.common.soak import often
from adapters_tests.common.world import BROKEN, Process, World, context_of
from dcrauth import (
    AccessToken,
    ClientCredentials,
    CredentialsRejected,
    DCRAuthError,
    Policy,
    RegistrationRejected,
    ServerUnavailable,
    StoreCorrupt,
    StoreTooNew,
    StoreUnavailable,
    Throttled,
    events,
)
from dcrauth._internal.confidential import replaced
from dcrauth.engine.effects import Add, Check, Get, GetMany, Put, Replace, Send, Sleep, Suspicion
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import (
    StoredCredentials,
    UnusableRegistration,
    read_credentials,
    read_token,
    write_credentials,
    write_forgotten,
    write_token,
    write_unusable,
)
from dcrauth.engine.renewal import unlocked
from dcrauth.engine.store_repair import forgotten
from dcrauth.providers.protocol import Response

POLICY = Policy()


@pytest.fixture
def world() -> World:
    """A world without a client."""
    return World()


@pytest.fixture
def process(world: World) -> Process:
    """A process that has just started."""
    return Process(world, POLICY, lambda: 0.5)


def kinds_of_effects(process: Process) -> list[type]:
    kinds = []
    while (effect := process.step()) is not None:
        kinds.append(type(effect))
    return [kind for kind in kinds if kind in {Get, GetMany, Add, Replace, Put, Check, Send, Sleep}]


def test_the_order_of_a_first_renewal(process: Process) -> None:
    """Credentials are stored and read back before use; before anything is registered the store is tried and asked."""
    assert kinds_of_effects(process) == [GetMany, Check, Send, Add, Get, Send, Put]


def test_the_order_with_stored_credentials(world: World, process: Process) -> None:
    """With credentials in the store, a renewal is one token call."""
    process.run()
    world.records.pop(world.identity.token)
    assert kinds_of_effects(process) == [GetMany, Send, Put]
    assert world.registrations == 1


def test_a_peers_token_is_adopted(world: World) -> None:
    """A process that finds a token which another one has stored calls nobody."""
    first, second = Process(world, POLICY, lambda: 0.5), Process(world, POLICY, lambda: 0.5)
    first.run()
    second.run()
    assert second.token == first.token
    assert (world.registrations, world.token_calls) == (1, 1)


def test_the_token_to_replace_is_not_adopted(world: World, process: Process) -> None:
    """Finding the very token that is to be replaced is no news: a new one is fetched."""
    process.run()
    before = process.token
    process.run()
    assert process.token != before
    assert world.token_calls == 2


@pytest.mark.fault(
    "the token endpoint cannot be reached, answers 503, 429, a page, or half an answer",
    "three attempts, then an error with `retry_at`; no record is touched",
)
@pytest.mark.parametrize("fault", ["unreachable", "lost", *BROKEN])
def test_transient_faults_change_nothing(world: World, process: Process, fault: str) -> None:
    """No fault of the token endpoint touches the credentials; three attempts, and then an error that says when."""
    process.run()
    before = dict(world.records)
    world.now += 7200
    process.run({Send: [fault] * 3})
    assert isinstance(process.error, Throttled if fault == "429" else ServerUnavailable)
    assert process.error.retry_at is not None
    assert process.error.retry_at > world.now
    assert world.records == before
    assert process.sends == 3


def test_a_passing_fault_is_passed_over(world: World, process: Process) -> None:
    """One failed call is followed by another one, after a pause."""
    process.run({Send: ["503", "", "429", ""]})
    assert process.error is None
    assert process.token is not None
    assert (world.registrations, world.token_calls) == (1, 1)


def test_the_store_is_tried_before_registering(world: World, process: Process) -> None:
    """What cannot be stored is not registered."""
    process.run({Check: ["store down"]})
    assert isinstance(process.error, StoreUnavailable)
    assert world.registrations == 0


@pytest.mark.fault("the store fails between two readings of a renewal", "`StoreUnavailable`; nothing is registered")
def test_an_unreadable_store_is_not_an_empty_one(world: World, process: Process) -> None:
    """A store that cannot be read stops the renewal; nothing is registered."""
    process.run({Get: ["", "store down"]})
    assert isinstance(process.error, StoreUnavailable)
    assert world.registrations == 0


@pytest.mark.fault(
    "stored credentials are empty, cut or no record at all",
    "`StoreCorrupt`; the record is left as it is, and nothing is registered",
)
@pytest.mark.parametrize("damage", [b"", b"{}", b"\x80", b"null", b'{"format":"dcrauth","schema":1}'])
def test_damaged_credentials_stop_everything(world: World, process: Process, damage: bytes) -> None:
    """A damaged credentials record is left as it is, and nothing is registered in its place."""
    world.records[world.identity.credentials] = damage
    process.run()
    assert isinstance(process.error, StoreCorrupt)
    assert world.records[world.identity.credentials] == damage
    assert world.registrations == 0


@pytest.mark.fault("credentials were stored by a later version", "`StoreTooNew`; they are neither read nor rewritten")
def test_credentials_of_a_later_version_are_left_alone(world: World, process: Process) -> None:
    """A record of a later schema is neither read nor rewritten."""
    future = b'{"format":"dcrauth","schema":3}'
    world.records[world.identity.credentials] = future
    process.run()
    assert isinstance(process.error, StoreTooNew)
    assert world.records == {world.identity.credentials: future}


@pytest.mark.fault("a stored token is damaged", "a new token takes its place")
def test_a_damaged_token_is_replaced(world: World, process: Process) -> None:
    """A damaged token record is disposable: a new token is fetched and takes its place."""
    process.run()
    world.records[world.identity.token] = b"garbage"
    process.kill()
    process.run()
    assert process.token is not None
    assert world.records[world.identity.token] != b"garbage"
    assert any(isinstance(event, events.StoreProblem) for event in world.told)


def test_a_store_that_cannot_keep_the_token_spoils_nothing(process: Process) -> None:
    """A token that cannot be shared is used all the same."""
    process.run({Put: ["store down"]})
    assert process.token is not None


def test_the_loser_of_a_race_uses_the_winners_credentials(world: World) -> None:
    """Of two registrations made at once only the first that is stored is ever used."""
    first, second = Process(world, POLICY, lambda: 0.5), Process(world, POLICY, lambda: 0.5)
    for each in (first, second):
        while not isinstance(each.step(), Send):
            pass
    first.run()
    second.run()
    assert world.registrations == 2
    assert world.used == ["client-1", "client-1"]
    assert any(isinstance(event, events.RegistrationUnused) for event in world.told)


def test_a_forgotten_client_is_doubted_before_it_is_replaced(world: World, process: Process) -> None:
    """After invalid_client the store is read again and the call repeated; only then is another client registered."""
    process.run()
    old = world.stored_client()
    world.clients.clear()
    world.now += 7200
    process.run()
    assert world.used == [old, old, old, world.stored_client()]
    assert world.stored_client() != old
    aside = world.records[world.identity.replaced(1)]
    assert read_credentials(world.identity.replaced(1), aside).credentials.client_id == old
    assert any(isinstance(event, events.CredentialsReplaced) for event in world.told)


def test_one_invalid_client_is_not_believed(world: World, process: Process) -> None:
    """A server that rejects the client once and then knows it again costs no registration."""
    process.run()
    kept = world.clients.copy()
    world.clients.clear()
    world.now += 7200
    while not isinstance(process.step(), Sleep):
        pass
    world.clients.update(kept)
    process.run()
    assert process.token is not None
    assert world.registrations == 1


@pytest.mark.fault(
    "another process has replaced the credentials meanwhile",
    "its credentials are used; nothing is registered",
)
def test_credentials_that_a_peer_has_replaced_are_adopted(world: World, process: Process) -> None:
    """When the refused client is no longer the stored one, the stored one is used, and nothing is registered."""
    process.run()
    while not isinstance(process.step(), GetMany):
        pass
    world.clients = {"client-x": "secret-x"}
    successor = write_credentials(world.identity.credentials, ClientCredentials("client-x", "secret-x"), 2)
    world.records[world.identity.credentials] = successor.data
    process.run()
    assert process.error is None
    assert world.used[-2:] == ["client-1", "client-x"]
    assert world.registrations == 1


@pytest.mark.fault(
    "the server forgets the client again within a day",
    "`CredentialsRejected`; a day later another client is registered",
)
def test_registering_again_is_rationed(world: World, process: Process) -> None:
    """A client that is refused again within a day is not replaced again."""
    process.run()
    for _ in range(2):
        world.clients.clear()
        world.now += 7200
        process.run()
    assert isinstance(process.error, CredentialsRejected)
    assert world.registrations == 2
    world.now += 86_400
    process.run()
    assert process.error is None
    assert world.registrations == 3


@pytest.mark.fault(
    'the client is refused, and `Policy(reregister="never")`',
    "`CredentialsRejected`; the stored pair stays where it is",
)
def test_registering_again_can_be_forbidden(world: World) -> None:
    """With reregister="never" a refused client is an error, and stays where it is."""
    process = Process(world, Policy(reregister="never"), lambda: 0.5)
    process.run()
    stored = world.records[world.identity.credentials]
    world.clients.clear()
    world.now += 7200
    process.run()
    assert isinstance(process.error, CredentialsRejected)
    assert process.error.error == "invalid_client"
    assert world.records[world.identity.credentials] == stored
    assert world.registrations == 1


@pytest.mark.fault(
    "the client is refused, and the software statement too",
    "`RegistrationRejected`; the stored pair stays where it is",
)
def test_a_refused_statement_keeps_the_old_credentials(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the client is gone and the statement is refused, the stored pair stays: the statement may come back."""
    process.run()
    stored = world.records[world.identity.credentials]
    world.clients.clear()
    world.now += 7200
    refusal = b'{"error":"unapproved_software_statement"}'
    monkeypatch.setattr(World, "_register", lambda self: Response(400, {}, refusal))
    process.run()
    assert isinstance(process.error, RegistrationRejected)
    assert process.error.error == "unapproved_software_statement"
    assert world.records[world.identity.credentials] == stored


FAULTS = ["", "", "", "unreachable", "lost", *BROKEN]


class Histories(RuleBasedStateMachine):
    """Random histories of several processes: any order of steps, any fault at any step, death between any two."""

    @initialize(seed=st.integers(0, 2**32), count=st.integers(1, 3))
    def begin(self, seed: int, count: int) -> None:
        self.world = World()
        self.chance = random.Random(seed)
        self.processes = [Process(self.world, POLICY, self.chance.random) for _ in range(count)]
        self.stored: list[str] = []
        self.forgotten = False

    @rule(which=st.integers(0, 2), fault=st.sampled_from(FAULTS), steps=st.integers(1, 6))
    def go_on(self, which: int, fault: str, steps: int) -> None:
        process = self.processes[which % len(self.processes)]
        for _ in range(steps):
            process.step(fault)
            self.look()

    @rule(which=st.integers(0, 2))
    def store_fails(self, which: int) -> None:
        self.processes[which % len(self.processes)].step("store down")

    @rule(which=st.integers(0, 2))
    def finish(self, which: int) -> None:
        process = self.processes[which % len(self.processes)]
        while process.step() is not None:
            self.look()
        self.look()

    @rule(which=st.integers(0, 2))
    def die(self, which: int) -> None:
        self.processes[which % len(self.processes)].kill()

    @rule(seconds=st.sampled_from([0.5, 30.0, 3000.0, 4000.0, 100_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @precondition(lambda self: not self.forgotten)
    @rule()
    def server_forgets(self) -> None:
        self.world.clients.clear()
        self.forgotten = True

    def look(self) -> None:
        client = self.world.stored_client()
        if client is not None and (not self.stored or self.stored[-1] != client):
            self.stored.append(client)

    @invariant()
    def credentials_are_permanent(self) -> None:
        """Invariant 1: stored credentials change only after the server forgot them, and the old pair is kept."""
        self.look()
        if not self.stored:
            return
        assert self.world.stored_client() == self.stored[-1]
        assert len(self.stored) <= (2 if self.forgotten else 1)
        for generation, client in enumerate(self.stored[:-1], start=1):
            key = self.world.identity.replaced(generation)
            assert read_credentials(key, self.world.records[key]).credentials.client_id == client

    @invariant()
    def only_stored_credentials_are_used(self) -> None:
        """Invariant 2: however many registrations were made, no client is used before it is the stored one."""
        assert set(self.world.used) <= set(self.stored)

    @invariant()
    def calls_are_bounded(self) -> None:
        """Invariant 4, for our own calls: no renewal sends without end."""
        assert all(process.longest <= 5 * POLICY.attempts for process in self.processes)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=often(50, by_night=1_000),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.fault(
    "the server does not know a client that it has registered a moment ago",
    "it is asked again with the same credentials, with growing pauses; nothing is registered anew for ten minutes",
)
def test_a_new_client_is_given_time(world: World, process: Process) -> None:
    """A refusal soon after the registration is a passing failure; a client that is refused later is replaced."""
    process.run()
    kept = world.clients.copy()
    world.clients.clear()
    for _ in range(5):
        process.token = None
        world.records.pop(world.identity.token, None)
        world.now += 60
        process.run()
        assert isinstance(process.error, ServerUnavailable)
        assert process.error.error == "invalid_client"
    world.clients.update(kept)
    process.run()
    assert (process.error, world.registrations) == (None, 1)
    world.clients.clear()
    world.now += 7200
    process.run()
    assert (process.error, world.registrations) == (None, 2)


@pytest.mark.fault(
    "the server does not know yet the client that has just replaced a forgotten one",
    "it is asked again with the same credentials; nothing is registered anew",
)
def test_a_replacement_is_given_time(world: World, process: Process) -> None:
    """A refusal right after a client was registered in the place of another is a passing failure as well."""
    process.run()
    world.clients.clear()
    world.now += 7200
    while world.registrations < 2:
        process.step()
    kept = world.clients.copy()
    world.clients.clear()
    process.run()
    assert isinstance(process.error, ServerUnavailable)
    assert process.error.error == "invalid_client"
    world.clients.update(kept)
    process.run()
    assert (process.error, world.registrations) == (None, 2)


@pytest.mark.parametrize(("age", "kind"), [(5, ServerUnavailable), (7200, CredentialsRejected)])
def test_a_replacement_by_a_peer_is_given_time(
    world: World, process: Process, age: float, kind: type[DCRAuthError]
) -> None:
    """A refusal of what a peer has registered in the place of another passes if that is new, and stands if not."""
    process.run()
    world.clients.clear()
    world.now += 7200
    while not isinstance(process.step(), Send):
        pass
    theirs = ClientCredentials("client-x", "secret-x", registered_at=world.now - age)
    world.records[world.identity.credentials] = write_credentials(world.identity.credentials, theirs, 2).data
    process.run()
    assert type(process.error) is kind
    assert (world.used[-1], world.registrations) == ("client-x", 1)


def fleet_in(world: World, size: int) -> list[Process]:
    """Return so many processes of one world, each with an identity of its own that has registered long ago."""
    members = []
    for number in range(size):
        member = Process(world, POLICY, lambda: 0.5)
        member.identity = Identity(f"{number:064x}")
        member.run()
        members.append(member)
    world.now += 7200
    return members


@pytest.mark.fault(
    "the server refuses the clients of many identities at once",
    "none of them is registered anew; `RegistrationHalted` and the error say how many there are",
)
def test_an_incident_registers_nobody(world: World) -> None:
    """When most identities of a process are refused at once, all fail with an error that says so, and recover alone."""
    members = fleet_in(world, 5)
    kept = world.clients.copy()
    world.clients.clear()
    for member in members:
        while not isinstance(member.step(), Sleep):
            pass
    for member in members:
        member.run()
        assert isinstance(member.error, CredentialsRejected)
        assert "5 of the 5 identities" in str(member.error)
    assert world.registrations == 5
    assert [(event.refused, event.asked) for event in world.told if isinstance(event, events.RegistrationHalted)] == [
        (5, 5)
    ] * 5
    world.clients.update(kept)
    for member in members:
        member.run()
        assert member.error is None
    assert world.registrations == 5


def test_a_few_lost_clients_are_no_incident(world: World) -> None:
    """When few of many identities are refused they are replaced, each by itself."""
    members = fleet_in(world, 9)
    for client in list(world.clients)[:4]:
        del world.clients[client]
    for member in reversed(members):
        member.run()
        assert member.error is None
    assert world.registrations == 9 + 4


def test_two_refused_identities_are_no_incident(world: World) -> None:
    """One or two identities alone say nothing of the server."""
    members = fleet_in(world, 2)
    world.clients.clear()
    for member in members:
        member.run()
        assert member.error is None
    assert world.registrations == 4


def test_an_old_incident_is_over(world: World) -> None:
    """Refusals of ten minutes ago do not count any more."""
    members = fleet_in(world, 4)
    world.clients.clear()
    for member in members:
        while not isinstance(member.step(), Sleep):
            pass
        member.kill()
    world.now += 601
    members[0].run()
    assert members[0].error is None


@pytest.mark.fault(
    "a protected API refuses fresh tokens because of their client, though the token endpoint grants them",
    "the next refusal within an hour has the client registered anew, once, as far as the rules allow it",
)
def test_a_suspect_client_is_replaced_once(world: World, process: Process) -> None:
    """A client whose fresh tokens are refused is replaced when another one is, and not again within a day."""
    process.run()
    process.after_refusal = True
    for _ in range(2):
        world.now += 7200
        suspect(process, world.records[world.identity.credentials])
        process.run()
        assert process.error is None
        assert process.memory.suspicion is None
        assert world.registrations == 2
        assert world.used[-1] == "client-2"
    assert world.identity.replaced(1) in world.records


def test_a_suspect_client_is_used_where_none_may_be_registered(world: World, process: Process) -> None:
    """A note that bars registrations does not bar the client that there is, whose tokens the server grants."""
    process.run()
    world.now += 7200
    note = UnusableRegistration(world.now, world.provider.statement_digest, 201)
    world.records[world.identity.registration] = write_unusable(world.identity.registration, note)
    suspect(process, world.records[world.identity.credentials])
    process.after_refusal = True
    process.run()
    assert (process.error, world.registrations, world.used[-1]) == (None, 1, "client-1")


def suspect(process: Process, data: bytes, seconds: float = 60.0) -> None:
    process.memory.suspicion = Suspicion(data, process.world.now + seconds)


@pytest.mark.fault(
    "a fresh token is refused because of its client, and later ones are not",
    "the suspicion is dropped; the client stays",
)
@pytest.mark.parametrize("dropped", ["another record", "no refusal since", "long ago", "a token of a peer's"])
def test_a_suspicion_that_nothing_follows_is_dropped(world: World, process: Process, dropped: str) -> None:
    """A suspicion about credentials that are replaced by now, or that no refusal follows soon, replaces nothing."""
    peer = Process(world, POLICY, lambda: 0.5)
    process.run()
    world.now += 7200
    stored = world.records[world.identity.credentials]
    another = dropped == "another record"
    suspect(process, b"of another record" if another else stored, 0.0 if dropped == "long ago" else 60.0)
    process.after_refusal = dropped != "no refusal since"
    if dropped == "a token of a peer's":
        peer.run()
    process.run()
    assert process.memory.suspicion is None
    process.after_refusal = True
    process.run()
    assert (world.registrations, process.error) == (1, None)


def test_throttling_is_told(world: World, process: Process) -> None:
    """Each 429 is told with the endpoint and the pause that it leads to, and a token with what it cost."""
    process.run({Send: ["", "429"]})
    throttled = [event for event in world.told if isinstance(event, events.Throttled)]
    assert [(event.endpoint, event.seconds) for event in throttled] == [(world.provider.token_url, 1.5)]
    (renewed,) = (event for event in world.told if isinstance(event, events.TokenRenewed))
    assert (renewed.attempts, renewed.seconds) == (2, 1.5)


def test_a_renewal_tells_what_it_did(world: World, process: Process) -> None:
    """A registration, a token and an adopted token are told once each, with until when the token is good."""
    name, peer = process.identity.key[:8], Process(world, POLICY, lambda: 0.5)
    process.run()
    peer.run()
    assert world.told == [
        events.Registered(name),
        events.TokenRenewed(name, world.now + 3600, 0.0, 1),
        events.TokenAdopted(name, world.now + 3600),
    ]


def test_a_replacement_tells_what_it_did(world: World, process: Process) -> None:
    """A client that takes the place of a refused one is told as registered and as replaced, and not as unused."""
    process.run()
    world.clients.clear()
    world.now += 7200
    world.told.clear()
    process.run()
    assert [type(event) for event in world.told] == [
        events.Registered,
        events.CredentialsReplaced,
        events.TokenRenewed,
    ]


def test_every_event_names_the_identity(world: World, process: Process) -> None:
    """Whatever a renewal tells, it says about whom: by the first part of the key of the identity's records."""
    rival = Process(world, POLICY, lambda: 0.5)
    while not isinstance(rival.step(), Send):
        pass
    process.run({Send: ["429"], Put: ["store down"]})
    rival.run()
    process.run()
    for others in ((), ("a", "b", "c")):
        world.now += 7200
        world.clients.clear()
        for other in others:
            world.breaker.report(other, world.now, refused=True)
        process.run({Get: ["corrupt"]})
    assert {event.identity for event in world.told} == {world.identity.key[:8]}
    assert {type(event) for event in world.told} == {
        *(events.Registered, events.RegistrationUnused, events.RegistrationHalted, events.CredentialsReplaced),
        *(events.TokenRenewed, events.TokenAdopted, events.Throttled, events.StoreProblem),
    }


def test_a_token_that_is_not_shared_is_told(world: World, process: Process) -> None:
    """When the store does not take the token, the application is told the store's error."""
    process.run({Put: ["store down"]})
    (problem,) = (event for event in world.told if isinstance(event, events.StoreProblem))
    assert isinstance(problem.error, StoreUnavailable)


def test_an_error_says_where_and_what(world: World, process: Process) -> None:
    """The error of a renewal names the endpoint that was called, and what the transport has said."""
    process.run({Send: ["", *["unreachable"] * 3]})
    assert str(process.error).startswith(f"{world.provider.token_url}: no route")


def test_a_date_to_wait_for_is_kept(world: World, process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that names the moment from which it may be called again is not called before it, and soon after it."""
    later = formatdate(world.now + 20, usegmt=True)
    monkeypatch.setitem(BROKEN, "dated", Response(429, {"retry-after": later}, b""))
    begun = world.now
    process.run({Send: ["", "dated"]})
    assert process.token is not None
    assert begun + 20 <= process.token.obtained_at <= begun + 25


def test_a_token_that_says_nothing_of_its_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of which nobody says how long it lives is renewed as the policy says."""
    process = Process(world, Policy(default_life=77.0), lambda: 0.5)
    silent = Response(201, {}, b'{"access_token":"opaque","token_type":"bearer"}')
    monkeypatch.setattr(World, "_token", lambda self, form: silent)
    process.run()
    assert process.token is not None
    assert process.token.life == 77.0


@pytest.mark.parametrize("write", [Add, Replace])
def test_a_pair_that_the_store_does_not_give_back_is_not_used(
    world: World, process: Process, write: type[Add | Replace]
) -> None:
    """A store that acknowledges one pair and holds another is an error that says so; neither pair is used."""
    if write is Replace:
        process.run()
        world.clients.clear()
        world.now += 7200
    while not isinstance(process.step(), write):
        pass
    used = world.used.copy()
    another = ClientCredentials("client-x", "secret-x")
    world.records[world.identity.credentials] = write_credentials(world.identity.credentials, another, 2).data
    process.run()
    assert isinstance(process.error, StoreUnavailable)
    assert str(process.error).startswith("The store does not give back the client credentials")
    assert str(process.error).endswith("; they were not used. Check that the store keeps what is written to it")
    assert world.used == used


def refused_until_it_is_doubted(world: World, process: Process) -> None:
    """Let a process register, the server forget its client later on, and the process doubt the first refusal."""
    process.run()
    world.clients.clear()
    world.now += 7200
    while not isinstance(process.step(), Sleep):
        pass


def test_the_pause_before_a_refusal_is_believed(world: World, process: Process) -> None:
    """Between the first refusal of a client and the second call lie a second and a bit."""
    refused_until_it_is_doubted(world, process)
    assert world.now == 1_000_000.0 + 7200 + 1.5


def test_a_refused_client_that_the_store_has_just_lost(world: World, process: Process) -> None:
    """Credentials that the store loses while they are doubted are put back first, and replaced by the next renewal."""
    refused_until_it_is_doubted(world, process)
    before = world.records.pop(world.identity.credentials)
    process.run()
    assert isinstance(process.error, CredentialsRejected)
    assert world.records[world.identity.credentials] == before
    process.run()
    assert process.error is None
    assert (world.registrations, world.stored_client()) == (2, "client-2")


def test_a_refused_client_that_was_just_forgotten(world: World, process: Process) -> None:
    """Credentials that a peer deletes on purpose while they are doubted are not replaced: the deletion is."""
    refused_until_it_is_doubted(world, process)
    key = world.identity.credentials
    world.records[key] = write_forgotten(key, 2, world.now).data
    process.run()
    assert process.error is None
    assert (world.registrations, read_credentials(key, world.records[key]).generation) == (2, 3)
    assert world.identity.replaced(1) not in world.records


def test_an_unsaved_replacement_is_saved_later(world: World, process: Process) -> None:
    """A pair that was registered in the place of a refused one, and not stored, is offered to the store again."""
    process.run()
    world.clients.clear()
    world.now += 7200
    process.run({Replace: ["store down"]})
    assert isinstance(process.error, StoreUnavailable)
    process.run()
    assert process.error is None
    assert (world.registrations, world.stored_client()) == (2, "client-2")


def test_a_pair_is_not_replaced_by_itself(world: World, process: Process) -> None:
    """A pair that the store took though it said no is replaced by another one when the server forgets it."""
    process.run({Add: ["store down"]})
    unsaved = process.memory.unsaved
    assert unsaved is not None
    key = world.identity.credentials
    world.records[key] = write_credentials(key, unsaved.credentials).data
    process.run()
    assert (process.error, world.used) == (None, ["client-1"])
    world.clients.clear()
    world.now += 7200
    process.run()
    assert process.error is None
    assert (world.registrations, world.stored_client()) == (2, "client-2")


@pytest.mark.fault(
    "the client secret has an end (`client_secret_expires_at`)",
    "`CredentialsEnding` tells of it from a week before, at each renewal; the credentials are used and kept",
)
@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (0, False),
        ("soon", False),
        (True, False),
        (10**400, False),
        (1_000_000 + 8 * 86_400, False),
        (1_000_000 + 6 * 86_400, True),
        (999_000, True),
    ],
)
def test_the_end_of_a_secret_is_told(world: World, process: Process, ends: object, told: bool) -> None:
    """A secret that the server will soon not accept, or said it would not by now, is told of and still used."""
    key, metadata = world.identity.credentials, {"client_secret_expires_at": ends}
    pair = ClientCredentials("client-x", "secret-x", metadata=metadata)
    world.records[key] = write_credentials(key, pair).data
    world.clients = {"client-x": "secret-x"}
    process.run()
    ending = [event for event in world.told if isinstance(event, events.CredentialsEnding)]
    assert ending == [events.CredentialsEnding(process.identity.key[:8], ends)] * told
    assert (process.error, world.registrations) == (None, 0)


def test_a_saved_pair_is_not_saved_again(world: World, process: Process) -> None:
    """A pair that was stored and then deleted on purpose is not used again, even if the note of it is gone."""
    process.run()
    process.take(forgotten(context_of(process)))
    process.run()
    world.records.clear()
    process.run()
    assert (process.error, world.used) == (None, ["client-1", "client-2"])


def test_records_without_a_mark_are_read() -> None:
    """A token record that says nothing of a refusal is of a token that none has brought; only a mark marks."""
    key = Identity("ab" * 32).token
    token = AccessToken("t", 1e6, 1.1e6)
    record = (
        b'{"checksum":"90b52e86a2874c0938678cd79cdbc3a3b20319c9de1b94c509868808333848bc","format":"dcrauth",'
        b'"generation":1,"key":"' + b"ab" * 32 + b'.token","payload":{"expires_at":1100000.0,'
        b'"obtained_at":1000000.0,"value":"t"},"schema":1}'
    )
    assert write_token(key, token) == record
    assert read_token(key, record) == token
    marked = replaced(token, after_refusal=True)
    assert read_token(key, write_token(key, marked)) == marked != token


def test_a_renewal_for_a_refusal_marks_its_token(world: World, process: Process) -> None:
    """A token that is granted because another one was refused says so, to the process and in the store."""
    peer = Process(world, POLICY, lambda: 0.5)
    process.run()
    assert process.token is not None
    assert not process.token.after_refusal
    process.after_refusal = True
    process.run()
    peer.run()
    assert process.token == peer.token
    assert peer.token is not None
    assert peer.token.after_refusal


def test_without_the_lock_a_token_is_shared_all_the_same(world: World, process: Process) -> None:
    """A token that was fetched although the lock could not be had is left to the other processes."""
    process.run()
    world.now += 7200
    process.take(unlocked(context_of(process), StoreUnavailable("locked")))
    process.run()
    assert process.token is not None
    assert world.records[world.identity.token] == write_token(world.identity.token, process.token)


def test_a_refusal_without_the_lock_decides_nothing(world: World, process: Process) -> None:
    """A client that is refused while somebody else has the lock is not given up: that one may be replacing it."""
    process.run()
    world.clients.clear()
    world.now += 7200
    locked = StoreUnavailable("locked")
    process.take(unlocked(context_of(process), locked))
    process.run()
    assert process.error is locked
    assert world.registrations == 1


def test_an_unsaved_pair_that_was_deleted_since_is_given_up(world: World, process: Process) -> None:
    """A pair that the store took though it said no, and a peer then deleted on purpose, is not saved in its place."""
    process.run({Add: ["store down"]})
    key = world.identity.credentials
    world.records[key] = write_forgotten(key, 2, world.now).data
    process.run()
    assert (process.error, world.used, world.registrations) == (None, ["client-2"], 2)


def test_a_client_without_a_secret_is_a_client() -> None:
    """It is stored and read again, by a schema that a version which does not know of such clients leaves alone."""
    key = Identity("a" * 64).credentials
    stored = write_credentials(key, ClientCredentials("a", None))
    found = read_credentials(key, stored.data)
    assert isinstance(found, StoredCredentials)
    assert found.credentials.client_secret is None
    assert json.loads(stored.data)["schema"] == 2
    assert json.loads(write_credentials(key, ClientCredentials("a", "b")).data)["schema"] == 1
