"""Reading what a store holds; what cannot be read is told as that, and never taken for absent."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from dcrauth.cli.findings import Word, word_of
from dcrauth.cli.stored import GIVEN, Client, Named, StoredIdentity, StoredReport, Token
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import Forgotten, read_credentials, read_token, read_unusable
from dcrauth.engine.rules import UNUSABLE_FOR
from dcrauth.errors import DCRAuthError, StoreError, StoreUnavailable
from dcrauth.stores import Reading, Store, get_many, reading

_RECORD = re.compile(r"([0-9a-f]{64})\.(credentials|token(?:-.+)?|registration|replaced-[0-9]{1,16})")
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
        kinds[named.identity.key] |= _looked_for(named)  # also if not listed: that they are absent has to be read
    order = sorted(kinds, key=lambda key: (named is None or key != named.identity.key, key))
    records = _read(store, [f"{key}.{kind}" for key in order for kind in sorted(kinds[key])])
    found = tuple(_identity(key, sorted(kinds[key]), records, now, named) for key in order)
    unread = problem is not None or any(each.problems for each in found)
    return StoredReport(repr(store), now, Word.NOT_READABLE if unread else Word.OK, found, problem)


def read_identity(store: Store, now: float, named: Named) -> StoredIdentity:
    """Return what *store* holds of one identity, but for what was replaced, without looking at all others."""
    key = named.identity.key
    records = _read(store, [f"{key}.{kind}" for kind in sorted(_looked_for(named))])
    return _identity(key, (), records, now, named)


def _looked_for(named: Named) -> set[str]:
    return {_kind(key) for key in (named.identity.credentials, named.identity.token, named.identity.registration)}


def _kind(key: str) -> str:
    return key.partition(".")[2]


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
    known = named if named is not None and named.identity.key == key else None
    error, at, until = _note(Identity(key).registration, records, now, known.statement_digest if known else None)
    main = _kind(known.identity.token) if known else "token"
    tokens = [_token(key, kind, records, now, known) for kind in kinds if kind != main and kind.startswith("token")]
    return StoredIdentity(
        identity=key,
        configured=known is not None,
        application=known.application if known else None,
        instance=known.instance if known else None,
        client=_client_in_use(key, records, known),
        token=_token(key, main, records, now, known),
        kept_aside=tuple(_client(key, kind, records) for kind in _kept_aside(key, kinds, records)),
        last_error=error,
        last_error_at=at,
        retry_at=until,
        further_tokens=tuple(each for each in tokens if each.word != Word.ABSENT),
    )


def _kept_aside(key: str, kinds: Sequence[str], records: dict[str, Reading]) -> Iterator[str]:
    """Yield the kinds of records of pairs that were replaced: each pair once, and none that is in use again."""
    seen = {_pair(f"{key}.credentials", records)}
    for kind in kinds:
        if not kind.startswith("replaced-"):
            continue
        pair = _pair(f"{key}.{kind}", records)
        if pair is None or pair not in seen:
            yield kind
        seen.add(pair)


def _pair(name: str, records: dict[str, Reading]) -> tuple[str, str | None] | None:
    """Return client id and secret of a record; None where there is none, or it cannot be read."""
    try:
        record = read_credentials(name, _data(records.get(name)))
    except DCRAuthError:
        return None
    if isinstance(record, Forgotten):
        return None
    pair = record.credentials
    return pair.client_id, pair.client_secret


def _client_in_use(key: str, records: dict[str, Reading], known: Named | None) -> Client:
    if known is not None and known.given_id is not None:
        return Client("credentials", GIVEN, known.given_id)
    return _client(key, "credentials", records)


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


def _token(key: str, kind: str, records: dict[str, Reading], now: float, known: Named | None) -> Token:
    name = f"{key}.{kind}"
    asked_for = known.asks_for or None if known is not None and name == known.identity.token else None
    found = records.get(name)
    if found is None:
        return Token(Word.ABSENT, key=kind, asked_for=asked_for)
    try:
        token = read_token(name, _data(found))
    except DCRAuthError as problem:
        return Token(word_of(problem), problem=problem.message, key=kind, asked_for=asked_for)
    word = Word.OK if token.expires_at > now else "expired"
    return Token(word, token.obtained_at, token.expires_at, key=kind, asked_for=asked_for, scope=token.scope)


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


def _data(found: Reading | None) -> bytes:
    """Return a record that was read; raise the error in its place."""
    if isinstance(found, StoreError):
        raise found
    return found or b""
