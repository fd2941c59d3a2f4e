"""Authlib's registration, its management, and its grant, under Flask."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7592 import ClientConfigurationEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.jwk import RSAKey

from adapters_tests.servers.programs.serving import Steering, listening, serve

METHODS = ("client_secret_basic", "client_secret_post")


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    """A registered client."""

    client_info: dict[str, Any]
    client_metadata: dict[str, Any]
    token: str = field(default_factory=secrets.token_urlsafe)

    @property
    def client_id(self) -> str:
        return str(self.client_info["client_id"])

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        allowed = set(self.client_metadata.get("scope", "").split())
        return " ".join(each for each in (scope or "").split() if each in allowed)

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.client_info["client_secret"] == client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return bool(method == self.client_metadata.get("token_endpoint_auth_method", METHODS[0]))

    def check_client(self, client: Client) -> bool:
        """Whether the registration token, which this client stands for, is that of *client*."""
        return client is self

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client_metadata.get("grant_types", [])


@dataclass
class Token:
    """A granted token."""

    client_id: str
    scope: str
    expires_at: float
    revoked: bool = False

    def is_expired(self) -> bool:
        return self.expires_at < time.time()

    def is_revoked(self) -> bool:
        return self.revoked

    def get_scope(self) -> str:
        return self.scope


CLIENTS: dict[str, Client] = {}
TOKENS: dict[str, Token] = {}
KEY = RSAKey.generate_key(2048)
INITIAL = secrets.token_urlsafe()


class CredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """The grant, with credentials in the header or in the body."""

    TOKEN_ENDPOINT_AUTH_METHODS = [*METHODS]  # noqa: RUF012  # as Authlib has it


class Registration(ClientRegistrationEndpoint):  # type: ignore[misc]
    """Registration with an initial access token, which knows statements of its own key."""

    software_statement_alg_values_supported = ["RS256"]  # noqa: RUF012  # as Authlib has it

    def authenticate_token(self, request: Any) -> Any:
        return request.headers.get("Authorization") == f"Bearer {INITIAL}" or None

    def resolve_public_key(self, request: Any) -> Any:
        return KEY.as_dict(private=False)

    def get_server_metadata(self) -> Any:
        return {"token_endpoint_auth_methods_supported": [*METHODS], "scopes_supported": ["read", "write"]}

    def generate_client_registration_info(self, client: Client, request: Any) -> Any:
        return {
            "registration_client_uri": f"{URL}/register/{client.client_id}",
            "registration_access_token": client.token,
        }

    def save_client(self, client_info: Any, client_metadata: Any, request: Any) -> Client:
        client = Client(client_info, dict(client_metadata))
        CLIENTS[client.client_id] = client
        return client


class Management(ClientConfigurationEndpoint):  # type: ignore[misc]
    """Management by the registration access token."""

    def authenticate_token(self, request: Any) -> Any:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return next((client for client in CLIENTS.values() if client.token == token), None)

    def authenticate_client(self, request: Any) -> Any:
        return CLIENTS.get(request.uri.rpartition("/")[2])

    def check_permission(self, client: Client, request: Any) -> bool:
        return bool(request.credential is client)

    def revoke_access_token(self, token: Client, request: Any) -> None:
        CLIENTS.pop(token.client_id, None)

    def delete_client(self, client: Client, request: Any) -> None:
        CLIENTS.pop(client.client_id, None)

    def update_client(self, client: Client, client_metadata: Any, request: Any) -> Client:
        client.client_metadata = dict(client_metadata)
        return client

    def generate_client_registration_info(self, client: Client, request: Any) -> Any:
        return Registration.generate_client_registration_info(self, client, request)  # type: ignore[arg-type]

    def get_server_metadata(self) -> Any:
        return {}


def application() -> Flask:
    """Return the server."""
    app = Flask(__name__)

    def save_token(token: Any, request: Any) -> None:
        ends_at = time.time() + token["expires_in"]
        TOKENS[token["access_token"]] = Token(request.client.client_id, token.get("scope", ""), ends_at)

    server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
    server.register_grant(CredentialsGrant)
    server.register_endpoint(Registration)
    server.register_endpoint(Management)

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> Any:
        told = {
            "issuer": URL,
            "token_endpoint": f"{URL}/token",
            "registration_endpoint": f"{URL}/register",
            "token_endpoint_auth_methods_supported": [*METHODS],
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
        }
        return jsonify(AuthorizationServerMetadata(told))

    app.post("/register")(lambda: server.create_endpoint_response("client_registration"))
    app.route("/register/<client_id>", methods=["GET", "PUT", "DELETE"], endpoint="manage")(
        lambda client_id: server.create_endpoint_response("client_configuration")
    )
    app.post("/token", endpoint="token")(server.create_token_response)
    return app


class Validator(BearerTokenValidator):  # type: ignore[misc]
    """Authlib's own check of a token."""

    def authenticate_token(self, token_string: str) -> Any:
        return TOKENS.get(token_string)


def grant_of(text: str) -> dict[str, Any] | None:
    validator = Validator()
    token = validator.authenticate_token(text)
    try:
        validator.validate_token(token, [], None)
    except Exception:  # whatever of it is Authlib's refusal
        return None
    return {"client_id": token.client_id, "scope": token.scope} if token.client_id in CLIENTS else None


def revoke(text: str) -> None:
    TOKENS[text].revoked = True


def statement(name: str) -> str:
    return jwt.encode({"alg": "RS256"}, {"client_name": name, "software_id": "app"}, KEY)


if __name__ == "__main__":
    bound, URL = listening()
    orders = {
        "revoke-token": revoke,
        "delete-client": lambda client_id: CLIENTS.pop(client_id) and None,
        "initial-token": lambda _: INITIAL,
        "software-statement": statement,
    }
    serve(bound, Steering(grant_of, orders).around(application()), issuer=URL)
