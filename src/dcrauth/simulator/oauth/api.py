"""The protected API: a bearer token (RFC 6750) with the scope and for the audience that a path asks for."""

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import check_fields
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.behaviour import check_quotable
from dcrauth.simulator.oauth.certificates import thumbprint
from dcrauth.simulator.oauth.registry import Grant


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What an API asks of a token.

    Parameters:
        path: its path; ``*`` and ``?`` stand for any characters.
        scope: the scopes that are needed, with spaces between them.
        audience: the audience that is needed; empty for any.

    Raises:
        ConfigurationError: *path* cannot be one, or one of these is no text that a header can have.
    """

    path: str
    scope: str = ""
    audience: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.path.startswith("/"):
            raise ConfigurationError(f"{self.path!r} is no path to protect: it begins with /")
        for text in (self.scope, self.audience):
            check_quotable(text, "A scope or an audience to protect with")

    def concerns(self, path: str) -> bool:
        """Whether *path* is one of those."""
        return fnmatchcase(path, self.path)


def answer(asked: Asked, protections: list[Protection]) -> Reply:
    """Answer a call of the API: with what its token stands for."""
    refused = refusal(asked, protections)
    grant = asked.registry.grants.get(asked.call.bearer or "")
    if refused is not None or grant is None:
        return refused or _refused("The token was revoked", asked)
    call = asked.call
    return Reply.json(
        200,
        {
            "client_id": grant.client_id,
            "scope": " ".join(grant.scope),
            "audience": [*grant.audience],
            "method": call.method,
            "path": call.path,
            "length": len(call.body),
            "sha256": hashlib.sha256(call.body).hexdigest(),
        },
    )


def refusal(asked: Asked, protections: list[Protection]) -> Reply | None:
    """Return the answer to a call that is not let through; None for one that is."""
    token = asked.call.bearer
    if token is None:
        return Reply(
            401, headers=_challenges("", "", asked), why="There is no Authorization header with a Bearer token"
        )
    grant = asked.registry.grants.get(token)
    wrong = _wrong_with(grant, asked)
    if grant is None or wrong is not None:
        return _refused(wrong or "The token was not granted here, or was revoked", asked)
    wanted = next((each for each in protections if each.concerns(asked.call.path)), Protection(path="/"))
    if wanted.audience and grant.audience and wanted.audience not in grant.audience:
        return _refused(f"The token is not for {wanted.audience}", asked)
    if not {*wanted.scope.split()} <= {*grant.scope}:
        return _insufficient(wanted.scope, asked)
    return None


def _wrong_with(grant: Grant | None, asked: Asked) -> str | None:
    """What is wrong with the token, if anything is."""
    if asked.behaviour.refuse_every_token:
        return "Every token is refused"
    if grant is None:
        return "The token was not granted here, or was revoked"
    if grant.expires_at <= asked.now:
        return "The token has expired"
    if asked.registry.client(grant.client_id) is None:
        return "The token's client is not registered any more"
    if grant.thumbprint and grant.thumbprint != thumbprint(asked.call.certificate):
        return "The token is bound to another certificate"
    return None


def _refused(why: str, asked: Asked) -> Reply:
    return Reply.json(401, {"error": "invalid_token"}, *_challenges("invalid_token", why, asked), why=why)


def _insufficient(scope: str, asked: Asked) -> Reply:
    why = f"The token lacks the scope {scope}"
    headers = _challenges("insufficient_scope", why, asked, scope)
    return Reply.json(403, {"error": "insufficient_scope"}, *headers, why=why)


def _challenges(code: str, why: str, asked: Asked, scope: str = "") -> tuple[tuple[str, str], ...]:
    """Return the header fields of a refusal; without a token there is no code (RFC 6750 §3.1)."""
    told = [f'error="{code}"', f'error_description="{why}"'] if code else []
    told += [f'scope="{scope}"'] if scope else []
    usual = ", ".join(['Bearer realm="simulator"', *told])
    forms = {
        "rfc6750": (usual,),
        "bare": ("Bearer",),
        "no code": ('Bearer realm="simulator"',),
        "several": (f'Basic realm="a, b", Negotiate abc==, {usual}, DPoP algs="ES256 PS256"',),
        "lines": ('DPoP algs="ES256", error="invalid_request"', usual),
        "odd": (f'bearer Error={code or "none"} , ERROR_DESCRIPTION = "say \\"hi, there\\""',),
        "foreign": ('Basic realm="elsewhere"',),
        "none": (),
    }
    return tuple(("WWW-Authenticate", each) for each in forms[asked.behaviour.challenges])
