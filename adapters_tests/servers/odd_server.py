"""A server on loopback that does with each connection whatever a test wants it to do."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class OddServer:
    """Reads a request and leaves the rest to *behave*.

    Parameters:
        behave: what it does with a connection; what it sends to a client that is gone is lost without an error.
        context: makes it speak TLS.
    """

    def __init__(self, behave: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        self._behave, self._context = behave, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.received: list[bytes] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stopped.set()
        self._threads[0].join(10)
        for connection in self._open:
            with contextlib.suppress(OSError):  # it is closed already
                # What lies beneath TLS: its own shutdown would let a thread that is writing go on in plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                connection = self._listener.accept()[0]
                connection.settimeout(20)
                self.connections += 1
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._meet, args=(connection,)))
                self._threads[-1].start()

    def _meet(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client has had enough: that is what is tested
            if self._context is None:
                self._answer(connection)
                return
            with self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
                self._open.append(secured)  # it has taken the place of the other one, which is detached
                if not self._stopped.is_set():
                    secured.do_handshake()
                    self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        self.received.append(_request(connection))
        self._behave(connection)


def _request(connection: socket.socket) -> bytes:
    """A whole request: what is left of one unread could break the connection before its time."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += _more(connection)
    length = re.search(rb"content-length: *(\d+)", text, re.IGNORECASE)
    end = text.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    chunked = b"transfer-encoding: chunked" in text[:end].lower()
    while len(text) < end or (chunked and not text.endswith(b"\r\n0\r\n\r\n")):
        text += _more(connection)
    return text


def _more(connection: socket.socket) -> bytes:
    part = connection.recv(65_536)
    if not part:
        raise ConnectionResetError
    return part


def silent(connection: socket.socket) -> None:
    """Say nothing until the client goes."""
    while connection.recv(65_536):
        """More of the request."""


def endlessly(beginning: bytes, part: bytes) -> Callable[[socket.socket], None]:
    """Return what sends *beginning* and then *part* over and over, until the client goes."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(part)

    return behave


def reset_after(text: bytes) -> Callable[[socket.socket], None]:
    """Return what sends *text* and then breaks the connection off."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(text)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


def says(text: bytes) -> Callable[[socket.socket], None]:
    """Return what sends *text* and ends."""
    return lambda connection: connection.sendall(text)


@contextmanager
def nobody_accepts() -> Iterator[str]:
    """Yield the URL of a port whose queue of connections is full: another one is neither taken nor refused."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
