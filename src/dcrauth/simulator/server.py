"""The simulated Adobe Pass itself: what it is made with."""

import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.control import Controls
from dcrauth.simulator.fields import check_kind, texts
from dcrauth.simulator.messages import Counts
from dcrauth.simulator.pass_orders import CONTROLS
from dcrauth.simulator.pass_run import PassRun
from dcrauth.simulator.pass_service import PassService
from dcrauth.simulator.scenario import Scenario
from dcrauth.simulator.serving import Serving
from dcrauth.simulator.settings import Settings
from dcrauth.simulator.world import World


class Simulator(Serving[Behaviour, Counts, PassRun], PassService):
    """Adobe Pass on loopback; use it with ``with``, or call `start` and `stop`.

    Parameters:
        behaviour: its switches; may be replaced while it runs.
        host: loopback address to listen on: 127.0.0.1, ::1 or localhost.
        port: port to listen on; 0 for any that is free.
        base_path: what all its paths begin with, such as ``/adobe``.
        names: host names by which it may be called, beside those of loopback; a certificate is good for them too.
        tls: makes it speak HTTPS, with a certificate of an `authority` that lasts as long as it.
        ssl_context: makes it speak HTTPS, with a certificate of your own.
        environments: names of environments that there are beside the usual one.
        scenario: what goes wrong, from the start on and again after each `reset`.
        clock: returns seconds since the epoch; tokens expire and the throttle counts by it.
        world: the channels, MVPDs, users and resources; as usual if none is given.

    Raises:
        ConfigurationError: one of these is wrong, or it cannot listen there, as where the port is in use.
    """

    _controls: ClassVar[Controls] = CONTROLS

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        base_path: str = "",
        names: Iterable[str] = (),
        tls: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        environments: Iterable[str] = (),
        scenario: Scenario | None = None,
        clock: Callable[[], float] = time.time,
        world: World | None = None,
    ) -> None:
        self._behaviour = Behaviour() if behaviour is None else behaviour
        self._world = World() if world is None else world
        check_kind(self._behaviour, Behaviour, "behaviour")
        check_kind(self._world, World, "world")
        self._environments = texts(environments, "environments")
        super().__init__(
            host=host,
            port=port,
            base_path=base_path,
            names=names,
            tls=tls,
            ssl_context=ssl_context,
            scenario=scenario,
            clock=clock,
        )

    @classmethod
    def from_toml(cls, path: str | Path, **changes: Any) -> Self:
        """Return a simulator with the settings of a TOML file; docs/testing.md has an example.

        Parameters:
            changes: parameters that take the place of what the file says.

        Raises:
            ConfigurationError: there is no such file, or what it says is wrong.
        """
        settings = Settings.from_toml(path)
        return cls(**settings.parameters() | changes)._furnished(settings.furnish)

    def reset(self) -> None:
        """Make everything as new, at the same URL.

        Environments, applications, clients, tokens, faults, routes, calls and counts are gone but for those that it was
        made with; so are changes of behaviour, world, clock and scenario. There is a new `software_statement`.
        """
        super().reset()

    def _first_run(self) -> PassRun:
        run = PassRun(self._behaviour, self._world, self.url, self._base_path, self._time, self._changed)
        for name in self._environments:
            run.environment(name)
        return run
