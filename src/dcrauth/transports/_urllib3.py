"""The connections of urllib3, with what they lack: a watch, and names found in time."""

import contextlib
import functools
import logging
import re
import socket
from collections.abc import Callable
from typing import Any

from urllib3.exceptions import HTTPError

from dcrauth.transports._http_head import HERE, Answer
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


@functools.lru_cache(maxsize=16)
def watched(base: Any) -> Any:
    """Return *base*, a class of urllib3's connections, with its sockets watched, and its names looked up in time."""

    class Connection(base):  # type: ignore[misc]
        response_class = Answer
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
