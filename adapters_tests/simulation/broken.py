"""Rules that were broken on purpose, and the invariant that has to find each of them out.

A replacement takes the place of a function wherever the package has imported it to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from adapters_tests.simulation.invariants import Invariant
from adapters_tests.simulation.run import KINDS
from dcrauth import CredentialsRejected, OAuthServer, StoreError, StoreUnavailable, TokenSource, events
from dcrauth._internal.confidential import replaced
from dcrauth.credentials import AccessToken
from dcrauth.engine import (
    answer_errors,
    answers,
    bars,
    client_refused,
    client_updated,
    endpoint_calls,
    registration,
    renewal,
    rules,
    store_repair,
    token_call,
    token_life,
    token_refused,
)
from dcrauth.engine.answers import Meaning
from dcrauth.engine.effects import Add, Emit, Put, Replace, Sleep
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import write_credentials, write_token
from dcrauth.engine.rules import Course
from dcrauth.providers.oauth import calls
from dcrauth.providers.protocol import Problem

ENOUGH = 2_000
"""Within so many seeds of its kind every broken rule has to be found."""


@dataclass(frozen=True)
class Broken:
    """A rule that is broken.

    Parameters:
        name: what it does wrong.
        caught_by: the invariants of which one has to find it out.
        original: the function that is replaced.
        replacement: what takes its place.
        kind: with which of the kinds of servers.
        first: how many of their seeds are left out, as they have not found it out.
    """

    name: str
    caught_by: tuple[Invariant, ...]
    original: Any
    replacement: Any
    kind: int = 0
    first: int = 0

    @property
    def seeds(self) -> range:
        """The seeds within which it has to be found out."""
        return range(self.kind + self.first * len(KINDS), ENOUGH * len(KINDS), len(KINDS))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the replacement wherever the original is."""
        with ExitStack() as patches:
            for owner in _owners():
                for name in [name for name, value in vars(owner).items() if value is self.original]:
                    patches.enter_context(mock.patch.object(owner, name, self.replacement))
            yield


def _owners() -> Iterator[Any]:
    """Yield the modules of the package and their classes."""
    for module in [each for name, each in sys.modules.items() if name.partition(".")[0] == "dcrauth"]:
        yield module
        yield from [each for each in vars(module).values() if isinstance(each, type)]


def _unreadable_is_absent(context: Any) -> Any:
    try:
        return (yield from _stored(context))
    except StoreError:
        return None


def _overwriting(context: Any, *_: Any) -> Any:
    credentials = yield from registration.new_credentials(context, None)
    fresh = write_credentials(context.identity.credentials, credentials)
    yield Put(context.identity.credentials, fresh.data)
    return (yield from registration.confirmed(context, fresh, won=True))


def _unconfirmed(context: Any, client: Any, *_: Any) -> Any:
    successor = yield from client_refused.succeeded(context, client)
    return (yield from token_call.fetched(context, successor.credentials))


def _before_it_is_stored(context: Any, *_: Any) -> Any:
    credentials = yield from registration.new_credentials(context, None)
    fresh = write_credentials(context.identity.credentials, credentials)
    yield from token_call.fetched(context, credentials)
    yield Add(context.identity.credentials, fresh.data)
    return fresh


def _not_read_back(context: Any, fresh: Any, *_: Any) -> Any:
    return fresh
    yield


def _nothing(*_: Any) -> Any:
    return
    yield


def _no_note(*_: Any) -> Any:
    return None, True
    yield


def _in_the_same_generation(key: str, credentials: Any, *_: Any) -> Any:
    return _write_credentials(key, credentials)


def _put_back_after_deletion(found: Any, known: Any) -> bool:
    return found is None or found.data != known.data


def _adopts_the_refused(stored: AccessToken, instead_of: Any, now: Instant, policy: Any) -> bool:
    return _adoptable(stored, None, now, policy)


def _adopts_the_dead(stored: AccessToken, instead_of: AccessToken | None, *_: Any) -> bool:
    return instead_of is None or stored.value != instead_of.value


