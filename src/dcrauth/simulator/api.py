"""Protected APIs: REST API v2, pages of its MVPDs, and two paths of the simulator's own for testing HTTP clients."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.enhanced import CODES, Refusal, enhanced, explained
from dcrauth.simulator.entitlements import decisions, login, logouts, partners, profiles, sessions
from dcrauth.simulator.entitlements.asked import Asked
from dcrauth.simulator.entitlements.device import device_of
from dcrauth.simulator.fields import is_header
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.operations import Operation, at_path
from dcrauth.simulator.registry import Grant, Registry
from dcrauth.simulator.world import Mvpd

SCOPE = "api:client:v2"

_OWN = re.compile(r"/api/v2/(?P<provider>[^/]+)/(?P<what>echo|redirect)(?:/[^/]+)?/?")

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
_WHY = {
    "missing": "There is no Authorization header with a Bearer token",
    "malformed": "The token was not granted here, or was revoked",
    "expired": "The token has expired",
    "client": "The token's client is not registered any more",
    "statement": "The software statement of the token's client was revoked",
    "scope": f"The token lacks the scope {SCOPE}",
    "provider": "The token's application is not linked to this service provider",
}


def answer(call: Call, registry: Registry, behaviour: Behaviour) -> Reply:
    """Answer a call: route and method first, then the token, then the rest."""
    own = _OWN.fullmatch(call.path)
    try:
        if own is not None:
            return _answer_own(call, own["what"], unquote(own["provider"]), registry, behaviour)
        return login.page(call, registry.world, registry.state) or _answer_v2(call, registry, behaviour)
    except Refusal as refused:
        if behaviour.wording == "pages" and call.path.startswith("/api/v2/authenticate/"):
            return login.page_of(refused)
        return refused.reply(behaviour)


def _answer_v2(call: Call, registry: Registry, behaviour: Behaviour) -> Reply:
    operation, parameters = _operation(call, behaviour)
    if operation.token:
        denial = _denial(call, parameters["serviceProvider"], registry, behaviour)
        if denial is not None:
            return denial
    elif not registry.knows_provider(parameters["serviceProvider"]):
        raise _unknown(parameters["serviceProvider"])
    asked = _asked(call, operation, parameters, registry, behaviour)
    if operation.name == "authorize":
        return decisions.authorize(asked, registry.signed)
    return _ANSWERS[operation.name](asked)


def _operation(call: Call, behaviour: Behaviour) -> tuple[Operation, Mapping[str, str]]:
    """Return the operation that is meant, and the parameters of its path.

    Raises:
        Refusal: there is no such path, or the method is another.
    """
    there = at_path(call.path)
    if not there:
        raise Refusal(behaviour.path_error, "There is no operation at this path", status=404)
    method = "GET" if call.method == "HEAD" else call.method
    for operation, parameters in there:
        if operation.method == method:
            return operation, parameters
    allowed = ", ".join(sorted({operation.method for operation, _ in there}))
    why = f"{call.method[:40]} is not possible there; {allowed} is"
    raise Refusal(behaviour.method_error, why, status=405, headers=(("Allow", allowed),))


def _asked(
    call: Call, operation: Operation, parameters: Mapping[str, str], registry: Registry, behaviour: Behaviour
) -> Asked:
    """Return what is asked for, once headers have been seen to be as they should be."""
    always = behaviour.device_headers == "always" and operation.token
    device = device_of(call, operation.device == "required" or always, behaviour)
    given = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if behaviour.strict and operation.media_type and given != operation.media_type:
        raise Refusal(behaviour.content_type_error, f"Content-Type must be {operation.media_type}, not {given[:60]!r}")
    grant = registry.grant(_bearer(call) or "") if operation.token else None
    client_id = "" if grant is None else grant.client.client_id
    return Asked(call, parameters, client_id, device, registry.world, registry.state, behaviour)


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
        raise _unknown(provider)
    if grant is not None and not grant.client.application.may_use(provider):
        return _refusal("provider", behaviour)
    return None


def _unknown(provider: str) -> Refusal:
    return Refusal("invalid_parameter_service_provider", f"There is no service provider {provider[:60]!r}")


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
        return _unauthorized(*_LEGACY[wrong], wrong, behaviour)
    if behaviour.refusals == "bare":
        return Reply(401, headers=_challenge(behaviour), why=_WHY[wrong])
    if behaviour.refusals == "oauth":
        gone = wrong in {"client", "statement"}
        code, status = ("invalid_client", 403) if gone else ("access_denied", 401)
        return explained(Reply.json(status, {"error": code}, *_challenge(behaviour)), _WHY[wrong])
    code = f"invalid_access_token_{'service_provider' if wrong == 'provider' else 'client_application'}"
    return _unauthorized(code, CODES[code][1], wrong, behaviour)


def _unauthorized(code: str, action: str, wrong: str, behaviour: Behaviour) -> Reply:
    return enhanced(401, code, action, _WHY[wrong], behaviour, *_challenge(behaviour))


def _challenge(behaviour: Behaviour) -> tuple[tuple[str, str], ...]:
    return () if behaviour.www_authenticate is None else (("WWW-Authenticate", behaviour.www_authenticate),)


def _answer_own(call: Call, what: str, provider: str, registry: Registry, behaviour: Behaviour) -> Reply:
    denial = _denial(call, provider, registry, behaviour)
    if denial is not None:
        return denial
    return _echo(call) if what == "echo" else _redirect(call)


def _echo(call: Call) -> Reply:
    digest = hashlib.sha256(call.body).hexdigest()
    return Reply.json(200, {"method": call.method, "length": len(call.body), "sha256": digest})


def _redirect(call: Call) -> Reply:
    wanted = {name: values[0] for name, values in parse_qs(call.query).items()}
    status = wanted.get("status", "302")
    if "to" not in wanted or status not in {"301", "302", "303", "307", "308"}:
        raise Refusal("invalid_parameter_redirect_url", "The query needs to=, and a status= that redirects if any")
    if not is_header(wanted["to"]):
        raise Refusal("invalid_parameter_redirect_url", "The URL in to= must be printable ASCII, as in a header")
    return Reply(int(status), headers=(("Location", wanted["to"]),))


def _configuration(asked: Asked) -> Reply:
    provider = asked.world.service_provider(asked.provider)
    requestor = {
        "id": asked.provider,
        "name": (provider and provider.name) or asked.provider,
        "domains": [{"name": each, "mvpdInitiated": False} for each in (provider.domains if provider else ())],
        "mvpds": [_mvpd_fields(each) for each in asked.world.offered(asked.provider)],
    }
    return Reply.json(
        200, {"device": "simulated", "clientType": "simulated", "os": "simulated", "requestor": requestor}
    )


def _mvpd_fields(mvpd: Mvpd) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": mvpd.id, "displayName": mvpd.display_name or mvpd.id, "logoUrl": mvpd.logo_url}
    if mvpd.is_temporary:
        fields["isTempPass"] = True
    if mvpd.partners:
        fields |= {"enablePlatformServices": True, "displayInPlatformPicker": True, "platformMappingId": mvpd.id}
    return fields


def _profile_of_code(asked: Asked) -> Reply:
    return profiles.read_of_session(asked, sessions.session_of(asked))


_ANSWERS: Mapping[str, Callable[[Asked], Reply]] = {
    "authenticate": login.authenticate,
    "getConfiguration": _configuration,
    "createSession": sessions.create,
    "resumeSession": sessions.resume,
    "getSession": sessions.read,
    "getProfiles": profiles.read_all,
    "getProfileOfMvpd": profiles.read_of_mvpd,
    "getProfileOfCode": _profile_of_code,
    "preauthorize": decisions.preauthorize,
    "logout": logouts.log_out,
    "startPartnerSession": partners.start,
    "createPartnerProfile": partners.finish,
}
