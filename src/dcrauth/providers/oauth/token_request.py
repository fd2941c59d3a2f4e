"""What a token request asks for, and what is read from the answer (RFC 6749 §4.4, RFC 8707)."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dcrauth._internal.confidential import unfailing
from dcrauth.providers.answer_fields import fields_of, is_bearer, is_visible
from dcrauth.providers.oauth.oauth_error import problem_in
from dcrauth.providers.protocol import Problem, Response, TokenGrant


@dataclass(frozen=True, repr=False)
class Wanted:
    """What a token is to be good for.

    Parameters:
        scopes: sorted, each once: their order says nothing (RFC 6749 §3.3).
        resources: sorted, each once.
        audience: as Auth0 and others have it.
        parameters: further ones, which the server asks for.
    """

    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    audience: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @unfailing
    def __repr__(self) -> str:
        return f"<Wanted: {self.told or 'nothing special'}>"

    @property
    def told(self) -> str:
        """What may be shown of it: of parameters, whose values may be secret, only names; "" if there is nothing."""
        said = {"scope": " ".join(self.scopes), "resource": " ".join(self.resources), "audience": self.audience}
        said["parameters"] = " ".join(self.parameters)
        return ", ".join(f"{name} {value!r}" for name, value in said.items() if value)

    @property
    def key(self) -> str:
        """What tells such a token from others of the same client; "" for one of which nothing special is asked."""
        if not (self.scopes or self.resources or self.audience or self.parameters):
            return ""
        parts = [self.scopes, self.resources, self.audience, sorted(self.parameters.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def fields(self) -> Iterator[tuple[str, str]]:
        """Yield the fields of the form; what is empty is left out."""
        yield "grant_type", "client_credentials"
        if self.scopes:
            yield "scope", " ".join(self.scopes)
        for resource in self.resources:
            yield "resource", resource
        if self.audience:
            yield "audience", self.audience
        yield from self.parameters.items()


def read_token(
    response: Response, asked_for: tuple[str, ...] = (), wanted: tuple[str, ...] = ()
) -> TokenGrant | Problem:
    """Return the token in the answer; any 2xx status will do.

    Parameters:
        asked_for: the scopes that it was asked for with.
        wanted: those that it is to have; the registration may have granted less.
    """
    fields = fields_of(response)
    value: Any = fields.get("access_token")
    if not is_visible(value):
        return problem_in(response, "no usable access_token")
    if not is_bearer(fields.get("token_type")):
        # To ask again would bring another token of the same type.
        return replace(problem_in(response, "a token_type other than bearer"), final=True)
    granted = _scopes_in(fields.get("scope")) or asked_for  # which it need not say if it is the same (RFC 6749 §5.1)
    missing = [each for each in wanted if each not in granted and not each.endswith(_ALL_THERE_ARE)]
    return TokenGrant(value, fields.get("expires_in"), " ".join(granted) or None, " ".join(missing))


_ALL_THERE_ARE = "/.default"
"""The end of a scope of Entra ID that stands for whatever the client may have, and is granted by other names."""


def _scopes_in(value: object) -> tuple[str, ...]:
    """Return the scopes that an answer names, sorted, each once; some servers have a list; none of what can be none."""
    names = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else []
    named = [each for each in names if each != ""]
    return tuple(sorted(set(named))) if all(is_visible(each) for each in named) else ()
