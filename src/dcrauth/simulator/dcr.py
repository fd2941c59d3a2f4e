"""The two DCR endpoints (Adobe Pass documentation: Dynamic Client Registration API)."""

import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.enhanced import Refusal, explained
from dcrauth.simulator.entitlements.device import INFO, check_info
from dcrauth.simulator.messages import NEVER_STORE, Call, Reply
from dcrauth.simulator.operations import FORM, JSON
from dcrauth.simulator.registry import Application, Client, Registry

_PARAMETERS = ("grant_type", "client_id", "client_secret")


def register(call: Call, registry: Registry, behaviour: Behaviour) -> Reply:
    """Answer a registration."""
    fields = _json(call.body)
    statement = fields.get("software_statement")
    sloppy = _sloppiness(call, JSON, behaviour)
    if sloppy or not isinstance(statement, str) or not statement:
        return error("invalid_request", behaviour, sloppy or "The body must be JSON with a software_statement, a text")
    application, signed = registry.application_of(statement)
    if not signed:
        return error("invalid_software_statement", behaviour, "The software statement was not signed here")
    if application is None:
        return error("unapproved_software_statement", behaviour, "No application has this software statement")
    if application.revoked:
        return error(behaviour.revoked_statement_error, behaviour, "The software statement was revoked")
    redirect_uri = fields.get("redirect_uri")
    if not _may_redirect(application, redirect_uri):
        return error("invalid_redirect_uri", behaviour, "The application may not have this redirect_uri")
    client = registry.register(application, blank=" " if behaviour.registers == "spaced" else "-")
    return _registered(client, redirect_uri, registry.clock(), behaviour)


def token(call: Call, registry: Registry, behaviour: Behaviour) -> Reply:
    """Answer a token request."""
    parameters = _parameters(call, behaviour)
    sloppy = _sloppiness(call, FORM, behaviour)
    if sloppy or parameters is None:
        return error("invalid_request", behaviour, sloppy or f"Each of {', '.join(_PARAMETERS)} must be there, once")
    grant_type, client_id, client_secret = (parameters[name] for name in _PARAMETERS)
    if grant_type != "client_credentials":
        return error(behaviour.unknown_grant_error, behaviour, f"There is no grant {grant_type[:60]!r}")
    if behaviour.strict and call.headers.get("authorization", "").lower().startswith("basic "):
        return error(
            "invalid_request", behaviour, "The client proves itself in two ways: drop the Authorization header"
        )
    client = registry.client(client_id, client_secret)
    if client is None or client.application.revoked:
        gone = "No client has these credentials" if client is None else "The client's software statement was revoked"
        return error("invalid_client", behaviour, gone)
    return _granted(registry.issue(client, behaviour.real_life, behaviour.token_kind), registry.clock(), behaviour)


def error(code: str, behaviour: Behaviour, why: str) -> Reply:
    """Return the answer for an error, in the shape that is asked for.

    Parameters:
        why: the reason in a sentence, for the record of calls.
    """
    return explained(_error(code, behaviour), why)


def _error(code: str, behaviour: Behaviour) -> Reply:
    status = behaviour.invalid_client_status if code == "invalid_client" else 400
    enhanced = {"status": status, "code": code, "action": "none", "message": "simulated", "trace": uuid.uuid4().hex}
    match behaviour.error_shape:
        case "oauth":
            return Reply.json(status, {"error": code}, *NEVER_STORE)
        case "nested":
            return Reply.json(status, {"error": enhanced}, *NEVER_STORE)
        case "enhanced":
            return Reply.json(status, enhanced, *NEVER_STORE)
        case "xml":
            fields = "".join(f"<{name}>{value}</{name}>" for name, value in enhanced.items())
            return Reply(
                status, f"<error>{fields}</error>".encode(), (("Content-Type", "application/xml"), *NEVER_STORE)
            )
        case "html":
            return Reply(status, b"<html><h1>No</h1></html>", (("Content-Type", "text/html"), *NEVER_STORE))
        case "empty":
            return Reply(status, headers=NEVER_STORE)


def _registered(client: Client, redirect_uri: str | None, now: float, behaviour: Behaviour) -> Reply:
    fields: dict[str, Any] = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "client_id_issued_at": _stamp(now, behaviour.issued_at),
        "grant_types": ["client_credentials"],
    }
    if behaviour.registers == "no secret":
        del fields["client_secret"]
    if behaviour.registers == "number":
        fields["client_id"] = uuid.UUID(client.client_id).int
    if behaviour.optional_fields:
        fields["redirect_uris"] = [] if redirect_uri is None else [redirect_uri]
        fields["scopes"] = list(client.application.scopes)
    return Reply.json(behaviour.register_status, fields, *NEVER_STORE)


def _granted(access_token: str, now: float, behaviour: Behaviour) -> Reply:
    fields: dict[str, Any] = {"access_token": access_token, "token_type": "bearer"}
    if behaviour.expires_in is not None:
        fields["expires_in"] = behaviour.expires_in
    if behaviour.created_at != "none":
        fields["created_at"] = _stamp(now, behaviour.created_at)
    if behaviour.optional_fields:
        fields["id"] = str(uuid.uuid4())
    return Reply.json(behaviour.token_status, fields, *NEVER_STORE)


def _stamp(now: float, unit: str) -> int:
    return int(now * (1000 if unit == "ms" else 1))


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parameters(call: Call, behaviour: Behaviour) -> dict[str, str] | None:
    """The parameters of a token request, or None if one is missing or given twice."""
    form = parse_qs(call.body.decode("utf-8", "replace")) if behaviour.token_parameters != "query" else {}
    query = parse_qs(call.query) if behaviour.token_parameters != "form" else {}
    found = {name: form.get(name, []) + query.get(name, []) for name in _PARAMETERS}
    if any(len(values) != 1 for values in found.values()):
        return None
    return {name: values[0] for name, values in found.items()}


def _sloppiness(call: Call, content_type: str, behaviour: Behaviour) -> str:
    """What a strict server has to complain of in the headers; empty for nothing."""
    given = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if behaviour.strict and call.body and given != content_type:
        return f"Content-Type must be {content_type}, not {given[:60]!r}"
    if behaviour.strict and behaviour.dcr_device_info == "required":
        return _wrong_with_device(call, behaviour)
    return ""


def _wrong_with_device(call: Call, behaviour: Behaviour) -> str:
    """What is wrong with what the call says of the device; empty for nothing."""
    try:
        check_info(call.headers.get(INFO.lower(), ""), behaviour)
    except Refusal as refused:
        return refused.why
    return ""


def _may_redirect(application: Application, redirect_uri: Any) -> bool:
    if redirect_uri is None:
        return True
    try:
        host = urlsplit(redirect_uri).hostname if isinstance(redirect_uri, str) else None
    except ValueError:
        return False
    return isinstance(redirect_uri, str) and (not application.redirect_domains or host in application.redirect_domains)
