"""Kept connections around a fork and at the end of the interpreter."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.transports.kept_server import ANSWER, KeptServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork"),
]
ROOT = Path(__file__).parents[2]


def living(what: str, kind: Any, server: KeptServer, bundle: Path) -> subprocess.Popen[str]:
    """Start a program of `fork_life`."""
    program = [sys.executable, "-W", "always::ResourceWarning", "-m", "adapters_tests.transports.fork_life"]
    pipe = subprocess.PIPE
    given = [what, kind.__module__, kind.__name__, server.url, str(bundle)]
    return subprocess.Popen([*program, *given], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.fault(
    "a process with a kept TLS connection forks, and the child ends, collects its garbage, or renews",
    "the child sends nothing on the connection; the parent's next renewal goes over it",
)
def test_a_child_leaves_the_connection_to_its_parent(
    transport_kind: Any, server_context: ssl.SSLContext, bundle: Path
) -> None:
    """Five calls of the parent go over one connection, whatever its children do; a child's own call over another."""
    with KeptServer(context=server_context) as server:
        out, err = living("fork", transport_kind, server, bundle).communicate(timeout=50)
        assert (out, err) == ("well\n", "")
        assert (server.connections, len(server.received)) == (2, 6)


@pytest.mark.fault(
    "a process forks in the middle of a token call", "the parent gets its answer; the child calls over its own"
)
def test_a_fork_in_the_middle_of_a_call(transport_kind: Any, server_context: ssl.SSLContext, bundle: Path) -> None:
    """The call that a thread of the parent makes meanwhile is not the child's, which sends nothing of it."""
    asked, forked = threading.Event(), threading.Event()

    def behave(connection: socket.socket, _number: int, _turn: int) -> None:
        if b"/wait" in server.received[-1]:
            asked.set()
            forked.wait(30)
        connection.sendall(ANSWER)

    with KeptServer(behave, server_context) as server:
        program = living("fork_in_call", transport_kind, server, bundle)
        assert program.stdin is not None
        assert program.stdout is not None
        assert asked.wait(30)
        program.stdin.write("asked\n")
        program.stdin.flush()
        assert program.stdout.readline() == "forked\n"
        forked.set()
        out, err = program.communicate(timeout=50)
        assert (out, err) == ("well\n", "")
        assert (server.connections, len(server.received)) == (2, 4)


def test_a_program_ends_without_a_warning(transport_kind: Any, server_context: ssl.SSLContext, bundle: Path) -> None:
    """At the end of the interpreter kept connections are closed, and nothing is said about them."""
    with KeptServer(context=server_context) as server:
        out, err = living("leave", transport_kind, server, bundle).communicate(timeout=50)
        assert (out, err) == ("well\n", "")
        assert server.all_closed()


def test_a_stuck_look_up_holds_up_no_end(transport_kind: Any, bundle: Path) -> None:
    """A program ends though the resolver of the system never answers."""
    with KeptServer() as server:
        out, err = living("leave_stuck", transport_kind, server, bundle).communicate(timeout=50)
        assert (out, err) == ("well\n", "")
