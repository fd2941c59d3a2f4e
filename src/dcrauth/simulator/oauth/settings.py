"""What an authorization server is made with, as a TOML file tells it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import made
from dcrauth.simulator.listening import Listening
from dcrauth.simulator.oauth.api import Protection
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.service import OAuthService
from dcrauth.simulator.orders import FixedRoute
from dcrauth.simulator.scenario import Scenario, Step, table_of


@dataclass(frozen=True, kw_only=True)
class GivenClient:
    """What `OAuthSimulator.add_client` takes."""

    client_id: str = ""
    method: str = "client_secret_basic"
    secret: str = field(default="", repr=False)
    scope: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_further(self.metadata, "metadata", ("self", "client_id", "method", "secret", "scope"))

    def made(self, simulator: OAuthService) -> dict[str, Any]:
        """Make the client; return what it has to know."""
        client = simulator.add_client(
            self.client_id, method=self.method, secret=self.secret, scope=self.scope, **self.metadata
        )
        secret = {} if client.secret is None else {"client_secret": client.secret.value}
        return {"client_id": client.client_id, **secret}


@dataclass(frozen=True, kw_only=True)
class OAuthSettings(Listening):
    """All that such a file may say; for the parameters see `OAuthSimulator`.

    Parameters:
        client: clients that are given.
        protect: what APIs ask of a token.
        route: routes that always give one answer.
        step: steps of a scenario that begins at the start.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    behaviour: OAuthBehaviour = field(default_factory=OAuthBehaviour)
    client: tuple[GivenClient, ...] = ()
    protect: tuple[Protection, ...] = ()
    route: tuple[FixedRoute, ...] = ()
    step: tuple[Step, ...] = ()

    @classmethod
    def from_toml(cls, path: str | Path) -> "OAuthSettings":
        """Read settings from a file.

        Raises:
            ConfigurationError: there is no such file, or what it says is wrong.
        """
        return made(cls, table_of(path), str(path))

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of an `OAuthSimulator`."""
        named = ("behaviour", "host", "port", "base_path", "names", "tls")
        scenario = Scenario("settings", self.step) if self.step else None
        return {name: getattr(self, name) for name in named} | {"scenario": scenario}

    def furnish(self, simulator: OAuthService) -> None:
        """Give a server the clients, protections and routes."""
        for client in self.client:
            client.made(simulator)
        for each in self.protect:
            simulator.protect(each.path, scope=each.scope, audience=each.audience)
        for fixed in self.route:
            route = fixed.made()
            simulator.route(route.method, route.path, route.answer, protected=route.protected)


def check_further(further: Mapping[str, Any], name: str, arguments: Collection[str]) -> None:
    """Raise `ConfigurationError` if what is given to a method as further arguments has one of its own."""
    for each in arguments:
        if each in further:
            raise ConfigurationError(f"{name} must be without {each!r}, which is an argument of its own")
