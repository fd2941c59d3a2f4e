"""Credentials that a store has lost, or that were deleted on purpose: what processes with a memory make of it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters_tests.common.soak import often
from adapters_tests.common.world import STATEMENT, Process, World, context_of
from dcrauth import (
    AdobePass,
    ClientCredentials,
    CredentialsRejected,
    InsecureStore,
    MemoryStore,
    Policy,
    StoreError,
    StoreLost,
    StoreTooNew,
    StoreUnavailable,
    TokenSource,
    events,
)
from dcrauth.engine.effects import Add, Delete, Get, Replace, Send, Sleep
from dcrauth.engine.records import Forgotten, StoredCredentials, read_credentials, write_credentials
from dcrauth.engine.renewal import unlocked
from dcrauth.engine.store_repair import forgotten, restored

POLICY = Policy()
HALF = 0.5


def process_in(world: World) -> Process:
    return Process(world, POLICY, lambda: HALF)


@pytest.fixture
def world() -> World:
    """A world without a client."""
    return World()


@pytest.fixture
def process(world: World) -> Process:
    """A process that has registered and holds its credentials in memory."""
    made = process_in(world)
    made.run()
    world.now += 7200
    return made


def told(world: World, kind: type[events.Event]) -> list[Any]:
    return [event for event in world.told if isinstance(event, kind)]


@pytest.mark.fault("the store has lost the credentials that a process knows", "they are put back, byte for byte")
def test_what_the_store_lost_is_put_back(world: World, process: Process) -> None:
    """A process that knows the credentials puts them back byte for byte where the store has none."""
    before = world.records[world.identity.credentials]
    world.records.clear()
    process.run()
    assert process.error is None
    assert world.records[world.identity.credentials] == before
    assert (world.registrations, len(told(world, events.StoreRepaired))) == (1, 1)


@pytest.mark.fault(
    "a store says that it was lost",
    "who knows credentials puts them back; who knows none gets `StoreLost`",
)
def test_a_store_that_says_it_was_lost_is_repaired_by_who_knows(world: World, process: Process) -> None:
    """StoreLost stops a process that knows no credentials, and makes one that does put them back."""
    world.records.clear()
    stranger = process_in(world)
    stranger.run({Get: ["", "lost"]})
    assert isinstance(stranger.error, StoreLost)
    process.run({Get: ["", "lost"]})
    assert process.error is None
    assert world.stored_client() == "client-1"
    assert world.registrations == 1


@pytest.mark.fault(
    "an old backup of the store is restored",
    "the later pair comes back, and the older one is kept aside",
)
def test_an_older_pair_from_a_backup_gives_way(world: World, process: Process) -> None:
    """Where an old backup was restored, the pair that had replaced the older one comes back, and that is kept aside."""
    old = world.records[world.identity.credentials]
    world.clients.clear()
    process.run()
    new = world.records[world.identity.credentials]
    world.records.clear()
    world.records[world.identity.credentials] = old
    world.now += 7200
    process.run()
    assert process.error is None
    assert world.records[world.identity.credentials] == new
    aside = read_credentials(world.identity.replaced(1), world.records[world.identity.replaced(1)])
    assert isinstance(aside, StoredCredentials)
    assert aside.credentials.client_id == "client-1"
    assert world.registrations == 2


@pytest.mark.fault(
    "a peer registers anew after a loss",
    "its pair is used; the one in memory is kept aside and told of",
)
def test_of_two_pairs_of_one_generation_the_stored_one_wins(world: World, process: Process) -> None:
    """Where a peer has registered since the loss, its pair is used, and the one in memory is kept aside and told of."""
    world.records.clear()
    process_in(world).run()
    world.now += 7200
    process.run()
    assert world.used[-1] == world.stored_client() == "client-2"
    aside = read_credentials(world.identity.replaced(1), world.records[world.identity.replaced(1)])
    assert isinstance(aside, StoredCredentials)
    assert aside.credentials.client_id == "client-1"
    assert [type(event.error) for event in told(world, events.StoreProblem)] == [StoreLost]


def test_a_peer_that_repairs_first_is_believed(world: World, process: Process) -> None:
    """Of two processes that find the record gone, both end with what the faster one has put back."""
    peer = process_in(world)
    peer.run()
    world.now += 7200
    world.records.clear()
    while not isinstance(process.step(), Get) or process.memory.client is None:
        pass
    peer.run()
    process.run()
    assert world.used == ["client-1"] * len(world.used)
    assert world.registrations == 1


@pytest.mark.fault(
    "the store cannot be read while a process knows its credentials",
    "its tokens are renewed with what it has read before",
)
@pytest.mark.parametrize("fault", ["store down", "corrupt", "too new"])
def test_a_store_that_fails_stops_nobody_who_knows_the_credentials(world: World, process: Process, fault: str) -> None:
    """While the store cannot be read, a process renews its token with the credentials it has read before."""
    before = dict(world.records)
    process.run({Get: [fault] * 9})
    assert process.error is None
    assert process.token is not None
    assert process.token.value == "token-2"
    assert world.registrations == 1
    assert world.records[world.identity.credentials] == before[world.identity.credentials]
    assert told(world, events.StoreProblem)


@pytest.mark.fault(
    "the store cannot be read, and the process knows no credentials",
    "the store's error; nothing is registered",
)
@pytest.mark.parametrize("fault", ["store down", "corrupt", "too new", "lost"])
def test_a_store_that_fails_stops_who_does_not_know_them(world: World, process: Process, fault: str) -> None:
    """A process that knows no credentials gets the store's error, and registers nothing."""
    stranger = process_in(world)
    stranger.run({Get: [fault] * 9})
    assert isinstance(stranger.error, StoreError)
    assert world.registrations == 1


