"""What an authorization server looks like to a renewal: two requests, two answers, and what a 401 means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dcrauth._internal.arguments import check_methods
from dcrauth._internal.confidential import Confidential, confidential
from dcrauth._internal.verdict import Verdict
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.origins import Origin

__all__ = ["PerRequest", "Problem", "Provider", "Request", "Response", "TokenGrant", "Verdict", "check_provider"]


@confidential
class Request(Confidential):
    """One POST to an endpoint of the provider.

    Parameters:
        url: where it goes; may hold a secret in its query.
        headers: its header fields.
        body: its body.
        endpoint: the same URL without a query, for messages.
        repeatable: whether a transport may send it again over a new connection, once, where it has gone over one that
            was kept, and that has ended without a byte of an answer. A registration is not: each makes a client.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    endpoint: str
    repeatable: bool = False


@confidential
class Response(Confidential):
    """The answer to a `Request`.

    Parameters:
        status: HTTP status.
        headers: header fields, names in lower case.
        body: the whole body, as sent.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@confidential
class TokenGrant(Confidential):
    """A token as the token endpoint answered it.

    Parameters:
        value: the access token.
        expires_in: whatever the answer said about its life, unchecked.
    """

    value: str = field(repr=False)
    expires_in: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Problem:
    """An answer that is not what was asked for, or no answer at all.

    Parameters:
        reason: what is wrong with it, in words that hold no secret.
        status: HTTP status; None when nothing was answered.
        error: the server's error code.
        oauth: whether *error* came in an OAuth error answer (RFC 6749 §5.2), the only form that condemns a client.
        final: whether the provider takes it for the server's last word, though it is none of OAuth's registered codes.
        carried_out: whether the call has done all the same what it is for, so that it must not be made again.
        description: the server's own words.
        trace: the server's identifier of the call.
        retry_after: ``Retry-After`` header as sent.
        expires: ``Expires`` header as sent.
        rate_limit_reset: ``X-RateLimit-Reset`` header as sent.
    """

    reason: str
    status: int | None = None
    error: str | None = None
    oauth: bool = False
    final: bool = False
    carried_out: bool = False
    description: str | None = field(default=None, repr=False)
    trace: str | None = None
    retry_after: str | None = None
    expires: str | None = None
    rate_limit_reset: str | None = None


class Provider(Protocol):
    """An authorization server and the APIs that it protects; every method is pure.

    A provider may have a text more, ``throttle_key``: what the server counts calls by when it limits them, such as the
    address of a device. After a 429 answer the calls with the same key are made one at a time, until one is answered.
    """

    @property
    def register_url(self) -> str:
        """The registration endpoint."""
        ...

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        ...

    @property
    def application(self) -> str:
        """What identifies the application that registers."""
        ...

    @property
    def statement_digest(self) -> str:
        """A digest of what a registration shows, which is another one when the software statement is another one."""
        ...

    @property
    def protected_origins(self) -> frozenset[Origin]:
        """The only origins that a token is sent to."""
        ...

    @property
    def api_headers(self) -> Mapping[str, str]:
        """Header fields to add to requests to the protected APIs, where the caller has not set them."""
        ...

    def registration_request(self) -> Request:
        """Return the request that registers the application (RFC 7591 §3.1)."""
        ...

    def read_registration(self, response: Response) -> ClientCredentials | Problem:
        """Return the client credentials in the answer, or what is wrong with it."""
        ...

    def token_request(self, credentials: ClientCredentials) -> Request:
        """Return the request for an access token (RFC 6749 §4.4.2)."""
        ...

    def read_token(self, response: Response) -> TokenGrant | Problem:
        """Return the token in the answer, or what is wrong with it."""
        ...

    def verdict(self, body: bytes) -> Verdict:
        """Return what a 401 answer with *body* says about the token that was sent."""
        ...


class PerRequest(Protocol):
    """What a provider has beside that if it tells by a request which instance of the application it is from.

    For servers that act for many instances; `dcrauth.TokenSources` looks for it.
    """

    @property
    def instance_header(self) -> str:
        """The header field of requests to the protected APIs that names the instance."""
        ...

    @property
    def device_headers(self) -> tuple[str, ...]:
        """The header fields of such requests that `for_request` wants to know."""
        ...

    def instance_in(self, value: str) -> str:
        """Return the instance that a *value* of the `instance_header` names; raise ConfigurationError if none."""
        ...

    def for_request(self, fields: Mapping[str, str]) -> Provider:
        """Return the same provider with what those of the `device_headers` say that a request has."""
        ...


def throttle_key(provider: Provider) -> str:
    """Return what the server of *provider* counts calls by when it limits them; the token endpoint if nobody says."""
    found: str = getattr(provider, "throttle_key", provider.token_url)
    return found


def check_provider(provider: object) -> None:
    """Raise ConfigurationError unless *provider* is one."""
    check_methods(provider, "The provider", Provider, "an object such as AdobePass(statement)")
