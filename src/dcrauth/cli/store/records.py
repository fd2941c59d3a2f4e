"""All records of a store, many at a time, and what each is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from dcrauth.engine.record_kinds import CLIENTS, Kind, kind_of
from dcrauth.engine.records import StoredCredentials, read_credentials, read_kept, read_token, read_unusable
from dcrauth.errors import StoreError
from dcrauth.stores import Store, get_many

_AT_ONCE = 200
"""So many records are read at once, where the store can do that."""


@dataclass(frozen=True)
class Record:
    """One record, without what is secret in it.

    Parameters:
        key: what it is kept under.
        kind: what it is.
        size: in bytes.
        registered_at: when a client was registered, in seconds since the epoch; None if that is not known.
        expires_at: when a token ends.
        is_forgotten: whether it is the note of a client that was deleted on purpose.
        problem: why it cannot be read.
    """

    key: str
    kind: Kind
    size: int = 0
    registered_at: float | None = None
    expires_at: float | None = None
    is_forgotten: bool = False
    problem: StoreError | None = None


def records_in(store: Store) -> Iterator[Record]:
    """Yield what each record of *store* is; what is deleted meanwhile is left out.

    Raises:
        StoreError: it cannot be listed or read as a whole; if single records cannot be listed, after all others.
    """
    keys = iter(store.keys())
    while part := list(islice(keys, _AT_ONCE)):
        for key, found in get_many(store, part).items():
            if found is not None:
                yield _record(key, found)


def _record(key: str, found: bytes | StoreError) -> Record:
    if isinstance(found, StoreError):
        return Record(key, kind_of(key), problem=found)
    try:
        return _read(key, kind_of(key), found)
    except StoreError as problem:
        return Record(key, kind_of(key), len(found), problem=problem)


def _read(key: str, kind: Kind, data: bytes) -> Record:
    if kind in CLIENTS:
        client = read_credentials(key, data)
        if not isinstance(client, StoredCredentials):
            return Record(key, kind, len(data), is_forgotten=True)
        return Record(key, kind, len(data), client.credentials.registered_at or None)
    if kind is Kind.TOKEN:
        return Record(key, kind, len(data), expires_at=read_token(key, data).expires_at)
    if kind is Kind.NOTE:
        read_unusable(key, data)
    if kind is Kind.FOUND_ANEW:
        read_kept(key, data)
    return Record(key, kind, len(data))
