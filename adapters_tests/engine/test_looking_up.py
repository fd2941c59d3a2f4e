"""What a renewal reads at its beginning, in one go, and what it reads again because it may have changed since."""

from __future__ import annotations

import pytest

from adapters_tests.common.world import Process, World, context_of
from dcrauth import Policy, RegistrationRejected, StoreError, StoreUnavailable, events
from dcrauth.engine.effects import Add, Get, GetMany, Put, Send, Sleep, Suspicion
from dcrauth.engine.records import UnusableRegistration, write_unusable
from dcrauth.engine.renewal import glimpsed, unlocked

POLICY = Policy()


@pytest.fixture
def world() -> World:
    """A world without a client."""
    return World()


@pytest.fixture
def process(world: World) -> Process:
    """A process that has registered, and holds a token that is due."""
    made = process_in(world)
    made.run()
    world.now += 7200
    return made


def process_in(world: World) -> Process:
    return Process(world, POLICY, lambda: 0.5)


def noted(world: World) -> None:
    """Let another process note that it has registered in vain."""
    note = UnusableRegistration(world.now, world.provider.statement_digest, 201)
    world.records[world.identity.registration] = write_unusable(world.identity.registration, note)


def effects_of(process: Process) -> list[type]:
    """Run a renewal to its end; return what it has asked of the store and the network."""
    kinds = []
    while (effect := process.step()) is not None:
        kinds.append(type(effect))
    return [kind for kind in kinds if kind in {Get, GetMany, Add, Put, Send}]


@pytest.mark.fault(
    "another process registers in vain while this one asks the token endpoint about its client",
    "its note is seen; nothing is registered",
)
def test_a_note_is_read_again_after_a_call(world: World, process: Process) -> None:
    """What stood against a registration before the calls of a renewal is looked up again before one is made."""
    world.clients.clear()
    while not isinstance(process.step(), Sleep):
        pass
    noted(world)
    process.run()
    assert isinstance(process.error, RegistrationRejected)
    assert world.registrations == 1


def test_a_note_that_was_looked_up_counts(world: World) -> None:
    """A note that is there at the beginning is not read again, and stands."""
    noted(world)
    process = process_in(world)
    assert effects_of(process) == [GetMany]
    assert isinstance(process.error, RegistrationRejected)


@pytest.mark.parametrize("kind", ["store down", "lost", "corrupt"])
def test_a_store_that_gives_nothing_is_asked_once(world: World, kind: str) -> None:
    """Where nothing can be looked up each record counts as unreadable, without another try for each of them."""
    stranger = process_in(world)
    while not isinstance(stranger.step(kind), GetMany):
        pass
    assert effects_of(stranger) == []
    assert isinstance(stranger.error, StoreError)
    assert [type(event) for event in world.told] == [events.StoreProblem]
    assert world.registrations == 0


def test_who_knows_its_client_goes_on_without_the_store(world: World, process: Process) -> None:
    """A process that knows its credentials fetches a token though nothing could be looked up, and shares it."""
    while not isinstance(process.step("store down"), GetMany):
        pass
    assert effects_of(process) == [Send, Get, Put]
    assert (process.error, world.registrations) == (None, 1)


@pytest.mark.parametrize(("fault", "reads"), [("store down", [Get]), ("corrupt", []), ("", [])])
def test_a_token_that_may_be_readable_by_now_is_read_again(
    world: World, process: Process, fault: str, reads: list[type]
) -> None:
    """Before a token is shared its record is read again only if that had failed in a way that passes."""
    kinds = []
    process._waiting = {Get: [fault]}
    while (effect := process.step("scripted")) is not None:
        kinds.append(type(effect))
    assert [kind for kind in kinds if kind in {Get, Put, Send}] == [Send, *reads, Put]


def test_without_the_lock_the_token_is_read_again(world: World, process: Process) -> None:
    """Whoever has no lock looks again before it shares its token: the holder may be of a later version."""
    process.take(unlocked(context_of(process), StoreUnavailable("locked")))
    while not isinstance(process.step(), Send):
        pass
    world.records[world.identity.token] = future = b'{"format":"dcrauth","schema":3}'
    process.run()
    assert process.token is not None
    assert world.records[world.identity.token] == future


# Before the lock.


def test_a_peers_token_takes_one_reading(world: World, process: Process) -> None:
    """A token that a peer has stored is taken over after one reading; a suspicion against the client is dropped."""
    stranger = process_in(world)
    process.run()
    stranger.memory.suspicion = Suspicion(b"", world.now + 60)
    stranger.take(glimpsed(context_of(stranger)))
    assert effects_of(stranger) == [Get]
    assert (stranger.outcome, stranger.memory.suspicion) == (process.token, None)
    assert type(world.told[-1]) is events.TokenAdopted


@pytest.mark.parametrize("fault", ["", "store down", "corrupt", "lost", "too new", "insecure", "no key"])
def test_what_is_wrong_before_the_lock_is_told_later(world: World, process: Process, fault: str) -> None:
    """Without a token to take over, whatever the reason, nothing is told and a suspicion stays."""
    world.told.clear()
    process.memory.suspicion = suspicion = Suspicion(b"", world.now + 60)
    process.take(glimpsed(context_of(process)))
    process.run({Get: [fault]})
    assert (process.outcome, process.error, world.told) == (None, None, [])
    assert process.memory.suspicion is suspicion


def test_a_lost_store_is_repaired_before_anything_else(world: World, process: Process) -> None:
    """What was looked up before a repair is not taken for what is there after it."""
    world.records.clear()
    assert effects_of(process) == [GetMany, Add, Get, Send, Put]
    assert world.stored_client() == "client-1"
