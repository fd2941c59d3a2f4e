"""The story of a renewal, in order, told as a generator that yields what it needs done.

    read the store ─▶ a peer's token? adopt it
                  └─▶ credentials? ── none ─▶ can the store keep them? does nothing stand against it?
                          │                           └─▶ register ─▶ add ─▶ read back  (first write wins)
                          └─▶ fetch a token ── invalid_client ─▶ read again ─▶ confirm ─▶ register anew, replace
                                   └─▶ share it ─▶ done

It does no I/O and reads no clock of its own: whoever drives it performs each effect and sends back the result, or
throws the error that came of it. So a simulation can interleave many renewals and stop any of them between two steps.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from dcrauth import events
from dcrauth._internal.confidential import replaced
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine import answers, rules
from dcrauth.engine.bars import admitted, learned
from dcrauth.engine.effects import (
    Add,
    Check,
    Errand,
    Get,
    Heard,
    Now,
    Put,
    Replace,
    Send,
    Sleep,
    Story,
    Suspicion,
    Tell,
    Unsaved,
)
from dcrauth.engine.records import Forgotten, StoredCredentials, read_token, storable, write_credentials, write_token
from dcrauth.engine.repair import kept_aside, noted, read, stored
from dcrauth.engine.rules import Instant
from dcrauth.errors import (
    CredentialsRejected,
    DCRAuthError,
    DecryptionFailed,
    RegistrationRejected,
    ServerUnavailable,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreTooNew,
    StoreUnavailable,
    Unavailable,
)
from dcrauth.providers.protocol import Problem, Request, Response

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer that settles the matter.

    Parameters:
        value: what it says.
        sent: when the request was sent that it answers.
        seconds: how long all attempts took.
        attempts: how many there were.
    """

    value: T
    sent: Instant
    seconds: float
    attempts: int


def renewal(errand: Errand) -> Story[AccessToken]:
    """Tell how a token is renewed; returns the token to use from now on.

    Raises:
        Rejected: the server said no.
        Unavailable: the server could not be asked, or not in time.
        StoreError: the store failed, or holds something that must not be touched.
    """
    suspicion, errand.memory.suspicion = errand.memory.suspicion, None
    token = yield from adopted(errand)
    if token is not None:
        return token
    client = yield from client_of(errand)
    if suspicion is not None and suspicion.data == client.data and errand.after_refusal:
        client = yield from doubted(errand, client, suspicion)
    try:
        token = yield from fetched(errand, client.credentials)
    except CredentialsRejected:
        token = yield from recovered(errand, client)
    yield from shared(errand, token)
    return token


def unlocked(errand: Errand, lock_error: StoreUnavailable) -> Story[AccessToken]:
    """Tell how a token is renewed when the lock cannot be had: in the same way, but nothing is registered.

    Two token calls at once do no harm. Two registrations would leave a client behind that nobody uses.

    Raises:
        StoreUnavailable: *lock_error*, where there are no credentials yet, or refused ones: whoever holds the lock may
            be about to mend that.
    """
    token = yield from adopted(errand)
    if token is not None:
        return token
    client = yield from stored(errand)
    if not isinstance(client, StoredCredentials):
        raise lock_error
    try:
        token = yield from fetched(errand, client.credentials)
    except CredentialsRejected as refusal:
        raise lock_error from refusal
    yield from shared(errand, token)
    return token


def adopted(errand: Errand) -> Story[AccessToken | None]:
    """Take over the token that a peer has written, if it is any better than the one to replace."""
    try:
        data = yield Get(errand.identity.token)
        token = None if data is None else read_token(errand.identity.token, data)
    except StoreError as problem:
        # A token can be had anew: whatever is wrong with its record, or with the store, stops no renewal by itself.
        yield Tell(events.StoreProblem(errand.name, problem))
        return None
    now = yield Now()
    if token is None or not rules.adoptable(token, errand.instead_of, now, errand.policy):
        return None
    yield Tell(events.TokenAdopted(errand.name, token.expires_at))
    return token


def client_of(errand: Errand) -> Story[StoredCredentials]:
    """Return the client credentials in the store, or register if there are none."""
    found = yield from stored(errand)
    return found if isinstance(found, StoredCredentials) else (yield from registered(errand, found))


