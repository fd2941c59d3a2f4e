"""An authorization server that nobody here wrote: Authlib's RFC 7591 registration and RFC 6749 grant, under Flask.

Only the paths are Adobe's. Everything else, from checking the statement's signature to refusing a token, is Authlib's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

from adapters_tests.common.in_thread import InThread


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    """A registered client."""

    client_id: str
    client_secret: str

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return self.client_secret == client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_post"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


@dataclass
class Token:
    """A granted token."""

    expires_at: float

    def is_expired(self) -> bool:
        return self.expires_at < time.time()

    def is_revoked(self) -> bool:
        return False

    def get_scope(self) -> str:
        return ""


@dataclass
class Authlib:
    """The running server.

    Parameters:
        url: where it is.
        statement: a software statement that it accepts.
        forged: one with another signature.
        clients, tokens: what it has registered and granted.
        calls: the paths that were called.
    """

    url: str = ""
    statement: str = ""
    forged: str = ""
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def revoke_tokens(self) -> None:
        self.tokens.clear()


class CredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """The grant, with credentials in the body."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]  # noqa: RUF012  # as Authlib has it


def _registration(state: Authlib, key: RSAKey) -> type:
    class Registration(ClientRegistrationEndpoint):  # type: ignore[misc]
        software_statement_alg_values_supported = ["RS256"]  # noqa: RUF012  # as Authlib has it

        def authenticate_token(self, request: Any) -> Any:
            return "open"

        def resolve_public_key(self, request: Any) -> Any:
            return key.as_dict(private=False)

        def get_server_metadata(self) -> Any:
            return {}

        def save_client(self, client_info: Any, client_metadata: Any, request: Any) -> Client:
            client = Client(client_info["client_id"], client_info["client_secret"])
            state.clients[client.client_id] = client
            return client

    return Registration


def _application(state: Authlib, key: RSAKey) -> Flask:
    app = Flask(__name__)

    def save_token(token: Any, request: Any) -> None:
        state.tokens[token["access_token"]] = Token(time.time() + token["expires_in"])

    server = AuthorizationServer(app, query_client=state.clients.get, save_token=save_token)
    server.register_grant(CredentialsGrant)
    server.register_endpoint(_registration(state, key))

    class Validator(BearerTokenValidator):  # type: ignore[misc]
        def authenticate_token(self, token_string: str) -> Any:
            return state.tokens.get(token_string)

    protect = ResourceProtector()
    protect.register_token_validator(Validator())

    @app.post("/o/client/register")
    def register() -> Any:
        state.calls.append("register")
        return server.create_endpoint_response("client_registration")

    @app.post("/o/client/token")
    def token() -> Any:
        state.calls.append("token")
        return server.create_token_response()

    @app.get("/api")
    @protect()  # type: ignore[untyped-decorator]
    def api() -> Any:
        state.calls.append("api")
        return jsonify(good=True)

    return app


@contextmanager
def running() -> Iterator[Authlib]:
    """Run the server on loopback for as long as the block lasts."""
    key, other = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
    claims = {"software_id": "app", "client_name": "Programmer", "grant_types": ["client_credentials"]}
    state = Authlib(
        statement=jwt.encode({"alg": "RS256"}, claims, key), forged=jwt.encode({"alg": "RS256"}, claims, other)
    )
    with InThread(make_server("127.0.0.1", 0, _application(state, key), threaded=True)) as served:
        state.url = served.url
        yield state
