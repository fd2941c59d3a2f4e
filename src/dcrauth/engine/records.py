"""How a record is written: framed, bound to its key, and checked when it is read back.

Stores see opaque bytes. Credentials and tokens are separate records, so that the frequent write of a token
never touches the precious one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeGuard

from dcrauth._internal.confidential import Confidential, confidential, replaced
from dcrauth._internal.strict_json import DEEPEST, json_object, number
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.errors import StoreCorrupt, StoreTooNew

FORMAT = "dcrauth"
SCHEMA = 2
"""2 is written only where 1 cannot say it, so that the version before reads all else: a client without a secret."""

LARGEST = 256 * 1024
"""The most bytes that a record of credentials takes, so that it fits into every store."""

_LONGEST_NEEDED = 16 * 1024
_LAST_SCHEMA = 1_000
_LAST_GENERATION = 2**53


@confidential
class StoredCredentials(Confidential):
    """Client credentials as a store holds them.

    Parameters:
        generation: 1 for the first pair of an identity, one more for each that replaced another.
        data: the record's bytes, which a replacement has to name.
    """

    generation: int
    data: bytes = field(repr=False)

    @property
    def credentials(self) -> ClientCredentials:
        """The pair, read from the record each time: whoever holds an identity has it in memory once."""
        return ClientCredentials(**json.loads(self.data)["payload"])


@dataclass(frozen=True)
class Forgotten:
    """What a store holds in place of client credentials that were deleted on purpose.

    Without it, another process that has them in memory would take them for lost and put them back.

    Parameters:
        generation: one more than that of the deleted pair.
        data: the record's bytes, which a replacement has to name.
    """

    generation: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class UnusableRegistration:
    """A note that a registration was carried out by the server, and that its answer cannot be used.

    Parameters:
        noted_at: when that was, in seconds since the epoch, by the clock of the machine that noted it.
        statement_digest: of what was shown, by the provider.
        status: the answer's HTTP status.
    """

    noted_at: float
    statement_digest: str
    status: int | None


def write_unusable(key: str, note: UnusableRegistration) -> bytes:
    """Return *note* as the record to store under *key*."""
    return _framed(key, 1, asdict(note))


def read_unusable(key: str, data: bytes) -> UnusableRegistration:
    """Return the note in the record *data* found under *key*; raises as `read_credentials` does."""
    payload = _unframed(key, data).get("payload")
    fields = payload if isinstance(payload, dict) else {}
    noted_at, digest, status = number(fields.get("noted_at")), fields.get("statement_digest"), fields.get("status")
    if noted_at is None or not isinstance(digest, str) or not (status is None or _is_integer(status, 0, 999)):
        raise _corrupt(key, "its fields are not those of a note on a registration")
    return UnusableRegistration(noted_at, digest, status)


def write_kept(key: str, found: Mapping[str, Any]) -> bytes:
    """Return what a provider's flows want to find again as the record to store under *key*."""
    return _framed(key, 1, dict(found))


def read_kept(key: str, data: bytes) -> dict[str, Any]:
    """Return what is in the record *data* found under *key*; raises as `read_credentials` does."""
    payload = _unframed(key, data).get("payload")
    if not isinstance(payload, dict):
        raise _corrupt(key, "it holds no JSON object")
    return payload


def write_forgotten(key: str, generation: int, now: float) -> Forgotten:
    """Return the record to store under *key* in place of credentials deleted *now* (seconds since the epoch)."""
    return Forgotten(generation, _framed(key, generation, {"forgotten_at": now}))


def write_credentials(key: str, credentials: ClientCredentials, generation: int = 1) -> StoredCredentials:
    """Return *credentials* as the record to store under *key*.

    Raises:
        ValueError: such a record could not be read again.
    """
    payload = {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "registered_at": credentials.registered_at,
        "replaced_at": credentials.replaced_at,
        "metadata": dict(credentials.metadata),
    }
    try:
        data = _framed(key, generation, payload, 1 if credentials.client_secret is not None else 2)
        read_credentials(key, data)
    except (StoreCorrupt, TypeError, RecursionError) as reason:
        failure = ValueError(f"A record of these client credentials could not be read again ({type(reason).__name__})")
    else:
        return StoredCredentials(generation, data)
    raise failure


def storable(key: str, credentials: ClientCredentials) -> ClientCredentials | None:
    """Return *credentials* as far as a record of them under *key* is not too large and can be read again.

    Where it could not, all that the server has added is left out but the end of the secret's life; None if that does
    not help, as where there is no secret.
    """
    if _is_storable(key, credentials):
        return credentials
    kept = {name: credentials.metadata[name] for name in _NEEDED if _is_small(credentials.metadata.get(name))}
    bare = replaced(credentials, metadata=kept)
    return bare if _is_storable(key, bare) else None


