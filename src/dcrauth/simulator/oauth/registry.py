"""Who may do what: initial tokens, software, clients, access tokens. One lock, held for moments only."""

import secrets
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from dcrauth.simulator.keys import signed
from dcrauth.simulator.masking import masked
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.clients import OAuthClient, new_text


@dataclass(frozen=True)
class Grant:
    """A token and what it stands for.

    Parameters:
        client_id: whose it is.
        scope: what it is good for.
        audience: where it is good; empty for everywhere.
        expires_at: until when, in seconds since the epoch.
        thumbprint: of the certificate that it is bound to (RFC 8705 §3.1); empty for none.
    """

    client_id: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    expires_at: float
    thumbprint: str = ""


@dataclass
class InitialToken:
    """An initial access token: how often it is still good, and until when."""

    uses: int | None
    ends_at: float | None


@dataclass
class Registry:
    """All that one authorization server knows.

    Parameters:
        clock: returns seconds since the epoch.
    """

    clock: Callable[[], float]
    lock: threading.RLock = field(default_factory=threading.RLock)
    clients: dict[str, OAuthClient] = field(default_factory=dict, repr=False)
    grants: dict[str, Grant] = field(default_factory=dict, repr=False)
    initial_tokens: dict[str, InitialToken] = field(default_factory=dict, repr=False)
    revoked_software: set[str] = field(default_factory=set)
    _secrets: set[str] = field(default_factory=set, repr=False)
    _jti: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def initial_token(self, uses: int | None, life: float | None) -> str:
        """Return a new initial access token."""
        token = secrets.token_urlsafe(32)
        with self.lock:
            self.initial_tokens[token] = InitialToken(uses, None if life is None else self.clock() + life)
            self._secrets.add(token)
        return token

    def use_initial_token(self, token: str, *, once: bool) -> bool:
        """Use an initial access token; return whether it was good."""
        with self.lock:
            found = self.initial_tokens.get(token)
            if found is None or found.uses == 0 or (found.ends_at is not None and found.ends_at <= self.clock()):
                return False
            found.uses = 0 if once else found.uses and found.uses - 1
            return True

    def client(self, client_id: str) -> OAuthClient | None:
        """Return the client of that identifier, if there is one."""
        with self.lock:
            return self.clients.get(client_id)

    def client_of(self, software: str) -> OAuthClient | None:
        """Return the latest client of *software*, if there is one."""
        with self.lock:
            return next((each for each in reversed(self.clients.values()) if each.software == software), None)

    def register(
        self, method: str, metadata: dict[str, Any], software: str, behaviour: OAuthBehaviour, *, client_id: str = ""
    ) -> OAuthClient:
        """Return a new client; it has a registration token where there is management."""
        now = self.clock()
        client = OAuthClient(client_id or new_text(behaviour), method, metadata, now, software=software)
        client.renew_secret(now, behaviour)
        if behaviour.management and software:
            client.renew_token(behaviour)
        self.keep(client)
        return client

    def keep(self, client: OAuthClient) -> None:
        """Keep *client*, and know its secrets as such."""
        with self.lock:
            self.clients[client.client_id] = client
            secret = None if client.secret is None else client.secret.value
            self._secrets.update(each for each in (secret, client.token) if each is not None)

    def delete(self, client_id: str) -> bool:
        """Delete a client and its tokens (RFC 7592 §2.3); return whether there was one."""
        with self.lock:
            self.grants = {token: grant for token, grant in self.grants.items() if grant.client_id != client_id}
            return self.clients.pop(client_id, None) is not None

    def issue(self, grant: Grant, issuer: str, behaviour: OAuthBehaviour) -> str:
        """Return a new token for *grant*."""
        now = self.clock()
        token = secrets.token_urlsafe(32) if behaviour.token_kind == "opaque" else _jwt(grant, now, issuer)
        with self.lock:
            self.grants[token] = grant
        return token

    def use_jti(self, client_id: str, jti: str) -> bool:
        """Return whether a client uses the ``jti`` of an assertion for the first time."""
        with self.lock:
            fresh = (client_id, jti) not in self._jti
            self._jti.add((client_id, jti))
            return fresh

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now."""
        with self.lock:
            self.grants = {token: replace(grant, expires_at=0.0) for token, grant in self.grants.items()}

    def is_secret(self, text: str) -> bool:
        """Whether *text* is a token or a secret that was given out."""
        with self.lock:
            return text in self.grants or text in self._secrets

    def snapshot(self, most: int = 100) -> dict[str, list[dict[str, Any]]]:
        """Return what there is, the latest first and at most so many of a kind; nothing in it is a secret.

        What ends in ``_at`` is a moment, in seconds since the epoch.
        """
        with self.lock:
            clients = [_client_row(each) for each in _latest(self.clients.values(), most)]
            tokens = [_token_row(token, self.grants[token]) for token in _latest(self.grants, most)]
        return {"clients": clients, "tokens": tokens}


def _latest(things: Iterable[Any], most: int) -> list[Any]:
    return [*islice(reversed([*things]), most)]


def _client_row(client: OAuthClient) -> dict[str, Any]:
    row: dict[str, Any] = {"client_id": client.client_id, "method": client.method, "scope": " ".join(client.scope)}
    if client.secret is not None and client.secret.ends_at:
        row["secret_ends_at"] = client.secret.ends_at
    return row


def _token_row(token: str, grant: Grant) -> dict[str, Any]:
    told = {"client_id": grant.client_id, "scope": " ".join(grant.scope), "audience": " ".join(grant.audience)}
    return {"token": masked(token), **told, "expires_at": grant.expires_at}


def _jwt(grant: Grant, now: float, issuer: str) -> str:
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.client_id,
        "client_id": grant.client_id,
        "scope": " ".join(grant.scope),
        "iat": int(now),
        "exp": int(grant.expires_at),
        "jti": uuid.uuid4().hex,
    }
    claims |= {"aud": [*grant.audience]} if grant.audience else {}
    return signed(claims | ({"cnf": {"x5t#S256": grant.thumbprint}} if grant.thumbprint else {}))
