"""The connections of urllib3, with what they lack: a head that has to have an end, a watch, and names found in time."""

import contextlib
import functools
import http.client
import logging
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

from urllib3.exceptions import HTTPError

from dcrauth.transports._lookups import LOOKUPS
from dcrauth.transports._watch import SocketWatch


class _WithoutQuery(logging.Filter):
    """Takes secrets out of urllib3's debug lines, which show the query of a URL."""

    _query = re.compile(r"\?\S*client_secret=\S*")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._query.sub("?***", a) if isinstance(a, str) else a for a in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQuery())


class _Lines:
    """The lines of an answer's head, of which the last one is remembered.

    Parameters:
        file: what they are read from.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        self.last: bytes | None = None

    def readline(self, *size: int) -> bytes:
        """Return the next line; nothing where the connection has ended."""
        line: bytes = self.file.readline(*size)
        self.last = line
        return line

    def close(self) -> None:
        """Close what they are read from."""
        self.file.close()


class _Answer(http.client.HTTPResponse):
    """An answer whose head has an end: ``http.client`` takes one that breaks off for a whole one without a body."""

    def begin(self) -> None:
        """Read the head."""
        self.fp: Any
        HERE.watch.is_heard = bool(self.fp.peek(1))
        lines = self.fp = _Lines(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = lines.file
        if lines.last == b"":
            raise http.client.RemoteDisconnected("the answer has ended in the middle of its head")


class _Here(threading.local):
    """What is used by the thread at the moment: urllib3 hands nothing on to its connections."""

    watch: SocketWatch


HERE = _Here()


@functools.lru_cache(maxsize=16)
def watched(base: Any) -> Any:
    """Return *base*, a class of urllib3's connections, with its sockets watched, and its names looked up in time."""

    class Connection(base):  # type: ignore[misc]
        response_class = _Answer
        watch: SocketWatch | None = None

        def _new_conn(self) -> socket.socket:
            watch = self.watch = HERE.watch
            connection: socket.socket = _connected(self, super()._new_conn)
            watch.opened(connection)
            return connection

        def request(self, *given: Any, **named: Any) -> None:
            if self.watch is not None:
                self.watch.is_used = True
                self.watch.secured(self.sock)
            super().request(*given, **named)

        def close(self) -> None:
            super().close()
            if self.watch is not None:
                self.watch.closed()

    return Connection


def _connected(connection: Any, connect: Callable[[], socket.socket]) -> socket.socket:
    """Connect to the first address of the host of *connection* that can be reached."""
    host, watch = connection._dns_host, connection.watch
    connection.timeout = watch.within(connection.timeout)
    if hasattr(connection, "_socks_options"):  # the proxy looks the name up, if it is told to
        return connect()
    found = LOOKUPS.find(host, connection.port, connection.timeout)
    try:
        for address in found[:-1]:
            connection._dns_host, connection.timeout = address[4][0], watch.within(connection.timeout)
            with contextlib.suppress(HTTPError, OSError):
                return connect()
        connection._dns_host = found[-1][4][0]
        return connect()
    finally:
        connection._dns_host = host  # the certificate is for the name