def _serves_the_dead(held: Any, refused: Any, now: Instant, *more: Any, **named: Any) -> Course:
    return Course.USE if held and not refused else _course(held, refused, now, *more, **named)


def _fails_while_it_lives(held: Any, refused: Any, now: Instant, blocked: bool, *more: Any, **named: Any) -> Course:
    return Course.FAIL if blocked else _course(held, refused, now, blocked, *more, **named)


def _believes_any_page(problem: Any) -> Meaning:
    return Meaning.CLIENT_REJECTED if problem.status in {400, 401} else _meaning(problem)


def _by_the_wall_clock(moment: Instant, now: Instant) -> bool:
    return now.wall >= moment.wall


def _for_ever(token: AccessToken, now: Instant, *more: Any, **named: Any) -> Any:
    late = now.later(token.life)
    return replace(_held(token, now, *more, **named), expiry=late, mandatory=late)


def _at_once(error: Any, failures: int, now: Instant, *_: Any) -> Instant:
    return now


def _registers_unlocked(context: Any, *_: Any) -> Any:
    return (yield from _renewal(context))


def _without_another_look(context: Any, client: Any, *_: Any) -> Any:
    yield Sleep(context.policy.least_pause)
    try:
        return (yield from token_call.fetched(context, client.credentials))
    except CredentialsRejected:
        credentials = yield from registration.new_credentials(context, None)
    fresh = write_credentials(context.identity.credentials, credentials, client.generation + 1)
    yield Replace(context.identity.credentials, fresh.data, client.data)
    return (yield from token_call.fetched(context, credentials))


def _unmarked(*given: Any, **_: Any) -> AccessToken:
    return _granted(*given)


def _without_the_mark(key: str, token: AccessToken) -> bytes:
    return _write_token(key, replaced(token, after_refusal=False))


def _at_the_first(refused: AccessToken, held: Any, *_: Any) -> bool:
    return held is not None and held.token.value == refused.value


def _past_the_deadline(problem: Any, attempt: int, at: float, deadline: float, policy: Any) -> bool:
    return _worth_another(problem, attempt, at, at + 1.0, policy)


def _from_memory(context: Any) -> Any:
    known = context.memory.client
    return known if known is not None else (yield from _stored(context))


_stored, _meaning = store_repair.stored, answers.meaning
_adoptable, _course, _held = rules.adoptable, rules.course, token_life.held
_worth_another = rules.worth_another
_fetched, _new_credentials = token_call.fetched, registration.new_credentials
_join_or_start, _fail = TokenSource._join_or_start, TokenSource._fail
_renewal, _write_credentials = renewal.renewal, write_credentials
_granted, _write_token = token_life.granted, write_token


def _tells_the_secret(context: Any, credentials: Any) -> Any:
    yield Emit(events.StoreProblem(context.name, StoreUnavailable(f"of {credentials.client_secret}")))
    return (yield from _fetched(context, credentials))


def _registers_twice(context: Any, over: bytes | None) -> Any:
    yield from _new_credentials(context, over)
    context.memory.unsaved = None
    return (yield from _new_credentials(context, over))


def _another_flight(source: TokenSource, *given: Any) -> Any:
    source._flight = None
    return _join_or_start(source, *given)


def _never_lands(source: TokenSource, flight: Any, error: Any, begun: float) -> None:
    _fail(source, flight, error, begun)
    source._flight = flight


def _yes(*_: Any, **__: Any) -> bool:
    return True


def _no(*_: Any, **__: Any) -> bool:
    return False


def _sent_again_by_a_transport(*given: Any, **_: Any) -> Any:
    return _form(*given)


def _at_a_moment_as_any(context: Any, now: Instant) -> Any:
    return replaced(_moment_of(context, now), random=b"as any")


def _told_by_nobody(context: Any, client: Any, *_: Any) -> Any:
    return client
    yield


def _gone_unless_it_answers(context: Any, client: Any) -> Any:
    return isinstance((yield from client_updated.managed(context, client, "confirm")), Problem)


def _asked_again(context: Any, client: Any) -> Any:
    outcome = yield from client_updated.managed(context, client, "update")
    return outcome if isinstance(outcome, Problem) else (yield from client_updated.in_place(context, client, outcome))


