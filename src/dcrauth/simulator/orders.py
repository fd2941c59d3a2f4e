"""The orders that the controls of every simulator take: the arguments of each, and what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.fields import checked
from dcrauth.simulator.messages import Counts, Reply
from dcrauth.simulator.routes import Route
from dcrauth.simulator.scenario import Scenario
from dcrauth.simulator.service import Service

_LONGEST_WAIT = 30.0


class Order(NamedTuple):
    """One order.

    Parameters:
        arguments: what it takes, a dataclass.
        act: does it; returns what came of it, as JSON values, or None.
    """

    arguments: type
    act: Callable[[Any, Any], dict[str, Any] | None]


@dataclass(frozen=True)
class Nothing:
    """No arguments."""


@dataclass(frozen=True)
class Injection:
    """What `Simulator.inject` takes."""

    endpoint: str
    fault: Fault
    times: int | None = 1


@dataclass(frozen=True)
class Forward:
    """What `Simulator.advance` takes."""

    seconds: float


@dataclass(frozen=True)
class Awaited:
    """What `Simulator.wait_for` waits for: at least so many of each count."""

    counts: dict[str, Any]
    timeout: float = 5.0


@dataclass(frozen=True, kw_only=True)
class FixedRoute:
    """What `Simulator.route` takes, with an answer that is always the same."""

    method: str
    path: str
    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    protected: bool = True

    def __post_init__(self) -> None:
        self.made()

    def made(self) -> Route:
        """Return the route."""
        return Route(self.method, self.path, Reply(self.status, self.body.encode(), self.headers), self.protected)


def _route(simulator: Service[Any, Any, Any], order: FixedRoute) -> None:
    route = order.made()
    simulator.route(route.method, route.path, route.answer, protected=route.protected)


def _wait(simulator: Service[Any, Any, Any], order: Awaited) -> dict[str, Any]:
    checked(type(simulator.counts), order.counts, "counts")
    timeout, stopped = max(0.0, min(order.timeout, _LONGEST_WAIT)), simulator._stopped
    simulator.wait_for(lambda counts: stopped.is_set() or _reached(counts, order.counts), timeout)
    return {"done": _reached(simulator.counts, order.counts)}


def _reached(counts: Counts, wanted: Mapping[str, int]) -> bool:
    return all(getattr(counts, name) >= least for name, least in wanted.items())


COMMON_ORDERS: Mapping[str, Order] = {
    "reset-counts": Order(Nothing, lambda simulator, _: simulator.reset_counts()),
    "clear-faults": Order(Nothing, lambda simulator, _: simulator.clear_faults()),
    "inject": Order(Injection, lambda simulator, order: simulator.inject(order.endpoint, order.fault, order.times)),
    "play": Order(Scenario, lambda simulator, scenario: simulator.play(scenario)),
    "route": Order(FixedRoute, _route),
    "advance": Order(Forward, lambda simulator, order: simulator.advance(order.seconds)),
    "wait": Order(Awaited, _wait),
}
"""By name."""