@pytest.mark.fault("the store has become one that others can write to", "an error for everybody")
def test_an_insecure_store_stops_everybody(world: World, process: Process) -> None:
    """A store that others can write to is not passed over."""
    process.run({Get: ["", "insecure"]})
    assert isinstance(process.error, InsecureStore)


def test_a_refused_client_in_an_unreadable_store_is_not_replaced(world: World, process: Process) -> None:
    """When the server has forgotten the client and the record cannot be read, nothing is registered for it."""
    world.clients.clear()
    process.run({Get: ["corrupt"] * 9})
    assert isinstance(process.error, StoreError)
    assert world.registrations == 1


@pytest.mark.fault(
    "a token was stored by a later version",
    "neither used nor written over; the process fetches its own",
)
def test_a_token_of_a_later_version_is_left_alone(world: World, process: Process) -> None:
    """A token record of a later schema is neither used nor written over; the process fetches its own."""
    future = b'{"format":"dcrauth","schema":3}'
    world.records[world.identity.token] = future
    process.run()
    assert process.token is not None
    assert world.records[world.identity.token] == future
    assert isinstance(told(world, events.StoreProblem)[0].error, StoreTooNew)


def test_a_token_that_cannot_be_decrypted_is_left_alone(world: World, process: Process) -> None:
    """A token record under a key that is not at hand is not written over: a peer may be able to read it."""
    world.records[world.identity.token] = b"sealed"
    process.run({Get: ["no key"]})
    assert process.token is not None
    assert world.records[world.identity.token] == b"sealed"


def test_without_the_lock_a_token_is_fetched_with_stored_credentials(world: World, process: Process) -> None:
    """Where the lock cannot be had, a stored client is used; its token is shared."""
    stranger = process_in(world)
    stranger.take(unlocked(context_of(stranger), StoreUnavailable("locked")))
    stranger.run()
    assert stranger.token is not None
    assert (world.registrations, world.token_calls) == (1, 2)


@pytest.mark.fault("the lock cannot be had, and there is no client", "the lock's error; nothing is sent")
def test_without_the_lock_nothing_is_registered(world: World) -> None:
    """Where the lock cannot be had and there is no client, the error of the lock is raised and nothing is sent."""
    stranger = process_in(world)
    stranger.take(unlocked(context_of(stranger), StoreUnavailable("locked")))
    stranger.run()
    assert isinstance(stranger.error, StoreUnavailable)
    assert (world.registrations, world.token_calls) == (0, 0)


