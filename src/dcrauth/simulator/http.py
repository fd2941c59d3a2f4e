"""HTTP on sockets: reading calls, sending replies, and breaking both on purpose."""

import socket
import ssl
import struct
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.messages import Call, Reply

_LONGEST_PAUSE = 60.0


class Site(Protocol):
    """What answers the calls."""

    def receive(self, call: Call) -> Fault:
        """Note that *call* has come in; return what goes wrong with it."""
        ...

    def delay(self, call: Call) -> float:
        """Return how many seconds to wait before *call* is answered."""
        ...

    def answer(self, call: Call, fault: Fault) -> Reply | None:
        """Return the answer to *call*, or None where there is none to be."""
        ...


class Server(ThreadingHTTPServer):
    """A server with a thread for each connection."""

    daemon_threads = True
    request_queue_size = 2048

    def __init__(self, address: tuple[str, int], handler: type, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, and remember it."""
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
        with self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secured:
            self._open.add(secured)  # it has taken the place of the other, which is detached
            try:
                secured.do_handshake()
                super().finish_request(secured, client_address)
            finally:
                self._open.discard(secured)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and forget it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close the connections that clients keep open."""
        for connection in list(self._open):
            try:
                # What lies beneath TLS: its own shutdown would let a thread that is writing go on in plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                """It is closed already."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of tests break connections all the time."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    site: Site

    def handle_one_request(self) -> None:
        """Read one request and answer it, whatever its method."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        call = self._call()
        fault = self.site.receive(call)
        time.sleep(min(fault.delay + self.site.delay(call), _LONGEST_PAUSE))
        reply = self.site.answer(call, fault)
        if reply is None:
            self._reset()
        else:
            self._send(replace(reply, headers=reply.headers + (() if fault.takes_over else fault.headers)), fault)

    def _call(self) -> Call:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        return Call(self.command, parts.path, parts.query, headers, body, self.client_address[0])

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
