"""Logout: the end of a profile (Adobe Pass documentation: logout API)."""

from urllib.parse import urlencode

from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.entitlements.asked import Asked, checked_url, quoted
from dcrauth.simulator.entitlements.state import Profile
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.world import Mvpd


def log_out(asked: Asked) -> Reply:
    """End the profile, and answer what is left to do."""
    mvpd = asked.mvpd(asked.parameters["mvpd"])
    redirect_url = asked.query.get("redirectUrl", "")
    if redirect_url:
        checked_url(redirect_url)
    elif asked.behaviour.strict and asked.behaviour.logout_redirect_url == "required":
        raise Refusal("invalid_parameter_redirect_url", "There is no redirectUrl in the query")
    profile = asked.state.log_out(asked.holder, mvpd.id, asked.subjects)
    name, kind = _left_to_do(mvpd, profile)
    fields = {"actionName": name, "actionType": kind, "mvpd": mvpd.id}
    if name == "logout":
        fields["url"] = f"/mvpd/{quoted(mvpd.id)}/logout?{urlencode({'redirectUrl': redirect_url})}"
    return Reply.json(200, {"logouts": {mvpd.id: fields}})


def _left_to_do(mvpd: Mvpd, profile: Profile | None) -> tuple[str, str]:
    if mvpd.is_temporary or mvpd.degraded == "authn-all":
        return "complete", "none"
    if profile is None:
        return "invalid", "none"
    if profile.partner:
        return "partner_logout", "partner_interactive"
    return ("logout", "interactive") if mvpd.has_logout else ("complete", "none")
