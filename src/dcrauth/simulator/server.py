"""The simulator itself: what it knows, what it is told to do, and the record of calls."""

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Self

from dcrauth._internal.confidential import unfailing
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import api, control, dcr
from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.http import Handler, Server
from dcrauth.simulator.messages import Call, Counts, Reply
from dcrauth.simulator.registry import Registry
from dcrauth.simulator.throttle import Throttle, too_many
from dcrauth.simulator.world import World

_KEPT_CALLS = 10_000
_KEPT_BODY = 1 << 20
_APPLICATION = "c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10"


class Simulator:
    """Adobe Pass on loopback; use it with ``with``, or call `start` and `stop`.

    Parameters:
        behaviour: its switches; may be replaced while it runs.
        host: loopback address to listen on.
        port: port to listen on; 0 for any that is free.
        ssl_context: makes it speak HTTPS.
        clock: returns seconds since the epoch; tokens expire and the throttle counts by it.
        world: the channels, MVPDs, users and resources; as usual if none is given.

    Raises:
        ConfigurationError: it cannot listen there, as where the port is in use.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        world: World | None = None,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self._registry = Registry(clock, world)
        self._throttle = Throttle(clock)
        self._faults: dict[str, deque[tuple[Fault, int | None]]] = {}
        self._calls: deque[Call] = deque(maxlen=_KEPT_CALLS)
        self._counts = Counts()
        self._changed = threading.Condition()
        self._server = _listening(host, port, type("BoundHandler", (Handler,), {"site": self}), ssl_context)
        self._thread: threading.Thread | None = None
        scheme = "http" if ssl_context is None else "https"
        self.url = f"{scheme}://{host}:{self._server.server_address[1]}"
        self.software_statement = self.statement(_APPLICATION)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *reason: object) -> None:
        self.stop()

    @unfailing
    def __repr__(self) -> str:
        return f"<Simulator at {self.url}>"

    def start(self) -> Self:
        """Begin to serve, on threads of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End serving and close all connections."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.close_connections()

    @property
    def world(self) -> World:
        """The channels, MVPDs, users and resources; may be replaced while it runs."""
        return self._registry.world

    @world.setter
    def world(self, world: World) -> None:
        self._registry.world = world

    def statement(
        self,
        sub: str,
        *,
        scopes: Iterable[str] = (api.SCOPE,),
        service_providers: Iterable[str] | None = None,
        redirect_domains: Iterable[str] = (),
    ) -> str:
        """Return a software statement of the application *sub*, which is made if there is none.

        Parameters:
            scopes: what its tokens are good for.
            service_providers: those it is linked to; None for all.
            redirect_domains: hosts that its redirect URI may have; empty for any.
        """
        return self._registry.statement(sub, scopes, service_providers, redirect_domains)

    @property
    def counts(self) -> Counts:
        """How many calls there were so far."""
        with self._changed:
            return self._counts

    @property
    def calls(self) -> tuple[Call, ...]:
        """The latest calls, in the order in which they were answered."""
        with self._changed:
            return tuple(self._calls)

    def reset_counts(self) -> None:
        """Begin to count from nothing."""
        with self._changed:
            self._counts = Counts()
            self._calls.clear()

    def wait_for(self, predicate: Callable[[Counts], bool], timeout: float = 5.0) -> bool:
        """Wait until *predicate* holds for the counts; return whether it does within *timeout* seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self._counts), timeout)

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now, although they claim to live longer."""
        self._registry.expire_tokens()

    def revoke_tokens(self) -> None:
        """Refuse all tokens that were granted so far."""
        self._registry.revoke_tokens()

    def revoke_clients(self) -> None:
        """Forget all clients, and refuse their tokens."""
        self._registry.revoke_clients()

    def revoke_statement(self, sub: str = _APPLICATION) -> None:
        """Refuse the statements of an application, its clients and their tokens."""
        self._registry.set_revoked(sub, revoked=True)

    def reinstate_statement(self, sub: str = _APPLICATION) -> None:
        """Take back what `revoke_statement` did."""
        self._registry.set_revoked(sub, revoked=False)

    def log_in(self, code: str, user: str) -> None:
        """Log *user* in, as on the page to which the session of *code* leads.

        Raises:
            ValueError: there is no such session, or no such user of its MVPD.
        """
        self._registry.log_in(code, user)

    def expire_profiles(self) -> None:
        """Make all profiles expired as of now: users have to log in again."""
        self._registry.state.end_profiles()

    def inject(self, endpoint: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next calls go wrong.

        Parameters:
            endpoint: "register", "token" or "api".
            fault: what goes wrong.
            times: with how many calls; None for all until `clear_faults`.
        """
        if endpoint not in {"register", "token", "api"}:
            raise ValueError(f'there is no endpoint {endpoint!r}; it must be "register", "token" or "api"')
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, or None for all calls, not {times}")
        with self._changed:
            self._faults.setdefault(endpoint, deque()).append((fault, times))

    def clear_faults(self) -> None:
        """Let all calls go right again."""
        with self._changed:
            self._faults.clear()

    def receive(self, call: Call) -> Fault:
        """Note that *call* has come in; return what goes wrong with it."""
        if call.endpoint == "control":
            return Fault()
        with self._changed:
            self._count(call.endpoint)
            waiting = self._faults.get(call.endpoint)
            if not waiting:
                return Fault()
            fault, times = waiting.popleft()
            if times is None or times > 1:
                waiting.appendleft((fault, times and times - 1))
            return fault

    def answer(self, call: Call, fault: Fault) -> Reply | None:
        """Return the answer to *call*, or None where there is none to be."""
        if call.endpoint == "control":
            return control.answer(call, self)
        reply = self._fault_reply(fault) if fault.takes_over else self._regular(call)
        status = 0 if reply is None or fault.reset else reply.status
        with self._changed:
            self._calls.append(replace(call, status=status, body=call.body[:_KEPT_BODY]))
            if call.endpoint == "api" and status == 401:
                self._count("refused")
            self._changed.notify_all()
        return None if fault.reset else reply

    def delay(self, call: Call) -> float:
        """Return how many seconds to wait before *call* is answered, when nothing goes wrong."""
        delays = {
            "register": self.behaviour.register_delay,
            "token": self.behaviour.token_delay,
            "api": self.behaviour.api_delay,
        }
        return delays.get(call.endpoint, 0.0)

    def _fault_reply(self, fault: Fault) -> Reply | None:
        return None if fault.reset else Reply(fault.status or 200, fault.body or b"", fault.headers)

    def _regular(self, call: Call) -> Reply:
        behaviour = self.behaviour
        address = call.headers.get("x-forwarded-for", call.address).partition(",")[0].strip()
        if not self._throttle.admits(address, behaviour.throttle):
            self._count("throttled")
            return too_many(behaviour.retry_after)
        if call.endpoint == "api":
            return api.answer(call, self._registry, behaviour)
        if call.method != "POST":
            return Reply(405)
        endpoint, success = (dcr.register, "registered") if call.endpoint == "register" else (dcr.token, "issued")
        reply = endpoint(call, self._registry, behaviour)
        if reply.status < 300:
            self._count(success)
        return reply

    def _count(self, name: str) -> None:
        with self._changed:
            self._counts = replace(self._counts, **{name: getattr(self._counts, name) + 1})
            self._changed.notify_all()


def _listening(host: str, port: int, handler: type, context: ssl.SSLContext | None) -> Server:
    try:
        return Server((host, port), handler, context)
    except (OSError, OverflowError) as reason:
        why = getattr(reason, "strerror", None) or "a port is a number from 0 to 65535"
        raise ConfigurationError(
            f"The simulator cannot listen on port {port} of {host}: {why}; take another one, or 0 for any that is free"
        ) from None