def _used_and_not_stored(context: Any, client: Any, answered: Any) -> Any:
    return write_credentials(context.identity.credentials, answered, client.generation + 1)
    yield


def _dropped(context: Any, client: Any, answered: Any) -> Any:
    try:
        return (yield from _in_place(context, client, answered))
    finally:
        context.memory.answered = None


def _renewed_unlocked(context: Any, error: Any) -> Any:
    client = yield from store_repair.stored(context)
    if client is not None and hasattr(client, "credentials"):
        yield from _kept_alive(context, client)
    return (yield from _unlocked(context, error))


_form, _moment_of = calls.form, endpoint_calls.moment_of
_in_place, _kept_alive = client_updated.in_place, client_updated.kept_alive
_unlocked = renewal.unlocked

_OF_CLIENTS: tuple[tuple[Any, ...], ...] = (
    (
        "has a transport send an assertion again",
        (Invariant.NO_ASSERTION_TWICE,),
        _form,
        _sent_again_by_a_transport,
    ),
    ("signs the same again", (Invariant.NO_ASSERTION_TWICE,), _moment_of, _at_a_moment_as_any),
    (
        "believes invalid_client of who signs",
        (Invariant.SIGNING_CLIENT_STAYS,),
        OAuthServer.condemns,
        property(_yes),
        40,
    ),
    (
        "takes a signing client for gone unless the server answers",
        (Invariant.SIGNING_CLIENT_STAYS,),
        client_updated.is_gone,
        _gone_unless_it_answers,
    ),
    (
        "asks nobody for another secret",
        (Invariant.ENDED_SECRET_LOSES_NO_CLIENT,),
        client_refused.examined,
        _told_by_nobody,
        50,
    ),
    (
        "takes any answer for a refusal of the client",
        (Invariant.ROTATED_SECRET_IS_KEPT, Invariant.ENDED_SECRET_LOSES_NO_CLIENT),
        client_updated.is_settled_by,
        _yes,
        90,
    ),
    (
        "asks again, and has an answer that is not stored",
        (Invariant.ROTATED_SECRET_IS_KEPT,),
        client_updated.renewed,
        _asked_again,
        780,
    ),
    ("drops what no store has taken", (Invariant.ROTATED_SECRET_IS_KEPT,), _in_place, _dropped, 780),
    ("uses another secret before it is stored", (Invariant.USED_AS_STORED,), _in_place, _used_and_not_stored),
    (
        "registers again without an answer where that is refused",
        (Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE,),
        answer_errors.lost,
        lambda problem: problem,
        80,
    ),
    (
        "renews a secret without the lock",
        (Invariant.REGISTERED_UNDER_THE_LOCK,),
        renewal.unlocked,
        _renewed_unlocked,
        260,
    ),
    ("learns no time", (Invariant.RECOVERY,), endpoint_calls.learn_the_time, lambda *_: None),
)

