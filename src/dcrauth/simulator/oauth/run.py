"""One run of the authorization server, until it is reset."""

import threading
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any, ClassVar

from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.oauth import api, discovery
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.management import manage
from dcrauth.simulator.oauth.messages import ENDPOINTS, OAuthCall, OAuthCounts
from dcrauth.simulator.oauth.places import Places, group_of, path_of
from dcrauth.simulator.oauth.refused import Refused
from dcrauth.simulator.oauth.registration import register
from dcrauth.simulator.oauth.registry import Registry
from dcrauth.simulator.oauth.tokens import token
from dcrauth.simulator.run import Run
from dcrauth.simulator.throttle import Throttle

_WELL_KNOWN = "/.well-known/"


class OAuthRun(Run[OAuthBehaviour, OAuthCounts]):
    """All that a reset makes new.

    Parameters:
        behaviour: its switches.
        url: base URL.
        base_path: the path of that URL.
        clock: returns seconds since the epoch.
        changed: told of each change.
    """

    endpoints = ENDPOINTS
    actions: ClassVar = (
        "expire-tokens",
        "revoke-tokens",
        "revoke-clients",
        "revoke-statement",
        "reinstate-statement",
        "expire-secrets",
        "rotate-secrets",
        "revoke-registration-tokens",
    )

    def __init__(
        self,
        behaviour: OAuthBehaviour,
        url: str,
        base_path: str,
        clock: Callable[[], float],
        changed: threading.Condition,
        act: Callable[[str], None],
    ) -> None:
        super().__init__(behaviour, OAuthCounts, base_path, clock, changed)
        self.places = Places(url, base_path)
        self.registry = Registry(self.clock)
        self.protections: list[api.Protection] = []
        self.initial_access_token = self.registry.initial_token(None, None)
        self._throttle = Throttle(self.clock)
        self._do = act

    def located(self, call: Call) -> OAuthCall | None:
        """Return *call* with what it is a call of; None where it is outside of the base path."""
        if call.path.startswith(_WELL_KNOWN):
            return _as(call, call.path, "discovery")
        path = self._below_base_path(call)
        if path is None:
            return None
        return _as(call, call.path, "discovery") if path.startswith(_WELL_KNOWN) else _as(call, path, group_of(path))

    def is_secret(self, text: str) -> bool:
        """Whether *text* is a token or a secret that was given out."""
        return self.registry.is_secret(text)

    def snapshot(self) -> dict[str, Any]:
        """Return what there is, as JSON values without secrets."""
        return {"things": {**self.registry.snapshot(), "throttled": self._throttle.snapshot()}}

    def stamped(self, reply: Reply) -> Reply:
        """Return *reply* with the server's own time."""
        date = ("Date", formatdate(self.clock() + self.behaviour.clock_skew, usegmt=True))
        return replace(reply, headers=(*reply.headers, date))

    def _throttle_of(self, call: Call) -> tuple[Throttle, str]:
        return self._throttle, call.address

    def _regular(self, call: Call) -> Reply:
        asked = self._asked(call)
        if call.endpoint == "discovery":
            return discovery.answer(asked)
        if call.endpoint == "api":
            return self._of_api(asked)
        try:
            reply, counted = self._of_server(asked)
        except Refused as refused:
            return refused.reply(self.behaviour)
        if counted:
            self.record.count(counted)
        return reply

    def _of_server(self, asked: Asked) -> tuple[Reply, str]:
        """Return the answer of an endpoint, and what to count.

        Raises:
            Refused: the call is refused.
        """
        endpoint, behaviour = asked.call.endpoint, self.behaviour
        name = "token" if endpoint == "token" else "register"
        ways = [path_of(each, behaviour) for each in (name, f"mtls/{name}")]
        path = asked.call.path.rstrip("/")
        if (path.rpartition("/")[0] if endpoint == "manage" else path) not in ways:
            why = f"the endpoint is at {ways[0]} now"
            raise Refused("not_found", why, status=behaviour.gone_status)
        if endpoint == "manage":
            return manage(asked)
        if asked.call.method != "POST":
            return Reply(
                405, headers=(("Allow", "POST"),), why=f"this endpoint takes POST, not {asked.call.method}"
            ), ""
        return register(asked) if endpoint == "register" else (token(asked), "issued")

    def _of_api(self, asked: Asked) -> Reply:
        if group_of(asked.call.path) != "api" or not f"{asked.call.path}/".startswith("/api/"):
            why = f"nothing is at {asked.call.path}: the API is below /api"
            return Reply.json(404, {"error": "not_found"}, why=why)
        return api.answer(asked, self.protections)

    def _token_refusal(self, call: Call) -> Reply | None:
        return api.refusal(self._asked(call), self.protections)

    def _asked(self, call: Call) -> Asked:
        if not isinstance(call, OAuthCall):
            raise TypeError(f"{call!r} was not located")
        return Asked(call, self.registry, self.behaviour, self.places)

    def _act(self, action: str) -> None:
        self._do(action)


def _as(call: Call, path: str, group: str) -> OAuthCall:
    return OAuthCall(
        call.method,
        path,
        call.query,
        call.headers,
        call.body,
        call.address,
        certificate=call.certificate,
        group=group,
    )
