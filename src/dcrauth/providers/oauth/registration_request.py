"""What a client is registered with (RFC 7591 §3.1)."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from dcrauth._internal.confidential import Confidential, confidential
from dcrauth.errors import DCRAuthError
from dcrauth.providers.oauth import arguments
from dcrauth.providers.oauth.calls import bearer, in_json
from dcrauth.providers.oauth.client_authentication import ClientAuthentication
from dcrauth.providers.oauth.discovery import Endpoints
from dcrauth.providers.protocol import Problem, Request
from dcrauth.providers.software_statement import SoftwareStatement

SECRETS = ("client_secret_basic", "client_secret_post")
_PLACES_OF_A_KEY = ("jwks", "jwks_uri")
"""Of which a registration has one at most (RFC 7591 §2)."""


@confidential
class RegistrationRequest(Confidential):
    """How a client is registered, at whatever endpoint.

    Parameters:
        metadata: what the user says of it.
        scopes: what it may ask for.
        by: how it proves itself.
        statement: the software statement, or what makes one.
        initial_token: the initial access token, or what returns it.
    """

    metadata: Mapping[str, Any]
    scopes: tuple[str, ...]
    by: ClientAuthentication
    statement: SoftwareStatement | Callable[[], object] | None = field(default=None, repr=False)
    initial_token: str | Callable[[], str] | None = field(default=None, repr=False)

    @property
    def application(self) -> str:
        """What tells the software from others: its id, or a digest of what it says of itself."""
        claims = self.statement.claims if isinstance(self.statement, SoftwareStatement) else {}
        for found in (self.metadata.get("software_id"), claims.get("software_id"), claims.get("sub")):
            if isinstance(found, str) and found:
                return found
        return _digest(dict(self.metadata), self.scopes)

    @property
    def digest(self) -> str:
        """A digest of all that is shown, as far as that is no function."""
        statement = self.statement.text if isinstance(self.statement, SoftwareStatement) else None
        token = self.initial_token if isinstance(self.initial_token, str) else None
        proof = (self.by.auth_method, dict(self.by.metadata))
        return _digest(dict(self.metadata), self.scopes, proof, statement, token)

    @property
    def asks_for_bound_tokens(self) -> bool:
        """Whether tokens are to be bound to a certificate however the client proves itself (RFC 8705 §3.4)."""
        return self.metadata.get("tls_client_certificate_bound_access_tokens") is True

    def to(self, endpoints: Endpoints) -> Request | Problem:
        """Return the request; a problem where there is no registration, or nothing to show."""
        if endpoints.registration is None:
            told = f"{endpoints.issuer} names no registration_endpoint: give that, or client=ClientCredentials(…)"
            return Problem(told, status=200, final=True)  # of the metadata: it was asked for just now
        statement = _made(self.statement, "software_statement", SoftwareStatement.of)
        token = _made(self.initial_token, "initial_access_token", arguments.initial_token)
        for each in (statement, token):
            if isinstance(each, Problem):
                return each
        return in_json(endpoints.registration, "POST", self._fields(endpoints, statement), bearer(token))

    def _fields(self, endpoints: Endpoints, statement: SoftwareStatement | None) -> dict[str, Any]:
        """Return the body; null and "" are refused by servers, and lists are sent even if they are empty."""
        fields = {
            "grant_types": ["client_credentials"],
            "response_types": [],
            "redirect_uris": [],
            "scope": " ".join(self.scopes),
            "token_endpoint_auth_method": method_for(self.by, endpoints),
            **self._of_the_proof(),
            **self.metadata,
            "software_statement": statement and statement.text,
        }
        return {name: value for name, value in fields.items() if value not in (None, "")}

    def _of_the_proof(self) -> Mapping[str, Any]:
        """Return what is said of how it proves itself; a key that the user says where to find is not sent as well."""
        said = self.by.metadata
        if not any(self.metadata.get(name) for name in _PLACES_OF_A_KEY):
            return said
        return {name: value for name, value in said.items() if name not in _PLACES_OF_A_KEY}


def method_for(by: ClientAuthentication, endpoints: Endpoints) -> str | None:
    """Return the method of client authentication to use, of those that the server says it knows."""
    if by.auth_method is not None:
        return by.auth_method
    return next((each for each in SECRETS if each in (endpoints.auth_methods or ())), None)


def _made(source: Any, what: str, read: Callable[[Any], Any]) -> Any:
    """Return *source*, or what it returns if it is a function, which is the user's own code and may fail."""
    if not arguments.is_function(source):
        return source
    try:
        found = read(source())
    except DCRAuthError:
        raise
    except Exception as reason:  # whatever that raises
        return Problem(f"What gives the {what} has failed with {type(reason).__name__}")
    return Problem(f"What gives the {what} has returned None") if found is None else found


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
