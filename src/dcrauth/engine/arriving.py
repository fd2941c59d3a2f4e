"""What becomes of client credentials that arrive in a store from elsewhere: nobody else's client is ever overwritten.

Another client gives way only where that is asked for. The same client gives way to a later record of itself, as after
its secret was renewed, since the server may not know the earlier secret any more. What gives way is kept aside. For the
same reason an earlier record of a client never takes the place of a later one, asked for or not.
"""

import itertools
from enum import Enum

from dcrauth.engine.identity import Identity, identity_using, whose_token
from dcrauth.engine.records import Forgotten, StoredCredentials, read_credentials, write_credentials
from dcrauth.errors import ConfigurationError, StoreUnavailable
from dcrauth.stores import Store


class NoCredentials(ConfigurationError):
    """The store to read from holds none, nor a note that they were deleted: it is not the one that was meant."""


class Outcome(Enum):
    """What has become of a record that arrived."""

    WRITTEN = "there was none"
    UPDATED = "there was an earlier one of the same client, which is kept aside"
    REPLACED = "there was another client, which is kept aside"
    PRESENT = "it was there already, or what has become of it since"
    KEPT = "there is another one, which was left as it is"
    FORGOTTEN = "there is a note that it was deleted on purpose, which was left as it is"


def write_arriving(store: Store, key: str, data: bytes, *, overwrite: bool = False) -> Outcome:
    """Write the record *data* of client credentials, or of their deletion, under *key*, if that may be.

    Parameters:
        overwrite: whether another client gives way, and the note of a deletion.

    Raises:
        StoreCorrupt, StoreTooNew: it is no such record, or the one that is there is none.
        StoreUnavailable: somebody else was writing.
    """
    arriving = read_credentials(key, data)
    if store.add(key, data):
        return Outcome.WRITTEN
    found = _present(store, key)
    if is_same(found, arriving):
        return Outcome.PRESENT
    if (identity := identity_using(key)) is None:
        return _aside_elsewhere(store, key, arriving)
    return _contested(store, identity, found, arriving, overwrite)


def no_credentials_in(store: Store) -> NoCredentials:
    """Return the error that *store* has none."""
    kind = type(store).__name__  # not its repr, which is not always ours: it may show a password
    return NoCredentials(f"This {kind} has no client credentials; name the store that your application uses")


def is_same(one: StoredCredentials | Forgotten, other: StoredCredentials | Forgotten) -> bool:
    """Return whether two records say the same, of whatever generations."""
    if isinstance(one, StoredCredentials) and isinstance(other, StoredCredentials):
        return one.credentials == other.credentials
    return isinstance(one, Forgotten) and isinstance(other, Forgotten)


def is_earlier(found: StoredCredentials | Forgotten, arriving: StoredCredentials) -> bool:
    """Return whether *found* is an earlier record of the client that is *arriving*."""
    is_of_same = isinstance(found, StoredCredentials) and found.credentials.client_id == arriving.credentials.client_id
    return is_of_same and found.generation < arriving.generation


def is_later(found: StoredCredentials | Forgotten, arriving: StoredCredentials | Forgotten) -> bool:
    """Return whether *found* is what has become of what is *arriving*: a later secret, a deletion, or a new client."""
    if found.generation <= arriving.generation:
        return False
    if isinstance(found, StoredCredentials) and isinstance(arriving, StoredCredentials):
        return found.credentials.client_id == arriving.credentials.client_id
    return True


def delete_tokens(store: Store, identities: set[str]) -> None:
    """Delete the tokens of clients that were replaced, for all scopes: they would be used on until they end."""
    found = [key for key in store.keys() if whose_token(key) in identities] if identities else []
    for key in found:
        store.delete(key)


def _contested(
    store: Store,
    identity: Identity,
    found: StoredCredentials | Forgotten,
    arriving: StoredCredentials | Forgotten,
    overwrite: bool,
) -> Outcome:
    """Decide between what is *found* in use and what is *arriving*, which is not the same."""
    is_forgotten = isinstance(found, Forgotten)
    if is_later(found, arriving) and not is_forgotten:
        return Outcome.PRESENT
    if not isinstance(arriving, StoredCredentials):
        return Outcome.PRESENT if is_later(found, arriving) else Outcome.KEPT
    if is_earlier(found, arriving):
        return _swapped(store, identity, found, arriving.data, Outcome.UPDATED)
    if not overwrite:
        return Outcome.FORGOTTEN if is_forgotten else Outcome.KEPT
    # Of a later generation than what it replaces: so no process puts the old pair back, taking it for lost.
    successor = write_credentials(identity.credentials, arriving.credentials, found.generation + 1)
    return _swapped(store, identity, found, successor.data, Outcome.REPLACED)


def _swapped(
    store: Store, identity: Identity, found: StoredCredentials | Forgotten, data: bytes, outcome: Outcome
) -> Outcome:
    if isinstance(found, StoredCredentials):
        _keep_aside(store, identity, found)
    if not store.replace(identity.credentials, data, expected=found.data):
        raise StoreUnavailable("Client credentials were replaced by another process meanwhile; run the transfer again")
    return outcome


def _aside_elsewhere(store: Store, key: str, arriving: StoredCredentials | Forgotten) -> Outcome:
    """Keep a copy that was kept aside elsewhere, and whose place has been taken here."""
    if not isinstance(arriving, StoredCredentials):
        return Outcome.KEPT
    return _keep_aside(store, Identity(key.partition(".")[0]), arriving)


def _keep_aside(store: Store, identity: Identity, client: StoredCredentials) -> Outcome:
    """Keep a copy of credentials aside, in the first place that no other copy has taken."""
    for place in itertools.count(client.generation):
        aside = identity.replaced(place)
        copy = write_credentials(aside, client.credentials, client.generation).data
        if store.add(aside, copy):
            return Outcome.WRITTEN
        if store.get(aside) == copy:
            return Outcome.PRESENT
    raise AssertionError("unreachable: the loop only ends by returning")


def _present(store: Store, key: str) -> StoredCredentials | Forgotten:
    data = store.get(key)
    if data is None:
        raise StoreUnavailable("A record came and went during the transfer; run it again when nobody else is writing")
    return read_credentials(key, data)
