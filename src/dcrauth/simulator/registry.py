"""Who may do what: applications and their statements, clients, tokens. One lock, held for moments only."""

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.entitlements.login import log_in
from dcrauth.simulator.entitlements.state import State
from dcrauth.simulator.keys import signed, verified
from dcrauth.simulator.masking import masked
from dcrauth.simulator.world import World


@dataclass
class Application:
    """A registered application."""

    sub: str
    scopes: tuple[str, ...]
    service_providers: frozenset[str] | None
    redirect_domains: tuple[str, ...]
    revoked: bool = False

    def may_use(self, service_provider: str) -> bool:
        """Whether the application is linked to *service_provider*."""
        return self.service_providers is None or service_provider in self.service_providers


@dataclass(frozen=True)
class Client:
    """A registration."""

    client_id: str
    client_secret: str = field(repr=False)
    application: Application


@dataclass(frozen=True)
class Grant:
    """A token and what it stands for."""

    client: Client
    expires_at: float


class Registry:
    """All applications, clients and tokens of one simulator.

    Parameters:
        clock: returns seconds since the epoch.
        world: what REST API v2 is about.
    """

    def __init__(self, clock: Callable[[], float] = time.time, world: World | None = None) -> None:
        self.clock = clock
        self.world = world or World()
        self.state = State(clock)
        self._lock = threading.Lock()
        self._applications: dict[str, Application] = {}
        self._clients: dict[str, Client] = {}
        self._grants: dict[str, Grant] = {}
        self._secrets: set[str] = set()

    def statement(
        self,
        sub: str,
        scopes: Iterable[str],
        service_providers: Iterable[str] | None,
        redirect_domains: Iterable[str],
    ) -> str:
        """Return a software statement for an application, which is made if there is none."""
        providers = None if service_providers is None else frozenset(service_providers)
        application = Application(sub, tuple(scopes), providers, tuple(redirect_domains))
        with self._lock:
            self._applications.setdefault(sub, application)
        now = int(self.clock())
        # Each download of a statement is another one: here the identifier sees to that.
        claims = {"sub": sub, "nbf": now, "iat": now, "iss": "auth.adobe.com", "jti": uuid.uuid4().hex}
        return signed(claims)

    def knows_provider(self, service_provider: str) -> bool:
        """Whether *service_provider* is one of the world's, or one that an application was linked to."""
        if self.world.service_provider(service_provider) is not None:
            return True
        with self._lock:
            linked = (each.service_providers or () for each in self._applications.values())
            return any(service_provider in each for each in linked)

    def application_of(self, statement: str) -> tuple[Application | None, bool]:
        """Return the application that *statement* names, if it is known, and whether its signature is good."""
        claims = verified(statement)
        if claims is None:
            return None, False
        with self._lock:
            return self._applications.get(str(claims.get("sub"))), True

    def register(self, application: Application, *, blank: str = "-") -> Client:
        """Return a new client of *application*; *blank* stands between the parts of its id and its secret."""
        client_id, client_secret = (str(uuid.uuid4()).replace("-", blank) for _ in range(2))
        client = Client(client_id, client_secret, application)
        with self._lock:
            self._clients[client.client_id] = client
            self._secrets.add(client_secret)
        return client

    def client(self, client_id: str, client_secret: str) -> Client | None:
        """Return the client with these credentials, if there is one."""
        with self._lock:
            found = self._clients.get(client_id)
        fits = found is not None and secrets.compare_digest(found.client_secret, client_secret)
        return found if fits else None

    def issue(self, client: Client, life: float, kind: str) -> str:
        """Return a new token for *client*, good for *life* seconds."""
        now = self.clock()
        token = secrets.token_urlsafe(32) if kind == "opaque" else _jwt(client, now, life)
        with self._lock:
            self._grants[token] = Grant(client, now + life)
        return token

    def grant(self, token: str) -> Grant | None:
        """Return what *token* stands for, whether or not it is still good; only what we have signed is known."""
        with self._lock:
            return self._grants.get(token)

    def signed(self, claims: dict[str, Any]) -> str:
        """Return a JWT with these claims."""
        return signed(claims)

    def knows(self, client: Client) -> bool:
        """Whether *client* is still registered."""
        with self._lock:
            return client.client_id in self._clients

    def log_in(self, code: str, user: str) -> None:
        """Log *user* in with the code of a session.

        Raises:
            ConfigurationError: there is no such session, or no such user.
        """
        try:
            log_in(self.state, self.world, code, user)
        except Refusal as refused:
            names = ", ".join(each.name for each in self.world.users) or "none, since the world has no users"
            told = f"{refused.why}; code must be that of a session, and user one of its MVPD: {names}"
            raise ConfigurationError(told) from None

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now."""
        with self._lock:
            self._grants = {token: Grant(grant.client, 0.0) for token, grant in self._grants.items()}

    def revoke_tokens(self) -> None:
        """Forget all tokens."""
        with self._lock:
            self._grants.clear()

    def revoke_clients(self) -> None:
        """Forget all clients."""
        with self._lock:
            self._clients.clear()

    def snapshot(self, most: int = 100) -> dict[str, list[dict[str, Any]]]:
        """Return what there is, the latest first and at most so many of a kind; nothing in it is a secret.

        Each kind has rows of JSON values. What ends in ``_at`` is a moment, in seconds since the epoch.
        """
        with self._lock:
            applications = [*islice(reversed(self._applications.values()), most)]
            clients = [*islice(reversed(self._clients.values()), most)]
            grants = [*islice(reversed(self._grants.items()), most)]
        return {
            "applications": [{"application": each.sub, "revoked": each.revoked} for each in applications],
            "clients": [{"client_id": each.client_id, "application": each.application.sub} for each in clients],
            "tokens": [_token_row(token, grant) for token, grant in grants],
        }

    def is_secret(self, text: str) -> bool:
        """Whether *text* is a token, or the secret of a client, that this registry has given out."""
        with self._lock:
            return text in self._grants or text in self._secrets

    def set_revoked(self, sub: str, *, revoked: bool) -> None:
        """Revoke or reinstate the statements of an application."""
        with self._lock:
            self._applications[sub].revoked = revoked


def _token_row(token: str, grant: Grant) -> dict[str, Any]:
    return {"token": masked(token), "client_id": grant.client.client_id, "expires_at": grant.expires_at}


def _jwt(client: Client, now: float, life: float) -> str:
    claims = {
        "sub": client.client_id,
        "nbf": int(now),
        "iat": int(now),
        "iss": "auth.adobe.com",
        "scopes": ",".join(client.application.scopes),
        "exp": int(now + life),
        "jti": uuid.uuid4().hex,
    }
    return signed(claims)
