"""What is read from any server's answers: the fields of a success, and which of them are usable."""

import re
from typing import Any

from dcrauth._internal.strict_json import json_object
from dcrauth._internal.version import __version__
from dcrauth.providers.protocol import Response

USER_AGENT = f"dcrauth/{__version__}"

_VISIBLE = re.compile(r"[!-~]+")
_VSCHAR = re.compile(r"[ -~]+")
_BEARER = frozenset({"", "bearer", "bearertoken"})


def is_success(response: Response) -> bool:
    """Return whether the status says that what was asked for has been done."""
    return 200 <= response.status < 300


def fields_of(response: Response) -> dict[str, Any]:
    """Return the fields of a successful answer; an answer without any reads as one that lacks them all."""
    if not is_success(response):
        return {}
    try:
        return json_object(response.body)
    except ValueError:
        return {}


def is_visible(value: object) -> bool:
    """Return whether *value* can be a token: text of printable ASCII without blanks."""
    return isinstance(value, str) and _VISIBLE.fullmatch(value) is not None


def is_client_text(value: object) -> bool:
    """Return whether *value* can be a client's id or secret (RFC 6749 appendix A.1, A.2)."""
    return isinstance(value, str) and _VSCHAR.fullmatch(value) is not None


def is_bearer(kind: object) -> bool:
    """Whether a ``token_type`` is bearer: what says nothing counts as that, and ``BearerToken`` is what Apigee says."""
    return kind is None or (isinstance(kind, str) and kind.strip().lower() in _BEARER)
