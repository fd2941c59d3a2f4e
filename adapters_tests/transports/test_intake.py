"""Watching over one answer, where the system itself is in trouble."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any

import pytest

from dcrauth.providers.protocol import Request
from dcrauth.transports._options import Intake

REQUEST = Request("http://127.0.0.1/token", {}, b"", endpoint="http://127.0.0.1/token")


class OutOfFiles(socket.socket):
    """A socket that cannot be had twice."""

    def dup(self) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_connection_that_cannot_be_watched_is_closed() -> None:
    """If the system has no file left to watch with, the connection that nobody else knows yet is closed."""
    connection = OutOfFiles()
    with Intake(REQUEST, 1) as intake, pytest.raises(OSError, match="Too many open files"):
        intake.watch(connection)
    assert connection.fileno() == -1


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError])
def test_a_watch_that_is_broken_off_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    """Whatever ends the beginning of a watch, the connection and its twin are closed."""
    twins: list[socket.socket] = []

    class Twofold(socket.socket):
        def dup(self) -> socket.socket:
            twins.append(super().dup())
            return twins[-1]

    def start(timer: threading.Timer) -> None:
        raise raised

    monkeypatch.setattr(threading.Timer, "start", start)
    connection = Twofold()
    with Intake(REQUEST, 1) as intake, pytest.raises(raised):
        intake.watch(connection)
    assert [each.fileno() for each in (connection, *twins)] == [-1, -1]


def test_without_another_thread_an_answer_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the interpreter nothing is watched, and the connection is left to the HTTP library."""

    def start(timer: threading.Timer) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Timer, "start", start)
    with socket.socket() as connection:
        with Intake(REQUEST, 1) as intake:
            intake.watch(connection)
        assert connection.fileno() != -1
