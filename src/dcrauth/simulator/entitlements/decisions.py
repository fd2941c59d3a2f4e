"""Decisions: who may watch what (Adobe Pass documentation: decisions APIs)."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

from dcrauth.simulator.enhanced import Refusal, item_error
from dcrauth.simulator.entitlements.asked import Asked
from dcrauth.simulator.entitlements.profiles import pass_of, profile_of
from dcrauth.simulator.entitlements.state import Profile
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.world import Mvpd

Sign = Callable[[dict[str, Any]], str]


def preauthorize(asked: Asked) -> Reply:
    """Answer which resources are worth being shown."""
    return _decided(asked, asked.behaviour.most_preauthorized, None)


def authorize(asked: Asked, sign: Sign) -> Reply:
    """Answer which resources may be watched now, with a media token for each.

    Parameters:
        sign: signs the claims of a media token.
    """
    return _decided(asked, asked.behaviour.most_authorized, sign)


def _decided(asked: Asked, most: int | None, sign: Sign | None) -> Reply:
    mvpd, resources = asked.mvpd(asked.parameters["mvpd"]), asked.resources()
    try:
        profile = _profile(asked, mvpd)
        _check_number(resources, most)
    except Refusal as refused:
        if asked.behaviour.decision_errors == "status":
            raise
        return _told([_denied(asked, mvpd, each, refused) for each in resources], refused.why)
    return _told([_decision(asked, mvpd, profile, each, sign) for each in resources])


def _check_number(resources: list[str], most: int | None) -> None:
    if most is not None and len(resources) > most:
        raise Refusal("too_many_resources", f"{len(resources)} resources were named; {most} may be")


def _told(decisions: list[dict[str, Any]], why: str = "") -> Reply:
    reply = Reply.json(200, {"decisions": decisions})
    return Reply(reply.status, reply.body, reply.headers, why=why)


def _profile(asked: Asked, mvpd: Mvpd) -> Profile:
    profile = profile_of(asked, mvpd, asked.holder, asked.subjects)
    if profile is None:
        over = asked.state.has_expired(asked.holder, mvpd.id)
        what = ("authenticated_profile_expired", "over") if over else ("authenticated_profile_missing", "missing")
        raise Refusal(what[0], f"The profile of this device and client with {mvpd.id} is {what[1]}")
    return profile


def _decision(asked: Asked, mvpd: Mvpd, profile: Profile, resource: str, sign: Sign | None) -> dict[str, Any]:
    try:
        _check(asked, mvpd, profile, resource, is_preliminary=sign is None)
    except Refusal as refused:
        return _denied(asked, mvpd, resource, refused)
    return _permitted(asked, mvpd, profile, resource, sign)


def _check(asked: Asked, mvpd: Mvpd, profile: Profile, resource: str, *, is_preliminary: bool) -> None:
    """See whether *resource* may be watched.

    Raises:
        Refusal: it may not.
    """
    if mvpd.degraded == "authz-none":
        raise Refusal("authorization_denied_by_degradation_rule", f"While {mvpd.id} is degraded nothing may be watched")
    listed = asked.world.resource(resource)
    if listed is not None and listed.error:
        raise Refusal(listed.error, f"The world has it that decisions about {resource[:60]!r} end so", status=403)
    if mvpd.degraded is not None:
        return
    if mvpd.is_temporary:
        _check_pass(asked, mvpd, resource, is_preliminary=is_preliminary)
        return
    subscribed = profile.user.resources
    if listed is None or (subscribed is not None and resource not in subscribed):
        code = "preauthorization_denied_by_mvpd" if is_preliminary else "authorization_denied_by_mvpd"
        raise Refusal(code, f"{profile.user.name!r} has not subscribed to {resource[:60]!r}")


def _check_pass(asked: Asked, mvpd: Mvpd, resource: str, *, is_preliminary: bool) -> None:
    used = pass_of(asked, mvpd, asked.holder)
    most = mvpd.temporary_resources
    if not is_preliminary and not asked.state.use(used, resource, most):
        raise Refusal("temporary_access_resources_limit_exceeded", f"The pass is good for {most} resources")


def _permitted(asked: Asked, mvpd: Mvpd, profile: Profile, resource: str, sign: Sign | None) -> dict[str, Any]:
    fields = _common(asked, mvpd, resource) | {"authorized": True}
    if sign is None:
        return fields
    made = asked.state.decided_at(asked.holder, mvpd.id, resource, mvpd.decision_life)
    ends = min(made + mvpd.decision_life, profile.ends_at)
    fields["token"] = _media_token(asked, profile, resource, sign)
    return fields | {"notBefore": int(made * 1000), "notAfter": int(ends * 1000)}


def _denied(asked: Asked, mvpd: Mvpd, resource: str, refused: Refusal) -> dict[str, Any]:
    error = item_error(refused.code, refused.why, asked.behaviour)
    return _common(asked, mvpd, resource) | {"authorized": False, "error": error}


def _common(asked: Asked, mvpd: Mvpd, resource: str) -> dict[str, Any]:
    source = "degradation" if mvpd.degraded else "temppass" if mvpd.is_temporary else "mvpd"
    return {"resource": resource, "serviceProvider": asked.provider, "mvpd": mvpd.id, "source": source}


def _media_token(asked: Asked, profile: Profile, resource: str, sign: Sign) -> dict[str, Any]:
    begins = asked.state.clock()
    ends = begins + asked.behaviour.media_token_life
    claims = {
        "sub": profile.user.name,
        "mvpd": profile.mvpd,
        "requestor": asked.provider,
        "resource": resource,
        "nbf": int(begins),
        "exp": int(ends),
        "jti": uuid.uuid4().hex,
    }
    token = base64.b64encode(sign(claims).encode()).decode()
    return {"notBefore": int(begins * 1000), "notAfter": int(ends * 1000), "serializedToken": token}
