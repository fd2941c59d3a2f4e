"""NanoIDP, with registration."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import jwt
import yaml
from nanoidp.app import create_app
from nanoidp.config import get_config
from nanoidp.services.dynamic_registration import delete_client_and_registration
from nanoidp.services.identities import identities_for
from nanoidp.services.revocation import get_revocation_store

from adapters_tests.servers.programs.serving import Steering, listening, serve

READER = ("reader", "reader-secret")
"""The client by which the API has tokens introspected."""


def settings(url: str) -> dict[str, Any]:
    reader = {"client_id": READER[0], "client_secret": READER[1], "description": "The API"}
    return {
        "config_version": 1,
        "server": {"host": "127.0.0.1", "port": int(url.rpartition(":")[2])},
        "oauth": {
            "issuer": url,
            "audience": "api",
            "token_expiry_minutes": 60,
            "clients": [reader],
            "dynamic_registration": {"enabled": True},
            "scopes_supported": ["openid", "read", "write"],
        },
    }


def main() -> None:
    """Run it."""
    logging.disable()
    bound, url = listening()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "settings.yaml").write_text(yaml.safe_dump(settings(url)))
        Path(folder, "users.yaml").write_text("users: {}\n")
        app = create_app(folder)
        serve(bound, _steering(app).around(app.wsgi_app), issuer=url)


def _steering(app: Any) -> Steering:
    client = app.test_client()

    def introspected(token: str) -> dict[str, Any]:
        answer: dict[str, Any] = client.post("/introspect", data={"token": token}, auth=READER).get_json()
        return answer

    def grant_of(token: str) -> dict[str, Any] | None:
        found = introspected(token)
        known = found.get("active") and _identities().resolve_client(found["client_id"]) is not None
        return {"client_id": found["client_id"], "scope": found.get("scope")} if known else None

    def revoke(token: str) -> None:
        claims = jwt.decode(token, options={"verify_signature": False})
        get_revocation_store().revoke(claims["jti"], expires_at=claims["exp"])

    def delete(client_id: str) -> None:
        delete_client_and_registration(client_id, _identities())

    return Steering(grant_of, {"revoke-token": revoke, "delete-client": delete})


def _identities() -> Any:
    config = get_config()
    return identities_for(config, config.snapshot)


if __name__ == "__main__":
    main()