BROKEN = (
    Broken("registers when the store is unreadable", (Invariant.REASON_TO_REGISTER,), _stored, _unreadable_is_absent),
    Broken(
        "trusts its memory",
        (Invariant.USED_AS_STORED, Invariant.REASON_TO_REGISTER, Invariant.ONE_CLIENT_IN_THE_END),
        _stored,
        _from_memory,
    ),
    Broken("overwrites instead of adding", (Invariant.NOTHING_OVERWRITTEN,), registration.registered, _overwriting),
    Broken("believes the first refusal", (Invariant.REASON_TO_REGISTER,), client_refused.recovered, _unconfirmed),
    Broken(
        "does not look again before it replaces",
        (Invariant.REASON_TO_REGISTER,),
        client_refused.recovered,
        _without_another_look,
    ),
    Broken(
        "uses a pair before it is stored", (Invariant.USED_AS_STORED,), registration.registered, _before_it_is_stored
    ),
    Broken("does not read back", (Invariant.USED_AS_STORED,), registration.confirmed, _not_read_back),
    Broken("does not put back what was lost", (Invariant.REASON_TO_REGISTER,), rules.is_outdated, _no),
    Broken(
        "puts back what was deleted",
        (Invariant.DELETED_STAYS_DELETED, Invariant.NOTHING_OVERWRITTEN),
        rules.is_outdated,
        _put_back_after_deletion,
    ),
    Broken("keeps nothing aside", (Invariant.NOTHING_OVERWRITTEN,), store_repair.kept_aside, _nothing),
    Broken(
        "replaces within a generation", (Invariant.NOTHING_OVERWRITTEN,), _write_credentials, _in_the_same_generation
    ),
    Broken("registers again as often as it likes", (Invariant.SELDOM_REPLACED,), rules.may_register_again, _yes),
    Broken("registers without the lock", (Invariant.REGISTERED_UNDER_THE_LOCK,), renewal.unlocked, _registers_unlocked),
    Broken("believes any page", (Invariant.REASON_TO_REGISTER,), _meaning, _believes_any_page, first=850),
    Broken("does not pause after a 429", (Invariant.PAUSE_AFTER_THROTTLE,), rules.pause, lambda *_: 0.0),
    Broken("does not pause after a failure", (Invariant.PAUSE_AFTER_FAILURE,), rules.next_try, _at_once),
    Broken("waits past its deadline", (Invariant.BOUNDED_RENEWAL,), _worth_another, _past_the_deadline),
    Broken("tries for ever", (Invariant.BOUNDED_RENEWAL,), rules.worth_another, _yes),
    Broken("renews what a refusal has brought", (Invariant.SECOND_TOKEN_STAYS,), token_refused.is_spared, _no),
    Broken("does not mark what a refusal has brought", (Invariant.SECOND_TOKEN_STAYS,), token_life.granted, _unmarked),
    Broken("keeps the mark to itself", (Invariant.SECOND_TOKEN_STAYS,), _write_token, _without_the_mark),
    Broken("suspects at the first refusal", (Invariant.REASON_TO_REGISTER,), token_refused.incriminates, _at_the_first),
    Broken(
        "takes a success in vain for no answer",
        (Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE,),
        answers.is_success,
        _no,
    ),
    Broken("remembers no success in vain", (Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE,), bars.kept, _nothing),
    Broken("looks for no note of others", (Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE,), bars.noted, _no_note),
    Broken("reads the note and goes on", (Invariant.NO_REGISTRATION_AFTER_A_VAIN_ONE,), rules.is_barred, _no),
    Broken("serves a dead token", (Invariant.DEAD_TOKEN_NOT_SERVED,), _course, _serves_the_dead),
    Broken("trusts the wall clock alone", (Invariant.DEAD_TOKEN_NOT_SERVED,), Instant.reached, _by_the_wall_clock),
    Broken("counts a life from its arrival", (Invariant.DEAD_TOKEN_NOT_SERVED,), _held, _for_ever),
    Broken("fails while a token lives", (Invariant.LIVE_TOKEN_SERVED,), _course, _fails_while_it_lives),
    Broken("gives no token to a failed renewal", (Invariant.LIVE_TOKEN_SERVED,), rules.can_stand_in, _no),
    Broken("adopts the token that was refused", (Invariant.RENEWAL_BRINGS_NEWS,), _adoptable, _adopts_the_refused),
    Broken("adopts a dead token", (Invariant.RENEWAL_BRINGS_NEWS,), _adoptable, _adopts_the_dead),
    Broken("tells the secret", (Invariant.SECRETS_STAY_HOME,), _fetched, _tells_the_secret),
    Broken("registers twice", (Invariant.ORPHANS_HAVE_A_CAUSE,), _new_credentials, _registers_twice),
    Broken("renews twice at once", (Invariant.ONE_RENEWAL_AT_A_TIME,), _join_or_start, _another_flight),
    Broken("is poisoned by a failure", (Invariant.RECOVERY,), _fail, _never_lands),
    Broken("never registers again", (Invariant.RECOVERY,), rules.may_register_again, _no),
    *(Broken(*each[:4], 1, *each[4:]) for each in _OF_CLIENTS),
)
"""Each has to be caught, by one of its invariants, within two thousand seeds of its kind."""
