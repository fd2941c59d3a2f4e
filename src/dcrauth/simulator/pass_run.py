"""One run of the simulated Adobe Pass: its environments, and what each of them answers."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from dcrauth.simulator import api, dcr
from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.enhanced import enhanced
from dcrauth.simulator.entitlements import login
from dcrauth.simulator.environment import Environment
from dcrauth.simulator.messages import ENDPOINTS, Call, Counts, Reply
from dcrauth.simulator.run import INJECTED, Run
from dcrauth.simulator.throttle import Throttle, too_many
from dcrauth.simulator.world import World


class PassRun(Run[Behaviour, Counts]):
    """All that a reset makes new.

    Parameters:
        behaviour: its switches.
        world: what REST API v2 is about.
        url: base URL of the environment that is always there.
        base_path: the path of that URL.
        clock: returns seconds since the epoch.
        changed: told of each change.
    """

    endpoints = ENDPOINTS
    actions: ClassVar = (
        "expire-tokens",
        "revoke-tokens",
        "revoke-clients",
        "revoke-statement",
        "reinstate-statement",
        "expire-profiles",
    )

    def __init__(
        self,
        behaviour: Behaviour,
        world: World,
        url: str,
        base_path: str,
        clock: Callable[[], float],
        changed: threading.Condition,
    ) -> None:
        super().__init__(behaviour, Counts, base_path, clock, changed)
        self.environments: dict[str, Environment] = {}
        self._world = world
        self._url = url
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

    def snapshot(self) -> dict[str, Any]:
        """Return what there is in all environments, as JSON values without secrets."""
        things: dict[str, list[dict[str, Any]]] = {}
        environments = [*self.environments.values()]
        for environment in environments:
            for kind, rows in environment.snapshot().items():
                of = {"environment": environment.name} if environment.name else {}
                things.setdefault(kind, []).extend(of | row for row in rows)
        return {"environments": {each.name: each.url for each in environments}, "things": things}

    def faulty(self, call: Call, fault: Fault) -> Reply:
        """Return the answer to *call*; a 429 or 500 that has no body of its own is as documented."""
        plain = super().faulty(call, fault)
        documented = None if fault.body is not None else self._documented(call, plain.status)
        if documented is None:
            return plain
        given = {name.lower() for name, _ in fault.headers}
        headers = tuple(each for each in documented.headers if each[0].lower() not in given)
        return replace(plain, body=documented.body, headers=headers + fault.headers)

    def _documented(self, call: Call, status: int) -> Reply | None:
        if status == 429:
            return too_many(None, INJECTED)
        if status == 500 and call.path.startswith("/api/v2/"):
            return enhanced(500, "internal_server_error", "none", INJECTED, self.behaviour)
        return None

    def located(self, call: Call) -> Call | None:
        """Return *call* as its environment sees it; None where it is outside of the base path."""
        if not self._base_path and len(self.environments) == 1:
            return call
        path, code = self._below_base_path(call), login.code_of(call.path)
        if code is not None:  # a link for the browser is told relative to the host, whatever the base URL
            return replace(call, environment=self._environment_of(code))
        if path is None:
            return None
        name, slash, rest = path[1:].partition("/")
        if name and slash and name in self.environments:
            return replace(call, path=f"/{rest}", environment=name)
        return replace(call, path=path)

    def _environment_of(self, code: str) -> str:
        """Return the environment whose session has this code; the usual one if none has."""
        environments = [*self.environments.items()]
        return next((name for name, each in environments if each._registry.state.session(code)), "")

    def _throttle_of(self, call: Call) -> tuple[Throttle, str]:
        address = call.headers.get("x-forwarded-for", call.address).partition(",")[0].strip()
        return self.environments[call.environment]._throttle, address

    def _regular(self, call: Call) -> Reply:
        environment, behaviour = self.environments[call.environment], self.behaviour
        if call.endpoint == "api":
            return api.answer(call, environment._registry, behaviour)
        if call.method != "POST":
            return Reply(405, headers=(("Allow", "POST"),), why=f"this endpoint takes POST, not {call.method}")
        endpoint, success = (dcr.register, "registered") if call.endpoint == "register" else (dcr.token, "issued")
        reply = endpoint(call, environment._registry, behaviour)
        if reply.status < 300:
            self.record.count(success)
        return reply

    def _token_refusal(self, call: Call) -> Reply | None:
        return api.token_refusal(call, self.environments[call.environment]._registry, self.behaviour)

    def _act(self, action: str) -> None:
        for environment in [*self.environments.values()]:
            getattr(environment, action.replace("-", "_"))()
