"""Protected APIs: a part of REST API v2, and two paths of the simulator's own for testing HTTP clients."""

import hashlib
import re
import uuid
from urllib.parse import parse_qs

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.registry import Grant, Registry

SCOPE = "api:client:v2"

_PATH = re.compile(r"/api/v2/(?P<provider>[^/]+)/(?P<what>configuration|profiles|echo|redirect)(?:/(?P<rest>[^/]+))?/?")

# The codes by which the older catalogue tells apart what v2 calls one and the same.
_LEGACY = {
    "missing": ("missing_authentication_header", "none"),
    "malformed": ("invalid_access_token_signature", "application-registration"),
    "expired": ("access_token_expired", "application-registration"),
    "client": ("invalid_client_id", "application-registration"),
    "statement": ("unknown_software_statement", "configuration"),
    "scope": ("invalid_client_id", "application-registration"),
    "provider": ("invalid_access_token_service_provider", "application-registration"),
}


def answer(call: Call, registry: Registry, behaviour: Behaviour) -> Reply:
    """Answer a call of a protected API: route and method first, then the token, then the rest."""
    route = _PATH.fullmatch(call.path)
    if route is None:
        return _enhanced(404, "not_found", "none")
    if route["what"] in {"configuration", "profiles"} and call.method not in {"GET", "HEAD"}:
        return _enhanced(405, "method_not_allowed", "none")
    denial = _denial(call, route["provider"], registry, behaviour)
    return _ROUTES[route["what"]](call, route["provider"]) if denial is None else denial


def token_refusal(call: Call, registry: Registry, behaviour: Behaviour) -> Reply | None:
    """Return the answer to a call whose token is not good, or is missing; None where all is well with it."""
    grant = registry.grant(_bearer(call) or "")
    wrong = _wrong_with(call, grant, registry, behaviour)
    return None if wrong is None else _refusal(wrong, behaviour)


def _denial(call: Call, provider: str, registry: Registry, behaviour: Behaviour) -> Reply | None:
    """Return the answer to a call that is not let through."""
    refused = token_refusal(call, registry, behaviour)
    if refused is not None:
        return refused
    grant = registry.grant(_bearer(call) or "")
    if not registry.knows_provider(provider):
        return _enhanced(400, "invalid_parameter_service_provider", "none")
    if grant is not None and not grant.client.application.may_use(provider):
        return _refusal("provider", behaviour)
    if behaviour.strict_device_headers and not {"x-device-info", "ap-device-identifier"} <= set(call.headers):
        return _enhanced(400, "invalid_header_device_info", "none")
    return None


def _bearer(call: Call) -> str | None:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == "bearer" else None


def _wrong_with(call: Call, grant: Grant | None, registry: Registry, behaviour: Behaviour) -> str | None:
    """What is wrong with the token, if anything is."""
    if _bearer(call) is None:
        return "missing"
    if grant is None or behaviour.refuse_every_token:
        return "malformed"
    if grant.expires_at <= registry.clock():
        return "expired"
    if not registry.knows(grant.client):
        return "client"
    if grant.client.application.revoked:
        return "statement"
    return None if SCOPE in grant.client.application.scopes else "scope"


def _refusal(wrong: str, behaviour: Behaviour) -> Reply:
    if behaviour.refusals == "legacy":
        return _unauthorized(*_LEGACY[wrong], behaviour)
    if behaviour.refusals == "bare":
        return Reply(401, headers=_challenge(behaviour))
    if behaviour.refusals == "oauth":
        gone = wrong in {"client", "statement"}
        code, status = ("invalid_client", 403) if gone else ("access_denied", 401)
        return Reply.json(status, {"error": code}, *_challenge(behaviour))
    party = "service_provider" if wrong == "provider" else "client_application"
    return _unauthorized(f"invalid_access_token_{party}", "application-registration", behaviour)


def _unauthorized(code: str, action: str, behaviour: Behaviour) -> Reply:
    return _enhanced(401, code, action, *_challenge(behaviour))


def _challenge(behaviour: Behaviour) -> tuple[tuple[str, str], ...]:
    return () if behaviour.www_authenticate is None else (("WWW-Authenticate", behaviour.www_authenticate),)


def _enhanced(status: int, code: str, action: str, *headers: tuple[str, str]) -> Reply:
    fields = {
        "action": action,
        "status": status,
        "code": code,
        "message": "simulated",
        "trace": str(uuid.uuid4()),
    }
    return Reply.json(status, fields, *headers)


def _configuration(call: Call, provider: str) -> Reply:
    picker = [{"id": "Cablevision", "displayName": "Optimum", "logoUrl": "https://example.com/logo.png"}]
    requestor = {"id": provider, "name": provider, "domains": [{"name": "adobe.com"}], "mvpds": picker}
    return Reply.json(200, {"device": "simulated", "clientType": "simulated", "requestor": requestor})


def _profiles(call: Call, provider: str) -> Reply:
    return Reply.json(200, {"profiles": {}})


def _echo(call: Call, provider: str) -> Reply:
    digest = hashlib.sha256(call.body).hexdigest()
    return Reply.json(200, {"method": call.method, "length": len(call.body), "sha256": digest})


def _redirect(call: Call, provider: str) -> Reply:
    wanted = {name: values[0] for name, values in parse_qs(call.query).items()}
    status = wanted.get("status", "302")
    if "to" not in wanted or status not in {"301", "302", "303", "307", "308"}:
        return _enhanced(400, "invalid_parameter_redirect_url", "none")
    return Reply(int(status), headers=(("Location", wanted["to"]),))


_ROUTES = {"configuration": _configuration, "profiles": _profiles, "echo": _echo, "redirect": _redirect}
