"""What an authorization server looks like to a renewal: two flows of requests and answers, and what a 401 means."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from dcrauth._internal.arguments import check_methods
from dcrauth._internal.confidential import Confidential, confidential
from dcrauth._internal.verdict import Verdict
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.origins import Origin

__all__ = [
    "Flow",
    "FlowResult",
    "Moment",
    "PerRequest",
    "Problem",
    "Provider",
    "Request",
    "Response",
    "TokenGrant",
    "Verdict",
    "asked",
    "check_provider",
]

T = TypeVar("T")


@confidential
class Request(Confidential):
    """One call of an endpoint of the provider.

    Parameters:
        url: where it goes; may hold a secret in its query.
        headers: its header fields.
        body: its body.
        endpoint: the same URL without a query, for messages.
        repeatable: whether a transport may send it again over a new connection, once, where it has gone over one that
            was kept, and that has ended without a byte of an answer. A registration is not: each makes a client.
        method: its method; a GET has no body.
        registers: whether it makes a client: that any answer with a status of success has done, whatever is in it.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    endpoint: str
    repeatable: bool = False
    method: str = "POST"
    registers: bool = False


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
        scope: what it was granted for, each name once, in order; None if nobody has said. Printable text.
        missing: what of that which was asked for it was not granted for; "" for nothing.
    """

    value: str = field(repr=False)
    expires_in: Any = field(default=None, repr=False)
    scope: str | None = field(default=None, repr=False)
    missing: str = field(default="", repr=False)


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


@confidential
class Moment(Confidential):
    """When one attempt of a flow is made, with the chance that it needs: a flow reads no clock of its own.

    Parameters:
        wall: the wall clock of this machine, in seconds since the epoch.
        skew: by how many seconds that is ahead of the server's, as far as its ``Date`` has told.
        random: 32 bytes that no other attempt has.
        kept: what an earlier flow of the same identity has asked to be kept, such as discovered endpoints.
    """

    wall: float
    skew: float = 0.0
    random: bytes = field(default=b"", repr=False)
    kept: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def servers(self) -> float:
        """The server's time, as far as it is known, in seconds since the epoch."""
        return self.wall - self.skew


@confidential
class FlowResult(Confidential, Generic[T]):
    """What a flow has come to.

    Parameters:
        value: what was asked for, or what was wrong with an answer.
        kept: what later flows want to find in their `Moment`; None leaves that as it was. It can be written as JSON, is
            kept in memory and in the disposable part of the store, and may be lost.
    """

    value: "T | Problem" = field(repr=False)
    kept: Mapping[str, Any] | None = field(default=None, repr=False)


Flow: TypeAlias = Generator[Request, Response, FlowResult[T]]
"""Yields requests, each of which is sent, and is sent the answer to each; ends in a result."""


def asked(request: Request, understand: "Callable[[Response], T | Problem]") -> Flow[T]:
    """Ask for something by one request, and understand the answer to it."""
    return FlowResult(understand((yield request)))


def run(flow: Flow[T], send: Callable[[Request], Response]) -> "tuple[FlowResult[T], Request | None]":
    """Send what *flow* asks for by *send*; return its result, and the last request."""
    request: Request | None = None
    response: Response | None = None
    while True:
        try:
            request = next(flow) if response is None else flow.send(response)
        except StopIteration as end:
            return end.value, request
        response = send(request)


class Provider(Protocol):
    """An authorization server and the APIs that it protects; everything in it is pure.

    Each attempt is a new flow, so that nothing that was signed is sent twice. Where a request has no answer, the error
    that says so is raised in the flow, which need not catch it. What a provider may have beside what is
    here, with what counts where it has not:

    - ``throttle_key``, a text: what the server counts calls by when it limits them, such as the address of a device;
      else the token endpoint. After a 429 answer the calls with the same key are made one at a time, until one is
      answered.
    - ``token_key``, a text that can be in a file's name: what tells tokens of one client apart; else there is one.
    - ``certificate_bound``, True where tokens are bound to the certificate that the transport shows (RFC 8705 §3): none
      is used after that has changed, nor in a process with another one.
    - ``given``, a function that returns `ClientCredentials`: those of a client that is neither registered nor stored;
      it is asked again after ``invalid_client``.
    - ``given_id``, a text: the id of a client that is given, which takes the place of the instance in its identity.
    - ``condemns``, False where ``invalid_client`` proves little, as for a client that signs: then nothing is registered
      in the place of such a client.
    - ``repeats``, "refused" or "updates" where a second registration of the same is refused, or changes the first one;
      else it makes another client. Where it is refused, one whose answer was lost is not sent again.
    - ``keeps``, True where flows keep something that is worth a place in the store.
    - ``update``, ``confirm`` and ``unregister``, functions of credentials and a moment like `fetch_token`, which return
      flows that renew, read and delete the client (RFC 7592), or None for one that nobody manages. What they end in is
      the client as it is from then on, with None for a secret that the answer has not told.
    """

    @property
    def register_url(self) -> str:
        """The registration endpoint, or what names the server as long as that is not known."""
        ...

    @property
    def token_url(self) -> str:
        """The token endpoint, or what names the server as long as that is not known."""
        ...

    @property
    def anchor(self) -> tuple[str, ...]:
        """What tells the client of this application from all others, but its instance: an issuer, or endpoints."""
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

    def register(self, moment: Moment) -> Flow[ClientCredentials]:
        """Register the application (RFC 7591 §3)."""
        ...

    def fetch_token(self, credentials: ClientCredentials, moment: Moment) -> Flow[TokenGrant]:
        """Trade client credentials for an access token (RFC 6749 §4.4)."""
        ...

    def verdict(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Return what a refusal of a protected API says about the token that was sent.

        Parameters:
            status: of the answer, 401.
            headers: its header fields, names in lower case.
            body: its beginning.
        """
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


def token_key(provider: Provider) -> str:
    """Return what tells tokens of the client of *provider* apart; "" where there is one."""
    found: str = getattr(provider, "token_key", "")
    return found


def instance_of(provider: Provider, instance: str) -> str:
    """Return what tells the client of an *instance* apart: the id of a client that is given, else the instance."""
    found: str | None = getattr(provider, "given_id", None)
    return instance if found is None else found


def check_provider(provider: object) -> None:
    """Raise ConfigurationError unless *provider* is one."""
    check_methods(provider, "The provider", Provider, "an object such as AdobePass(statement)")
