"""Registering, so that of many processes that do so at once all use one client: the first write wins."""

from dcrauth import events
from dcrauth._internal.confidential import replaced
from dcrauth.credentials import ClientCredentials
from dcrauth.engine.bars import admitted, learned
from dcrauth.engine.effects import (
    Add,
    Check,
    Emit,
    RenewalContext,
    Replace,
    Steps,
    Unsaved,
)
from dcrauth.engine.endpoint_calls import answered
from dcrauth.engine.records import Forgotten, StoredCredentials, storable, write_credentials
from dcrauth.engine.store_repair import stored
from dcrauth.errors import (
    DCRAuthError,
    StoreUnavailable,
)


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
    key = context.identity.credentials
    try:
        answer = yield from answered(context, context.provider.register, True, lambda found: storable(key, found))
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
