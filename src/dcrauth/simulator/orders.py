"""Each order that the controls take: its arguments, and what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dcrauth.simulator import api
from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.environment import APPLICATION, Environment
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
    act: Callable[[Service, Any], dict[str, Any] | None]


@dataclass(frozen=True)
class Nothing:
    """No arguments."""


@dataclass(frozen=True)
class Where:
    """Which environment is meant."""

    environment: str = ""

    def of(self, simulator: Service) -> Environment:
        """Return that environment."""
        return simulator.environment(self.environment)


@dataclass(frozen=True)
class Which(Where):
    """Which application is meant."""

    sub: str = APPLICATION


@dataclass(frozen=True)
class Application(Where):
    """An application, as `Simulator.statement` makes it."""

    sub: str = APPLICATION
    scopes: tuple[str, ...] = (api.SCOPE,)
    service_providers: tuple[str, ...] | None = None
    redirect_domains: tuple[str, ...] = ()

    def made(self, simulator: Service) -> str:
        """Make it, if there is none; return a statement of it."""
        return self.of(simulator).statement(
            self.sub,
            scopes=self.scopes,
            service_providers=self.service_providers,
            redirect_domains=self.redirect_domains,
        )


@dataclass(frozen=True, kw_only=True)
class LogIn(Where):
    """What `Simulator.log_in` takes."""

    code: str
    user: str


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

    def __post_init__(self) -> None:
        checked(Counts, self.counts, "counts")


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


def _statement(simulator: Service, order: Application) -> dict[str, Any]:
    return {"software_statement": order.made(simulator)}


def _environment(simulator: Service, order: Where) -> dict[str, Any]:
    found = order.of(simulator)
    return {"url": found.url, "software_statement": found.software_statement}


def _route(simulator: Service, order: FixedRoute) -> None:
    route = order.made()
    simulator.route(route.method, route.path, route.answer, protected=route.protected)


def _wait(simulator: Service, order: Awaited) -> dict[str, Any]:
    timeout, stopped = max(0.0, min(order.timeout, _LONGEST_WAIT)), simulator._stopped
    simulator.wait_for(lambda counts: stopped.is_set() or _reached(counts, order.counts), timeout)
    return {"done": _reached(simulator.counts, order.counts)}


def _reached(counts: Counts, wanted: Mapping[str, int]) -> bool:
    return all(getattr(counts, name) >= least for name, least in wanted.items())


def _reset(simulator: Service, order: Nothing) -> dict[str, Any]:
    simulator.reset()
    return {"url": simulator.url, "software_statement": simulator.software_statement}


ORDERS: Mapping[str, Order] = {
    "expire-tokens": Order(Where, lambda simulator, order: order.of(simulator).expire_tokens()),
    "revoke-tokens": Order(Where, lambda simulator, order: order.of(simulator).revoke_tokens()),
    "revoke-clients": Order(Where, lambda simulator, order: order.of(simulator).revoke_clients()),
    "revoke-statement": Order(Which, lambda simulator, order: order.of(simulator).revoke_statement(order.sub)),
    "reinstate-statement": Order(Which, lambda simulator, order: order.of(simulator).reinstate_statement(order.sub)),
    "expire-profiles": Order(Where, lambda simulator, order: order.of(simulator).expire_profiles()),
    "log-in": Order(LogIn, lambda simulator, order: order.of(simulator).log_in(order.code, order.user)),
    "reset-counts": Order(Nothing, lambda simulator, _: simulator.reset_counts()),
    "clear-faults": Order(Nothing, lambda simulator, _: simulator.clear_faults()),
    "inject": Order(Injection, lambda simulator, order: simulator.inject(order.endpoint, order.fault, order.times)),
    "play": Order(Scenario, lambda simulator, scenario: simulator.play(scenario)),
    "route": Order(FixedRoute, _route),
    "advance": Order(Forward, lambda simulator, order: simulator.advance(order.seconds)),
    "statement": Order(Application, _statement),
    "environment": Order(Where, _environment),
    "wait": Order(Awaited, _wait),
    "reset": Order(Nothing, _reset),
}
"""By name. Apart are "behaviour" and "world", of which what is named changes, and "stop", which ends the answer."""
