"""What is shown of a secret: nothing but a mark by which it is known again."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

SECRET_FIELDS = frozenset(
    {
        "access_token",
        "client_assertion",
        "client_secret",
        "id_token",
        "password",
        "refresh_token",
        "registration_access_token",
        "samlresponse",
        "serializedtoken",
        "software_statement",
    }
)
_SECRET_HEADERS = frozenset(
    {
        "ad-service-token",
        "adobe-subject-token",
        "ap-temppass-identity",
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-api-key",
        "x-roku-reserved-roku-connect-token",
    }
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_NAMES = "|".join(sorted(SECRET_FIELDS))
_NAMED = re.compile(
    rf"""(?ix)
    (?P<before> \b(?:{_NAMES})\b
        (?: ["']?\s{{0,9}}[=:]\s{{0,9}}        # a form or JSON, whole or not, that was sent as something else
        |   >                              # XML
        |   [^\r\n]{{0,99}} (?:\r?\n[^\r\n]{{1,99}}){{0,4}} \r?\n\r?\n )  # a part of a multipart form
    )
    (?P<value> "(?:[^"\\]|\\.)*"? | [^&<\r\n"]+ )
    """
)
_WORD = re.compile(r"[\w-]{16,}")

IsSecret = Callable[[str], bool]


def masked(secret: str) -> str:
    """Return what stands for *secret*: the same for the same one, and nothing from which it could be found."""
    return f"[secret {hashlib.sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}]"


def mask_text(text: str, is_secret: IsSecret) -> str:
    """Return *text* with every JWT in it, what follows the name of a secret, and every word known as one, masked."""
    hidden = _NAMED.sub(_hidden, text)
    hidden = _JWT.sub(lambda found: masked(found[0]), hidden)
    return _WORD.sub(lambda found: masked(found[0]) if is_secret(found[0]) else found[0], hidden)


def _hidden(found: re.Match[str]) -> str:
    value = found["value"]
    quote = '"' if value.startswith('"') else ""
    return f"{found['before']}{quote}{masked(value.strip(chr(34)))}{quote}"


def mask_headers(headers: Mapping[str, str], is_secret: IsSecret) -> dict[str, str]:
    """Return header fields as they may be shown; the scheme of an ``Authorization`` stays."""
    return {name: _header(name.lower(), value, is_secret) for name, value in headers.items()}


def mask_query(query: str, is_secret: IsSecret) -> str:
    """Return a query, or a body that is a form, as it may be shown."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if not pairs:
        return mask_text(query, is_secret)
    return urlencode(
        [(mask_text(name, is_secret), _value(name, value, is_secret)) for name, value in pairs], safe="[] /:"
    )


def mask_body(body: bytes, content_type: str, is_secret: IsSecret) -> str:
    """Return a body as it may be shown."""
    text = body.decode("utf-8", "backslashreplace")
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return mask_query(text, is_secret)
    try:
        return json.dumps(_in_json(json.loads(text), is_secret), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return mask_text(text, is_secret)


def _header(name: str, value: str, is_secret: IsSecret) -> str:
    if name not in _SECRET_HEADERS:
        return mask_text(value, is_secret)
    scheme, blank, rest = value.partition(" ") if name.endswith("authorization") else ("", "", value)
    return f"{scheme}{blank}{masked(rest)}" if rest else masked(value)


def _value(name: str, value: str, is_secret: IsSecret) -> str:
    return masked(value) if name.lower() in SECRET_FIELDS and value else mask_text(value, is_secret)


def _in_json(value: Any, is_secret: IsSecret) -> Any:
    if isinstance(value, dict):
        return {
            mask_text(name, is_secret): masked(str(each))
            if name.lower() in SECRET_FIELDS and each
            else _in_json(each, is_secret)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_in_json(each, is_secret) for each in value]
    return mask_text(value, is_secret) if isinstance(value, str) else value
