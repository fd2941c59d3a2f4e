"""The simulator itself: what it is made with, what it is told to do, and what it tells."""

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from dcrauth._internal.confidential import unfailing
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import control
from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.fields import check_kind, texts
from dcrauth.simulator.guard import is_loopback, refusal
from dcrauth.simulator.http import Handler, Server, Stream, Visit
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.run import Astray, OwnVisit, Run, ServiceVisit
from dcrauth.simulator.scenario import Scenario
from dcrauth.simulator.service import Service
from dcrauth.simulator.settings import Settings
from dcrauth.simulator.tls import Authority
from dcrauth.simulator.world import World

_POLL = 0.02
_PART = 1.0


class Simulator(Service):
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
        behaviour = Behaviour() if behaviour is None else behaviour
        world = World() if world is None else world
        _check_kinds(behaviour, world, scenario, ssl_context)
        environments, names = texts(environments, "environments"), texts(names, "names")
        Settings(host=host, port=port, base_path=base_path, names=names, tls=tls)  # sees to it that they can be
        self._first = (behaviour, world, environments, scenario)
        self._settings: Settings | None = None
        self._base_path = base_path.rstrip("/")
        self._names = frozenset(name.lower() for name in names)
        self._time = clock
        self._changed = threading.Condition()
        self._running = threading.RLock()
        self._context, self.authority = _secured(tls, ssl_context, {host, *self._names})
        self._host = host
        self._server = self._listening(port)
        self._thread: threading.Thread | None = None
        try:
            self._run = self._new_run()
        except BaseException:
            self._server.close()
            raise

    @classmethod
    def from_toml(cls, path: str | Path, **changes: Any) -> Self:
        """Return a simulator with the settings of a TOML file; docs/testing.md has an example.

        Parameters:
            changes: parameters that take the place of what the file says.

        Raises:
            ConfigurationError: there is no such file, or what it says is wrong.
        """
        settings = Settings.from_toml(path)
        made = cls(**settings.parameters() | changes)
        made._settings = settings
        try:
            settings.furnish(made)
        except BaseException:
            made.stop()
            raise
        return made

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *reason: object) -> None:
        self.stop()

    @unfailing
    def __repr__(self) -> str:
        return f"<Simulator at {self.url}>"

    @property
    def url(self) -> str:
        """Base URL for a provider; the page is there as well."""
        return f"{self._origin}{self._base_path}"

    def start(self) -> Self:
        """Begin to serve, on threads of its own; after `stop`, on the same port and with all that it knew.

        Raises:
            ConfigurationError: it was stopped, and its port has been taken since.
        """
        with self._running:
            if self._server.stopped.is_set():
                self._server = self._listening(self._server.server_address[1])
            if self._thread is None:
                serving = self._server.serve_forever
                self._thread = threading.Thread(target=serving, args=(_POLL,), name="simulator", daemon=True)
                self._thread.start()
        return self

    def stop(self) -> None:
        """End serving and close all connections."""
        with self._running:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._server.shutdown()
                thread.join()
            self._server.stopped.set()
            with self._changed:
                self._changed.notify_all()
            self._server.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is stopped, as by the order to stop; return whether it is within *timeout* seconds."""
        stopped, left = self._stopped, timeout
        while left is None or left > 0:  # in parts, so that a signal is noticed on every system
            part = _PART if left is None else min(_PART, left)
            if stopped.wait(part):
                return True
            left = None if left is None else left - part
        return stopped.is_set()

    def reset(self) -> None:
        """Make everything as new, at the same URL.

        Environments, applications, clients, tokens, faults, routes, calls and counts are gone but for those that it was
        made with; so are changes of behaviour, world, clock and scenario. There is a new `software_statement`.
        """
        self._run = self._new_run()
        if self._settings is not None:
            self._settings.furnish(self)
        with self._changed:
            self._changed.notify_all()

    def receive(self, call: Call) -> Visit:
        """Note that *call* has come in; return what becomes of it."""
        run = self._run
        located = run.located(call)
        if located is None:
            return Astray(call, run, self.url)
        if located.endpoint == "control":
            return OwnVisit(located, self)
        return ServiceVisit(located, run)

    def own(self, call: Call) -> Reply | Stream:
        """Return the answer to a call of the page or of the controls."""
        answer = refusal(call, self._names) or control.answer(call, self)
        if call.method == "POST":
            with self._changed:
                self._changed.notify_all()  # the page shows at once what it has asked for
        return answer

    @property
    def _stopped(self) -> threading.Event:
        return self._server.stopped

    @property
    def _origin(self) -> str:
        scheme = "http" if self._context is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._server.server_address[1]}"

    def _new_run(self) -> Run:
        behaviour, world, environments, scenario = self._first
        run = Run(behaviour, world, self.url, self._base_path, self._time, self._changed)
        for name in environments:
            run.environment(name)
        if scenario is not None:
            run.faults.play(scenario)
        return run

    def _listening(self, port: int) -> Server:
        handler = type("BoundHandler", (Handler,), {"site": self})
        wrong = f"The simulator cannot listen on port {port} of {self._host}: "
        if not is_loopback(self._host):
            raise ConfigurationError(f"{wrong}it is for this machine alone; give 127.0.0.1, ::1 or localhost")
        try:
            return Server((self._host, port), handler, self._context)
        except (OSError, OverflowError) as reason:
            why = getattr(reason, "strerror", None) or "a port is a number from 0 to 65535"
            raise ConfigurationError(f"{wrong}{why}; take another one, or 0 for any that is free") from None


def _check_kinds(behaviour: Behaviour, world: World, scenario: Scenario | None, context: ssl.SSLContext | None) -> None:
    check_kind(behaviour, Behaviour, "behaviour")
    check_kind(world, World, "world")
    if scenario is not None:
        check_kind(scenario, Scenario, "scenario")
    if context is not None:
        check_kind(context, ssl.SSLContext, "ssl_context")
        if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ConfigurationError("ssl_context must be one of a server, such as SSLContext(PROTOCOL_TLS_SERVER)")


def _secured(
    tls: bool, context: ssl.SSLContext | None, names: Iterable[str]
) -> tuple[ssl.SSLContext | None, bytes | None]:
    """The TLS context to serve with, and the certificate of its authority in PEM, where there is one."""
    if not tls:
        return context, None
    if context is not None:
        raise ConfigurationError("Give either tls=True or an ssl_context of your own, not both")
    authority = Authority(sorted({*names, "localhost", "127.0.0.1", "::1"}))
    return authority.context, authority.pem
