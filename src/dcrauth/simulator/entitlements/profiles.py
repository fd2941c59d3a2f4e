"""Profiles: that a user is logged in with an MVPD (Adobe Pass documentation: profiles APIs)."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.entitlements.asked import Asked
from dcrauth.simulator.entitlements.device import json_of
from dcrauth.simulator.entitlements.state import Holder, Profile, Session, TemporaryPass
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.world import Mvpd, User


def read_all(asked: Asked) -> Reply:
    """Answer with all profiles."""
    found = asked.state.profiles(asked.holder, asked.subjects)
    offered = {each.id for each in asked.world.offered(asked.provider)}
    return told(asked, (each for each in found.values() if each.mvpd in offered))


def read_of_mvpd(asked: Asked) -> Reply:
    """Answer with the profile of one MVPD."""
    profile = profile_of(asked, asked.mvpd(asked.parameters["mvpd"]), asked.holder, asked.subjects)
    return told(asked, () if profile is None else (profile,))


def read_of_session(asked: Asked, session: Session) -> Reply:
    """Answer with the profile that a login with a session's code has led to, if it has."""
    if "mvpd" not in session.parameters:
        return told(asked, ())
    profile = profile_of(asked, asked.mvpd(session.parameters["mvpd"]), session.holder, {})
    return told(asked, () if profile is None else (profile,))


def profile_of(
    asked: Asked, mvpd: Mvpd, holder: Holder, subjects: Mapping[str, str], *, begin: bool = True
) -> Profile | None:
    """Return the profile with *mvpd*; some need no login.

    Parameters:
        begin: whether a temporary pass begins with this call.

    Raises:
        Refusal: a temporary pass is used up.
    """
    if mvpd.is_temporary:
        return _temporary(asked, mvpd, holder, begin=begin)
    if mvpd.degraded == "authn-all":
        now = asked.state.clock()
        return Profile(holder, mvpd.id, _nobody("95cf93bcd183214a", holder), "degraded", now, now + mvpd.profile_life)
    return asked.state.profile(holder, mvpd.id, subjects)


def told(asked: Asked, profiles: Iterable[Profile], status: int = 200) -> Reply:
    """Return an answer with these profiles."""
    return Reply.json(status, {"profiles": {each.mvpd: _fields(asked, each) for each in profiles}})


def new_profile(session: Session, mvpd: Mvpd, user: User, now: float) -> Profile:
    """Return what a login with the code of *session* leads to."""
    return Profile(session.holder, mvpd.id, user, "regular", now, now + mvpd.profile_life, session.subjects)


def pass_of(asked: Asked, mvpd: Mvpd, holder: Holder) -> TemporaryPass:
    """Return what was used of a temporary pass.

    Raises:
        Refusal: it is a promotional one, and nothing says for whom.
    """
    identity = asked.call.headers.get("ap-temppass-identity", "")
    if mvpd.temporary_resources is not None and asked.behaviour.strict and not json_of(identity):
        raise Refusal(
            "invalid_header_identity_for_temporary_access",
            "A promotional pass needs AP-TempPass-Identity, Base64 of a JSON object",
        )
    return asked.state.temporary_pass(holder, mvpd.id, identity)


def _temporary(asked: Asked, mvpd: Mvpd, holder: Holder, *, begin: bool) -> Profile:
    now, life = asked.state.clock(), mvpd.temporary_life or 0.0
    user = _nobody("temppass_", holder)
    if not begin:
        return Profile(holder, mvpd.id, user, "temporary", now, now + life)
    used = pass_of(asked, mvpd, holder)
    if used.begins_at + life <= now:
        raise Refusal("temporary_access_duration_limit_exceeded", f"The pass of {life:g} s is over")
    return Profile(holder, mvpd.id, user, "temporary", used.begins_at, used.begins_at + life)


def _nobody(prefix: str, holder: Holder) -> User:
    return User(name=prefix + hashlib.sha1("\n".join(holder).encode(), usedforsecurity=False).hexdigest())


def _fields(asked: Asked, profile: Profile) -> dict[str, Any]:
    issuer = profile.partner or ("Adobe" if profile.kind in {"temporary", "degraded"} else profile.mvpd)
    return {
        "notBefore": int(profile.begins_at * 1000),
        "notAfter": int(profile.ends_at * 1000),
        "issuer": issuer,
        "type": profile.kind,
        "attributes": _attributes(profile, asked.behaviour),
    }


def _attributes(profile: Profile, behaviour: Behaviour) -> dict[str, Any]:
    attributes = dict(profile.user.attributes)
    if behaviour.wording == "pages":
        attributes.setdefault("userID", profile.user.name)
    return {name: {"value": value, "state": "plain"} for name, value in attributes.items()}
