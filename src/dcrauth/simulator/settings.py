"""What a simulator is made with, as a TOML file tells it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.fields import check_fields, made
from dcrauth.simulator.orders import Application, FixedRoute
from dcrauth.simulator.scenario import Scenario, Step, table_of
from dcrauth.simulator.service import Service
from dcrauth.simulator.world import World

_BASE_PATH = re.compile(r"(/[\w.~-]+)*/*", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that such a file may say; for the parameters see `Simulator`.

    Parameters:
        application: applications beside the usual one, and in which environment.
        route: routes that always give one answer.
        step: steps of a scenario that begins at the start.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = ""
    names: tuple[str, ...] = ()
    tls: bool = False
    environments: tuple[str, ...] = ()
    behaviour: Behaviour = field(default_factory=Behaviour)
    world: World = field(default_factory=World)
    application: tuple[Application, ...] = ()
    route: tuple[FixedRoute, ...] = ()
    step: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "the simulator")
        if not _BASE_PATH.fullmatch(self.base_path):
            raise ConfigurationError(
                f"{self.base_path!r} is no base path: it is empty, or begins with / and has no query"
            )
        for name in self.names:
            if not _HOST_NAME.fullmatch(name):
                raise ConfigurationError(f"names has {name!r}, which is no host name, such as adobe.test")

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

    def furnish(self, simulator: Service) -> None:
        """Give a simulator the applications and routes."""
        for application in self.application:
            application.made(simulator)
        for each in self.route:
            route = each.made()
            simulator.route(route.method, route.path, route.answer, protected=route.protected)
