"""What a simulator is made with, as a TOML file tells it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.fields import made
from dcrauth.simulator.listening import Listening
from dcrauth.simulator.orders import FixedRoute
from dcrauth.simulator.pass_orders import Application
from dcrauth.simulator.pass_service import PassService
from dcrauth.simulator.scenario import Scenario, Step, table_of
from dcrauth.simulator.world import World


@dataclass(frozen=True, kw_only=True)
class Settings(Listening):
    """All that such a file may say; for the parameters see `Simulator`.

    Parameters:
        application: applications beside the usual one, and in which environment.
        route: routes that always give one answer.
        step: steps of a scenario that begins at the start.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    environments: tuple[str, ...] = ()
    behaviour: Behaviour = field(default_factory=Behaviour)
    world: World = field(default_factory=World)
    application: tuple[Application, ...] = ()
    route: tuple[FixedRoute, ...] = ()
    step: tuple[Step, ...] = ()

    @classmethod
    def from_toml(cls, path: str | Path) -> "Settings":
        """Read settings from a file.

        Raises:
            ConfigurationError: there is no such file, or what it says is wrong.
        """
        return made(cls, table_of(path), str(path))

    def scenario(self) -> Scenario | None:
        """Return the scenario, if there are steps."""
        return Scenario("settings", self.step) if self.step else None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of a `Simulator`."""
        named = ("behaviour", "host", "port", "base_path", "names", "tls", "environments", "world")
        return {name: getattr(self, name) for name in named} | {"scenario": self.scenario()}

    def furnish(self, simulator: PassService) -> None:
        """Give a simulator the applications and routes."""
        for application in self.application:
            application.made(simulator)
        for each in self.route:
            route = each.made()
            simulator.route(route.method, route.path, route.answer, protected=route.protected)
