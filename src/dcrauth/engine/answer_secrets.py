"""What is left out of an answer before anybody sees it: whatever of its request was secret, which servers may quote."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, unquote_plus

from dcrauth._internal.strict_json import json_object
from dcrauth.engine.answer_errors import ADVICE
from dcrauth.providers.protocol import Problem, Request

_SHORTEST_SECRET = 8
"""Shorter ones are not looked for within other words, where they could be by chance."""

_SHORTEST_PART = 12
"""So much of a secret is left out of what a server says, wherever in the secret it is from."""


def without_secrets(problem: Problem, request: Request) -> Problem:
    """Return *problem* without what was secret in the *request* that it answers: servers may quote that.

    An error code that is made of a secret is none.
    """
    secrets = sorted(set(_secrets(request)), key=len, reverse=True)
    code = problem.error
    if code is not None and code not in ADVICE and any(_tells(code, secret) for secret in secrets):
        problem = replace(problem, error=None, reason=problem.reason.replace(code, "***"))
    return replace(
        problem,
        reason=_blacked_out(problem.reason, secrets),
        description=problem.description and _without_any_parts(problem.description, secrets),
        trace=problem.trace and _without_any_parts(problem.trace, secrets),
    )


_NO_SECRETS = frozenset(
    {
        *("grant_type", "scope", "resource", "audience", "client_assertion_type"),
        *("token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "client_name"),
    }
)
"""Fields of calls whose values a message may quote."""


def _secrets(request: Request) -> Iterator[str]:
    """Yield what *request* holds beside what every client sends: a statement, a client id, a secret."""
    body = request.body.decode("utf-8", "replace")
    try:
        pairs = [(name, value) for name, value in json_object(body).items() if isinstance(value, str)]
    except ValueError:
        pairs = parse_qsl(f"{body}&{request.url.partition('?')[2]}")
    values = [value for name, value in pairs if name not in _NO_SECRETS]
    for value in (*values, *_authorization(request)):
        yield value
        yield from value.split(".") if value.count(".") == 2 else ()  # the parts of a JWT


def _authorization(request: Request) -> list[str]:
    """Return what the ``Authorization`` of a call has in it: a token, or id and secret (RFC 7617 §2)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return [value] * bool(value)
    pair = base64.b64decode(value).decode("utf-8", "replace")
    return [value, *(unquote_plus(part) for part in pair.split(":", 1)), *pair.split(":", 1)]


def _tells(code: str, secret: str) -> bool:
    """Whether an error code is a secret, a part of one, or has one or a longer part of one in it."""
    shorter, longer = sorted((code, secret), key=len)
    within = len(shorter) >= _SHORTEST_SECRET and shorter in longer
    return shorter == longer or within or _without_parts(code, secret) != code


def _blacked_out(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def _without_any_parts(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = _without_parts(_blacked_out(text, [secret]), secret)
    return text


def _without_parts(text: str, secret: str) -> str:
    """Return *text* without longer parts of *secret*: it may have been quoted in part, or cut in the middle of it."""
    kept, at = "", 0
    while at < len(text):
        end = at + _SHORTEST_PART
        if end <= len(text) and text[at:end] in secret:
            while end < len(text) and text[at : end + 1] in secret:
                end += 1
            kept, at = kept + "***", end
        else:
            kept, at = kept + text[at], at + 1
    return kept
