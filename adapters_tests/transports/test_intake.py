"""Watching over the socket of one connection, where the system itself is in trouble."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest

from dcrauth.transports._deadlines import Deadlines
from dcrauth.transports._watch import SocketWatch


class OutOfFiles(socket.socket):
    """A socket that cannot be had twice."""

    def dup(self) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class Interrupted(socket.socket):
    """A socket in whose doubling an interrupt comes."""

    def dup(self) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize(("kind", "raised"), [(OutOfFiles, OSError), (Interrupted, KeyboardInterrupt)])
def test_a_connection_that_cannot_be_watched_is_closed(kind: Any, raised: type[BaseException]) -> None:
    """If the system has no file left to watch with, the connection that nobody else knows yet is closed."""
    connection, watch = kind(), SocketWatch()
    with pytest.raises(raised):
        watch.opened(connection)
    assert connection.fileno() == -1
    assert not watch.is_open


def test_a_call_that_is_cut_while_it_connects_is_cut_at_once() -> None:
    """A socket that is opened after the time is over is shut down before anything goes over it."""
    watch = SocketWatch()
    here, there = socket.socketpair()
    with here, there:
        watch.cut()
        watch.opened(here)
        assert there.recv(1) == b""
        assert not watch.is_open
        watch.closed()


def test_without_another_thread_an_answer_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the interpreter nothing is watched, and the connection is left to the HTTP library."""
    monkeypatch.setattr("dcrauth.transports._deadlines.start_thread", lambda *_, **__: False)
    deadlines, done = Deadlines(lambda: 0.0), list[str]()
    deadline = deadlines.set(1, lambda: done.append("cut"))
    deadlines.call_off(deadline)
    assert done == []
