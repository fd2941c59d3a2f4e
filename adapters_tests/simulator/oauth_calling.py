"""Calls of a client to an authorization server, made by hand: plain HTTP, and assertions by joserfc."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import requests
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey

from dcrauth.simulator import OAuthSimulator

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEY: Key = ECKey.import_key(
    {
        "kty": "EC",
        "crv": "P-256",
        "kid": "one",
        "x": "fKZoEL2w79EbjFdbixu6VzS4KbIxcKUlHl5p_gCy0kY",
        "y": "A0Vgl6doOs8YRsM0rYkshzqqhd0bUtMkL2b2GMafcqc",
        "d": "YxAhsYZsItdA0PiaDtIfo6R7h0445l_-NYKZDk80ZlA",
    }
)
"""A key of a client; there is nothing that it is good for."""


def register(oauth: OAuthSimulator, bearer: str | None = None, **metadata: Any) -> requests.Response:
    """Register, by default for client_credentials."""
    body = {"grant_types": ["client_credentials"], **metadata}
    return requests.post(oauth.registration_endpoint, json=body, headers=_bearer(bearer), timeout=20)


def registered(oauth: OAuthSimulator, bearer: str | None = None, **metadata: Any) -> Client:
    """Register, and return the client."""
    answer = register(oauth, bearer, **metadata)
    assert answer.status_code == 201, answer.text
    return Client(oauth, answer.json())


def with_key(oauth: OAuthSimulator, **metadata: Any) -> Client:
    """Register a client that signs."""
    keys = {"keys": [KEY.as_dict(private=False)]}
    return registered(oauth, token_endpoint_auth_method="private_key_jwt", jwks=keys, **metadata)


def call(oauth: OAuthSimulator, token: str | None, path: str = "/api/things", **options: Any) -> requests.Response:
    """Call the API."""
    return requests.get(f"{oauth.url}{path}", headers=_bearer(token), timeout=20, **options)


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@dataclass
class Client:
    """A registered client, and all that it knows of itself."""

    oauth: OAuthSimulator
    fields: dict[str, Any] = field(repr=False)

    def ask(self, **more: Any) -> requests.Response:
        """Ask for a token, by the method that was registered."""
        method = self.fields["token_endpoint_auth_method"]
        if method == "client_secret_post":
            return self.send(client_id=self.fields["client_id"], client_secret=self.fields["client_secret"], **more)
        if method == "client_secret_basic":
            return self.send(auth=self.basic(), **more)
        if method in {"private_key_jwt", "client_secret_jwt"}:
            return self.send(client_assertion_type=TYPE, client_assertion=self.assertion(), **more)
        return self.send(client_id=self.fields["client_id"], **more)

    def basic(self, *, encoded: bool = True) -> tuple[str, str]:
        """Return id and secret for Basic."""
        pair = self.fields["client_id"], self.fields["client_secret"]
        return (quote_plus(pair[0]), quote_plus(pair[1])) if encoded else pair

    def send(self, auth: Any = None, **form: Any) -> requests.Response:
        """Send a token request as it stands."""
        body = {"grant_type": "client_credentials", **form}
        return requests.post(self.oauth.token_endpoint, data=body, auth=auth, timeout=20)

    def token(self, **more: Any) -> str:
        """Return a token."""
        answer = self.ask(**more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an assertion; None leaves one out."""
        now, client_id = int(self.oauth.clock()), self.fields["client_id"]
        claims = {"iss": client_id, "sub": client_id, "aud": self.oauth.issuer, "iat": now, "exp": now + 60}
        claims |= {"jti": secrets.token_hex(8), **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(self, key: Key = KEY, alg: str = "ES256", **changes: Any) -> str:
        """Return an assertion."""
        if self.fields["token_endpoint_auth_method"] == "client_secret_jwt":
            key, alg = OctKey.import_key(self.fields["client_secret"]), "HS256"
        header = {"alg": alg, **({"kid": key.kid} if key.kid else {})}
        return jwt.encode(header, self.claims(**changes), key, algorithms=[alg])

    def asserted(self, **changes: Any) -> requests.Response:
        """Ask for a token with an assertion whose claims are otherwise."""
        return self.send(client_assertion_type=TYPE, client_assertion=self.assertion(**changes))

    def manage(self, method: str, body: dict[str, Any] | None = None, token: str | None = None) -> requests.Response:
        """Read, update or delete it (RFC 7592)."""
        headers = _bearer(token or self.fields["registration_access_token"])
        return requests.request(method, self.fields["registration_client_uri"], json=body, headers=headers, timeout=20)

    def updated(self, **changes: Any) -> requests.Response:
        """Put back what is registered, with changes."""
        hidden = {
            "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
            "client_secret",
        }  # fmt: skip
        body = {name: value for name, value in self.fields.items() if name not in hidden}
        return self.manage("PUT", body | changes)
