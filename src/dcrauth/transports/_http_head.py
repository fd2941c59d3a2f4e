"""The answers of ``http.client``, with what they lack: a head that has to have an end, and a watch that is told."""

import http.client
import threading
from typing import Any

from dcrauth.transports._watch import SocketWatch


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


class Answer(http.client.HTTPResponse):
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
    """What is used by the thread at the moment: nothing is handed on to connections and answers."""

    watch: SocketWatch


HERE = _Here()
