"""A call together with what is needed to answer it."""

import json
from dataclasses import dataclass
from typing import Any

from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.messages import OAuthCall
from dcrauth.simulator.oauth.places import Places
from dcrauth.simulator.oauth.refused import Refused
from dcrauth.simulator.oauth.registry import Registry


@dataclass(frozen=True)
class Asked:
    """A call, and who is asked.

    Parameters:
        call: the call.
        registry: what the server knows.
        behaviour: how it behaves.
        places: where it is.
    """

    call: OAuthCall
    registry: Registry
    behaviour: OAuthBehaviour
    places: Places

    @property
    def now(self) -> float:
        """What the simulator's clock shows, in seconds since the epoch."""
        return self.registry.clock()

    @property
    def told_now(self) -> float:
        """What the server takes for the time where it tells it or compares it with what it is told."""
        return self.now + self.behaviour.clock_skew

    def members(self) -> dict[str, Any]:
        """Return the members of a body in JSON.

        Raises:
            Refused: it is no JSON object, or does not say that it is JSON.
        """
        given = self.call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != "application/json":
            raise Refused("invalid_client_metadata", f"Content-Type must be application/json, not {given[:60]!r}")
        try:
            found = json.loads(self.call.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Refused("invalid_client_metadata", "The body must be a JSON object")
        return found
