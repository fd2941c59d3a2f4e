"""Reading what others wrote: JSON objects and JWT claims, with nothing ambiguous let through."""

import base64
import binascii
import json
import math
import re
from typing import Any, NoReturn

DEEPEST = 50
"""How deeply an answer may be nested: far less than what a record of it can be, so that what is stored can be read."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_SECONDS = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?")


def json_object(text: bytes | str, deepest: int = DEEPEST) -> dict[str, Any]:
    """Return the JSON object in *text*.

    Parameters:
        deepest: how many objects and arrays may lie within each other.

    Raises:
        ValueError: it is not a JSON object in UTF-8, repeats a name, is nested too deeply, or holds a number that is
            none or that no float can hold.
    """
    unicode = text if isinstance(text, str) else text.decode("utf-8-sig")
    try:
        found = json.loads(unicode, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        found = None
    if not isinstance(found, dict) or _is_deeper(found, deepest):
        raise ValueError("not a JSON object, or nested too deeply")
    return found


def number(value: object) -> float | None:
    """Return *value* as a float if it is a JSON number that a float can hold, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def seconds_in(text: str) -> float | None:
    """Return the number of seconds that *text* consists of, perhaps with a fraction and blanks around it, else None."""
    return float(text) if _SECONDS.fullmatch(text.strip(" \t")) else None


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


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _is_deeper(found: dict[str, Any], deepest: int) -> bool:
    level: list[Any] = [found]
    for _ in range(deepest):
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for values in inside for each in values if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
