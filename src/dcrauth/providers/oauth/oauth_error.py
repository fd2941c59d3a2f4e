"""What an unwelcome answer of an OAuth endpoint says (RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 6750 §3)."""

import re
from typing import Any

from dcrauth._internal.strict_json import json_object, printable
from dcrauth.providers.answer_fields import is_success
from dcrauth.providers.oauth.challenges import challenges
from dcrauth.providers.protocol import Problem, Response

_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")

LAST_WORDS = frozenset({"access_denied", "invalid_target", "insufficient_scope"})
"""Codes of other documents by which these endpoints say no for good (RFC 6749 §4.1.2.1, RFC 8707 §2, RFC 6750 §3.1)."""


def problem_in(response: Response, lack: str) -> Problem:
    """Return the problem with an answer.

    A code may be in the body, or in a challenge alone, as of an empty 401.

    Parameters:
        lack: what a successful one is without.
    """
    success = is_success(response)
    fields = _fields(response.body)
    code = _code(fields.get("error")) or (None if success else _challenged(response))
    answered = f"HTTP {response.status}" + (f", {code}" if code else "")
    return Problem(
        reason=f"{answered} with {lack}" if success and not code else answered,
        status=response.status,
        error=code,
        oauth=code is not None and not success,
        final=code in LAST_WORDS and not success,
        description=printable(fields.get("error_description")),
        retry_after=response.headers.get("retry-after"),
        expires=response.headers.get("expires"),
        rate_limit_reset=response.headers.get("x-ratelimit-reset"),
    )


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return json_object(body)
    except ValueError:
        return {}


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _challenged(response: Response) -> str | None:
    found = challenges(response.headers.get("www-authenticate", ""))
    return next((code for each in found if (code := _code(each.parameters.get("error")))), None)
