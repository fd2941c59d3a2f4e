"""What the authorization server can be told and asked beside what any simulator can."""

import uuid
from collections.abc import Callable
from typing import Any

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import as_said, check_json, check_range
from dcrauth.simulator.keys import signed
from dcrauth.simulator.oauth.api import Protection
from dcrauth.simulator.oauth.behaviour import METHODS, OAuthBehaviour
from dcrauth.simulator.oauth.clients import OAuthClient
from dcrauth.simulator.oauth.messages import OAuthCounts
from dcrauth.simulator.oauth.registration import SOFTWARE
from dcrauth.simulator.oauth.run import OAuthRun
from dcrauth.simulator.service import Service


class OAuthService(Service[OAuthBehaviour, OAuthCounts, OAuthRun]):
    """The authorization server and its API; `OAuthSimulator` is what listens for it."""

    @property
    def issuer(self) -> str:
        """The issuer that its documents name."""
        return self._run.places.issuer(self.behaviour)

    @property
    def token_endpoint(self) -> str:
        """URL of the token endpoint."""
        return self._run.places.endpoint("token", self.behaviour)

    @property
    def registration_endpoint(self) -> str:
        """URL of the registration endpoint."""
        return self._run.places.endpoint("register", self.behaviour)

    @property
    def api_url(self) -> str:
        """URL of the protected API: whatever is at and below it answers with what the token stands for."""
        return f"{self.url}/api"

    @property
    def initial_access_token(self) -> str:
        """An initial access token that is always there."""
        return self._run.initial_access_token

    @property
    def software_statement(self) -> str:
        """A new software statement of the software that is always there."""
        return self.statement()

    @property
    def clients(self) -> tuple[OAuthClient, ...]:
        """The clients that there are, in the order in which they came."""
        with self._run.registry.lock:
            return tuple(self._run.registry.clients.values())

    def initial_token(self, *, uses: int | None = None, life: float | None = None) -> str:
        """Return a new initial access token.

        Parameters:
            uses: how many registrations it is good for; None for any number.
            life: how many seconds it is good for; None for ever.

        Raises:
            ConfigurationError: one of these is what it cannot be.
        """
        check_range(as_said(uses, int | None, "uses"), "uses", 1)
        return self._run.registry.initial_token(uses, as_said(life, float | None, "life"))

    def statement(self, software_id: str = SOFTWARE, *, life: float | None = None, **claims: Any) -> str:
        """Return a new software statement, a JWT that this server trusts.

        Parameters:
            software_id: the software that it is of.
            life: how many seconds it is good for; None for ever.
            claims: what else it says of the client, such as ``client_name``.

        Raises:
            ConfigurationError: one of these is what it cannot be.
        """
        as_said(software_id, str, "software_id")
        as_said(life, float | None, "life")
        check_json(claims, "claims")
        now = self._run.clock() + self.behaviour.clock_skew
        own: dict[str, Any] = {"iss": self.issuer, "software_id": software_id, "iat": int(now)}
        own |= {"jti": uuid.uuid4().hex} | ({} if life is None else {"exp": int(now + life)})
        return signed(own | claims)

    def revoke_statement(self, software_id: str = SOFTWARE) -> None:
        """Refuse a software's statements, and tokens to its clients.

        Raises:
            ConfigurationError: *software_id* is no text.
        """
        self._run.registry.revoked_software.add(as_said(software_id, str, "software_id"))

    def reinstate_statement(self, software_id: str = SOFTWARE) -> None:
        """Take back what `revoke_statement` did; for the rest see there."""
        self._run.registry.revoked_software.discard(as_said(software_id, str, "software_id"))

    def add_client(
        self,
        client_id: str = "",
        *,
        method: str = "client_secret_basic",
        secret: str = "",
        scope: str = "",
        **metadata: Any,
    ) -> OAuthClient:
        """Make a client that is given, and not registered: it has no registration token. Return it.

        Parameters:
            client_id: its identifier; by default a new one.
            method: its method of authentication.
            secret: its secret; by default a new one, where the method needs one.
            scope: the scopes that it may ask for; empty for any.
            metadata: what else would be registered, such as ``jwks``.

        Raises:
            ConfigurationError: there is no such method, or one of these is what it cannot be.
        """
        given = {"client_id": client_id, "method": method, "secret": secret, "scope": scope}
        for name, value in given.items():
            as_said(value, str, name)
        check_json(metadata, "metadata")
        if method not in METHODS:
            raise ConfigurationError(f"method is {method!r}; there is {', '.join(METHODS)}")
        known = metadata | {"token_endpoint_auth_method": method} | ({"scope": scope} if scope else {})
        client = self._run.registry.register(method, known, "", self.behaviour, client_id=client_id)
        if secret and client.secret is not None:
            client.secret.value = secret
            self._run.registry.keep(client)
        return client

    def client(self, client_id: str) -> OAuthClient:
        """Return a client.

        Raises:
            ConfigurationError: there is none of this identifier.
        """
        found = self._run.registry.client(as_said(client_id, str, "client_id"))
        if found is None:
            raise _no_client(client_id)
        return found

    def protect(self, path: str, *, scope: str = "", audience: str = "") -> None:
        """Have the API ask for more than a token.

        Parameters:
            path: paths that it concerns, below the base path; ``*`` and ``?`` stand for any characters.
            scope: scopes that the token needs, with spaces between them; otherwise it is 403 ``insufficient_scope``.
            audience: a resource or an audience; a token for another is 401 ``invalid_token``.

        Raises:
            ConfigurationError: *path* cannot be one, or one of these is no text that a header can have.
        """
        self._run.protections.insert(0, Protection(path=path, scope=scope, audience=audience))

    def behave_like(self, server: str, **changes: Any) -> None:
        """Behave as a well-known server does; for the parameters see `OAuthBehaviour.like`."""
        self.behaviour = OAuthBehaviour.like(server, **changes)

    def revoke_token(self, token: str) -> None:
        """Refuse one token from now on.

        Raises:
            ConfigurationError: it was not granted here, or is revoked already.
        """
        with self._run.registry.lock:
            if self._run.registry.grants.pop(as_said(token, str, "token"), None) is None:
                raise ConfigurationError("there is no such token; it must be one that was granted and is not revoked")

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now, although they claim to live longer."""
        self._run.registry.expire_tokens()

    def revoke_tokens(self) -> None:
        """Refuse all tokens that were granted so far."""
        with self._run.registry.lock:
            self._run.registry.grants.clear()

    def revoke_clients(self) -> None:
        """Forget all clients, and refuse their tokens."""
        self._each(self.delete_client)

    def delete_client(self, client_id: str) -> None:
        """Forget a client, and refuse its tokens.

        Raises:
            ConfigurationError: there is none of this identifier.
        """
        if not self._run.registry.delete(as_said(client_id, str, "client_id")):
            raise _no_client(client_id)

    def rotate_secret(self, client_id: str) -> str | None:
        """Give a client a new secret, and return it: None for a client that has none.

        Raises:
            ConfigurationError: there is none of this identifier.
        """
        with self._run.registry.lock:
            client = self.client(client_id)
            client.renew_secret(self._run.clock(), self.behaviour)
            self._run.registry.keep(client)
            return None if client.secret is None else client.secret.value

    def rotate_secrets(self) -> None:
        """Give all clients new secrets, and tell nobody."""
        self._each(self.rotate_secret)

    def expire_secrets(self) -> None:
        """Make all secrets ended as of now, although they claim to be good for longer."""
        with self._run.registry.lock:
            for secret in filter(None, (each.secret for each in self.clients)):
                secret.ends_at = self._run.clock()

    def revoke_registration_tokens(self) -> None:
        """Refuse all registration access tokens; only a new registration gives another."""
        with self._run.registry.lock:
            for client in self.clients:
                client.token = client.old_token = None

    def _each(self, do: Callable[[str], object]) -> None:
        with self._run.registry.lock:
            for client in self.clients:
                do(client.client_id)

    def _act(self, action: str) -> None:
        getattr(self, action.replace("-", "_"))()


def _no_client(client_id: str) -> ConfigurationError:
    return ConfigurationError(f"there is no client {client_id!r}; a registration makes one, or add_client")
