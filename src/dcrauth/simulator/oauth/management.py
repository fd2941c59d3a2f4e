"""Management of a client by itself (RFC 7592): read, update, delete."""

import json
from typing import Any
from urllib.parse import unquote

from dcrauth.simulator.messages import NEVER_STORE, Reply
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.client_metadata import registered
from dcrauth.simulator.oauth.clients import OAuthClient
from dcrauth.simulator.oauth.refused import Refused, bearer_refused
from dcrauth.simulator.oauth.registration import answer

_VERBS = {"GET": "read", "PUT": "update", "DELETE": "delete"}
_NOT_SENT = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)


def manage(asked: Asked) -> tuple[Reply, str]:
    """Answer a call of a client's own URL; return the answer and what to count: "updated", "deleted" or nothing.

    Raises:
        Refused: it is not let through, or is not as it should be.
    """
    verb = _VERBS.get(asked.call.method)
    if verb not in asked.behaviour.management:
        return _not_offered(asked)
    with asked.registry.lock:
        client = _client(asked)
        if verb == "delete":
            asked.registry.delete(client.client_id)
            return Reply(204, headers=NEVER_STORE), "deleted"
        if verb == "update":
            _update(client, asked)
        _rotate(client, verb == "update", asked)
        return _told(client, asked), "updated" if verb == "update" else ""


def _not_offered(asked: Asked) -> tuple[Reply, str]:
    allowed = ", ".join(method for method, verb in _VERBS.items() if verb in asked.behaviour.management)
    if not allowed:
        raise Refused("not_found", "There is no management of clients here", status=404)
    return Reply(405, headers=(("Allow", allowed),), why=f"{asked.call.method} is not offered; {allowed} is"), ""


def _client(asked: Asked) -> OAuthClient:
    """Return the client whose URL and token these are; one that is gone has no token that is good (§2.1)."""
    client_id = unquote(asked.call.path.rstrip("/").rpartition("/")[2])
    client, token = asked.registry.client(client_id), asked.call.bearer
    if token is None:
        raise bearer_refused("There is no registration access token")
    if client is None or token not in {client.token, client.old_token}:
        raise bearer_refused("No client has this registration access token, or not any more")
    if token == client.token:
        client.old_token = None
    return client


def _update(client: OAuthClient, asked: Asked) -> None:
    """Put what is sent in the place of all that was there (§2.2)."""
    fields = asked.members()
    for name in _NOT_SENT:
        if name in fields:
            raise Refused("invalid_request", f"An update must not have {name}")
    if fields.get("client_id") != client.client_id:
        raise Refused("invalid_request", "An update must have the client_id, and this one")
    _check_secret(fields, client, asked)
    sent = {name: value for name, value in fields.items() if name not in {"client_id", "client_secret"}}
    client.metadata = registered(sent, asked)
    method = client.metadata["token_endpoint_auth_method"]
    if method != client.method:
        client.method = method
        client.renew_secret(asked.now, asked.behaviour)


def _check_secret(fields: dict[str, Any], client: OAuthClient, asked: Asked) -> None:
    if "client_secret" not in fields:
        return
    if asked.behaviour.secret_in_update == "refused":
        raise Refused("access_denied", "An update must not have client_secret", status=403)
    if client.secret is None or fields["client_secret"] != client.secret.value:
        raise Refused("invalid_request", "client_secret is not the present one")


def _rotate(client: OAuthClient, updated: bool, asked: Asked) -> None:
    now = {"always", "update"} if updated else {"always"}
    if asked.behaviour.rotates_secret in now:
        client.renew_secret(asked.now, asked.behaviour)
    if asked.behaviour.rotates_token in now:
        client.renew_token(asked.behaviour)
    asked.registry.keep(client)


def _told(client: OAuthClient, asked: Asked) -> Reply:
    whole = answer(client, asked, 200)
    fields = json.loads(whole.body)
    left = {name: value for name, value in fields.items() if name not in asked.behaviour.management_leaves_out}
    return Reply.json(200, left, *NEVER_STORE)
