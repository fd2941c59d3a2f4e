"""The steps of a renewal, in order, as a generator that yields what it needs done.

    a peer's token? adopt it ─▶ else, under the lock:

    read the store ─▶ a peer's token? adopt it
                  └─▶ credentials? ── none ─▶ can the store keep them? does nothing stand against it?
                          │                           └─▶ register ─▶ add ─▶ read back  (first write wins)
                          └─▶ fetch a token ── invalid_client ─▶ read again ─▶ confirm ─▶ register anew, replace
                                   └─▶ share it ─▶ done

It does no I/O and reads no clock of its own: whoever drives it performs each effect and sends back the result, or
throws the error that came of it. So a simulation can interleave many renewals and stop any of them between two steps.
"""

from dcrauth import events
from dcrauth.credentials import AccessToken
from dcrauth.engine import rules
from dcrauth.engine.client_refused import doubted, recovered
from dcrauth.engine.client_updated import kept_alive
from dcrauth.engine.effects import (
    Delete,
    Emit,
    Get,
    LockTry,
    Now,
    Put,
    RenewalContext,
    Steps,
    Suspicion,
    looked_up,
    record,
)
from dcrauth.engine.given_client import fetched_for_given, given_by
from dcrauth.engine.records import StoredCredentials, read_token, write_token
from dcrauth.engine.registration import client_of
from dcrauth.engine.store_repair import stored
from dcrauth.engine.token_call import fetched
from dcrauth.errors import (
    CredentialsRejected,
    DecryptionFailed,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreTooNew,
    StoreUnavailable,
)


def renewal(context: RenewalContext) -> Steps[AccessToken]:
    """Renew a token; returns the token to use from now on.

    Raises:
        Rejected: the server said no.
        Unavailable: the server could not be asked, or not in time.
        StoreError: the store failed, or holds something that must not be touched.
    """
    context.progress.lock_tries, context.progress.lock_until = 0, None
    suspicion, identity = suspected(context), context.identity
    yield from looked_up(context, identity.token, identity.credentials, identity.registration)
    token = yield from adopted(context)
    if token is not None:
        return token
    give = given_by(context.provider)
    if give is not None:
        token = yield from fetched_for_given(context, give)
        yield from shared(context, token)
        return token
    client = yield from kept_alive(context, (yield from client_of(context)))
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
    yield from looked_up(context, context.identity.token, context.identity.credentials)
    token = yield from adopted(context)
    if token is not None:
        return token
    give = given_by(context.provider)
    if give is not None:
        token = yield from fetched_for_given(context, give)
    else:
        token = yield from fetched_with_stored(context, lock_error)
    context.found.clear()  # whoever has the lock may have written a token meanwhile
    yield from shared(context, token)
    return token


def fetched_with_stored(context: RenewalContext, lock_error: StoreUnavailable) -> Steps[AccessToken]:
    """Trade the credentials in the store for a token; raise *lock_error* where that takes the lock."""
    client = yield from stored(context)
    if not isinstance(client, StoredCredentials):
        raise lock_error
    try:
        return (yield from fetched(context, client.credentials))
    except CredentialsRejected as refusal:
        raise lock_error from refusal


def glimpsed(context: RenewalContext) -> Steps[AccessToken | None]:
    """Take over the token of a peer without the lock, which most often is all there is to do in a new process.

    Whatever is wrong with the store, the renewal that comes next will tell.
    """
    try:
        token = yield from token_of_a_peer(context)
    except StoreError:
        return None
    if token is not None:
        context.memory.suspicion = None
    return token


def token_of_a_peer(context: RenewalContext) -> Steps[AccessToken | None]:
    """Return the token in the store, if it is any better than the one to replace.

    Raises:
        StoreError: it cannot be read.
    """
    key = context.identity.token
    data = yield Get(key)
    return (yield from taken_over(context, None if data is None else read_token(key, data)))


def adopted(context: RenewalContext) -> Steps[AccessToken | None]:
    """Take over the token that a peer has written, if it is any better than the one to replace."""
    key = context.identity.token
    try:
        data = yield from record(context, key)
        context.found[key] = data  # which `shared` need not read again
        token = None if data is None else read_token(key, data)
    except StoreError as problem:
        if not isinstance(problem, StoreUnavailable):
            context.found[key] = problem
        # A token can be had anew: whatever is wrong with its record, or with the store, stops no renewal by itself.
        yield Emit(events.StoreProblem(context.name, problem))
        return None
    return (yield from taken_over(context, token))


def taken_over(context: RenewalContext, token: AccessToken | None) -> Steps[AccessToken | None]:
    """Return the *token* in the store if it is any better than the one to replace."""
    now = yield Now()
    if token is None or not rules.adoptable(token, context.instead_of, now, context.policy):
        return None
    yield Emit(events.TokenAdopted(context.name, token.expires_at))
    return token


def shared(context: RenewalContext, token: AccessToken) -> Steps[None]:
    """Leave the token to other processes; a store that fails here spoils nothing."""
    key = context.identity.token
    try:
        if (yield from disposable(context)):
            yield Put(key, write_token(key, token))
        if context.outlived is not None:
            yield Delete(context.outlived)
    except StoreError as problem:
        yield Emit(events.StoreProblem(context.name, problem))


def disposable(context: RenewalContext) -> Steps[bool]:
    """Return whether the token record may be written over: not if a peer can read it though we cannot."""
    key = context.identity.token
    try:
        data = yield from record(context, key)
        if data is not None:
            read_token(key, data)
    except (StoreCorrupt, StoreLost):
        return True
    except (StoreTooNew, DecryptionFailed):
        return False
    return True
