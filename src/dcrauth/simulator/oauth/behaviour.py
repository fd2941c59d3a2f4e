"""How the authorization server behaves: every variant that specifications leave open, or that servers have anyway."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import as_said, check_fields, check_header, check_json, check_ranges
from dcrauth.simulator.oauth.known_servers import SERVERS

_NOT_NEGATIVE = (
    "statement_life",
    "secret_life",
    "secret_overlap",
    "most_resources",
    "assertion_life",
    "clock_tolerance",
    "discovery_delay",
    "register_delay",
    "token_delay",
    "manage_delay",
    "api_delay",
)

Rotation = Literal["never", "update", "always"]
METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "none",
)
"""The methods of client authentication that there are (RFC 7591 §2, OpenID Connect Core §9, RFC 8705 §2)."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""The signatures of assertions that there are, beside those by a secret."""


@dataclass(frozen=True, kw_only=True)
class OAuthBehaviour:
    """The switches of an `OAuthSimulator`; the defaults are what the specifications ask for.

    Parameters:
        documents: which metadata documents there are: of RFC 8414 ("oauth"), of OpenID Discovery ("openid").
        document_places: where they are, for an issuer with a path: "usual" is RFC 8414's inserted and OpenID's
            appended; or both of them "inserted", both "appended", or "everywhere".
        document: what they are: "good", "empty" (``{}``), a "list", "html", "cut" (half a document), "huge" (10 MB),
            "missing" (404), "redirect" (to the other origin *elsewhere*).
        issuer: the issuer that they name; ``{url}`` stands for the base URL.
        metadata, metadata_leaves_out: members that take the place of its own, and members that are left out.
        endpoints_below: a segment that endpoints have before their names; the others are gone then.
        gone_status: status of an endpoint that is somewhere else now.
        elsewhere: an origin that is not this simulator's.
        registration: "open", "refused" (403), or "absent".
        initial_token: whether an initial access token is "ignored", "required", or good "once".
        initial_token_error: how a bad one is answered: 401 with a "challenge" and JSON; "bare" with the challenge
            alone; or as "denied", 400 ``access_denied``.
        statement: whether a software statement is "ignored", "optional" or "required".
        statement_life: most seconds since a statement's ``iat``; None for any.
        repeats: what a second registration of one software does: "new", "refused", "updates" (200 and the same client),
            or "same" (201, and the client just as it was).
        repeat_error: code of a registration that is refused for that.
        register_status: status of a registration.
        methods: methods of client authentication that there are.
        signing_algorithms: algorithms of ``private_key_jwt``.
        unknown_method: whether an unknown method is "refused", or becomes "client_secret_basic".
        registered_method: the method that is registered whatever was asked for; empty for what was asked for.
        enforce_method: whether a client has to use the method that it registered for.
        redirect_uris: whether they are "optional"; have to be sent "empty", as ``response_types``; or are "required".
        scopes: the scopes that there are; empty for any.
        unknown_scopes: whether others are "refused" or "dropped".
        default_scope: the scope of a client that asked for none.
        client_ids: "plain", or with characters that Basic has to encode ("special").
        secret_life: seconds that a client's secret is good for; None for ever.
        secret_overlap: seconds that an old secret is good after there is a new one.
        registration_answer, registration_leaves_out: members of the answers to registrations, as of *metadata*.
        management: what RFC 7592 is offered of; empty for nothing.
        management_uri: "absolute", "relative", or of a "foreign" origin.
        management_leaves_out: members that answers of management leave out.
        rotates_token, rotates_secret: when there is a new registration token, or secret: "never", by an "update", or
            "always" (by reading, too).
        old_token: whether a registration token that was replaced is "refused", or good "until the new one" is used.
        secret_in_update: whether an update may have the secret in it: "allowed" or "refused" (403).
        expires_in: life of a token in the answer, in seconds; any JSON value is sent as it is, None leaves it out.
        token_life: real life of a token, in seconds; by default what *expires_in* says, or an hour.
        token_kind: "opaque" or "jwt" (RS256).
        token_scope: when the answer names the scope: "always", when "different" from what was asked for, or "never".
        token_status, token_answer, token_leaves_out: status and members of the answer.
        scope_form: "list", or Azure's one "resource/.default".
        audience: whether a parameter ``audience``, as Auth0 has it, is "ignored", "optional" or "required".
        most_resources: how many ``resource`` (RFC 8707) one request may have; None for any number.
        resources: the resources and audiences that there are; empty for any.
        basic_encoding: whether Basic is "form"-encoded (RFC 6749 §2.3.1) or "raw".
        assertion_audience: what ``aud`` may be: "either" of issuer and token endpoint, the "issuer", the
            "token endpoint", or the "issuer alone", as a text and not in a list.
        assertion_claims: claims that an assertion needs beside ``iss``, ``sub``, ``aud`` and ``exp``.
        assertion_life: most seconds from now to ``exp``, and from ``iat`` to now.
        clock_tolerance: seconds that ``iat`` and ``nbf`` may lie ahead.
        clock_skew: seconds by which its clock, and the ``Date`` of its answers, are ahead of the others'.
        jti: whether an assertion's ``jti`` is good "once", or "ignored".
        invalid_client: code for a client that is not authenticated.
        invalid_client_status: its status, 401 or 400.
        invalid_client_challenge: its ``WWW-Authenticate``: "matching" what was used, always "basic" or "bearer", or
            "none".
        error_shape: how the endpoints word an error.
        challenges: how the API's refusals are worded: as RFC 6750 says; "bare" names the scheme alone; "no code" is
            without an ``error``; "several" schemes in one line; in two "lines"; in "odd" letters; a "foreign" scheme
            alone; or "none".
        refuse_every_token: whether even new tokens are refused.
        throttle: None, "bucket" (10 more than one call a second, coming back with time) or "once" (10 for good).
        retry_after: ``Retry-After`` header of a 429.
        discovery_delay, register_delay, token_delay, manage_delay, api_delay: seconds before each answer; a minute at
            most is waited.

    Raises:
        ConfigurationError: a switch is set to what it cannot be.
    """

    documents: tuple[Literal["oauth", "openid"], ...] = ("oauth", "openid")
    document_places: Literal["usual", "inserted", "appended", "everywhere"] = "usual"
    document: Literal["good", "empty", "list", "html", "cut", "huge", "missing", "redirect"] = "good"
    issuer: str = "{url}"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_leaves_out: tuple[str, ...] = ()
    endpoints_below: str = ""
    gone_status: Literal[404, 410] = 404
    elsewhere: str = "https://elsewhere.invalid"
    registration: Literal["open", "refused", "absent"] = "open"
    initial_token: Literal["ignored", "required", "once"] = "ignored"
    initial_token_error: Literal["challenge", "bare", "denied"] = "challenge"
    statement: Literal["ignored", "optional", "required"] = "optional"
    statement_life: float | None = None
    repeats: Literal["new", "refused", "updates", "same"] = "new"
    repeat_error: str = "invalid_software_statement"
    register_status: int = 201
    methods: tuple[str, ...] = METHODS
    signing_algorithms: tuple[str, ...] = ALGORITHMS
    unknown_method: Literal["refused", "client_secret_basic"] = "refused"
    registered_method: str = ""
    enforce_method: bool = False
    redirect_uris: Literal["optional", "empty", "required"] = "optional"
    scopes: tuple[str, ...] = ()
    unknown_scopes: Literal["refused", "dropped"] = "refused"
    default_scope: str = ""
    client_ids: Literal["plain", "special"] = "plain"
    secret_life: float | None = None
    secret_overlap: float = 0.0
    registration_answer: Mapping[str, Any] = field(default_factory=dict)
    registration_leaves_out: tuple[str, ...] = ()
    management: tuple[Literal["read", "update", "delete"], ...] = ("read", "update", "delete")
    management_uri: Literal["absolute", "relative", "foreign"] = "absolute"
    management_leaves_out: tuple[str, ...] = ()
    rotates_token: Rotation = "never"
    rotates_secret: Rotation = "update"
    old_token: Literal["refused", "until the new one"] = "refused"
    secret_in_update: Literal["allowed", "refused"] = "allowed"
    expires_in: Any = 3600
    token_life: float | None = None
    token_kind: Literal["opaque", "jwt"] = "opaque"
    token_scope: Literal["always", "different", "never"] = "always"
    token_status: int = 200
    token_answer: Mapping[str, Any] = field(default_factory=dict)
    token_leaves_out: tuple[str, ...] = ()
    scope_form: Literal["list", "resource/.default"] = "list"
    audience: Literal["ignored", "optional", "required"] = "optional"
    most_resources: int | None = None
    resources: tuple[str, ...] = ()
    basic_encoding: Literal["form", "raw"] = "form"
    assertion_audience: Literal["either", "issuer", "token endpoint", "issuer alone"] = "either"
    assertion_claims: tuple[str, ...] = ("jti",)
    assertion_life: float = 300.0
    clock_tolerance: float = 0.0
    clock_skew: float = 0.0
    jti: Literal["once", "ignored"] = "once"
    invalid_client: str = "invalid_client"
    invalid_client_status: Literal[401, 400] = 401
    invalid_client_challenge: Literal["matching", "basic", "bearer", "none"] = "matching"
    error_shape: Literal["oauth", "nested", "html", "empty"] = "oauth"
    challenges: Literal["rfc6750", "bare", "no code", "several", "lines", "odd", "foreign", "none"] = "rfc6750"
    refuse_every_token: bool = False
    throttle: Literal["bucket", "once"] | None = None
    retry_after: str | None = None
    discovery_delay: float = 0.0
    register_delay: float = 0.0
    token_delay: float = 0.0
    manage_delay: float = 0.0
    api_delay: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self, ("register_status", "token_status"), 200, 599)
        check_ranges(self, _NOT_NEGATIVE, 0)
        for name in ("metadata", "registration_answer", "expires_in", "token_answer"):
            check_json(getattr(self, name), f"{name} of OAuthBehaviour")
        check_header(self.retry_after, "retry_after of OAuthBehaviour")
        self._check_texts()

    def _check_texts(self) -> None:
        _check_known("methods", self.methods, METHODS)
        _check_known("signing_algorithms", self.signing_algorithms, ALGORITHMS)
        _check_known("registered_method", {self.registered_method} - {""}, METHODS)
        for text in (self.invalid_client, self.elsewhere):
            check_quotable(text, "A switch whose text goes into a header")
        if "/" in self.endpoints_below:
            raise ConfigurationError(f"endpoints_below is one segment of a path, not {self.endpoints_below!r}")

    @classmethod
    def like(cls, server: str, **changes: Any) -> "OAuthBehaviour":
        """Return what *server* is known for; docs/simulator.md has the list.

        Parameters:
            changes: switches that are otherwise.

        Raises:
            ConfigurationError: no such server is known, or a switch is set to what it cannot be.
        """
        as_said(server, str, "server")
        if server not in SERVERS:
            raise ConfigurationError(f"There is no server called {server!r}; there is {', '.join(sorted(SERVERS))}")
        try:
            return replace(cls(), **{**SERVERS[server], **changes})
        except TypeError as reason:
            raise ConfigurationError(f"OAuthBehaviour: {reason}") from None

    @property
    def real_life(self) -> float:
        """How long a token is good, in seconds."""
        if self.token_life is not None:
            return self.token_life
        usable = type(self.expires_in) in {int, float} and 0 < self.expires_in < 1e9
        return float(self.expires_in) if usable else 3600.0


def check_quotable(text: str, what: str) -> None:
    """Raise `ConfigurationError` unless *text* can stand in quotes in a header."""
    if not text.isascii() or not text.isprintable() or '"' in text:
        raise ConfigurationError(f"{what} has printable ASCII without quotes, and not {text!r}")


def _check_known(switch: str, given: Any, known: tuple[str, ...]) -> None:
    for each in given:
        if each not in known:
            raise ConfigurationError(f"{switch} has {each!r}; there is {', '.join(known)}")
