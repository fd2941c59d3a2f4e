"""HTTP on sockets: reading calls, sending replies, and breaking both on purpose."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.messages import Call, Reply

_LONGEST_PAUSE = 60.0
_LONGEST_BODY = 1 << 30
_LAST_WORDS = 2.0
"""Seconds that a connection's thread is waited for when the server stops."""


@dataclass(frozen=True)
class Stream:
    """An answer that comes in parts, and ends with the connection.

    Parameters:
        parts: the parts of the body; taken one by one, each after the one before was sent.
        headers: header fields.
    """

    parts: Iterator[bytes]
    headers: tuple[tuple[str, str], ...]


class Visit(Protocol):
    """A call that has come in, and what is to become of it."""

    fault: Fault

    @property
    def delay(self) -> float:
        """How many seconds to wait before it is answered."""
        ...

    def answer(self) -> Reply | Stream | None:
        """Return the answer, or None where there is none to be."""
        ...


class Site(Protocol):
    """What answers the calls."""

    def receive(self, call: Call) -> Visit:
        """Note that *call* has come in; return what becomes of it."""
        ...


class Server(ThreadingHTTPServer):
    """A server with a thread for each connection."""

    daemon_threads = True
    request_queue_size = 2048

    def __init__(self, address: tuple[str, int], handler: type, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._open: set[socket.socket] = set()
        self._serving: set[threading.Thread] = set()
        self.stopped = threading.Event()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind to the address; the base class would look its name up, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, and remember it."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_LONGEST_PAUSE)
        self._open.add(connection)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection on a thread of its own, and remember that."""
        arguments = (request, client_address)
        thread = threading.Thread(
            target=self.process_request_thread, args=arguments, name="simulator connection", daemon=True
        )
        self._serving.add(thread)
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._serving.discard(threading.current_thread())

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

    def close(self) -> None:
        """Close the listening socket, and the connections that clients keep open; see their threads end."""
        self.server_close()
        for connection in list(self._open):
            try:
                # What lies beneath TLS: its own shutdown would let a thread that is writing go on in plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                """It is closed already."""
        for thread in self._serving - {threading.current_thread()}:
            thread.join(_LAST_WORDS)

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
        try:
            call = self._call()
        except ValueError:  # a length that no body has, a path that is no URL
            self.close_connection = True
            self._send(Reply(400), Fault())
            return
        visit = self.site.receive(call)
        if visit.delay and self._pause(min(visit.delay, _LONGEST_PAUSE)):
            self.close_connection = True
            return
        self._deliver(visit.answer(), visit.fault)

    def _pause(self, seconds: float) -> bool:
        """Wait, as long as the server does not stop; return whether it does."""
        return cast(Server, self.server).stopped.wait(seconds)

    def _deliver(self, answer: Reply | Stream | None, fault: Fault) -> None:
        if answer is None:
            self._reset()
        elif isinstance(answer, Stream):
            self._send_parts(answer)
        elif fault.headers and not fault.takes_over:
            self._send(replace(answer, headers=answer.headers + fault.headers), fault)
        else:
            self._send(answer, fault)

    def _call(self) -> Call:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        return Call(
            self.command,
            parts.path,
            parts.query,
            headers,
            body,
            self.client_address[0],
            certificate=self._certificate(),
        )

    def _certificate(self) -> bytes:
        """Return the client's certificate in DER; empty where there is none."""
        secured = isinstance(self.connection, ssl.SSLSocket)
        return (self.connection.getpeercert(binary_form=True) or b"") if secured else b""

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(_checked_length(int(headers.get("content-length", 0))))
        parts = []
        while size := _checked_length(int(self.rfile.readline().partition(b";")[0], 16)):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            """A trailer field, of no interest."""
        return b"".join(parts)

    def _send(self, reply: Reply, fault: Fault) -> None:
        if fault.truncate is not None:
            self.close_connection = True
        head = self._head(reply.status, (*reply.headers, ("Content-Length", str(len(reply.body)))))
        body = b"" if self.command == "HEAD" else reply.body[: fault.truncate]
        if not fault.drip:
            self.wfile.write(head + body)
            return
        self.wfile.write(head)
        for byte in body:
            self._pause(fault.drip)
            self.wfile.write(bytes([byte]))

    def _send_parts(self, stream: Stream) -> None:
        self.close_connection = True
        self.wfile.write(self._head(200, (*stream.headers, ("Connection", "close"))))
        if self.command != "HEAD":
            for part in stream.parts:
                self.wfile.write(part)

    def _head(self, status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
        if any(name.lower() == "connection" and value.lower() == "close" for name, value in headers):
            self.close_connection = True
        phrase = _PHRASES.get(status, "")
        lines = [f"HTTP/1.1 {status} {phrase}"]
        given = {name.lower() for name, _ in headers}
        if "server" not in given:
            lines.append(f"Server: {self.version_string()}")
        if "date" not in given:
            lines.append(f"Date: {self.date_time_string()}")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _reset(self) -> None:
        """Close the connection the hard way (SO_LINGER of zero sends RST)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the name is the base class's
        """Say nothing."""


def _checked_length(length: int) -> int:
    """Return *length*, of a body or a part of one; a negative one would have everything read, and an end waited for."""
    if not 0 <= length <= _LONGEST_BODY:
        raise ValueError(length)
    return length


_PHRASES = {each.value: each.phrase for each in HTTPStatus}
