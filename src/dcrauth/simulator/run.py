"""One run of the simulated service, until it is reset: environments, faults, routes and the record of calls."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from dcrauth.errors import ConfigurationError
from dcrauth.simulator import api, dcr
from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.clock import VirtualClock
from dcrauth.simulator.environment import Environment
from dcrauth.simulator.faults import Faults
from dcrauth.simulator.http import Stream
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.record import Record
from dcrauth.simulator.routes import Route, sendable
from dcrauth.simulator.throttle import too_many
from dcrauth.simulator.world import World


class Run:
    """All that a reset makes new.

    Parameters:
        behaviour: its switches.
        world: what REST API v2 is about.
        url: base URL of the environment that is always there.
        base_path: the path of that URL.
        clock: returns seconds since the epoch.
        changed: told of each change.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        world: World,
        url: str,
        base_path: str,
        clock: Callable[[], float],
        changed: threading.Condition,
    ) -> None:
        self.behaviour = behaviour
        self.clock = VirtualClock(clock)
        self.record = Record(changed)
        self.faults = Faults(self.clock, self._act)
        self.routes: list[Route] = []
        self.environments: dict[str, Environment] = {}
        self._world = world
        self._url = url
        self._base_path = base_path
        self._making = threading.Lock()
        self.environment("")

    def environment(self, name: str) -> Environment:
        """Return the environment of that name, which is made if there is none."""
        with self._making:
            if name not in self.environments:
                url = f"{self._url}/{name}" if name else self._url
                self.environments[name] = Environment(name, url, self.clock, self._world)
            return self.environments[name]

    @property
    def world(self) -> World:
        """What REST API v2 is about, in all environments."""
        return self._world

    @world.setter
    def world(self, world: World) -> None:
        with self._making:
            self._world = world
            for environment in self.environments.values():
                environment._registry.world = world

    def is_secret(self, text: str) -> bool:
        """Whether *text* is a token or a client's secret of any environment."""
        return any(each._registry.is_secret(text) for each in [*self.environments.values()])

    def located(self, call: Call) -> Call | None:
        """Return *call* as its environment sees it; None where it is outside of the base path."""
        if not self._base_path and len(self.environments) == 1:
            return call
        path = call.path.removeprefix(self._base_path)
        if not call.path.startswith(self._base_path) or path[:1] not in {"", "/"}:
            return None
        name, slash, rest = path[1:].partition("/")
        if name and slash and name in self.environments:
            return replace(call, path=f"/{rest}", environment=name)
        return replace(call, path=path)

    def answer(self, call: Call) -> Reply:
        """Return the answer to *call* where nothing goes wrong."""
        environment, behaviour = self.environments[call.environment], self.behaviour
        address = call.headers.get("x-forwarded-for", call.address).partition(",")[0].strip()
        if not environment._throttle.admits(address, behaviour.throttle):
            self.record.count("throttled")
            return too_many(behaviour.retry_after)
        for route in self.routes:
            if (segments := route.matches(call)) is not None:
                return self._by_route(route, segments, call)
        if call.endpoint == "api":
            return api.answer(call, environment._registry, behaviour)
        if call.method != "POST":
            return Reply(405, why=f"this endpoint takes POST, not {call.method}")
        endpoint, success = (dcr.register, "registered") if call.endpoint == "register" else (dcr.token, "issued")
        reply = endpoint(call, environment._registry, behaviour)
        if reply.status < 300:
            self.record.count(success)
        return reply

    def _by_route(self, route: Route, segments: dict[str, str], call: Call) -> Reply:
        if route.protected:
            refused = api.token_refusal(call, self.environments[call.environment]._registry, self.behaviour)
            if refused is not None:
                return refused
        try:
            found = route.answered(call, segments)
        except Exception as error:  # whatever the tester's function raises is an answer, and not lost
            return Reply(500, why=f"the function of the route {route.method} {route.path} raised {error!r}")
        try:
            return sendable(found)
        except ConfigurationError as reason:
            return Reply(500, why=f"what the route {route.method} {route.path} returned cannot be sent: {reason}")

    def _act(self, action: str) -> None:
        for environment in [*self.environments.values()]:
            getattr(environment, action.replace("-", "_"))()


class Answering(Protocol):
    """What the simulator has of its own: the page and the controls."""

    def own(self, call: Call) -> Reply | Stream:
        """Return the answer to a call of the page or of the controls."""
        ...


@dataclass
class OwnVisit:
    """A call of the page or of the controls, which is neither counted nor kept, and with which nothing goes wrong."""

    call: Call
    site: Answering
    fault: Fault = Fault()  # noqa: RUF009  # it is a value
    delay: float = 0.0

    def answer(self) -> Reply | Stream:
        """Return the answer."""
        return self.site.own(self.call)


class ServiceVisit:
    """A call of the simulated service; it belongs to the run that it came into, whatever is reset meanwhile.

    Parameters:
        call: the call, as its environment sees it.
        run: that run.
    """

    def __init__(self, call: Call, run: Run) -> None:
        self._call = call
        self._run = run
        run.record.count(call.endpoint)
        self.fault = run.faults.next(call)
        self.delay = self.fault.delay + getattr(run.behaviour, f"{call.endpoint}_delay")

    def answer(self) -> Reply | None:
        """Return the answer, and keep the record of it."""
        run, call, fault = self._run, self._call, self.fault
        reply = _faulty(fault) if fault.takes_over else run.answer(call)
        sent = None if fault.reset else reply
        run.record.add(call, sent, run.clock())
        return sent


class Astray:
    """A call outside of the base path.

    Parameters:
        call: the call as it came.
        run: where it is kept.
        url: where it should have gone.
    """

    fault = Fault()
    delay = 0.0

    def __init__(self, call: Call, run: Run, url: str) -> None:
        self._call = call
        self._run = run
        self._url = url

    def answer(self) -> Reply:
        """Return the answer, and keep the record of it."""
        why = f"nothing is here: the base URL is {self._url}"
        reply = Reply.json(404, {"error": why}, why=why)
        self._run.record.count("api")
        self._run.record.add(self._call, reply, self._run.clock())
        return reply


def _faulty(fault: Fault) -> Reply:
    return Reply(fault.status or 200, fault.body or b"", fault.headers, why="a fault that was injected")