def test_without_the_lock_a_peers_token_is_adopted(world: World) -> None:
    """Where the holder of the lock has stored its token just now, that is used."""
    process_in(world).run()
    stranger = process_in(world)
    stranger.take(unlocked(context_of(stranger), StoreUnavailable("locked")))
    stranger.run()
    assert stranger.token is not None
    assert world.token_calls == 1


def test_forgetting_deletes_every_record(world: World, process: Process) -> None:
    """Credentials, tokens and pairs that were kept aside go; a note stays, without any secret."""
    world.clients.clear()
    process.run()
    assert world.identity.replaced(1) in world.records
    process.take(forgotten(context_of(process)))
    process.run()
    assert list(world.records) == [world.identity.credentials]
    assert isinstance(
        read_credentials(world.identity.credentials, world.records[world.identity.credentials]), Forgotten
    )
    assert b"secret" not in world.records[world.identity.credentials]


def test_what_was_forgotten_is_not_put_back(world: World, process: Process) -> None:
    """A peer that still knows deleted credentials registers anew with everybody else, and puts nothing back."""
    peer = process_in(world)
    peer.run()
    process.take(forgotten(context_of(process)))
    process.run()
    world.now += 7200
    peer.run()
    process.run()
    assert world.registrations == 2
    assert world.used[-1] == world.stored_client() == "client-2"
    assert not told(world, events.StoreRepaired)
    found = read_credentials(world.identity.credentials, world.records[world.identity.credentials])
    assert found.generation == 3


def test_forgetting_nothing_is_no_error(world: World) -> None:
    """Where there are no credentials there is nothing to delete, and nothing is written."""
    process = process_in(world)
    process.take(forgotten(context_of(process)))
    process.run()
    assert process.outcome is False
    assert world.records == {}


def test_forgetting_does_not_touch_what_was_replaced_meanwhile(world: World, process: Process) -> None:
    """Credentials that a peer replaced at the last moment are not deleted unseen."""
    process.take(forgotten(context_of(process)))
    while not isinstance(process.step(), Get):
        pass
    successor = write_credentials(world.identity.credentials, ClientCredentials("client-x", "secret-x"), 2)
    world.records[world.identity.credentials] = successor.data
    process.run()
    assert isinstance(process.error, StoreUnavailable)
    assert world.stored_client() == "client-x"


def test_a_source_forgets(world: World) -> None:
    """TokenSource.forget deletes what it has stored; the next token is that of a new client."""

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    told: list[events.Event] = []
    source = TokenSource(AdobePass(STATEMENT), store=MemoryStore(), transport=Direct(), on_event=told.append)
    first = source.token().value
    assert source.forget() is True
    assert source.forget() is False
    assert source.fresh() is None
    assert source.token().value != first
    assert world.used == ["client-1", "client-2"]
    assert source.flush_events(20.0)
    assert any(isinstance(event, events.CredentialsForgotten) for event in told)


def test_two_pairs_of_one_generation_are_both_kept_aside(world: World, process: Process) -> None:
    """A pair that a peer has registered beside a lost one is kept aside in a place of its own when it is replaced."""
    world.records.clear()
    peer = process_in(world)
    peer.run()
    world.now += 7200
    process.run()
    world.clients.clear()
    world.now += 7200
    peer.run()
    kept = b"".join(data for key, data in world.records.items() if ".replaced-" in key)
    assert b'"client-1"' in kept
    assert b'"client-2"' in kept


def test_a_pair_that_could_not_be_kept_aside_is_not_used(world: World, process: Process) -> None:
    """The stored pair is used even while the lost one cannot be kept aside, which is made up for later."""
    world.records.clear()
    process_in(world).run()
    world.now += 7200
    process.run({Add: ["store down"]})
    assert world.used[-1] == "client-2"
    assert world.identity.replaced(1) not in world.records
    world.now += 7200
    process.run()
    assert world.identity.replaced(1) in world.records


def test_what_is_read_before_a_registration_counts(world: World, process: Process) -> None:
    """A process whose lock has ended while it waited uses what a peer has registered meanwhile."""
    world.clients.clear()
    peer = process_in(world)
    peer.memory.client = process.memory.client
    step_to(process, Sleep)
    peer.run()
    process.run()
    assert world.registrations == 2


