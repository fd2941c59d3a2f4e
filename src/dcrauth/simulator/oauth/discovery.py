"""Metadata of the authorization server: RFC 8414 and OpenID Connect Discovery."""

import json
from typing import Any

from dcrauth.simulator.keys import public_keys
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.oauth.asked import Asked

_HUGE = 10_000_000
_BY_TLS = "tls_client_auth"


def answer(asked: Asked) -> Reply:
    """Answer a call of a metadata document, or of the server's keys."""
    if asked.call.method not in {"GET", "HEAD"}:
        return Reply(405, headers=(("Allow", "GET"),), why=f"a document is there to GET, not to {asked.call.method}")
    if asked.call.path == "/jwks":
        return Reply.json(200, public_keys())
    known = asked.places.document_paths(asked.behaviour)
    if asked.call.path not in known or asked.behaviour.document == "missing":
        why = f"no document is at {asked.call.path}; there is {', '.join(sorted(known)) or 'none'}"
        return Reply.json(404, {"error": "not_found"}, why=why)
    return _document(asked)


def metadata(asked: Asked) -> dict[str, Any]:
    """Return the members of the document (RFC 8414 §2)."""
    behaviour, secure = asked.behaviour, asked.places.url.startswith("https:")

    def endpoint(name: str) -> str:
        return asked.places.endpoint(name, behaviour)

    found: dict[str, Any] = {
        "issuer": asked.places.issuer(behaviour),
        "token_endpoint": endpoint("token"),
        "registration_endpoint": endpoint("register"),
        "jwks_uri": f"{asked.places.url}/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": [each for each in behaviour.methods if secure or each != _BY_TLS],
    }
    if {"private_key_jwt", "client_secret_jwt"} & {*behaviour.methods}:
        found["token_endpoint_auth_signing_alg_values_supported"] = [*behaviour.signing_algorithms, "HS256"]
    if behaviour.scopes:
        found["scopes_supported"] = [*behaviour.scopes]
    if secure:
        aliases = {"token_endpoint": endpoint("mtls/token"), "registration_endpoint": endpoint("mtls/register")}
        found |= {"mtls_endpoint_aliases": aliases, "tls_client_certificate_bound_access_tokens": True}
    if behaviour.registration == "absent":
        del found["registration_endpoint"]
    return changed(found, behaviour.metadata, behaviour.metadata_leaves_out)


def changed(members: dict[str, Any], others: Any, left_out: tuple[str, ...]) -> dict[str, Any]:
    """Return *members* with *others* in their places, and without those that are left out."""
    return {name: value for name, value in {**members, **others}.items() if name not in left_out}


def _document(asked: Asked) -> Reply:
    whole = metadata(asked)
    told = json.dumps(whole).encode()
    match asked.behaviour.document:
        case "html":
            return Reply(200, b"<html><h1>Welcome</h1></html>", (("Content-Type", "text/html"),))
        case "redirect":
            return Reply(302, headers=(("Location", f"{asked.behaviour.elsewhere}{asked.call.path}"),))
        case "cut":
            return Reply(200, told[: len(told) // 2], (("Content-Type", "application/json"),))
        case "huge":
            return Reply.json(200, {**whole, "padding": "x" * _HUGE})
    forms: dict[str, Any] = {"empty": {}, "list": [whole]}
    return Reply.json(200, forms.get(asked.behaviour.document, whole))
