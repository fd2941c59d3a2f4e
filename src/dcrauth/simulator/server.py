"""The HTTP server: sockets, threads, faults, and the record of calls."""

import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from dcrauth.simulator import api, dcr
from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.messages import Call, Counts, Reply
from dcrauth.simulator.registry import Registry
from dcrauth.simulator.throttle import Throttle, too_many

_KEPT_CALLS = 10_000
_KEPT_BODY = 1 << 20
_LONGEST_PAUSE = 60.0
_APPLICATION = "c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10"


class Simulator:
    """Adobe Pass on loopback; use it with ``with``, or call `start` and `stop`.

    Parameters:
        behaviour: its switches; may be replaced while it runs.
        host: loopback address to listen on.
        port: port to listen on; 0 for any that is free.
        ssl_context: makes it speak HTTPS.
        clock: returns seconds since the epoch; tokens expire and the throttle counts by it.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self._registry = Registry(clock)
        self._throttle = Throttle(clock)
        self._faults: dict[str, deque[tuple[Fault, int | None]]] = {}
        self._calls: deque[Call] = deque(maxlen=_KEPT_CALLS)
        self._counts = Counts()
        self._changed = threading.Condition()
        self._server = _Server((host, port), self._handler(), ssl_context)
        self._thread: threading.Thread | None = None
        scheme = "http" if ssl_context is None else "https"
        self.url = f"{scheme}://{host}:{self._server.server_address[1]}"
        self.software_statement = self.statement(_APPLICATION)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *reason: object) -> None:
        self.stop()

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
        """The latest calls, in the order in which they came in."""
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

    def inject(self, endpoint: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next calls go wrong.

        Parameters:
            endpoint: "register", "token" or "api".
            fault: what goes wrong.
            times: with how many calls; None for all until `clear_faults`.
        """
        if endpoint not in {"register", "token", "api"}:
            raise ValueError(f'there is no endpoint {endpoint!r}; it must be "register", "token" or "api"')
        with self._changed:
            self._faults.setdefault(endpoint, deque()).append((fault, times))

    def clear_faults(self) -> None:
        """Let all calls go right again."""
        with self._changed:
            self._faults.clear()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"simulator": self})

    def receive(self, call: Call) -> Fault:
        """Note that *call* has come in; return what goes wrong with it."""
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
        reply = self._fault_reply(fault) if fault.takes_over else self._regular(call)
        status = 0 if reply is None or fault.reset else reply.status
        with self._changed:
            self._calls.append(replace(call, status=status))
            if call.endpoint == "api" and status == 401:
                self._count("refused")
            self._changed.notify_all()
        return None if fault.reset else reply

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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 2048

    def __init__(self, address: tuple[str, int], handler: type, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_LONGEST_PAUSE)
        self._open.add(connection)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, on its own thread; the TLS handshake belongs there too."""
        if self._context is None:
            super().finish_request(request, client_address)
            return
        with self._context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close the connections that clients keep open."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                """It is closed already."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of tests break connections all the time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    simulator: Simulator

    def handle_one_request(self) -> None:
        """Read one request and answer it, whatever its method."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        call = self._call()
        fault = self.simulator.receive(call)
        time.sleep(min(fault.delay + self._usual_delay(call), _LONGEST_PAUSE))
        reply = self.simulator.answer(call, fault)
        if reply is None:
            self._reset()
        else:
            self._send(replace(reply, headers=reply.headers + (() if fault.takes_over else fault.headers)), fault)

    def _call(self) -> Call:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        return Call(self.command, parts.path, parts.query, headers, body[:_KEPT_BODY], self.client_address[0])

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            """A trailer field, of no interest."""
        return b"".join(parts)

    def _usual_delay(self, call: Call) -> float:
        delay: float = getattr(self.simulator.behaviour, f"{call.endpoint}_delay")
        return delay

    def _send(self, reply: Reply, fault: Fault) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        body = b"" if self.command == "HEAD" else reply.body[: fault.truncate]
        self._write(body, fault.drip)
        if fault.truncate is not None:
            self.close_connection = True

    def _write(self, body: bytes, drip: float) -> None:
        if not drip:
            self.wfile.write(body)
            return
        for byte in body:
            time.sleep(drip)
            self.wfile.write(bytes([byte]))

    def _reset(self) -> None:
        """Close the connection the hard way (SO_LINGER of zero sends RST)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the name is the base class's
        """Say nothing."""
