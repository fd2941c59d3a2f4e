"""How the simulator behaves: every variant that the documentation of Adobe Pass, or its lack, leaves open."""

from dataclasses import dataclass
from typing import Any, Literal

from dcrauth.simulator.fields import check_fields, check_header, check_json, check_ranges

_STATUSES = ("register_status", "token_status", "invalid_client_status")
_NOT_NEGATIVE = (
    "most_preauthorized",
    "most_authorized",
    "session_life",
    "media_token_life",
    "register_delay",
    "token_delay",
    "api_delay",
)


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The simulator's switches; the defaults are what Adobe Pass is known to do.

    Parameters:
        register_status, token_status: status of a success, 201 or 200.
        expires_in: life of a token in the answer, in seconds; any JSON value is sent as it is, None leaves it out.
        token_life: real life of a token, in seconds; by default what *expires_in* says, or six hours.
        token_kind: "jwt" (RS256) or "opaque".
        created_at: unit of the token answer's field: "ms", "s" or "none" to leave it out.
        issued_at: unit of ``client_id_issued_at``: "ms" or "s".
        registers: what the answer to a registration has: the "whole" client; "no secret", or the client id as a
            "number", though a client is made all the same; or "spaced", an id and a secret with spaces in them.
        optional_fields: whether answers have ``id``, ``scopes``, ``redirect_uris``.
        token_parameters: where the token endpoint looks for its parameters: "form", "query" or "either".
        strict: whether device headers, media types, bodies and MVPDs are checked; False takes whatever comes, and what
            cannot be read of a body counts as not there.
        wording: whom to follow where the OpenAPI files ("openapi") and the pages with their samples ("pages")
            contradict each other: pages have the ``message`` of an error and a profile's ``userID`` as texts, and
            errors of the browser's page in HTML.
        device_headers: where the two device headers are insisted on: "documented" is each call whose page asks for
            them; "always" is every call of REST API v2, as the checklist has it.
        dcr_device_info: whether the DCR endpoints insist on ``X-Device-Info``: "optional" or "required".
        device_info_keys: keys that ``X-Device-Info`` must have.
        content_type_error, method_error, path_error: codes for what no catalogue of today has one.
        most_preauthorized, most_authorized: resources that one call may name; None for any number.
        decision_errors: where an error is told that concerns all resources: in each of the "items", or by the "status".
        session_life, media_token_life: seconds that a code, and a media token, are good for.
        expired_session_error: code for an authentication session that has ended.
        logout_redirect_url: whether a logout must have it: "required" or "optional".
        partner_profile_status: status of a profile made from a partner's answer, 200 or 201.
        unknown_grant_error: error code for a grant type that is not known.
        revoked_statement_error: error code for a statement that was revoked.
        invalid_client_status: status of ``invalid_client``, 400 or 401.
        error_shape: how the DCR endpoints word an error.
        refusals: how protected APIs word a 401: "v2" and "legacy" are Enhanced Errors, "bare" has no body, "oauth" is
            ``access_denied``, and 403 ``invalid_client`` for a client that is gone.
        www_authenticate: ``WWW-Authenticate`` header of a 401.
        refuse_every_token: whether even new tokens are refused.
        throttle: None, "bucket" (10 more than one call a second, coming back with time) or "once" (10 for good).
        retry_after: ``Retry-After`` header of a 429.
        register_delay, token_delay, api_delay: seconds before each answer; a minute at most is waited.

    Raises:
        ConfigurationError: a switch is set to what it cannot be.
    """

    register_status: int = 201
    token_status: int = 201
    expires_in: Any = 21_600
    token_life: float | None = None
    token_kind: Literal["jwt", "opaque"] = "jwt"
    created_at: Literal["ms", "s", "none"] = "ms"
    issued_at: Literal["ms", "s"] = "ms"
    registers: Literal["whole", "no secret", "number", "spaced"] = "whole"
    optional_fields: bool = True
    token_parameters: Literal["either", "form", "query"] = "either"
    strict: bool = True
    wording: Literal["openapi", "pages"] = "openapi"
    device_headers: Literal["documented", "always"] = "documented"
    dcr_device_info: Literal["optional", "required"] = "optional"
    device_info_keys: tuple[str, ...] = ("model", "osName")
    content_type_error: str = "invalid_header"
    method_error: str = "invalid_http_method"
    path_error: str = "not_found"
    most_preauthorized: int | None = 5
    most_authorized: int | None = 1
    decision_errors: Literal["items", "status"] = "items"
    session_life: float = 1800.0
    media_token_life: float = 420.0
    expired_session_error: str = "invalid_authentication_session"
    logout_redirect_url: Literal["required", "optional"] = "required"
    partner_profile_status: Literal[200, 201] = 200
    unknown_grant_error: str = "unsupported_grant_type"
    revoked_statement_error: str = "unapproved_software_statement"
    invalid_client_status: int = 400
    error_shape: Literal["oauth", "nested", "enhanced", "xml", "html", "empty"] = "oauth"
    refusals: Literal["v2", "legacy", "bare", "oauth"] = "v2"
    www_authenticate: str | None = None
    refuse_every_token: bool = False
    throttle: Literal["bucket", "once"] | None = None
    retry_after: str | None = None
    register_delay: float = 0.0
    token_delay: float = 0.0
    api_delay: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self, _STATUSES, 200, 599)
        check_ranges(self, _NOT_NEGATIVE, 0)
        check_json(self.expires_in, "expires_in of Behaviour")
        for name in ("www_authenticate", "retry_after"):
            check_header(getattr(self, name), f"{name} of Behaviour")

    @property
    def real_life(self) -> float:
        """How long a token is good, in seconds."""
        if self.token_life is not None:
            return self.token_life
        usable = isinstance(self.expires_in, int | float) and 0 < self.expires_in < 1e9
        return float(self.expires_in) if usable else 21_600.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong with one call.

    Parameters:
        status: answer with this status, from 200 to 599; None for the status of the regular answer.
        body: answer with this body; a text is sent in UTF-8. Without one a 429 of Adobe Pass and a 500 of its REST
            API v2 are as documented; other answers are empty.
        headers: further header fields of the answer, as pairs or as a table.
        delay: seconds before the answer; a minute at most is waited.
        drip: seconds before each byte of the body.
        truncate: send only so many bytes of the body that was announced, then close the connection.
        reset: close the connection without an answer.
        after: with *reset*, do what was asked for first, so that only the answer is lost.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    status: int | None = None
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    drip: float = 0.0
    truncate: int | None = None
    reset: bool = False
    after: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self, ["status"], 200, 599)
        check_ranges(self, ["delay", "drip", "truncate"], 0)

    @property
    def takes_over(self) -> bool:
        """Whether the regular work is left undone."""
        return self.status is not None or self.body is not None or (self.reset and not self.after)

    @property
    def shown(self) -> str:
        """What goes wrong, in a word or two."""
        if self.reset:
            return "work done, answer lost" if self.after else "connection reset"
        told = [str(self.status)] if self.status is not None else []
        told += [f"after {self.delay:g} s"] if self.delay else []
        return ", ".join(told) or "an answer of its own"