def registered(errand: Errand, forgotten: Forgotten | None) -> Story[StoredCredentials]:
    """Register, persist, read back, and only then use: the first write wins, whoever made it."""
    credentials = yield from new_credentials(errand, forgotten.data if forgotten else None)
    key = errand.identity.credentials
    if forgotten is None:
        fresh = write_credentials(key, credentials)
        won = yield Add(key, fresh.data)
    else:
        fresh = write_credentials(key, credentials, forgotten.generation + 1)
        won = yield Replace(key, fresh.data, forgotten.data)
    return (yield from confirmed(errand, fresh, won))


def new_credentials(errand: Errand, over: bytes | None) -> Story[ClientCredentials]:
    """Register the application, once it is sure that the outcome can be stored.

    If the store fails all the same, the outcome is kept in memory for the next renewal, which then need not register,
    as long as the record is the same that it was to be written *over*: another one may be this pair, deleted since.
    """
    yield Check()
    unsaved = errand.memory.unsaved
    if unsaved is None or unsaved.over != over:
        yield from admitted(errand)
        unsaved = Unsaved((yield from registration(errand)), over)
        errand.memory.unsaved = unsaved
        yield from learned(errand, None)
    return unsaved.credentials


def registration(errand: Errand) -> Story[ClientCredentials]:
    """Send the registration; return what has come of it as far as it can be stored."""
    provider, key = errand.provider, errand.identity.credentials

    def understand(response: Response) -> ClientCredentials | Problem:
        found = provider.read_registration(response)
        if isinstance(found, Problem):
            return found
        told = f"HTTP {response.status} with credentials that no record can hold"
        return storable(key, found) or Problem(told, status=response.status)

    try:
        answer = yield from answered(errand, provider.registration_request(), understand, True)
    except DCRAuthError as error:
        yield from learned(errand, error)
        raise
    return replaced(answer.value, registered_at=answer.sent.wall)


def confirmed(errand: Errand, fresh: StoredCredentials, won: bool) -> Story[StoredCredentials]:
    """Read back what is stored now and use that: our own pair, or the one that came first."""
    found = yield from stored(errand)
    if not isinstance(found, StoredCredentials) or (won and found.data != fresh.data):
        raise StoreUnavailable(
            "The store does not give back the client credentials that it has just acknowledged; "
            "they were not used. Check that the store keeps what is written to it"
        )
    errand.memory.unsaved = None
    if won:
        yield Tell(events.Registered(errand.name))
    else:
        yield Tell(events.RegistrationUnused(errand.name))
    return found


def fetched(errand: Errand, credentials: ClientCredentials) -> Story[AccessToken]:
    """Trade the client credentials for a token."""
    provider = errand.provider
    try:
        answer = yield from answered(errand, provider.token_request(credentials), provider.read_token, False)
    except CredentialsRejected:
        yield Heard(errand.identity.key, refused=True)
        raise
    yield Heard(errand.identity.key, refused=False)
    token = rules.granted(answer.value, answer.sent, errand.policy, after_refusal=errand.after_refusal)
    yield Tell(events.TokenRenewed(errand.name, token.expires_at, answer.seconds, answer.attempts))
    if credentials.expires_at is not None and rules.is_ending(credentials, answer.sent):
        yield Tell(events.CredentialsEnding(errand.name, credentials.expires_at))
    return token


def recovered(errand: Errand, client: StoredCredentials) -> Story[AccessToken]:
    """Get a token although the server did not recognise the client: first doubt, then confirm, then register anew."""
    latest = yield from client_of(errand)
    if latest.data != client.data:
        return (yield from fetched_by_another(errand, latest.credentials))
    yield Sleep(errand.policy.least_pause * (1.0 + errand.chance()))
    try:
        return (yield from fetched(errand, client.credentials))
    except CredentialsRejected as again:
        refusal = again
    objection = yield from objection_to(errand, client, refusal)
    if objection is not None:
        raise objection
    successor = yield from succeeded(errand, client)
    return (yield from fetched_by_another(errand, successor.credentials))


def fetched_by_another(errand: Errand, credentials: ClientCredentials) -> Story[AccessToken]:
    """Trade the credentials that came in the place of refused ones: as long as they are new, no refusal is believed."""
    try:
        return (yield from fetched(errand, credentials))
    except CredentialsRejected as reason:
        refusal = reason
    now = yield Now()
    raise answers.unsettled(refusal) if rules.is_settling(credentials, now, errand.policy) else refusal