@pytest.mark.parametrize("generation", [1, 2])
def test_what_is_read_before_a_registration_is_remembered(world: World, process: Process, generation: int) -> None:
    """A pair that a peer has put in the place of a refused one is in use even while the store cannot be read later."""
    world.clients.clear()
    step_to(process, Sleep)
    peer = ClientCredentials("client-x", "secret-x")
    world.clients["client-x"] = "secret-x"
    while not isinstance(process.step(), Send):
        pass
    key = world.identity.credentials
    world.records[key] = write_credentials(key, peer, generation).data
    process.run()
    assert (process.error, world.used[-1], world.registrations) == (None, "client-x", 1)
    world.now += 7200
    before = len(world.used)
    process.run({Get: ["", "store down"]})
    assert (process.error, world.used[before:], world.registrations) == (None, ["client-x"], 1)


def test_a_pair_that_is_lost_twice_is_not_given_up(world: World, process: Process) -> None:
    """Where the store loses what was just put back, the pair in memory stays in use, and nothing is registered."""
    world.records.clear()
    step_to(process, Add)
    world.records.clear()
    process.run()
    assert world.registrations == 1
    assert process.memory.client is not None
    assert process.memory.client.credentials.client_id == "client-1"


def test_an_unsaved_registration_is_saved_later(world: World) -> None:
    """A pair that the store did not take is offered to it again at the next renewal: nothing else is registered."""
    process = process_in(world)
    process.run({Add: ["store down"]})
    assert isinstance(process.error, StoreUnavailable)
    assert world.used == []
    process.run()
    assert (world.registrations, world.used) == (1, ["client-1"])


def test_what_was_kept_aside_is_deleted_on_purpose(world: World, process: Process) -> None:
    """To forget an identity deletes all pairs that were kept aside, wherever they are."""
    world.records.clear()
    peer = process_in(world)
    peer.run()
    world.now += 7200
    process.run()
    process.take(forgotten(context_of(process)))
    process.run()
    assert not [key for key in world.records if ".replaced-" in key]


def test_a_replaced_pair_can_be_restored(world: World, process: Process) -> None:
    """The pair that was replaced last comes back into use, the present one is kept aside, and that can be undone."""
    old = world.clients.copy()
    world.clients.clear()
    process.run()
    assert world.stored_client() == "client-2"
    world.clients.update(old)
    for client in ("client-1", "client-2", "client-1"):
        process.take(restored(context_of(process)))
        process.run()
        assert process.outcome is True
        assert world.stored_client() == client
        process.run()
        assert world.used[-1] == client
    assert len(told(world, events.CredentialsRestored)) == 3
    assert world.registrations == 2


def test_nothing_is_restored_where_nothing_was_replaced(world: World, process: Process) -> None:
    """Without a pair that was kept aside, or without any, nothing changes."""
    before = dict(world.records)
    process.take(restored(context_of(process)))
    process.run()
    assert (process.outcome, world.records) == (False, before)
    stranger = process_in(World())
    stranger.take(restored(context_of(stranger)))
    stranger.run()
    assert stranger.outcome is False


def test_a_source_restores(world: World) -> None:
    """TokenSource.restore leads to a token of the former client, in the processes that share the store as well."""

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    store = MemoryStore()
    policy = Policy(least_pause=0.0, settling=0.0, spared_for=0.0)
    source, peer = (TokenSource(AdobePass(STATEMENT), store=store, transport=Direct(), policy=policy) for _ in range(2))
    first = source.token()
    peer.token()
    known = world.clients.copy()
    world.clients.clear()
    second = source.token(instead_of=first)
    world.clients.update(known)
    assert source.restore() is True
    assert source.token().value not in {first.value, second.value}
    peer.token(instead_of=first)
    assert world.used == ["client-1", "client-1", "client-1", "client-2", "client-1"]


def test_to_forget_can_be_finished(world: World, process: Process) -> None:
    """Where the store fails half-way, a second call deletes what is left of the identity."""
    world.clients.clear()
    process.run()
    assert world.identity.replaced(1) in world.records
    process.take(forgotten(context_of(process)))
    process.run({Delete: ["store down"]})
    assert isinstance(process.error, StoreUnavailable)
    process.take(forgotten(context_of(process)))
    process.run()
    assert process.outcome is False
    assert set(world.records) == {world.identity.credentials}


