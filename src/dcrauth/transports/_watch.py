"""The socket of a connection, watched: whether an answer has begun, that it ends in time, that no fork hurts it."""

import contextlib
import os
import socket
import threading
from typing import Any

from dcrauth.transports._deadlines import now


class SocketWatch:
    """Watches the one socket that a connection has at a time, over the calls that it is used for.

    Attributes:
        is_kept: whether the call goes over a connection that an earlier one has opened.
        is_used: whether a part of the request was handed to it.
        is_heard: whether a byte of the answer has come.
    """

    def __init__(self) -> None:
        self.is_kept = self.is_used = self.is_heard = False
        self._lock = threading.Lock()
        self._twin: socket.socket | None = None
        self._original: Any = None
        self._is_cut = False
        self._end = 0.0

    def begin(self, end: float) -> None:
        """Note that a call begins, which has to *end* by then."""
        self.is_kept, self.is_used, self.is_heard = self.is_open, False, False
        self._end = end

    @property
    def is_open(self) -> bool:
        """Whether there is a socket, which nobody has cut."""
        return self._twin is not None and not self._is_cut

    @property
    def turned_out_dead(self) -> bool:
        """Whether the call has gone over a kept connection, and not one byte of an answer has come."""
        return self.is_kept and self.is_used and not self.is_heard and not self._is_cut

    def within(self, seconds: float | None) -> float:
        """Return the part of *seconds* that the call has left."""
        left = max(0.001, self._end - now())
        return left if seconds is None else min(seconds, left)

    def opened(self, connection: Any) -> None:
        """Take *connection* for the socket from now on; close it if it cannot be watched."""
        try:
            twin = connection.dup()  # as the TLS layer takes the original over
        except BaseException:
            connection.close()  # the HTTP library does not know it yet, and would leave it open
            raise
        self.closed()
        self.is_kept = False
        with self._lock:
            self._twin, self._original = twin, connection
            if self._is_cut:  # while it was being opened
                _shut_down(twin)

    def secured(self, connection: Any) -> None:
        """Note that *connection* has taken the original's place, as the TLS layer has it."""
        self._original = connection

    def closed(self) -> None:
        """Note that the HTTP library has closed its socket, or is about to."""
        with self._lock:
            twin, self._twin, self._original = self._twin, None, None
            if twin is not None:
                twin.close()

    def cut(self) -> None:
        """End whatever the connection is in the middle of; the HTTP library's own timeouts hold for one read only."""
        with self._lock:  # so that it cannot shut down whatever gets the same number next
            self._is_cut = True
            if self._twin is not None:
                _shut_down(self._twin)

    def let_go(self) -> None:
        """Close the descriptors, in a forked child, and nothing else: not a byte goes to who talks to the parent."""
        close_descriptor(self._twin)
        close_descriptor(self._original)
        self._twin = self._original = None


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has been lost already
        connection.shutdown(socket.SHUT_RDWR)


def close_descriptor(connection: Any) -> None:
    """Close the descriptor of a socket, and nothing else."""
    with contextlib.suppress(OSError, AttributeError):  # it is closed already, or there is none
        os.close(connection.detach())
