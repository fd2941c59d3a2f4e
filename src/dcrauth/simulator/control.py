"""A simulator's controls over HTTP, for programs that run it with ``dcrauth simulate``, and for its page.

What the Python object can do has an order here: ``POST /control/NAME`` with a JSON table of its arguments; what it
tells can be asked for with ``GET /control/NAME``. docs/simulator.md has the tables of them.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from dcrauth.errors import ConfigurationError
from dcrauth.simulator import live
from dcrauth.simulator.fields import checked, made
from dcrauth.simulator.http import Stream
from dcrauth.simulator.messages import JSON, Call, Reply
from dcrauth.simulator.orders import Nothing, Order
from dcrauth.simulator.service import Service

Asking = dict[str, str]
Simulated = Service[Any, Any, Any]
PRIVATE = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
"""Header fields of what is nobody else's business."""


def _as_given(call: Call, order: type, fields: Any) -> None:
    """Nothing is added to what was sent."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What one kind of simulator has.

    Parameters:
        orders: its orders, by name.
        told: what it tells, beside what all tell.
        kinds: values of it of which what is named changes, by the names of its attributes.
        complete: adds to the fields of an order what the call says otherwise.
    """

    orders: Mapping[str, Order]
    told: Mapping[str, Callable[[Any, Asking], Reply]]
    kinds: Mapping[str, type]
    complete: Callable[[Call, type, Any], None] = field(default=_as_given)


def answer(call: Call, simulator: Simulated, controls: Controls) -> Reply | Stream:
    """Do what *call* asks for; answer 200 with what came of it, or 400 with what is wrong with the call."""
    if not call.path:  # the links of the page are relative
        return Reply(308, headers=(("Location", f"{simulator.url}{_below(call)}/"),))
    name = _BY_PATH.get(call.path) or call.path.removeprefix("/control/")
    try:
        if call.method in {"GET", "HEAD"}:
            return _tell(name, call, simulator, controls)
        if (call.method, name) == ("POST", "stop"):
            made(Nothing, _table(call.body), "The control stop")
            return Stream(_last_words(simulator), (("Content-Type", JSON),))
        return Reply.json(200, _do(name, call, simulator, controls) or asdict(simulator.counts))
    except ConfigurationError as reason:
        return Reply.json(400, {"error": str(reason)}, why=str(reason))


def _below(call: Call) -> str:
    return f"/{call.environment}" if call.environment else ""


def _tell(name: str, call: Call, simulator: Simulated, controls: Controls) -> Reply | Stream:
    if (found := live.page(name)) is not None:
        return found
    if name == "events":
        return live.stream(simulator)
    told = {**_TOLD, **controls.told}
    if name not in told:
        raise ConfigurationError(f"there is no control {name!r} to GET; there is events, {', '.join(sorted(told))}")
    asking = {each: values[-1] for each, values in parse_qs(call.query).items()}
    return told[name](simulator, asking)


def _do(name: str, call: Call, simulator: Simulated, controls: Controls) -> dict[str, Any] | None:
    names = {*controls.orders, *controls.kinds, "stop"}
    if call.method != "POST" or name not in names:
        told = ", ".join(sorted(names))
        raise ConfigurationError(f"there is no control {name!r} to {call.method}; to POST there is {told}")
    fields = _table(call.body)
    where = f"The control {name}"
    if (kind := controls.kinds.get(name)) is not None:
        setattr(simulator, name, replace(getattr(simulator, name), **checked(kind, fields, where)))
        return None
    order = controls.orders[name]
    controls.complete(call, order.arguments, fields)
    return order.act(simulator, made(order.arguments, fields, where))


def _table(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else {}
    except ValueError as reason:
        raise ConfigurationError(f"the body of a control must be a table in JSON: {reason}") from None
    except RecursionError:
        raise ConfigurationError("the body of a control must be a table in JSON, nested less deeply") from None


def _last_words(simulator: Simulated) -> Iterator[bytes]:
    """Answer, and then stop."""
    yield json.dumps(asdict(simulator.counts)).encode()
    threading.Thread(target=simulator.stop, name="simulator stops", daemon=True).start()


def _calls(simulator: Simulated, asking: Asking) -> Reply:
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
    return Reply.json(200, {"calls": told}, *PRIVATE)


def _number(asking: Asking, name: str) -> int | None:
    if name not in asking:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", asking[name]):
        raise ConfigurationError(f"{name} must be a whole number, such as 200, not {asking[name][:60]!r}")
    return int(asking[name])


def _authority(simulator: Simulated, _: Asking) -> Reply:
    if simulator.authority is None:
        raise ConfigurationError("there is no certificate authority: the simulator was not started with tls")
    return Reply(200, simulator.authority, (("Content-Type", "application/x-pem-file"), *PRIVATE))


def _behaviour(simulator: Simulated, _: Asking) -> Reply:
    return Reply.json(200, asdict(simulator.behaviour), *PRIVATE)


def _counts(simulator: Simulated, _: Asking) -> Reply:
    return Reply.json(200, asdict(simulator.counts), *PRIVATE)


def _state(simulator: Simulated, _: Asking) -> Reply:
    return Reply.json(200, live.state(simulator), *PRIVATE)


_NUMBERS, _TEXTS = ("number", "after", "status"), ("endpoint", "method", "path", "environment", "secrets")
_BY_PATH = {"/": "page.html", "/openapi.json": "openapi"}
_TOLD: Mapping[str, Callable[[Simulated, Asking], Reply]] = {
    "authority": _authority,
    "behaviour": _behaviour,
    "calls": _calls,
    "counts": _counts,
    "state": _state,
}
