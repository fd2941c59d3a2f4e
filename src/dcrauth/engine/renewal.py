"""The steps of a renewal, in order, as a generator that yields what it needs done.

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
    Emit,
    Get,
    LockTry,
    Now,
    Put,
    RenewalContext,
    Replace,
    ReportOutcome,
    Send,
    Sleep,
    Steps,
    Suspicion,
    Unsaved,
    Withheld,
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


def renewal(context: RenewalContext) -> Steps[AccessToken]:
    """Renew a token; returns the token to use from now on.

    Raises:
        Rejected: the server said no.
        Unavailable: the server could not be asked, or not in time.
        StoreError: the store failed, or holds something that must not be touched.
    """
    context.progress.lock_tries, context.progress.lock_until = 0, None
    suspicion = suspected(context)
    token = yield from adopted(context)
    if token is not None:
        return token
    client = yield from client_of(context)
    if suspicion is not None and suspicion.data == client.data and context.after_refusal:
        client = yield from doubted(context, client, suspicion)
    try:
        token = yield from fetched(context, client.credentials)
    except CredentialsRejected as refusal:
        token = yield from recovered(context, client, refusal)
    yield from shared(context, token)
    return token


def suspected(context: RenewalContext) -> Suspicion | None:
    """Return what this renewal is to look into, be it begun anew, and no later one."""
    if context.memory.suspicion is not None:
        context.progress.suspicion, context.memory.suspicion = context.memory.suspicion, None
    return context.progress.suspicion


def without_lock(context: RenewalContext, lock_error: StoreUnavailable) -> Steps[AccessToken | LockTry]:
    """Go on where the lock cannot be had: whoever holds it may bring a token, and is waited for, but not for ever.

    Returns:
        The token that a peer has written by now, or when to try the lock again.

    Raises:
        DCRAuthError: as `unlocked` does, where the store cannot be read, or the wait was too long.
    """
    progress, now = context.progress, (yield Now())
    if progress.lock_until is None:
        progress.lock_until = now.monotonic + context.policy.lock_wait
    left = progress.lock_until - now.monotonic
    if left <= 0.0:
        return (yield from unlocked(context, lock_error))
    try:
        token = yield from token_of_a_peer(context)
    except StoreUnavailable:  # then the lock was not to be had for that reason, and nobody need be waited for
        return (yield from unlocked(context, lock_error))
    except StoreError:
        token = None
    if token is not None:
        return token
    progress.lock_tries += 1
    return LockTry(min(left, rules.next_lock_try(progress.lock_tries, context.chance())))


def unlocked(context: RenewalContext, lock_error: StoreUnavailable) -> Steps[AccessToken]:
    """Renew a token when the lock cannot be had: in the same way, but nothing is registered.

    Two token calls at once do no harm. Two registrations would leave a client behind that nobody uses.

    Raises:
        StoreUnavailable: *lock_error*, where there are no credentials yet, or refused ones: whoever holds the lock may
            be about to mend that.
    """
    token = yield from adopted(context)
    if token is not None:
        return token
    client = yield from stored(context)
    if not isinstance(client, StoredCredentials):
        raise lock_error
    try:
        token = yield from fetched(context, client.credentials)
    except CredentialsRejected as refusal:
        raise lock_error from refusal
    yield from shared(context, token)
    return token


def adopted(context: RenewalContext) -> Steps[AccessToken | None]:
    """Take over the token that a peer has written, if it is any better than the one to replace."""
    try:
        return (yield from token_of_a_peer(context))
    except StoreError as problem:
        # A token can be had anew: whatever is wrong with its record, or with the store, stops no renewal by itself.
        yield Emit(events.StoreProblem(context.name, problem))
        return None


def token_of_a_peer(context: RenewalContext) -> Steps[AccessToken | None]:
    """Return the token in the store, if it is any better than the one to replace."""
    data = yield Get(context.identity.token)
    if data is None:
        return None
    token, now = read_token(context.identity.token, data), (yield Now())
    if not rules.adoptable(token, context.instead_of, now, context.policy):
        return None
    yield Emit(events.TokenAdopted(context.name, token.expires_at))
    return token


def client_of(context: RenewalContext) -> Steps[StoredCredentials]:
    """Return the client credentials in the store, or register if there are none."""
    found = yield from stored(context)
    return found if isinstance(found, StoredCredentials) else (yield from registered(context, found))


def registered(context: RenewalContext, forgotten: Forgotten | None) -> Steps[StoredCredentials]:
    """Register, persist, read back, and only then use: the first write wins, whoever made it."""
    credentials = yield from new_credentials(context, forgotten.data if forgotten else None)
    key = context.identity.credentials
    if forgotten is None:
        fresh = write_credentials(key, credentials)
        won = yield Add(key, fresh.data)
    else:
        fresh = write_credentials(key, credentials, forgotten.generation + 1)
        won = yield Replace(key, fresh.data, forgotten.data)
    return (yield from confirmed(context, fresh, won))


def new_credentials(context: RenewalContext, over: bytes | None) -> Steps[ClientCredentials]:
    """Register the application, once it is sure that the outcome can be stored.

    If the store fails all the same, the outcome is kept in memory for the next renewal, which then need not register,
    as long as the record is the same that it was to be written *over*: another one may be this pair, deleted since.
    """
    yield Check()
    unsaved = context.memory.unsaved
    if unsaved is None or unsaved.over != over:
        yield from admitted(context)
        unsaved = Unsaved((yield from registration(context)), over)
        context.memory.unsaved = unsaved
        yield from learned(context, None)
    return unsaved.credentials


def registration(context: RenewalContext) -> Steps[ClientCredentials]:
    """Send the registration; return what has come of it as far as it can be stored."""
    provider, key = context.provider, context.identity.credentials

    def understand(response: Response) -> ClientCredentials | Problem:
        found = provider.read_registration(response)
        if isinstance(found, Problem):
            return found
        told = f"HTTP {response.status} with credentials that no record can hold"
        return storable(key, found) or Problem(told, status=response.status)

    try:
        answer = yield from answered(context, provider.registration_request(), understand, True)
    except DCRAuthError as error:
        yield from learned(context, error)
        raise
    return replaced(answer.value, registered_at=answer.sent.wall)


def confirmed(context: RenewalContext, fresh: StoredCredentials, won: bool) -> Steps[StoredCredentials]:
    """Read back what is stored now and use that: our own pair, or the one that came first."""
    found = yield from stored(context)
    if not isinstance(found, StoredCredentials) or (won and found.data != fresh.data):
        raise StoreUnavailable(
            "The store does not give back the client credentials that it has just acknowledged; "
            "they were not used. Check that the store keeps what is written to it"
        )
    context.memory.unsaved = None
    if won:
        yield Emit(events.Registered(context.name))
    else:
        yield Emit(events.RegistrationUnused(context.name))
    return found


def fetched(context: RenewalContext, credentials: ClientCredentials) -> Steps[AccessToken]:
    """Trade the client credentials for a token."""
    provider = context.provider
    try:
        answer = yield from answered(context, provider.token_request(credentials), provider.read_token, False)
    except CredentialsRejected:
        yield ReportOutcome(context.identity.key, refused=True)
        raise
    yield ReportOutcome(context.identity.key, refused=False)
    token = rules.granted(answer.value, answer.sent, context.policy, after_refusal=context.after_refusal)
    yield Emit(events.TokenRenewed(context.name, token.expires_at, answer.seconds, answer.attempts))
    if credentials.expires_at is not None and rules.is_ending(credentials, answer.sent):
        yield Emit(events.CredentialsEnding(context.name, credentials.expires_at))
    return token


def recovered(context: RenewalContext, client: StoredCredentials, refusal: CredentialsRejected) -> Steps[AccessToken]:
    """Get a token although the server did not recognise the client: first doubt, then confirm, then register anew."""
    latest = yield from client_of(context)
    if latest.data != client.data:
        return (yield from fetched_by_another(context, latest.credentials))
    if context.progress.refused != client.data:
        context.progress.refused = client.data
        yield Sleep(context.policy.least_pause * (1.0 + context.chance()))
        try:
            return (yield from fetched(context, client.credentials))
        except CredentialsRejected as again:
            refusal = again
    objection = yield from objection_to(context, client, refusal)
    if objection is not None:
        raise objection
    successor = yield from succeeded(context, client)
    return (yield from fetched_by_another(context, successor.credentials))


def fetched_by_another(context: RenewalContext, credentials: ClientCredentials) -> Steps[AccessToken]:
    """Trade the credentials that came in the place of refused ones: as long as they are new, no refusal is believed."""
    try:
        return (yield from fetched(context, credentials))
    except CredentialsRejected as reason:
        refusal = reason
    now = yield Now()
    raise answers.unsettled(refusal) if rules.is_settling(credentials, now, context.policy) else refusal


def doubted(context: RenewalContext, client: StoredCredentials, suspicion: Suspicion) -> Steps[StoredCredentials]:
    """Register anew for a client whose fresh tokens a protected API refuses, if that may be; else go on with it.

    Only a renewal that one more refusal asks for does so, and soon: a suspicion that nothing has followed is dropped.
    """
    now = yield Now()
    if now.monotonic >= suspicion.until:
        return client
    refusal = CredentialsRejected("A protected API refuses the fresh tokens of this client")
    objection = yield from objection_to(context, client, refusal)
    if objection is not None:
        return client
    try:
        return (yield from succeeded(context, client))
    except RegistrationRejected:
        return client


def objection_to(
    context: RenewalContext, client: StoredCredentials, refusal: CredentialsRejected
) -> Steps[CredentialsRejected | ServerUnavailable | None]:
    """Return what speaks against a registration in the place of a refused client, if anything does."""
    now = yield Now()
    if rules.is_settling(client.credentials, now, context.policy):
        return answers.unsettled(refusal)
    refused, asked = yield ReportOutcome(context.identity.key, refused=True)
    if rules.is_incident(refused, asked):
        yield Emit(events.RegistrationHalted(context.name, refused, asked))
        return answers.halted(refusal, refused, asked)
    return None if rules.may_register_again(client.credentials, now, context.policy) else refusal


def succeeded(context: RenewalContext, client: StoredCredentials) -> Steps[StoredCredentials]:
    """Put a new registration in the place of a refused one, and keep the old pair aside."""
    found = yield from read(context)  # what cannot be read cannot be replaced: then nothing is registered
    if found is None or found.data != client.data:
        # A peer was faster, or the store has lost the record meanwhile.
        if isinstance(found, StoredCredentials) and found.generation >= client.generation:
            yield from noted(context, found)
            return found
        return (yield from client_of(context))
    yield from kept_aside(context, client)
    credentials = yield from new_credentials(context, client.data)
    credentials = replaced(credentials, replaced_at=credentials.registered_at)
    key = context.identity.credentials
    fresh = write_credentials(key, credentials, client.generation + 1)
    won = yield Replace(key, fresh.data, client.data)
    found = yield from confirmed(context, fresh, won)
    if won:
        yield Emit(events.CredentialsReplaced(context.name))
    return found


def shared(context: RenewalContext, token: AccessToken) -> Steps[None]:
    """Leave the token to other processes; a store that fails here spoils nothing."""
    key = context.identity.token
    try:
        if (yield from disposable(key)):
            yield Put(key, write_token(key, token))
    except StoreError as problem:
        yield Emit(events.StoreProblem(context.name, problem))


def disposable(key: str) -> Steps[bool]:
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
    context: RenewalContext, request: Request, understand: Callable[[Response], T | Problem], registering: bool
) -> Steps[Answer[T]]:
    """Call an endpoint until it answers something that settles the matter, or it is time to give up."""
    made, begun = yield from progress_of(context, registering)
    for attempt in itertools.count(made + 1):
        sent = yield Now()
        outcome = yield from called(request, understand, registering)
        now = yield Now()
        if not isinstance(outcome, Problem):
            return Answer(outcome, sent, now.monotonic - begun, attempt)
        wait = rules.pause(outcome, attempt, now, context.chance(), context.policy)
        if answers.meaning(outcome) is answers.Meaning.THROTTLED:
            yield Emit(events.Throttled(context.name, request.endpoint, wait))
        if not rules.worth_another(outcome, attempt, now.monotonic + wait, context.deadline, context.policy):
            raise answers.error_of(outcome, request.endpoint, registering, now.wall + wait)
        context.progress.attempts[registering] = (attempt, begun)
        yield Sleep(wait)
        del context.progress.attempts[registering]
    raise AssertionError("unreachable: the loop only ends by returning or raising")


def progress_of(context: RenewalContext, registering: bool) -> Steps[tuple[int, float]]:
    """Return how many calls were made before the renewal was begun anew, and when the first of all was."""
    now = yield Now()
    begun: float = now.monotonic
    return context.progress.attempts.pop(registering, (0, begun))


def called(request: Request, understand: Callable[[Response], T | Problem], registering: bool) -> Steps[T | Problem]:
    """Send *request* once; no answer is a problem like any other.

    A registration with a status that says so was carried out, whatever there is to read beside the status.
    """
    outcome: T | Problem
    try:
        response: Response | Withheld = yield Send(request)
    except Unavailable as fault:
        outcome = Problem(reason=fault.message, status=fault.status)
    else:
        if isinstance(response, Withheld):
            raise response.error
        outcome = understand(response)
        if isinstance(outcome, Problem) and outcome.status is None:
            outcome = replace(outcome, status=response.status)
    if not isinstance(outcome, Problem):
        return outcome
    carried_out = registering and answers.is_success(outcome.status)
    return answers.without_secrets(replace(outcome, carried_out=carried_out), request)
