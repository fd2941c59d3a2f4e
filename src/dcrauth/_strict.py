"""Reading what others wrote: JSON objects and JWT claims, with nothing ambiguous let through."""

import base64
import binascii
import json
import re
from typing import Any, NoReturn

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def json_object(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object in *text*.

    Raises:
        ValueError: it is not a JSON object in UTF-8, repeats a name, or holds NaN, Infinity or a bottomless nesting.
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def jwt_claims(text: str) -> dict[str, Any]:
    """Return the claims of a JWT in compact form, unverified (RFC 7519 §3).

    Raises:
        ValueError: *text* is not three base64url parts of which the first two hold JSON objects.
    """
    parts = text.split(".")
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        raise ValueError("not three non-empty base64url parts")
    header, claims, _ = (_decoded(part) for part in parts)
    json_object(header)
    return json_object(claims)


def printable(text: object, limit: int = 200) -> str | None:
    """Return untrusted *text* as one line of printable ASCII of at most *limit* characters, or None."""
    if not isinstance(text, str):
        return None
    return "".join(c for c in text[:limit] if " " <= c <= "~") or None


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise ValueError("a part is cut short") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
