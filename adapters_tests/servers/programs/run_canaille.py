"""Canaille, which registers with tokens that it signs itself, and reads software statements."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from canaille.oidc.jose import build_client_management_token, get_alg_for_key, registry, server_signing_key
from joserfc import jwt

from adapters_tests.servers.programs.serving import Steering, listening, serve


def configuration(url: str) -> dict[str, Any]:
    return {
        "SECRET_KEY": "secret",
        "SERVER_NAME": url.partition("//")[2],
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "memory", "LOGGING": {"version": 1}, "ENABLE_INTRUDER_LOCKOUT": False},
        "CANAILLE_OIDC": {"DYNAMIC_CLIENT_REGISTRATION_OPEN": False},
    }


def main() -> None:
    """Run it."""
    logging.disable()
    bound, url = listening()
    app = create_app(configuration(url))
    with app.app_context():
        issuer = url

    def inside(work: Any) -> Any:
        """Have *work* done where the server's own things are at hand."""

        def done(text: str) -> Any:
            with app.test_request_context("/", base_url=url), app.backend.session():
                return work(text)

        return done

    orders = {
        "revoke-token": inside(_revoke),
        "delete-client": inside(_delete),
        "initial-token": inside(lambda _: build_client_management_token("client:register", timedelta(hours=1))),
        "software-statement": inside(_statement),
    }
    serve(bound, Steering(inside(_grant_of), orders).around(app.wsgi_app), issuer=issuer)


def _grant_of(text: str) -> dict[str, Any] | None:
    token = Backend.instance.get(models.Token, access_token=text)
    if token is None or token.is_expired() or token.is_revoked() or token.client is None:
        return None
    return {"client_id": token.client.client_id, "scope": " ".join(token.scope or [])}


def _revoke(text: str) -> None:
    token = Backend.instance.get(models.Token, access_token=text)
    token.revokation_date = datetime.now(UTC)
    Backend.instance.save(token)


def _delete(client_id: str) -> None:
    client = Backend.instance.get(models.Client, client_id=client_id)
    for token in Backend.instance.query(models.Token, client=client):
        Backend.instance.delete(token)
    Backend.instance.delete(client)


def _statement(name: str) -> str:
    key = server_signing_key()
    return jwt.encode(
        {"alg": get_alg_for_key(key)}, {"client_name": name, "software_id": "app"}, key, registry=registry
    )


if __name__ == "__main__":
    main()
