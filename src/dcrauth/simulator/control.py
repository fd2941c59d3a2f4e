"""The simulator's controls over HTTP, for programs that run it with ``dcrauth simulate``, and for its page.

What the Python object can do has an order here: ``POST /control/NAME`` with a JSON table of its arguments; what it
tells can be asked for with ``GET /control/NAME``. docs/testing.md has the table of them.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import parse_qs

from dcrauth.errors import ConfigurationError
from dcrauth.simulator import live, openapi
from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.fields import checked, made
from dcrauth.simulator.http import Stream
from dcrauth.simulator.messages import JSON, Call, Reply
from dcrauth.simulator.orders import ORDERS, Nothing, Where
from dcrauth.simulator.service import Service
from dcrauth.simulator.world import World

Asking = dict[str, str]


def answer(call: Call, simulator: Service) -> Reply | Stream:
    """Do what *call* asks for; answer 200 with what came of it, or 400 with what is wrong with the call."""
    if not call.path:  # the links of the page are relative
        return Reply(308, headers=(("Location", f"{simulator.environment(call.environment).url}/"),))
    name = _BY_PATH.get(call.path) or call.path.removeprefix("/control/")
    try:
        if call.method in {"GET", "HEAD"}:
            return _tell(name, call, simulator)
        if (call.method, name) == ("POST", "stop"):
            made(Nothing, _table(call.body), "The control stop")
            return Stream(_last_words(simulator), (("Content-Type", JSON),))
        return Reply.json(200, _do(name, call, simulator) or asdict(simulator.counts))
    except ConfigurationError as reason:
        return Reply.json(400, {"error": str(reason)}, why=str(reason))


def _tell(name: str, call: Call, simulator: Service) -> Reply | Stream:
    if (found := live.page(name)) is not None:
        return found
    if name == "events":
        return live.stream(simulator)
    if name not in _TOLD:
        raise ConfigurationError(f"there is no control {name!r} to GET; there is events, {', '.join(_TOLD)}")
    asking = {each: values[-1] for each, values in parse_qs(call.query).items()}
    return _TOLD[name](simulator, asking)


def _do(name: str, call: Call, simulator: Service) -> dict[str, Any] | None:
    if call.method != "POST" or name not in _NAMES:
        told = ", ".join(sorted(_NAMES))
        raise ConfigurationError(f"there is no control {name!r} to {call.method}; to POST there is {told}")
    fields = _table(call.body)
    where = f"The control {name}"
    if name == "behaviour":
        simulator.behaviour = replace(simulator.behaviour, **checked(Behaviour, fields, where))
        return None
    if name == "world":
        simulator.world = replace(simulator.world, **checked(World, fields, where))
        return None
    order = ORDERS[name]
    if issubclass(order.arguments, Where) and isinstance(fields, dict):
        fields.setdefault("environment", call.environment)
    return order.act(simulator, made(order.arguments, fields, where))


def _table(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else {}
    except ValueError as reason:
        raise ConfigurationError(f"the body of a control must be a table in JSON: {reason}") from None
    except RecursionError:
        raise ConfigurationError("the body of a control must be a table in JSON, nested less deeply") from None


def _last_words(simulator: Service) -> Iterator[bytes]:
    """Answer, and then stop."""
    yield json.dumps(asdict(simulator.counts)).encode()
    threading.Thread(target=simulator.stop, name="simulator stops", daemon=True).start()


def _calls(simulator: Service, asking: Asking) -> Reply:
    """Return the calls: all, or those that are asked for."""
    if unknown := asking.keys() - {*_NUMBERS, *_TEXTS}:
        known = ", ".join([*_NUMBERS, *_TEXTS])
        raise ConfigurationError(f"calls are not asked for by {min(unknown)!r}; there is {known}")
    number, after, status = (_number(asking, name) for name in _NUMBERS)
    filters = {name: asking[name] for name in _TEXTS if name in asking and name != "secrets"}
    fitting = simulator.calls.only(**filters, status=status)
    found = [call for call in fitting if call.number > (after or 0) and number in {None, call.number}]
    show = asking.get("secrets") == "shown"
    told = [live.detail(call, simulator._run, show_secrets=show) for call in found]
    return Reply.json(200, {"calls": told}, *_PRIVATE)


def _number(asking: Asking, name: str) -> int | None:
    if name not in asking:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", asking[name]):
        raise ConfigurationError(f"{name} must be a whole number, such as 200, not {asking[name][:60]!r}")
    return int(asking[name])


def _authority(simulator: Service, _: Asking) -> Reply:
    if simulator.authority is None:
        raise ConfigurationError("there is no certificate authority: the simulator was not started with tls")
    return Reply(200, simulator.authority, (("Content-Type", "application/x-pem-file"), *_PRIVATE))


_NUMBERS, _TEXTS = ("number", "after", "status"), ("endpoint", "method", "path", "environment", "secrets")
_PRIVATE = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
_BY_PATH = {"/": "page.html", "/openapi.json": "openapi"}
_NAMES = {*ORDERS, "behaviour", "world", "stop"}
_TOLD: dict[str, Callable[[Service, Asking], Reply]] = {
    "authority": _authority,
    "behaviour": lambda simulator, _: Reply.json(200, asdict(simulator.behaviour), *_PRIVATE),
    "calls": _calls,
    "counts": lambda simulator, _: Reply.json(200, asdict(simulator.counts), *_PRIVATE),
    "openapi": lambda *_: Reply.json(200, openapi.DESCRIPTION),
    "state": lambda simulator, _: Reply.json(200, live.state(simulator), *_PRIVATE),
    "world": lambda simulator, _: Reply.json(200, simulator.world.shown(), *_PRIVATE),
    "statement": lambda simulator, _: Reply.json(200, {"software_statement": simulator.software_statement}, *_PRIVATE),
}
