"""A line to a server on which bytes take their time, or go nowhere while both ends believe that it is there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol, Self

PATIENCE = 20.0


class HasPort(Protocol):
    """A server on loopback."""

    port: int


class TroubledLine:
    """What forwards connections to a server, well at first.

    Parameters:
        server: where to.
    """

    def __init__(self, server: HasPort) -> None:
        self.delay = 0.0
        """Seconds that each piece takes, in both directions."""
        self._server = server
        self._passes = threading.Event()
        self._passes.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open = True
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def hold(self) -> None:
        """Pass nothing on any more; the connections stay, and new ones are taken."""
        self._passes.clear()

    def go_on(self) -> None:
        """Pass on all that was held, and what comes."""
        self._passes.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._open = False
        self.delay = 0.0
        self.go_on()
        for each in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for each in (self._listener, *self._ends):
            each.close()

    def _run(self, act: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=act, args=given)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed in the end
            while self._open:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server.port), 5)
                server.settimeout(None)
                self._ends += [client, server]
                self._run(self._forward, client, server)
                self._run(self._forward, server, client)

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(65_536):
                time.sleep(self.delay)
                self._passes.wait(PATIENCE)
                other.sendall(piece)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
