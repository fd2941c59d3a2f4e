"""A simulator that listens: when it serves, under which names, and which calls are its own."""

import os
import ssl
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar, Generic, Self

from dcrauth._internal.confidential import unfailing
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import control
from dcrauth.simulator.fields import check_kind, texts
from dcrauth.simulator.guard import is_loopback, refusal
from dcrauth.simulator.http import Handler, Server, Stream, Visit
from dcrauth.simulator.listening import Listening
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.run import Astray, B, C, OwnVisit, ServiceVisit
from dcrauth.simulator.scenario import Scenario
from dcrauth.simulator.service import R, Service
from dcrauth.simulator.tls import Authority

_POLL = 0.02
_PART = 1.0


class Serving(Service[B, C, R], Generic[B, C, R]):
    """A simulated service on loopback; use it with ``with``, or call `start` and `stop`.

    Parameters:
        host: loopback address to listen on: 127.0.0.1, ::1 or localhost.
        port: port to listen on; 0 for any that is free.
        base_path: what all its paths begin with.
        names: host names by which it may be called, beside those of loopback; a certificate is good for them too.
        tls: makes it speak HTTPS, with a certificate of an `authority` that lasts as long as it.
        ssl_context: makes it speak HTTPS, with a certificate of your own.
        scenario: what goes wrong, from the start on and again after each `reset`.
        clock: returns seconds since the epoch.

    Raises:
        ConfigurationError: one of these is wrong, or it cannot listen there, as where the port is in use.
    """

    _controls: ClassVar[control.Controls]

    def __init__(
        self,
        *,
        host: str,
        port: int,
        base_path: str,
        names: Iterable[str],
        tls: bool,
        ssl_context: ssl.SSLContext | None,
        scenario: Scenario | None,
        clock: Callable[[], float],
    ) -> None:
        _check_kinds(scenario, ssl_context)
        names = texts(names, "names")
        Listening(host=host, port=port, base_path=base_path, names=names, tls=tls)  # sees to it that they can be
        self._scenario = scenario
        self._furnish: Callable[[], None] | None = None
        self._base_path = base_path.rstrip("/")
        self._names = frozenset(name.lower() for name in names)
        self._time = clock
        self._changed = threading.Condition()
        self._running = threading.RLock()
        self._authority = _authority(tls, ssl_context, {host, *self._names})
        self._context = ssl_context if self._authority is None else self._authority.context
        self.authority = None if self._authority is None else self._authority.pem
        self._host = host
        self._server = self._listening(port)
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        try:
            self._run = self._new_run()
        except BaseException:
            self._server.close()
            raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *reason: object) -> None:
        self.stop()

    @unfailing
    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.url}>"

    @property
    def url(self) -> str:
        """Base URL; the page is there as well."""
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
        """End serving and close all connections; in a forked child nothing, since it is the parent that serves."""
        if self._process != os.getpid():
            return
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

        All that was made, changed, injected and counted is gone but for what it was made with.
        """
        self._run = self._new_run()
        if self._furnish is not None:
            self._furnish()
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
        answer = refusal(call, self._names) or control.answer(call, self, self._controls)
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

    @abstractmethod
    def _first_run(self) -> R:
        """Return a run as it is at the start, before a scenario."""

    def _new_run(self) -> R:
        run = self._first_run()
        if self._scenario is not None:
            run.faults.play(self._scenario)
        return run

    def _furnished(self, furnish: Callable[[Self], None]) -> Self:
        """Have it furnished, now and after each `reset`; return it. One that cannot be leaves nothing."""
        self._furnish = partial(furnish, self)
        try:
            self._furnish()
        except BaseException:
            self.stop()
            raise
        return self

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


def _check_kinds(scenario: Scenario | None, context: ssl.SSLContext | None) -> None:
    if scenario is not None:
        check_kind(scenario, Scenario, "scenario")
    if context is not None:
        check_kind(context, ssl.SSLContext, "ssl_context")
        if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ConfigurationError("ssl_context must be one of a server, such as SSLContext(PROTOCOL_TLS_SERVER)")


def _authority(tls: bool, context: ssl.SSLContext | None, names: Iterable[str]) -> Authority | None:
    """The certificate authority, where there is to be one."""
    if not tls:
        return None
    if context is not None:
        raise ConfigurationError("Give either tls=True or an ssl_context of your own, not both")
    return Authority(sorted({*names, "localhost", "127.0.0.1", "::1"}))
