"""A server on loopback whose connections stay open, and what the tests of transports send to it."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import ssl
import stat
import struct
import threading
from collections.abc import Callable

from adapters_tests.servers.odd_server import OddServer, _request
from dcrauth.providers.protocol import Request

BODY = b'{"access_token": "t"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
SECRET = "client-secret-canary"


def token_call(url: str) -> Request:
    """A token call."""
    endpoint = f"{url}/o/client/token"
    return Request(f"{endpoint}?client_secret={SECRET}", {"X-Device-Info": SECRET}, b"", endpoint, repeatable=True)


def registration(url: str) -> Request:
    """A registration, which must not be repeated."""
    endpoint = f"{url}/o/client/register"
    return Request(endpoint, {"Content-Type": "application/json"}, SECRET.encode(), endpoint)


def well(connection: socket.socket, number: int, turn: int) -> None:
    """Answer."""
    connection.sendall(ANSWER)


class KeptServer(OddServer):
    """Answers one request after the other on each connection.

    Parameters:
        behave: what it does with a request, given the connection, its number, and how many came over it before.
        context: makes it speak TLS.
    """

    def __init__(
        self, behave: Callable[[socket.socket, int, int], None] = well, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(lambda _: None, context)
        self.behave = behave
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._served = 0

    def _answer(self, connection: socket.socket) -> None:
        number = next(self._numbers)
        self._note(1)
        try:
            for turn in itertools.count():
                self.received.append(_request(connection))
                self.behave(connection, number, turn)
        finally:
            self._note(-1)

    def _note(self, change: int) -> None:
        with self._changed:
            self._served += change
            self._changed.notify_all()

    def all_closed(self) -> bool:
        """Wait until every client has closed its connections; return whether they all have."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._served, 10)


def fin(_connection: socket.socket) -> None:
    """End the connection as one does."""
    raise ConnectionAbortedError


def rst(connection: socket.socket) -> None:
    """End the connection the hard way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def connections_to(url: str) -> list[int]:
    """The descriptors of this process that are connections to the server at *url*."""
    port, found = int(url.rpartition(":")[2]), []
    for number in range(3, 1024):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as each:
                    if each.getpeername()[1:2] == (port,):
                        found.append(number)
    return found
