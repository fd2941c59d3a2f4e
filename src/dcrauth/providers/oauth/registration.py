"""Registering a client and managing it: what is sent, and what is read from the answers (RFC 7591, RFC 7592)."""

import email.utils
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from dcrauth._internal.confidential import replaced
from dcrauth._internal.strict_json import seconds_in
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError
from dcrauth.providers.answer_fields import fields_of, is_client_text, is_visible
from dcrauth.providers.oauth.oauth_error import problem_in
from dcrauth.providers.origins import origin_of, secure_url
from dcrauth.providers.protocol import Problem, Response

NEVER_SENT = frozenset(
    {"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
)
"""What an update must not have (RFC 7592 §2.2)."""

_TO_MANAGE = ("registration_access_token", "registration_client_uri")
_BY_SECRET = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})


def read_client(response: Response, endpoint: str, asked_for: str | None, now: float) -> ClientCredentials | Problem:
    """Return the client that a registration was answered with; any 2xx status will do.

    Parameters:
        response: the answer, which rules over what was asked for (RFC 7591 §3.2.1).
        endpoint: the registration endpoint.
        asked_for: the method of client authentication that was asked for.
        now: the server's time as far as it is known, in seconds since the epoch.
    """
    fields = _told(response, endpoint)
    client_id, secret = fields.pop("client_id", None), fields.pop("client_secret", None)
    if not is_client_text(client_id) or not (secret is None or is_client_text(secret)):
        return registration_problem(response, "no usable client_id and client_secret")
    if asked_for is not None:
        fields.setdefault("token_endpoint_auth_method", asked_for)
    if secret is None and fields.get("token_endpoint_auth_method", "client_secret_basic") in _BY_SECRET:
        return registration_problem(response, "no client_secret, by which the client is to prove itself")
    found = ClientCredentials(client_id, secret, metadata=fields)
    if found.expires_at is not None and found.expires_at <= _moment_of(response, now):
        return registration_problem(response, "a client_secret that has ended already")
    return found


def registration_problem(response: Response, lack: str) -> Problem:
    """Return the problem with the answer to a registration: 401 is the last word on an initial access token."""
    problem = problem_in(response, lack)
    if response.status != 401:
        return problem
    told = f"{problem.reason}: the initial access token is missing, was used up, or is not good"
    return replace(problem, reason=told, error=problem.error or "invalid_token", oauth=True, final=True)


def update_fields(credentials: ClientCredentials) -> dict[str, Any]:
    """Return the body of an update: all metadata as they were answered, since what is left out is deleted."""
    kept = {name: value for name, value in credentials.metadata.items() if name not in NEVER_SENT}
    return {**kept, "client_id": credentials.client_id}


def read_managed(response: Response, client: ClientCredentials) -> ClientCredentials | Problem:
    """Return *client* as an answer of its management has it; what that does not say stays as it was.

    Servers leave out the secret, or the token (RFC 7592 §3 asks for both): that changes neither. The secret is None
    then, so that one that was told again can be told from one that was not told.
    """
    uri = str(client.metadata.get("registration_client_uri"))
    fields = _told(response, uri)
    if not fields:
        return problem_in(response, "no client")
    client_id, secret = fields.pop("client_id", client.client_id), fields.pop("client_secret", None)
    if client_id != client.client_id:
        return problem_in(response, "another client_id")
    stays = {*_TO_MANAGE, "token_endpoint_auth_method", "scope"}
    if secret is None:
        stays.add("client_secret_expires_at")
    elif not is_client_text(secret):
        return problem_in(response, "no usable client_secret")
    former = {name: value for name, value in client.metadata.items() if name in stays}
    return replaced(client, client_secret=secret, metadata={**former, **fields})


def management_of(client: ClientCredentials) -> tuple[str, str] | None:
    """Return the URL that manages *client*, and the token for that; None if there is none."""
    uri, token = (client.metadata.get(name) for name in ("registration_client_uri", "registration_access_token"))
    if isinstance(uri, str) and isinstance(token, str) and is_visible(token) and _is_secure(uri):
        return uri, token
    return None


def _is_secure(uri: str) -> bool:
    """Whether a secret may go to *uri*, which may have been imported."""
    try:
        secure_url(uri.partition("?")[0], "registration_client_uri")
    except ConfigurationError:
        return False
    return True


def _told(response: Response, base: str) -> dict[str, Any]:
    """Return what an answer says of a client: null, "" and absent are alike."""
    fields = {name: value for name, value in fields_of(response).items() if value not in (None, "")}
    end = fields.get("client_secret_expires_at")
    if isinstance(end, str):
        fields["client_secret_expires_at"] = seconds_in(end) or 0
    uri = _of_same_origin(fields.pop("registration_client_uri", None), base)
    return fields if uri is None else {**fields, "registration_client_uri": uri}


def _of_same_origin(uri: object, base: str) -> str | None:
    """Return *uri*, which may be relative to *base*; None where a token that manages a client must not go there."""
    if not isinstance(uri, str):
        return None
    try:
        whole = urljoin(base, uri)
        secure_url(whole.partition("?")[0], "registration_client_uri")
        return whole if origin_of(whole) == origin_of(base) else None
    except (ConfigurationError, ValueError):
        return None


def _moment_of(response: Response, now: float) -> float:
    """Return the moment of an answer by the server's own clock, which the end of a secret is a moment of as well."""
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return now
