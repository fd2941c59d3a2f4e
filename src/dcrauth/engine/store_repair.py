"""Reading client credentials so that none are ever lost: what a store has forgotten is put back from memory.

A store may lose what it has acknowledged: a Redis fails over, a directory is deleted, an old backup is restored. Every
process that uses a client holds a copy of its credentials, and so can put them back, where a registration would log end
users out. A record of a later generation always wins; credentials that were deleted on purpose have one too.
"""

import itertools

from dcrauth import events
from dcrauth.engine import rules
from dcrauth.engine.effects import Add, Delete, Emit, Get, Now, RenewalContext, Replace, Steps, record
from dcrauth.engine.records import Forgotten, StoredCredentials, read_credentials, write_credentials, write_forgotten
from dcrauth.errors import InsecureStore, StoreError, StoreLost, StoreUnavailable

_GAVE_WAY = (
    "The store had lost the client credentials of this process and holds others by now, which are used from here on: "
    "end users must log in again. The lost ones were kept aside in the store"
)


def stored(context: RenewalContext) -> Steps[StoredCredentials | Forgotten | None]:
    """Read the client credentials, and repair the store if it has lost them; None if there never were any.

    Raises:
        StoreError: they cannot be read, which is not absence, and this process does not know them.
    """
    known = context.memory.client
    try:
        found = yield from read(context)
        if known is not None and rules.is_outdated(found, known):
            found = yield from repaired(context, found, known)
    except StoreError as problem:
        if known is None or isinstance(problem, InsecureStore):
            raise
        # They were stored when they were read. Should a peer have replaced them since, the server will not know them.
        yield Emit(events.StoreProblem(context.name, problem))
        return known
    yield from noted(context, found)
    return found


def noted(context: RenewalContext, found: StoredCredentials | Forgotten | None) -> Steps[None]:
    """Take what was read from the store for what is in use from now on."""
    known = context.memory.client
    if known is not None and rules.is_divided(found, known):
        context.memory.superseded += (known,)
    context.memory.client = found if isinstance(found, StoredCredentials) else None
    yield from gave_way(context)


def read(context: RenewalContext) -> Steps[StoredCredentials | Forgotten | None]:
    """Read the record of client credentials; a lost store is an empty one to a process that can repair it."""
    key = context.identity.credentials
    try:
        data = yield from record(context, key)
    except StoreLost:
        if context.memory.client is None:
            raise
        return None
    return None if data is None else read_credentials(key, data)


def repaired(
    context: RenewalContext, found: StoredCredentials | Forgotten | None, known: StoredCredentials
) -> Steps[StoredCredentials | Forgotten | None]:
    """Put the *known* credentials in the place of older ones, or of none, unless a peer was faster."""
    key = context.identity.credentials
    if found is None:
        won = yield Add(key, known.data)
    else:
        yield from kept_aside(context, found)
        won = yield Replace(key, known.data, found.data)
    if won:
        yield Emit(events.StoreRepaired(context.name))
    found = yield from read(context)
    if rules.is_outdated(found, known):
        raise StoreUnavailable("The store does not keep the client credentials that were just put back into it")
    return found


def gave_way(context: RenewalContext) -> Steps[None]:
    """Keep aside what the store had lost, and another process has registered anew since; if that fails, next time."""
    memory = context.memory
    try:
        for former in memory.superseded:
            yield from kept_aside(context, former)
            # Not by its place: another source of the same identity may have done the same meanwhile.
            memory.superseded = tuple(each for each in memory.superseded if each is not former)
            yield Emit(events.StoreProblem(context.name, StoreLost(_GAVE_WAY)))
    except StoreError as problem:
        yield Emit(events.StoreProblem(context.name, problem))


def kept_aside(context: RenewalContext, client: StoredCredentials | Forgotten) -> Steps[None]:
    """Keep a copy of credentials that are about to be replaced, in the first place that no other copy has taken."""
    if not isinstance(client, StoredCredentials):
        return
    for place in itertools.count(client.generation):
        key = context.identity.replaced(place)
        copy = write_credentials(key, client.credentials, client.generation).data
        if (yield Add(key, copy)) or (yield Get(key)) == copy:
            return


def forgotten(context: RenewalContext) -> Steps[bool]:
    """Delete the credentials and tokens of an identity on purpose; return whether there were any credentials.

    What stands against a registration goes as well, so that this is how to have another one made at once.
    """
    found = yield from stored(context)
    if isinstance(found, StoredCredentials):
        now = yield Now()
        note = write_forgotten(context.identity.credentials, found.generation + 1, now.wall)
        yield from exchanged(context, found, note)
        yield Emit(events.CredentialsForgotten(context.name))
    # In any case: where the store failed after the credentials were deleted, a second call deletes the rest.
    yield Delete(context.identity.token)
    yield Delete(context.identity.registration)
    context.memory.bar = None
    if found is not None:
        yield from cleared(context, found.generation)
    return isinstance(found, StoredCredentials)


def restored(context: RenewalContext) -> Steps[bool]:
    """Put the pair that was kept aside last back in use, and the present one aside; return whether there was any."""
    found = yield from stored(context)
    if not isinstance(found, StoredCredentials):
        return False
    former = yield from last_kept_aside(context, found)
    if former is None:
        return False
    yield from kept_aside(context, found)
    yield Delete(context.identity.token)
    fresh = write_credentials(context.identity.credentials, former.credentials, found.generation + 1)
    yield from exchanged(context, found, fresh)
    yield Emit(events.CredentialsRestored(context.name))
    return True


def exchanged(
    context: RenewalContext, found: StoredCredentials, successor: StoredCredentials | Forgotten
) -> Steps[None]:
    """Put *successor* in the place of the record that was *found*, on purpose, unless a peer was faster."""
    if not (yield Replace(context.identity.credentials, successor.data, found.data)):
        raise StoreUnavailable("The client credentials were replaced meanwhile by another process; they were kept")
    context.memory.client = successor if isinstance(successor, StoredCredentials) else None


def last_kept_aside(context: RenewalContext, present: StoredCredentials) -> Steps[StoredCredentials | None]:
    """Return the pair in the last place of those kept aside that is another one than the *present* one."""
    last = None
    for place in itertools.count(1):
        key = context.identity.replaced(place)
        data = yield Get(key)
        if data is None and place >= present.generation:
            return last
        copy = None if data is None else read_credentials(key, data)
        if isinstance(copy, StoredCredentials) and copy.credentials.client_id != present.credentials.client_id:
            last = copy
    raise AssertionError("unreachable: the loop only ends by returning")


def cleared(context: RenewalContext, generation: int) -> Steps[None]:
    """Delete the copies that were kept aside of credentials before *generation*, and of others in places after that."""
    for place in itertools.count(1):
        key = context.identity.replaced(place)
        if place >= generation and not (yield from is_taken(key)):
            return
        yield Delete(key)


def is_taken(key: str) -> Steps[bool]:
    """Return whether there is a record under *key*; in a store that was lost there is none but those put back."""
    try:
        return (yield Get(key)) is not None
    except StoreLost:
        return False
