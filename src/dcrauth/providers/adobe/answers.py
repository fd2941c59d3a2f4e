"""What Adobe's answers say: a client, a token, why there is none, and why a request to an API is refused."""

from dataclasses import replace
from typing import Any

from dcrauth._internal.strict_json import printable
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.adobe.enhanced_error import EnhancedError, read_error
from dcrauth.providers.answer_fields import fields_of, is_bearer, is_client_text, is_success, is_visible
from dcrauth.providers.protocol import Problem, Response, TokenGrant, Verdict

_CLIENT_CODES = frozenset({"invalid_access_token_client_application", "invalid_client_id", "invalid_client"})
_APPLICATION_CODES = frozenset({"unknown_software_statement", "unknown_application"})


def client_in(response: Response) -> ClientCredentials | Problem:
    """Return the client credentials in the answer to a registration; any 2xx status will do.

    Both are text of printable ASCII characters, to which the space belongs (RFC 6749 appendix A.1, A.2).
    """
    fields = fields_of(response)
    client_id, client_secret = fields.pop("client_id", None), fields.pop("client_secret", None)
    if not (is_client_text(client_id) and is_client_text(client_secret)):
        return _problem(response, "no usable client_id and client_secret")
    return ClientCredentials(client_id, client_secret, metadata=fields)


def token_in(response: Response) -> TokenGrant | Problem:
    """Return the token in the answer to a token call; any 2xx status will do."""
    fields = fields_of(response)
    value: Any = fields.get("access_token")
    if not is_visible(value):
        return _problem(response, "no usable access_token")
    if not is_bearer(fields.get("token_type")):
        # To ask again would bring another token of the same type.
        return replace(_problem(response, "a token_type other than bearer"), final=True)
    return TokenGrant(value, fields.get("expires_in"))


def verdict_in(body: bytes) -> Verdict:
    """Return what the *body* of a 401 says (Adobe Pass documentation: Enhanced Error Codes).

    The action "application-registration" covers renewing the token as well as registering again, so that only codes
    tell the two apart, and a renewal always comes first.
    """
    error = read_error(body) or EnhancedError()
    if error.action == "authentication":
        return Verdict.USER
    if error.code in _APPLICATION_CODES:
        return Verdict.APPLICATION
    return Verdict.CREDENTIALS if error.code in _CLIENT_CODES else Verdict.TOKEN


def _problem(response: Response, lack: str) -> Problem:
    success = is_success(response)
    error = read_error(response.body, success=success) or EnhancedError()
    answered = f"HTTP {response.status}" + (f", {error.code}" if error.code else "")
    return Problem(
        reason=f"{answered} with {lack}" if success and not error.code else answered,
        status=response.status,
        error=error.code,
        oauth=error.oauth,
        final=error.oauth and error.code in _APPLICATION_CODES,
        description=printable(error.message),
        trace=error.trace or printable(response.headers.get("adobe-request-id")),
        retry_after=response.headers.get("retry-after"),
        expires=response.headers.get("expires"),
        rate_limit_reset=response.headers.get("x-ratelimit-reset"),
    )
