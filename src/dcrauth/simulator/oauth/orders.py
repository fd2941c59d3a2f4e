"""The orders that the controls of the authorization server take beside those of every simulator."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dcrauth.simulator.control import PRIVATE, Asking, Controls
from dcrauth.simulator.messages import Reply
from dcrauth.simulator.oauth.api import Protection
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.registration import SOFTWARE
from dcrauth.simulator.oauth.service import OAuthService
from dcrauth.simulator.oauth.settings import GivenClient, check_further
from dcrauth.simulator.orders import COMMON_ORDERS, Nothing, Order


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which client is meant."""

    client_id: str


@dataclass(frozen=True, kw_only=True)
class Token:
    """Which token is meant."""

    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Software:
    """Which software is meant."""

    software_id: str = SOFTWARE


@dataclass(frozen=True, kw_only=True)
class Statement(Software):
    """What `OAuthSimulator.statement` takes."""

    life: float | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_further(self.claims, "claims", ("self", "software_id", "life"))


@dataclass(frozen=True, kw_only=True)
class Initial:
    """What `OAuthSimulator.initial_token` takes."""

    uses: int | None = None
    life: float | None = None


@dataclass(frozen=True, kw_only=True)
class Like:
    """What `OAuthSimulator.behave_like` takes."""

    server: str


@dataclass(frozen=True, kw_only=True)
class Named:
    """What `OAuthSimulator.client_certificate` takes."""

    name: str = "client"


def _statement(simulator: OAuthService, order: Statement) -> dict[str, Any]:
    return {"software_statement": simulator.statement(order.software_id, life=order.life, **order.claims)}


def _initial_token(simulator: OAuthService, order: Initial) -> dict[str, Any]:
    return {"initial_access_token": simulator.initial_token(uses=order.uses, life=order.life)}


def _protect(simulator: OAuthService, order: Protection) -> None:
    simulator.protect(order.path, scope=order.scope, audience=order.audience)


def _rotate_secret(simulator: OAuthService, order: Which) -> dict[str, Any]:
    return {"client_secret": simulator.rotate_secret(order.client_id)}


def _certificate(simulator: Any, order: Named) -> dict[str, Any]:
    return {"pem": simulator.client_certificate(order.name).decode()}


def _reset(simulator: OAuthService, order: Nothing) -> dict[str, Any]:
    simulator.reset()
    return _facts(simulator)


def _for_all(name: str) -> Order:
    """Return the order without arguments that has the method of its name called."""

    def act(simulator: OAuthService, _: Nothing) -> None:
        method: Callable[[], None] = getattr(simulator, name.replace("-", "_"))
        method()

    return Order(Nothing, act)


_FOR_ALL = (
    "expire-tokens",
    "revoke-tokens",
    "revoke-clients",
    "expire-secrets",
    "rotate-secrets",
    "revoke-registration-tokens",
)

ORDERS: Mapping[str, Order] = {
    **COMMON_ORDERS,
    **{name: _for_all(name) for name in _FOR_ALL},
    "add-client": Order(GivenClient, lambda simulator, order: order.made(simulator)),
    "behave-like": Order(Like, lambda simulator, order: simulator.behave_like(order.server)),
    "client-certificate": Order(Named, _certificate),
    "delete-client": Order(Which, lambda simulator, order: simulator.delete_client(order.client_id)),
    "initial-token": Order(Initial, _initial_token),
    "protect": Order(Protection, _protect),
    "reinstate-statement": Order(Software, lambda simulator, order: simulator.reinstate_statement(order.software_id)),
    "reset": Order(Nothing, _reset),
    "revoke-statement": Order(Software, lambda simulator, order: simulator.revoke_statement(order.software_id)),
    "revoke-token": Order(Token, lambda simulator, order: simulator.revoke_token(order.token)),
    "rotate-secret": Order(Which, _rotate_secret),
    "statement": Order(Statement, _statement),
}
"""By name. Apart are "behaviour", of which what is named changes, and "stop", which ends the answer."""


def _facts(simulator: OAuthService) -> dict[str, Any]:
    names = (
        "url", "issuer", "token_endpoint", "registration_endpoint", "api_url", "initial_access_token",
        "software_statement",
    )  # fmt: skip
    return {name: getattr(simulator, name) for name in names}


def _told_facts(simulator: OAuthService, _: Asking) -> Reply:
    return Reply.json(200, _facts(simulator), *PRIVATE)


def _clients(simulator: OAuthService, asking: Asking) -> Reply:
    """Return the clients; their secrets and tokens only if they are asked for."""
    shown = asking.get("secrets") == "shown"
    hidden = set() if shown else {"secret", "old_secrets", "token", "old_token"}
    told = [{name: value for name, value in asdict(each).items() if name not in hidden} for each in simulator.clients]
    return Reply.json(200, {"clients": told}, *PRIVATE)


CONTROLS = Controls(
    orders=ORDERS, told={"clients": _clients, "facts": _told_facts}, kinds={"behaviour": OAuthBehaviour}
)
"""All of them."""
