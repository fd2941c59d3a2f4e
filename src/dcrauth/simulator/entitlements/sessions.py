"""Sessions: a code that leads to a login (Adobe Pass documentation: sessions APIs)."""

from collections.abc import Mapping
from typing import Any

from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.entitlements.asked import Asked, checked_url, quoted
from dcrauth.simulator.entitlements.profiles import profile_of
from dcrauth.simulator.entitlements.state import Profile, Session
from dcrauth.simulator.messages import Reply

PARAMETERS = ("mvpd", "domainName", "redirectUrl")
_REASONS = {"regular": "authenticated", "temporary": "temporary", "degraded": "degraded"}


def create(asked: Asked) -> Reply:
    """Answer the creation of a session; where the user is logged in already, nobody needs one."""
    parameters = given(asked)
    known = _known(asked, parameters)
    if known is not None:
        return known
    session = begun(asked, parameters)
    return Reply.json(200, next_step(session, "resume"))


def resume(asked: Asked) -> Reply:
    """Answer what a session lacked so far, perhaps from another device."""
    session = session_of(asked)
    session = asked.state.amend(session.code, given(asked))
    known = _known(asked, session.parameters, session)
    return known or Reply.json(200, next_step(session, "retry"))


def read(asked: Asked) -> Reply:
    """Answer with what is known of a session."""
    session = session_of(asked)
    fields: dict[str, Any] = {"existingParameters": {**session.parameters, "serviceProvider": asked.provider}}
    missing = missing_of(session)
    if missing:
        fields["missingParameters"] = missing
    return Reply.json(200, fields | {"device": session.device.described()} | lasting(session))


def session_of(asked: Asked) -> Session:
    """Return the session of the code in the path.

    Raises:
        Refusal: there is none, or its time is over.
    """
    session = asked.state.session(asked.parameters["code"])
    if session is None or session.holder.provider != asked.provider:
        raise Refusal("invalid_parameter_code", f"No session of {asked.provider[:60]} has this code")
    if session.ends_at <= asked.state.clock():
        raise Refusal(asked.behaviour.expired_session_error, "The session of this code is over")
    return session


def given(asked: Asked) -> dict[str, str]:
    """Return the parameters in the body that make a session, each of them as it should be."""
    form = asked.form()
    found = {name: form[name] for name in PARAMETERS if form.get(name)}
    if "mvpd" in found:
        asked.mvpd(found["mvpd"])
    if "redirectUrl" in found:
        checked_url(found["redirectUrl"])
    return found


def begun(asked: Asked, parameters: Mapping[str, str]) -> Session:
    """Return a new session."""
    life = asked.behaviour.session_life
    return asked.state.begin(asked.holder, asked.device, life, frozenset(asked.subjects), parameters)


def missing_of(session: Session) -> list[str]:
    """Return the names of the parameters that are still missing."""
    return [name for name in PARAMETERS if name not in session.parameters]


def next_step(session: Session, if_missing: str, reason: str = "none") -> dict[str, Any]:
    """Return the fields that tell what is to be done about a session: to log in, or to say what is missing."""
    provider, missing = session.holder.provider, missing_of(session)
    fields: dict[str, Any] = {
        "actionName": if_missing if missing else "authenticate",
        "actionType": "direct" if missing else "interactive",
        "reasonType": reason,
        "url": f"/api/v2/{quoted(provider)}/sessions/{session.code}" if missing else _login_url(session),
        "code": session.code,
        "sessionId": session.id,
        "serviceProvider": provider,
    }
    if missing:
        fields["missingParameters"] = missing
    if "mvpd" in session.parameters:
        fields["mvpd"] = session.parameters["mvpd"]
    return fields | lasting(session)


def may_proceed(asked: Asked, profile: Profile, session_id: str) -> dict[str, Any]:
    """Return the fields that tell that decisions can be asked for at once."""
    return {
        "actionName": "authorize",
        "actionType": "direct",
        "reasonType": _REASONS.get(profile.kind, "authenticatedSSO"),
        "url": f"/api/v2/{quoted(asked.provider)}/decisions/authorize/{quoted(profile.mvpd)}",
        "sessionId": session_id,
        "mvpd": profile.mvpd,
        "serviceProvider": asked.provider,
    }


def lasting(session: Session) -> dict[str, str]:
    """Return from when until when a session is good; in milliseconds, as texts."""
    return {"notBefore": str(int(session.begins_at * 1000)), "notAfter": str(int(session.ends_at * 1000))}


def _login_url(session: Session) -> str:
    return f"/api/v2/authenticate/{quoted(session.holder.provider)}/{session.code}"


def _known(asked: Asked, parameters: Mapping[str, str], session: Session | None = None) -> Reply | None:
    """The answer, if the user is logged in already."""
    if "mvpd" not in parameters:
        return None
    mvpd = asked.mvpd(parameters["mvpd"])
    holder = asked.holder if session is None else session.holder
    subjects = asked.subjects if session is None else {}
    profile = profile_of(asked, mvpd, holder, subjects, begin=False)
    if profile is None:
        return None
    return Reply.json(200, may_proceed(asked, profile, asked.state.new_id() if session is None else session.id))
