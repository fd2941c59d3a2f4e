"""One call of REST API v2 that has passed the checks that all have in common."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.entitlements.device import Device
from dcrauth.simulator.entitlements.state import Holder, State
from dcrauth.simulator.messages import Call
from dcrauth.simulator.world import Mvpd, User, World


@dataclass(frozen=True)
class Asked:
    """What is asked for, and by whom.

    Parameters:
        call: the call.
        parameters: the parameters of its path.
        client_id: who calls; empty where no token is needed.
        device: the device it is for.
        world: what there is.
        state: what has come of it so far.
        behaviour: the simulator's switches.
    """

    call: Call
    parameters: Mapping[str, str]
    client_id: str
    device: Device
    world: World
    state: State
    behaviour: Behaviour

    @property
    def provider(self) -> str:
        """The service provider."""
        return self.parameters["serviceProvider"]

    @property
    def holder(self) -> Holder:
        """Whose profiles are meant."""
        return Holder(self.client_id, self.device.identifier, self.provider)

    @property
    def subjects(self) -> dict[str, str]:
        """The single sign-on tokens of the call, and the type of profile that each leads to."""
        headers = {
            "adobe-subject-token": "platformSSO",
            "x-roku-reserved-roku-connect-token": "platformSSO",
            "ad-service-token": "serviceTokenSSO",
        }
        return {
            f"{kind} {self.call.headers[name]}": kind for name, kind in headers.items() if self.call.headers.get(name)
        }

    def mvpd(self, name: str) -> Mvpd:
        """Return the MVPD of this name, if the service provider has to do with it."""
        found = self.world.mvpd(name)
        if found is None and not self.behaviour.strict and name:
            return Mvpd(id=name)
        if found is None:
            raise Refusal("invalid_parameter_mvpd", f"There is no MVPD {name[:60]!r}")
        if found not in self.world.offered(self.provider):
            raise Refusal("invalid_integration", f"{self.provider} is not integrated with {name}")
        return found

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; the last value of each, none of them empty."""
        return {name: values[-1] for name, values in parse_qs(self.call.query).items()}

    def form(self) -> dict[str, str]:
        """Return the fields of the body; the last value of each, none of them empty."""
        found = parse_qs(self.call.body.decode("utf-8", "replace"))
        return {name: values[-1] for name, values in found.items()}

    def resources(self) -> list[str]:
        """Return the resources that the body names; none of a body that is not as it should be, if that will do."""
        try:
            return _resources(self.call.body)
        except Refusal:
            if self.behaviour.strict:
                raise
            return []

    def user(self, mvpd: Mvpd, name: str) -> User | None:
        """Return the subscriber of this name."""
        return next((each for each in self.world.subscribers(mvpd.id) if each.name == name), None)


def _resources(content: bytes) -> list[str]:
    try:
        body: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise Refusal("invalid_parameter_resources", "The body is no JSON") from None
    named = body.get("resources") if isinstance(body, dict) else None
    if not isinstance(named, list) or not named or not all(map(_is_resource, named)):
        raise Refusal("invalid_parameter_resources", 'The body must have "resources", a list of texts')
    return list(dict.fromkeys(named))


def _is_resource(value: Any) -> bool:
    """Whether *value* is a text, and one that can be written: JSON can also have halves of characters."""
    return isinstance(value, str) and bool(value) and not re.search("[\ud800-\udfff]", value)


def quoted(name: str) -> str:
    """Return *name* as a segment of a path."""
    return quote(name, safe="")


def checked_url(url: str) -> str:
    """Return *url*, where a browser is to be sent in the end.

    Raises:
        Refusal: it is not absolute, or holds what no URL holds.
    """
    try:
        is_absolute = bool(urlsplit(url).scheme) and url.isprintable() and " " not in url
    except ValueError:
        is_absolute = False
    if not is_absolute:
        raise Refusal("invalid_parameter_redirect_url", "redirectUrl must be an absolute URL")
    return url
