"""The registration endpoint (RFC 7591), and the answers of RFC 7592, which are of the same form."""

import hashlib
import math
from typing import Any
from urllib.parse import quote

from dcrauth.simulator.keys import verified
from dcrauth.simulator.messages import NEVER_STORE, Reply
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.client_metadata import registered
from dcrauth.simulator.oauth.clients import OAuthClient
from dcrauth.simulator.oauth.discovery import changed
from dcrauth.simulator.oauth.places import path_of
from dcrauth.simulator.oauth.refused import Refused, bearer_refused

SOFTWARE = "dcrauth-simulator"
"""The software that is always there."""


def register(asked: Asked) -> tuple[Reply, str]:
    """Answer a registration; return the answer and what to count: "registered", "updated" or nothing.

    Raises:
        Refused: nothing is registered.
    """
    _check_open(asked)
    _check_initial_token(asked)
    fields = asked.members()
    claims = _statement_claims(fields, asked)
    metadata = registered({**fields, **claims}, asked)
    software = _software_of(metadata, asked)
    with asked.registry.lock:
        before = asked.registry.client_of(software)
        if before is not None and asked.behaviour.repeats != "new":
            return _again(before, metadata, asked)
        client = asked.registry.register(metadata["token_endpoint_auth_method"], metadata, software, asked.behaviour)
    return answer(client, asked, asked.behaviour.register_status, fields.get("software_statement")), "registered"


def answer(client: OAuthClient, asked: Asked, status: int, statement: Any = None) -> Reply:
    """Return the information about a client (RFC 7591 §3.2.1, RFC 7592 §3)."""
    behaviour, skew = asked.behaviour, asked.behaviour.clock_skew
    fields: dict[str, Any] = {"client_id": client.client_id, "client_id_issued_at": int(client.issued_at + skew)}
    if client.secret is not None:
        ends_at = client.secret.ends_at
        fields |= {
            "client_secret": client.secret.value,
            "client_secret_expires_at": int(ends_at + skew) if ends_at else 0,
        }
    if client.token is not None:
        fields["registration_client_uri"] = _management_uri(client, asked)
        fields["registration_access_token"] = client.token
    if isinstance(statement, str) and behaviour.statement != "ignored":
        fields["software_statement"] = statement
    fields = changed(fields | client.metadata, behaviour.registration_answer, behaviour.registration_leaves_out)
    return Reply.json(status, fields, *NEVER_STORE)


def _check_open(asked: Asked) -> None:
    if asked.behaviour.registration == "absent":
        raise Refused("not_found", "There is no registration here", status=404)
    if asked.behaviour.registration == "refused":
        raise Refused("access_denied", "Nobody may register here", status=403)


def _check_initial_token(asked: Asked) -> None:
    behaviour = asked.behaviour
    if behaviour.initial_token == "ignored":
        return
    token = asked.call.bearer
    if token is not None and asked.registry.use_initial_token(token, once=behaviour.initial_token == "once"):
        return
    why = "There is no initial access token" if token is None else "The initial access token is not good, or was used"
    if behaviour.initial_token_error == "denied":
        raise Refused("access_denied", why)
    raise bearer_refused(why, bare=behaviour.initial_token_error == "bare")


def _statement_claims(fields: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Return what the statement says, which wins over the rest (RFC 7591 §2.3)."""
    wanted, statement = asked.behaviour.statement, fields.get("software_statement")
    if wanted == "ignored" or (wanted == "optional" and not statement):
        return {}
    if not isinstance(statement, str):
        raise Refused("invalid_software_statement", "There must be a software_statement, a text")
    claims = verified(statement)
    if claims is None:
        raise Refused("invalid_software_statement", "The software statement was not signed here")
    _check_time(claims, asked)
    if claims.get("software_id") in asked.registry.revoked_software:
        raise Refused("unapproved_software_statement", "The software statement was revoked")
    return {name: value for name, value in claims.items() if name not in {"iss", "iat", "exp", "jti", "nbf"}}


def _check_time(claims: dict[str, Any], asked: Asked) -> None:
    now, life = asked.told_now, asked.behaviour.statement_life
    ends_at, made_at = claims.get("exp", math.inf), claims.get("iat", 0)
    if not {type(ends_at), type(made_at)} <= {int, float}:
        raise Refused("invalid_software_statement", "exp and iat of the software statement must be numbers")
    if ends_at <= now or (life is not None and made_at + life < now):
        raise Refused("invalid_software_statement", "The software statement has ended")


def _software_of(metadata: dict[str, Any], asked: Asked) -> str:
    """Return what tells one software from the others: its id, or else all that was sent."""
    return str(metadata.get("software_id") or f"digest:{hashlib.sha256(asked.call.body).hexdigest()}")


def _again(client: OAuthClient, metadata: dict[str, Any], asked: Asked) -> tuple[Reply, str]:
    behaviour = asked.behaviour
    if behaviour.repeats == "refused":
        raise Refused(behaviour.repeat_error, "This software is registered already")
    if behaviour.repeats == "same":
        return answer(client, asked, behaviour.register_status), ""
    client.method, client.metadata = metadata["token_endpoint_auth_method"], metadata
    client.renew_secret(asked.now, behaviour)
    asked.registry.keep(client)
    return answer(client, asked, 200), "updated"


def _management_uri(client: OAuthClient, asked: Asked) -> str:
    path = f"{path_of('register', asked.behaviour)}/{_quoted(client.client_id)}"
    match asked.behaviour.management_uri:
        case "relative":
            return f"{asked.places.base_path}{path}"
        case "foreign":
            return f"{asked.behaviour.elsewhere}{path}"
    return f"{asked.places.url}{path}"


def _quoted(text: str) -> str:
    return quote(text, safe="")