def test_to_restore_in_vain_changes_nothing(world: World, process: Process) -> None:
    """Where the store fails half-way the present pair stays in use, and another call does what the first one should."""
    world.clients.clear()
    process.run()
    for faults in ({Delete: ["store down"]}, {Replace: ["store down"]}):
        process.take(restored(context_of(process)))
        process.run(faults)
        assert isinstance(process.error, StoreUnavailable)
        assert world.stored_client() == "client-2"
    process.take(restored(context_of(process)))
    process.run()
    assert world.stored_client() == "client-1"


@pytest.mark.parametrize("remedy", ["forget", "restore"])
def test_a_remedy_takes_effect_at_once(world: World, remedy: str) -> None:
    """After forget() or restore() the failure that it is to cure is over: the next call has a token."""

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    policy = Policy(least_pause=0.0, settling=0.0, spared_for=0.0)
    source = TokenSource(AdobePass(STATEMENT), store=MemoryStore(), transport=Direct(), policy=policy)
    token = source.token()
    known = world.clients.copy()
    world.clients.clear()
    token = source.token(instead_of=token)
    world.clients.clear()
    with pytest.raises(CredentialsRejected):
        source.token(instead_of=token)
    world.clients.update(known)
    assert getattr(source, remedy)() is True
    assert source.token(instead_of=token).value != token.value
    assert world.used[-1] == ("client-3" if remedy == "forget" else "client-1")


def step_to(process: Process, kind: type) -> None:
    """Let a process go on until it has asked for an effect of *kind*."""
    while not isinstance(process.step(), kind):
        pass


class Losses(RuleBasedStateMachine):
    """Random histories in which the store loses records, goes back to older ones, and fails."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World()
        chance = random.Random(seed)
        self.processes = [Process(self.world, POLICY, chance.random) for _ in range(3)]
        self.processes[0].run()
        self.backups = [dict(self.world.records)]
        self.generation = 1

    def keepers(self) -> list[Process]:
        """The processes that know the latest pair."""
        return [
            each for each in self.processes if each.memory.client and each.memory.client.generation == self.generation
        ]

    def note(self) -> None:
        data = self.world.records.get(self.world.identity.credentials)
        if data is not None:
            self.generation = max(self.generation, read_credentials(self.world.identity.credentials, data).generation)

    @rule(which=st.integers(0, 2), fault=st.sampled_from(["", "", "store down", "corrupt"]))
    def renew(self, which: int, fault: str) -> None:
        self.world.now += 7200
        self.processes[which].run({Get: ["", fault]})
        self.note()

    @rule(which=st.integers(0, 2))
    def restart(self, which: int) -> None:
        if self.keepers() != [self.processes[which]]:
            self.processes[which].kill()

    @rule()
    def back_up(self) -> None:
        self.backups.append(dict(self.world.records))

    @rule(which=st.integers(0, 9))
    def restore(self, which: int) -> None:
        """Restore a backup, or nothing at all; whoever knows the latest pair is the first to look."""
        keeper = (self.keepers() or [None])[0]
        if keeper is None:
            return
        self.world.records.clear()
        self.world.records.update([{}, *self.backups][which % (len(self.backups) + 1)])
        self.world.now += 7200
        keeper.run()
        self.note()

    @rule()
    def server_forgets(self) -> None:
        self.world.clients.clear()
        self.world.now += 100_000

    @invariant()
    def generations_never_go_back(self) -> None:
        """Whatever the store loses, what it holds after a look by who knows better is the latest pair."""
        if hasattr(self, "world"):
            data = self.world.records[self.world.identity.credentials]
            assert read_credentials(self.world.identity.credentials, data).generation == self.generation

    @invariant()
    def registrations_are_only_for_forgotten_clients(self) -> None:
        """No loss of the store ever costs a registration while a process knows the credentials."""
        if hasattr(self, "world"):
            assert self.world.registrations == self.generation


TestLosses = Losses.TestCase
TestLosses.settings = settings(
    max_examples=often(40, by_night=1_000),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
