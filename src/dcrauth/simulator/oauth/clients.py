"""Clients and what they hold: secrets, registration tokens, metadata."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from dcrauth.simulator.oauth.behaviour import OAuthBehaviour

_SPECIAL = "+/%@! =&"
"""What Basic has to encode (RFC 6749 §2.3.1), and URLs, too; a colon is for secrets alone (RFC 7617 §2)."""
_WITH_SECRET = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})


@dataclass
class Secret:
    """A secret.

    Parameters:
        value: the secret itself.
        ends_at: until when it is good, in seconds since the epoch; 0 for ever.
    """

    value: str = field(repr=False)
    ends_at: float = 0.0

    def ended(self, now: float) -> bool:
        """Whether it is not good any more."""
        return self.ends_at != 0 and self.ends_at <= now


@dataclass
class OAuthClient:
    """A client.

    Parameters:
        client_id: its identifier.
        method: its method of authentication.
        metadata: what is registered of it.
        issued_at: when it was registered, in seconds since the epoch.
        secret: the secret, where it has one.
        old_secrets: those before, and until when they are good.
        token: its registration access token, where it has one.
        old_token: the one before, where that is good until the new one is used.
        software: what tells it from clients of other software; empty for a client that was not registered.
    """

    client_id: str
    method: str
    metadata: dict[str, Any] = field(repr=False)
    issued_at: float = 0.0
    secret: Secret | None = field(default=None, repr=False)
    old_secrets: list[Secret] = field(default_factory=list, repr=False)
    token: str | None = field(default=None, repr=False)
    old_token: str | None = field(default=None, repr=False)
    software: str = ""

    @property
    def scope(self) -> tuple[str, ...]:
        """The scopes that it may ask for; empty for any."""
        return tuple(str(self.metadata.get("scope") or "").split())

    def secrets(self, now: float) -> list[str]:
        """Return the secrets that are good."""
        known = [*self.old_secrets, *([self.secret] if self.secret is not None else [])]
        return [each.value for each in known if not each.ended(now)]

    def renew_secret(self, now: float, behaviour: OAuthBehaviour) -> None:
        """Give it a new secret, if its method has one; the old one is good for as long as they overlap."""
        if self.method not in _WITH_SECRET:
            self.secret, self.old_secrets = None, []
            return
        if self.secret is not None:
            self.old_secrets = [Secret(self.secret.value, now + behaviour.secret_overlap)]
        life = behaviour.secret_life
        self.secret = Secret(new_text(behaviour, ":"), 0.0 if life is None else now + life)

    def renew_token(self, behaviour: OAuthBehaviour) -> None:
        """Give it a new registration access token."""
        self.old_token = self.token if behaviour.old_token == "until the new one" else None
        self.token = secrets.token_urlsafe(32)


def new_text(behaviour: OAuthBehaviour, more: str = "") -> str:
    """Return a new identifier or secret; *more* is for special ones."""
    text = secrets.token_urlsafe(24)
    return f"{text}{_SPECIAL}{more}" if behaviour.client_ids == "special" else text
