"""The orders that the controls of the simulated Adobe Pass take beside those of every simulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dcrauth.simulator import api, openapi
from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.control import PRIVATE, Asking, Controls
from dcrauth.simulator.environment import Environment
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.orders import COMMON_ORDERS, Nothing, Order
from dcrauth.simulator.pass_service import PassService
from dcrauth.simulator.world import World


@dataclass(frozen=True)
class Where:
    """Which environment is meant."""

    environment: str = ""

    def of(self, simulator: PassService) -> Environment:
        """Return that environment."""
        return simulator.environment(self.environment)


@dataclass(frozen=True)
class Which(Where):
    """Which application is meant; None for the one that its environment always has."""

    sub: str | None = None


@dataclass(frozen=True)
class Application(Where):
    """An application, as `Simulator.statement` makes it; without a *sub* the one that is there already."""

    sub: str | None = None
    scopes: tuple[str, ...] = (api.SCOPE,)
    service_providers: tuple[str, ...] | None = None
    redirect_domains: tuple[str, ...] = ()

    def made(self, simulator: PassService) -> str:
        """Make it, if there is none; return a statement of it."""
        environment = self.of(simulator)
        return environment.statement(
            environment.application if self.sub is None else self.sub,
            scopes=self.scopes,
            service_providers=self.service_providers,
            redirect_domains=self.redirect_domains,
        )


@dataclass(frozen=True, kw_only=True)
class LogIn(Where):
    """What `Simulator.log_in` takes."""

    code: str
    user: str


def _statement(simulator: PassService, order: Application) -> dict[str, Any]:
    return {"software_statement": order.made(simulator)}


def _environment(simulator: PassService, order: Where) -> dict[str, Any]:
    found = order.of(simulator)
    return {"url": found.url, "software_statement": found.software_statement}


def _reset(simulator: PassService, order: Nothing) -> dict[str, Any]:
    simulator.reset()
    return {"url": simulator.url, "software_statement": simulator.software_statement}


ORDERS: Mapping[str, Order] = {
    **COMMON_ORDERS,
    "expire-tokens": Order(Where, lambda simulator, order: order.of(simulator).expire_tokens()),
    "revoke-tokens": Order(Where, lambda simulator, order: order.of(simulator).revoke_tokens()),
    "revoke-clients": Order(Where, lambda simulator, order: order.of(simulator).revoke_clients()),
    "revoke-statement": Order(Which, lambda simulator, order: order.of(simulator).revoke_statement(order.sub)),
    "reinstate-statement": Order(Which, lambda simulator, order: order.of(simulator).reinstate_statement(order.sub)),
    "expire-profiles": Order(Where, lambda simulator, order: order.of(simulator).expire_profiles()),
    "log-in": Order(LogIn, lambda simulator, order: order.of(simulator).log_in(order.code, order.user)),
    "statement": Order(Application, _statement),
    "environment": Order(Where, _environment),
    "reset": Order(Nothing, _reset),
}
"""By name. Apart are "behaviour" and "world", of which what is named changes, and "stop", which ends the answer."""


def _where(call: Call, order: type, fields: Any) -> None:
    """Let an order that was sent to an environment's URL be about that one."""
    if issubclass(order, Where) and isinstance(fields, dict):
        fields.setdefault("environment", call.environment)


def _openapi(simulator: PassService, _: Asking) -> Reply:
    return Reply.json(200, openapi.DESCRIPTION)


def _world(simulator: PassService, _: Asking) -> Reply:
    return Reply.json(200, simulator.world.shown(), *PRIVATE)


def _told_statement(simulator: PassService, _: Asking) -> Reply:
    return Reply.json(200, {"software_statement": simulator.software_statement}, *PRIVATE)


CONTROLS = Controls(
    orders=ORDERS,
    told={"openapi": _openapi, "statement": _told_statement, "world": _world},
    kinds={"behaviour": Behaviour, "world": World},
    complete=_where,
)
"""All of them."""
