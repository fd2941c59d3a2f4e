"""Reading what a store holds; what cannot be read is told as that, and never taken for absent."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from dcrauth.cli.findings import Word, word_of
from dcrauth.cli.stored import Client, Named, StoredIdentity, StoredReport, Token
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import Forgotten, read_credentials, read_token, read_unusable
from dcrauth.engine.rules import UNUSABLE_FOR
from dcrauth.errors import DCRAuthError, StoreError, StoreUnavailable
from dcrauth.stores import Reading, Store, get_many, reading

_RECORD = re.compile(r"([0-9a-f]{64})\.(credentials|token|registration|replaced-[0-9]{1,16})")
_LOOKED_FOR = frozenset({"credentials", "token", "registration"})
_AT_ONCE = 200
"""So many records are read at once, where the store can do that."""


def read_report(store: Store, now: float, named: Named | None = None) -> StoredReport:
    """Return what *store* holds; what cannot be read is told as that, and never taken for absent.

    Parameters:
        now: the moment of the report, in seconds since the epoch.
        named: the identity of the settings, if these name one.
    """
    kinds, problem = _kinds_in(store)
    if named is not None:
        kinds[named.identity.key] |= _LOOKED_FOR  # also if they are not listed: that they are absent has to be read
    order = sorted(kinds, key=lambda key: (named is None or key != named.identity.key, key))
    records = _read(store, [f"{key}.{kind}" for key in order for kind in sorted(kinds[key])])
    found = tuple(_identity(key, sorted(kinds[key]), records, now, named) for key in order)
    unread = problem is not None or any(each.problems for each in found)
    return StoredReport(repr(store), now, Word.NOT_READABLE if unread else Word.OK, found, problem)


def read_identity(store: Store, now: float, named: Named) -> StoredIdentity:
    """Return what *store* holds of one identity, but for what was replaced, without looking at all others."""
    identity = named.identity
    records = _read(store, [identity.credentials, identity.token, identity.registration])
    return _identity(identity.key, (), records, now, named)


def _kinds_in(store: Store) -> tuple[defaultdict[str, set[str]], str | None]:
    """Return which records there are of each identity, and why others could not be listed."""
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    try:
        for key in store.keys():
            if (found := _RECORD.fullmatch(key)) is not None:
                kinds[found[1]].add(found[2])
    except StoreError as problem:
        return kinds, problem.message
    return kinds, None


def _read(store: Store, keys: Sequence[str]) -> dict[str, Reading]:
    """Read the records under *keys*; once the store does not answer, as a locked keyring, it is not asked again."""
    found: dict[str, Reading] = {}
    for part in _parts(keys):
        try:
            found |= {part[0]: reading(store.get, part[0])} if len(part) == 1 else get_many(store, part)
        except StoreError as problem:
            found |= dict.fromkeys(part, problem)
        if gone := next((found[key] for key in part if isinstance(found[key], StoreUnavailable)), None):
            return dict.fromkeys(keys, gone) | found
    return found


def _parts(keys: Sequence[str]) -> Iterator[list[str]]:
    left = iter(keys)
    yield from filter(None, [list(islice(left, 1))])
    while part := list(islice(left, _AT_ONCE)):
        yield part


def _identity(
    key: str, kinds: Sequence[str], records: dict[str, Reading], now: float, named: Named | None
) -> StoredIdentity:
    configured = named is not None and named.identity.key == key
    aside = tuple(_client(key, kind, records) for kind in kinds if kind.startswith("replaced-"))
    known = named if configured else None
    error, at, until = _note(Identity(key).registration, records, now, known.statement_digest if known else None)
    return StoredIdentity(
        identity=key,
        configured=configured,
        application=known.application if known else None,
        instance=known.instance if known else None,
        client=_client(key, "credentials", records),
        token=_token(Identity(key).token, records, now),
        kept_aside=aside,
        last_error=error,
        last_error_at=at,
        retry_at=until,
    )


def _client(key: str, kind: str, records: dict[str, Reading]) -> Client:
    name = f"{key}.{kind}"
    found = records.get(name)
    if found is None:
        return Client(kind, Word.ABSENT)
    try:
        record = read_credentials(name, _data(found))
    except DCRAuthError as problem:
        return Client(kind, word_of(problem), problem=problem.message)
    if isinstance(record, Forgotten):
        return Client(kind, "forgotten")
    pair = record.credentials
    return Client(kind, Word.OK, pair.client_id, pair.registered_at or None, pair.replaced_at, pair.expires_at)


def _token(name: str, records: dict[str, Reading], now: float) -> Token:
    found = records.get(name)
    if found is None:
        return Token(Word.ABSENT)
    try:
        token = read_token(name, _data(found))
    except DCRAuthError as problem:
        return Token(word_of(problem), problem=problem.message)
    return Token(Word.OK if token.expires_at > now else "expired", token.obtained_at, token.expires_at)


def _note(
    name: str, records: dict[str, Reading], now: float, digest: str | None
) -> tuple[str | None, float | None, float | None]:
    """Return what a note says of a registration that has brought nothing usable, when, and until when it counts.

    It counts no more where another statement would be shown. One that cannot be read says nothing, as to a renewal.
    """
    found = records.get(name)
    if found is None:
        return None, None, None
    try:
        note = read_unusable(name, _data(found))
    except DCRAuthError:
        return None, None, None
    until = note.noted_at + UNUSABLE_FOR
    if until <= now or (digest is not None and digest != note.statement_digest):
        return None, None, None
    return f"a registration was answered with HTTP {note.status} and nothing that can be used", note.noted_at, until


def _data(found: Reading) -> bytes:
    """Return a record that was read; raise the error in its place."""
    if isinstance(found, StoreError):
        raise found
    return found or b""
