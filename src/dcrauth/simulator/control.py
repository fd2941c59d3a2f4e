"""The simulator's controls over HTTP, for programs that run it with ``dcrauth simulate``.

POST /control/expire-tokens, revoke-tokens, revoke-clients, revoke-statement, reinstate-statement,
expire-profiles, reset-counts, clear-faults
POST /control/log-in       {"code": "…", "user": "alice"}
POST /control/world        {"users": [{"name": "bob"}]}   changes what is named, keeps the rest
POST /control/inject       {"endpoint": "token", "times": 2, "fault": {"status": 503, "body": "busy"}}
POST /control/behaviour    {"refusals": "legacy", "token_delay": 0.5}   changes what is named, keeps the rest
GET  /control/counts
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.fields import checked
from dcrauth.simulator.messages import Call, Counts, Reply
from dcrauth.simulator.world import World


class Controlled(Protocol):
    """What can be controlled: a simulator."""

    behaviour: Behaviour

    @property
    def world(self) -> World:
        """What there is."""
        ...

    @world.setter
    def world(self, world: World) -> None: ...

    @property
    def counts(self) -> Counts:
        """How many calls there were so far."""
        ...

    def log_in(self, code: str, user: str) -> None:
        """Log a user in."""
        ...

    def inject(self, endpoint: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next calls go wrong."""
        ...


_SIMPLE = frozenset(
    {
        "expire-tokens",
        "revoke-tokens",
        "revoke-clients",
        "revoke-statement",
        "reinstate-statement",
        "expire-profiles",
        "reset-counts",
        "clear-faults",
    }
)


def answer(call: Call, simulator: Controlled) -> Reply:
    """Do what *call* asks for; answer 200 with the counts, or 400 with what is wrong with the call."""
    name = call.path.removeprefix("/control/")
    try:
        if (call.method, name) != ("GET", "counts"):
            _act(name, call.body, simulator)
    except (ConfigurationError, ValueError, TypeError, KeyError) as reason:
        return Reply.json(400, {"error": str(reason)})
    return Reply.json(200, asdict(simulator.counts))


def _act(name: str, body: bytes, simulator: Controlled) -> None:
    if name in _SIMPLE:
        action: Callable[[], None] = getattr(simulator, name.replace("-", "_"))
        action()
        return
    fields = json.loads(body)
    if name == "inject":
        simulator.inject(fields["endpoint"], _fault(fields["fault"]), fields.get("times", 1))
    elif name == "log-in":
        simulator.log_in(fields["code"], fields["user"])
    elif name == "world":
        simulator.world = replace(simulator.world, **checked(World, fields, "the world"))
    elif name == "behaviour":
        simulator.behaviour = replace(simulator.behaviour, **fields)
    else:
        raise ValueError(f"there is no control {name!r}")


def _fault(fields: Mapping[str, Any]) -> Fault:
    values = dict(fields)
    if "body" in values:
        values["body"] = values["body"].encode()
    if "headers" in values:
        values["headers"] = tuple(map(tuple, values["headers"].items()))
    return Fault(**values)
