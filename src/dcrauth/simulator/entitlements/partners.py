"""Single sign-on through a partner's system account (Adobe Pass documentation: partner single sign-on APIs)."""

import base64
import html
import re
import uuid
from collections.abc import Mapping
from typing import Any

from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.entitlements import sessions
from dcrauth.simulator.entitlements.asked import Asked, checked_url, quoted
from dcrauth.simulator.entitlements.device import decoded_base64, json_of
from dcrauth.simulator.entitlements.profiles import profile_of, told
from dcrauth.simulator.entitlements.state import Profile
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.world import Mvpd, User

_STATUS = "ap-partner-framework-status"
_NAME = re.compile(r"<(?:\w+:)?NameID\b[^>]*>([^<]*)<")


def start(asked: Asked) -> Reply:
    """Answer with what the partner is to be asked; where that cannot be, with a session to log in as usual."""
    _partner(asked)
    parameters = _parameters(asked)
    try:
        mvpd = _permitted_mvpd(asked)
    except Refusal as refused:
        return _fallback(asked, parameters, "pfs_fallback", refused.why)
    known = profile_of(asked, mvpd, asked.holder, asked.subjects, begin=False)
    if known is not None:
        return Reply.json(200, sessions.may_proceed(asked, known, asked.state.new_id()))
    parameters = {"mvpd": mvpd.id, **parameters}
    if len(parameters) < len(sessions.PARAMETERS):
        return _fallback(asked, parameters, "missing_parameters_fallback", "Parameters are missing")
    if asked.parameters["partner"] not in mvpd.partners:
        return _fallback(asked, parameters, "configuration_fallback", f"{mvpd.id} takes no part in it")
    return Reply.json(200, _request(asked, mvpd))


def finish(asked: Asked) -> Reply:
    """Make a profile of the partner's answer, and answer with it."""
    partner = _partner(asked)
    mvpd = _permitted_mvpd(asked)
    if partner not in mvpd.partners:
        raise Refusal("invalid_header_pfs_provider_id_mismatch", f"{mvpd.id} takes no part in the sign-on of {partner}")
    user = _vouched_for(asked, mvpd)
    now = asked.state.clock()
    profile = Profile(
        asked.holder, mvpd.id, user, f"{partner.lower()}SSO", now, now + mvpd.profile_life, partner=partner
    )
    asked.state.log_in(profile)
    return told(asked, (profile,), asked.behaviour.partner_profile_status)


def saml_response(user: str) -> str:
    """Return an answer of a partner, as `finish` takes it, that names *user*."""
    text = f"<samlp:Response><saml:NameID>{html.escape(user)}</saml:NameID></samlp:Response>"
    return base64.b64encode(text.encode()).decode()


def _partner(asked: Asked) -> str:
    partner = asked.parameters["partner"]
    if partner not in asked.world.partners:
        raise Refusal("invalid_parameter_partner", f"There is no partner {partner[:60]!r}")
    return partner


def _parameters(asked: Asked) -> dict[str, str]:
    form = asked.form()
    found = {name: form[name] for name in ("domainName", "redirectUrl") if form.get(name)}
    if "redirectUrl" in found:
        checked_url(found["redirectUrl"])
    return found


def _permitted_mvpd(asked: Asked) -> Mvpd:
    """Return the MVPD that the partner's framework names.

    Raises:
        Refusal: the user has not permitted it, or it names none that is good.
    """
    status = json_of(asked.call.headers.get(_STATUS, "")) or {}
    _check_permission(_table(status, "frameworkPermissionInfo"))
    info = _table(status, "frameworkProviderInfo")
    name, ends = info.get("id"), str(info.get("expirationDate", ""))
    if not isinstance(name, str) or not name:
        raise Refusal("invalid_header_pfs_provider_id_not_determined", "The partner's framework names no MVPD")
    if asked.world.mvpd(name) is None:
        raise Refusal("invalid_header_pfs_provider_id_mismatch", f"There is no MVPD {name[:60]!r}")
    if not re.fullmatch(r"[0-9]{1,18}", ends) or int(ends) / 1000 <= asked.state.clock():
        raise Refusal(
            "invalid_header_pfs_provider_info_expired", "expirationDate is over, or is no time in milliseconds"
        )
    return asked.mvpd(name)


def _check_permission(info: Mapping[str, Any]) -> None:
    prefix = "invalid_header_pfs_permission_access_"
    match info.get("accessStatus"):
        case "granted":
            return
        case "denied" | "restricted":
            raise Refusal(f"{prefix}not_granted", "The user did not permit the partner's framework to tell")
        case "notDetermined":
            raise Refusal(f"{prefix}not_determined", "The user has not said whether the partner's framework may tell")
        case _:
            raise Refusal(f"{prefix}not_present", "AP-Partner-Framework-Status tells no accessStatus")


def _table(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _fallback(asked: Asked, parameters: Mapping[str, str], reason: str, why: str) -> Reply:
    session = sessions.begun(asked, parameters)
    reply = Reply.json(200, sessions.next_step(session, "resume", reason))
    return Reply(reply.status, reply.body, reply.headers, why=why)


def _request(asked: Asked, mvpd: Mvpd) -> dict[str, Any]:
    text = f'<samlp:AuthnRequest ID="_{uuid.uuid4().hex}" Version="2.0"/>'
    return {
        "actionName": "partner_profile",
        "actionType": "direct",
        "reasonType": "none",
        "url": f"/api/v2/{quoted(asked.provider)}/profiles/sso/{quoted(asked.parameters['partner'])}",
        "sessionId": asked.state.new_id(),
        "mvpd": mvpd.id,
        "serviceProvider": asked.provider,
        "authenticationRequest": {
            "type": "saml",
            "request": base64.b64encode(text.encode()).decode(),
            "attributesNames": ["NameID"],
        },
    }


def _vouched_for(asked: Asked, mvpd: Mvpd) -> User:
    """Return the user whom the partner's answer names; where it names none, the first there is."""
    text = (decoded_base64(asked.form().get("SAMLResponse", "")) or b"").decode("utf-8", "replace")
    if asked.behaviour.strict and not text.startswith("<"):
        raise Refusal("invalid_parameter_saml_response", "SAMLResponse must be Base64 of XML")
    named = _NAME.search(text)
    subscribers = asked.world.subscribers(mvpd.id)
    user = asked.user(mvpd, html.unescape(named[1]).strip()) if named else next(iter(subscribers), None)
    if user is None:
        raise Refusal("invalid_parameter_saml_response", f"SAMLResponse names nobody who has subscribed to {mvpd.id}")
    return user
