"""What a simulated OAuth server knows of its clients, and how it knows one of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from adapters_tests.simulation.calls import CANARY
from dcrauth.providers.protocol import Request


@dataclass
class Client:
    """One client.

    Parameters:
        client_id: its id.
        secret: its secret, if it has one.
        ends_at: until when that is good, in seconds since the epoch; None for ever.
        former: secrets before, and until when each is good.
        token: what manages it, if anything does.
        old_token: the one before, where that is good until the new one is used.
    """

    client_id: str
    secret: str | None = None
    ends_at: float | None = None
    former: dict[str, float] = field(default_factory=dict)
    token: str | None = None
    old_token: str | None = None

    def takes(self, secret: str | None, now: float) -> bool:
        """Return whether *secret* is good *now* (seconds since the epoch)."""
        if secret == self.secret:
            return self.ends_at is None or now < self.ends_at
        return secret is not None and now < self.former.get(secret, 0.0)


@dataclass(frozen=True)
class Proof:
    """What a token call shows.

    Parameters:
        client_id: the id of the client.
        secret: the secret that was shown.
        claims: what was signed.
        signed: what was signed with a secret, and the signature.
    """

    client_id: str
    secret: str | None = None
    claims: dict[str, Any] | None = None
    signed: tuple[bytes, bytes] | None = None

    def is_signed_with(self, secret: str) -> bool:
        """Return whether *secret* has made the signature."""
        return (
            self.signed is not None and hmac.digest(secret.encode(), self.signed[0], hashlib.sha256) == self.signed[1]
        )


def proof_in(request: Request) -> Proof:
    """Return how the client of a token call proves itself."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        client_id, _, secret = base64.b64decode(value).decode().partition(":")
        return Proof(unquote_plus(client_id), unquote_plus(secret))
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assertion = form.get("client_assertion")
    if assertion is None:
        return Proof(form["client_id"], form.get("client_secret"))
    text, _, signature = assertion.rpartition(".")
    claims = json.loads(_decoded(text.partition(".")[2]))
    if assertion.startswith(CANARY):
        return Proof(form["client_id"], claims=claims)
    return Proof(form["client_id"], claims=claims, signed=(text.encode(), _decoded(signature)))


def jti_in(request: Request) -> str | None:
    """Return the ``jti`` of the assertion in a token call; None if there is no assertion."""
    claims = proof_in(request).claims if b"client_assertion=" in request.body else None
    return None if claims is None else str(claims["jti"])


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