_NEEDED = (
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
    "token_endpoint_auth_method",
)
"""What a server answers beside the pair that a client cannot do without (RFC 7591 §3.2.1, RFC 7592 §3)."""


def _is_small(value: object) -> bool:
    return number(value) is not None or (isinstance(value, str) and len(value) <= _LONGEST_NEEDED)


def _is_storable(key: str, credentials: ClientCredentials) -> bool:
    try:
        return len(write_credentials(key, credentials).data) <= LARGEST
    except ValueError:
        return False


def read_credentials(key: str, data: bytes) -> StoredCredentials | Forgotten:
    """Return the credentials in the record *data* found under *key*, or that they were deleted on purpose.

    Raises:
        StoreCorrupt: the record is damaged or belongs to another key.
        StoreTooNew: a later version of dcrauth wrote it.
    """
    frame = _unframed(key, data)
    generation, payload = frame.get("generation"), frame.get("payload")
    if not isinstance(payload, dict) or not _is_integer(generation, 1, _LAST_GENERATION):
        raise _corrupt(key, "its fields are not those of client credentials")
    if "forgotten_at" in payload:
        return Forgotten(generation, data)
    _check_credentials(key, payload)
    return StoredCredentials(generation, data)


def write_token(key: str, token: AccessToken) -> bytes:
    """Return *token* as the record to store under *key*."""
    payload: dict[str, Any] = {
        "value": token.value,
        "obtained_at": token.obtained_at,
        "expires_at": token.expires_at,
    }
    more = {"after_refusal": token.after_refusal or None, "scope": token.scope}
    return _framed(key, 1, payload | {name: value for name, value in more.items() if value is not None})


def read_token(key: str, data: bytes) -> AccessToken:
    """Return the access token in the record *data* found under *key*; raises as `read_credentials` does."""
    payload = _unframed(key, data).get("payload")
    fields = payload if isinstance(payload, dict) else {}
    value = fields.get("value")
    obtained_at, expires_at = (number(fields.get(name)) for name in ("obtained_at", "expires_at"))
    if not _is_visible(value) or obtained_at is None or expires_at is None:
        raise _corrupt(key, "its fields are not those of an access token")
    scope = fields.get("scope") if _is_text(fields.get("scope")) else None
    return AccessToken(value, obtained_at, expires_at, fields.get("after_refusal") is True, scope)


def _check_credentials(key: str, payload: dict[str, Any]) -> None:
    try:
        found = ClientCredentials(**payload)
    except TypeError:
        raise _corrupt(key, "its fields are not those of client credentials") from None
    if not (_is_text(found.client_id) and (found.client_secret is None or _is_text(found.client_secret))):
        raise _corrupt(key, "it holds no client id, or a client secret that is none")
    times = (found.registered_at, 0.0 if found.replaced_at is None else found.replaced_at)
    if None in map(number, times) or not isinstance(found.metadata, dict):
        raise _corrupt(key, "its fields are not those of client credentials")


def _is_text(value: object) -> TypeGuard[str]:
    """Whether *value* can be part of a request: neither a line break nor half a character is in it."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_visible(value: object) -> TypeGuard[str]:
    return _is_text(value) and value.isascii() and " " not in value


def _is_integer(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _framed(key: str, generation: int, payload: dict[str, Any], schema: int = 1) -> bytes:
    frame = {"format": FORMAT, "schema": schema, "key": key, "generation": generation, "payload": payload}
    return _canonical(frame | {"checksum": _checksum(frame)})


def _unframed(key: str, data: bytes) -> dict[str, Any]:
    try:
        frame = json_object(data, deepest=2 * DEEPEST)
    except ValueError as reason:
        raise _corrupt(key, f"it is not a record ({type(reason).__name__})") from None
    if frame.get("format") != FORMAT:
        raise _corrupt(key, "it is not a record of dcrauth")
    schema = frame.get("schema")
    if _is_integer(schema, SCHEMA + 1, _LAST_SCHEMA):
        raise StoreTooNew(f"Record {_short(key)} was written by a later version of dcrauth (schema {schema}); upgrade")
    if frame.pop("checksum", None) != _checksum(frame):
        raise _corrupt(key, "its checksum does not match")
    if frame.get("key") != key:
        raise _corrupt(key, "it was written for another key")
    if not _is_integer(schema, 1, SCHEMA):
        raise _corrupt(key, "no version of dcrauth has written it")
    return frame


def _checksum(frame: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(frame)).hexdigest()


def _canonical(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, sort_keys=True, separators=(",", ":")).encode()


def _corrupt(key: str, reason: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"Record {_short(key)} of the store is damaged: {reason}. It was left as it is; restore it from a backup"
    )


def _short(key: str) -> str:
    name, _, kind = key.partition(".")
    return f"{name[:8]}….{kind}"
