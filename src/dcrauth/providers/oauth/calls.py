"""Calls of an OAuth server's endpoints, as requests."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from dcrauth.providers.answer_fields import USER_AGENT
from dcrauth.providers.protocol import Request

_ALWAYS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-store",
    "User-Agent": USER_AGENT,
}


def bearer(token: str | None) -> dict[str, str]:
    """Return the header field that shows *token* (RFC 6750 §2.1); none without one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def call(url: str, method: str, headers: Mapping[str, str] | None = None) -> Request:
    """Return a call without a body.

    One that shows a token is not repeatable: the lost answer may have told another token, which takes the place of
    that one (RFC 7592 §2.1), and the refusal of the repeated call would seem to say that the client is gone.
    """
    return Request(
        url, {**_ALWAYS, **(headers or {})}, b"", url.partition("?")[0], repeatable=headers is None, method=method
    )


def form(
    url: str, fields: Iterable[tuple[str, str]], headers: Mapping[str, str], *, repeatable: bool = True
) -> Request:
    """Return a call with a form."""
    sent = {**_ALWAYS, "Content-Type": "application/x-www-form-urlencoded", **headers}
    return Request(url, sent, urlencode(list(fields)).encode(), url.partition("?")[0], repeatable=repeatable)


def in_json(url: str, method: str, fields: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """Return a call with a JSON object; a ``POST`` of one registers."""
    sent = {**_ALWAYS, "Content-Type": "application/json", **headers}
    body = json.dumps(fields).encode()
    return Request(url, sent, body, url.partition("?")[0], method=method, registers=method == "POST")
