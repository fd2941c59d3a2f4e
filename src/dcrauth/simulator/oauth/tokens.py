"""The token endpoint: client_credentials (RFC 6749 §4.4), resources (RFC 8707), audiences."""

from typing import Any
from urllib.parse import parse_qs

from dcrauth.simulator.messages import NEVER_STORE, Reply
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.authentication import authenticated
from dcrauth.simulator.oauth.certificates import thumbprint
from dcrauth.simulator.oauth.clients import OAuthClient
from dcrauth.simulator.oauth.discovery import changed
from dcrauth.simulator.oauth.refused import Refused
from dcrauth.simulator.oauth.registry import Grant

_FORM = "application/x-www-form-urlencoded"
_DEFAULT = "/.default"


def token(asked: Asked) -> Reply:
    """Answer a token request.

    Raises:
        Refused: no token is granted.
    """
    parameters = _parameters(asked)
    client = authenticated(asked)
    grant_type = parameters.get("grant_type", [""])[0]
    if grant_type != "client_credentials":
        raise Refused("unsupported_grant_type", f"There is no grant {grant_type[:60]!r}")
    if client.software and client.software in asked.registry.revoked_software:
        raise Refused("unauthorized_client", "The client's software statement was revoked")
    scope, audience = _scope(parameters, client, asked), _audience(parameters, asked)
    bound = client.metadata.get("tls_client_certificate_bound_access_tokens") is True
    ends_at = asked.now + asked.behaviour.real_life
    grant = Grant(client.client_id, scope, audience, ends_at, thumbprint(asked.call.certificate) if bound else "")
    text = asked.registry.issue(grant, asked.places.issuer(asked.behaviour), asked.behaviour)
    return _granted(text, grant, parameters.get("scope", [""])[0], asked)


def _parameters(asked: Asked) -> dict[str, list[str]]:
    """Return the parameters; each is there once but for ``resource`` (RFC 6749 §3.2, RFC 8707 §2)."""
    given = asked.call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != _FORM:
        raise Refused("invalid_request", f"Content-Type must be {_FORM}, not {given[:60]!r}")
    found = parse_qs(asked.call.body.decode("utf-8", "replace"))  # one without a value counts as left out
    for name, values in found.items():
        if len(values) > 1 and name != "resource":
            raise Refused("invalid_request", f"{name[:60]} is there more than once")
    return found


def _scope(parameters: dict[str, list[str]], client: OAuthClient, asked: Asked) -> tuple[str, ...]:
    wanted = " ".join(parameters.get("scope", [])).split()
    if asked.behaviour.scope_form != "list":
        return _default_scope(wanted)
    known = client.scope or asked.behaviour.scopes
    unknown = [each for each in wanted if known and each not in known]
    if unknown and asked.behaviour.unknown_scopes == "refused":
        raise Refused("invalid_scope", f"The client may not ask for the scope {unknown[0][:60]!r}")
    return tuple(each for each in wanted if each not in unknown) if wanted else client.scope


def _default_scope(wanted: list[str]) -> tuple[str, ...]:
    if len(wanted) != 1 or not wanted[0].endswith(_DEFAULT):
        raise Refused("invalid_scope", f"AADSTS70011: scope must be one resource with {_DEFAULT} after it")
    return (wanted[0],)


def _audience(parameters: dict[str, list[str]], asked: Asked) -> tuple[str, ...]:
    behaviour, resources = asked.behaviour, parameters.get("resource", [])
    if behaviour.most_resources is not None and len(resources) > behaviour.most_resources:
        raise Refused("invalid_target", f"There can be {behaviour.most_resources} resource in a request, not more")
    audiences = [] if behaviour.audience == "ignored" else parameters.get("audience", [])
    if behaviour.audience == "required" and not audiences:
        raise Refused("access_denied", "No audience parameter was provided", status=403)
    found = [*resources, *audiences]
    wrong = [each for each in found if (behaviour.resources and each not in behaviour.resources)]
    wrong += [each for each in resources if ":" not in each or "#" in each]
    if wrong:
        raise Refused("invalid_target", f"There is no resource or audience {wrong[0][:100]!r}")
    return tuple(found)


def _granted(text: str, grant: Grant, wanted: str, asked: Asked) -> Reply:
    behaviour = asked.behaviour
    fields: dict[str, Any] = {"access_token": text, "token_type": "Bearer"}
    if behaviour.expires_in is not None:
        fields["expires_in"] = behaviour.expires_in
    other = sorted(wanted.split()) != sorted(grant.scope)
    if grant.scope and (behaviour.token_scope == "always" or (behaviour.token_scope == "different" and other)):
        fields["scope"] = " ".join(grant.scope)
    fields = changed(fields, behaviour.token_answer, behaviour.token_leaves_out)
    return Reply.json(behaviour.token_status, fields, *NEVER_STORE)