def doubted(errand: Errand, client: StoredCredentials, suspicion: Suspicion) -> Story[StoredCredentials]:
    """Register anew for a client whose fresh tokens a protected API refuses, if that may be; else go on with it.

    Only a renewal that one more refusal asks for does so, and soon: a suspicion that nothing has followed is dropped.
    """
    now = yield Now()
    if now.monotonic >= suspicion.until:
        return client
    refusal = CredentialsRejected("A protected API refuses the fresh tokens of this client")
    objection = yield from objection_to(errand, client, refusal)
    if objection is not None:
        return client
    try:
        return (yield from succeeded(errand, client))
    except RegistrationRejected:
        return client


def objection_to(
    errand: Errand, client: StoredCredentials, refusal: CredentialsRejected
) -> Story[CredentialsRejected | ServerUnavailable | None]:
    """Return what speaks against a registration in the place of a refused client, if anything does."""
    now = yield Now()
    if rules.is_settling(client.credentials, now, errand.policy):
        return answers.unsettled(refusal)
    refused, asked = yield Heard(errand.identity.key, refused=True)
    if rules.is_incident(refused, asked):
        yield Tell(events.RegistrationHalted(errand.name, refused, asked))
        return answers.halted(refusal, refused, asked)
    return None if rules.may_register_again(client.credentials, now, errand.policy) else refusal


def succeeded(errand: Errand, client: StoredCredentials) -> Story[StoredCredentials]:
    """Put a new registration in the place of a refused one, and keep the old pair aside."""
    found = yield from read(errand)  # what cannot be read cannot be replaced: then nothing is registered
    if found is None or found.data != client.data:
        # A peer was faster, or the store has lost the record meanwhile.
        if isinstance(found, StoredCredentials) and found.generation >= client.generation:
            yield from noted(errand, found)
            return found
        return (yield from client_of(errand))
    yield from kept_aside(errand, client)
    credentials = yield from new_credentials(errand, client.data)
    credentials = replaced(credentials, replaced_at=credentials.registered_at)
    key = errand.identity.credentials
    fresh = write_credentials(key, credentials, client.generation + 1)
    won = yield Replace(key, fresh.data, client.data)
    found = yield from confirmed(errand, fresh, won)
    if won:
        yield Tell(events.CredentialsReplaced(errand.name))
    return found


def shared(errand: Errand, token: AccessToken) -> Story[None]:
    """Leave the token to other processes; a store that fails here spoils nothing."""
    key = errand.identity.token
    try:
        if (yield from disposable(key)):
            yield Put(key, write_token(key, token))
    except StoreError as problem:
        yield Tell(events.StoreProblem(errand.name, problem))


def disposable(key: str) -> Story[bool]:
    """Return whether the token record under *key* may be written over: not if a peer can read it though we cannot."""
    try:
        data = yield Get(key)
        if data is not None:
            read_token(key, data)
    except (StoreCorrupt, StoreLost):
        return True
    except (StoreTooNew, DecryptionFailed):
        return False
    return True


def answered(
    errand: Errand, request: Request, understand: Callable[[Response], T | Problem], registering: bool
) -> Story[Answer[T]]:
    """Call an endpoint until it answers something that settles the matter, or it is time to give up."""
    begun = yield Now()
    for attempt in itertools.count(1):
        sent = yield Now()
        outcome = yield from called(request, understand, registering)
        now = yield Now()
        if not isinstance(outcome, Problem):
            return Answer(outcome, sent, now.monotonic - begun.monotonic, attempt)
        wait = rules.pause(outcome, attempt, now, errand.chance(), errand.policy)
        if answers.meaning(outcome) is answers.Meaning.THROTTLED:
            yield Tell(events.Throttled(errand.name, request.endpoint, wait))
        if not rules.worth_another(outcome, attempt, now.monotonic + wait, errand.deadline, errand.policy):
            raise answers.error_of(outcome, request.endpoint, registering, now.wall + wait)
        yield Sleep(wait)
    raise AssertionError("unreachable: the loop only ends by returning or raising")


def called(request: Request, understand: Callable[[Response], T | Problem], registering: bool) -> Story[T | Problem]:
    """Send *request* once; no answer is a problem like any other.

    A registration with a status that says so was carried out, whatever there is to read beside the status.
    """
    outcome: T | Problem
    try:
        response = yield Send(request)
        outcome = understand(response)
        if isinstance(outcome, Problem) and outcome.status is None:
            outcome = replace(outcome, status=response.status)
    except Unavailable as fault:
        outcome = Problem(reason=fault.message, status=fault.status)
    if not isinstance(outcome, Problem):
        return outcome
    carried_out = registering and answers.is_success(outcome.status)
    return answers.without_secrets(replace(outcome, carried_out=carried_out), request)
