"""Ports of this machine that a test names beforehand."""

from __future__ import annotations

import random
import socket

_BELOW_EPHEMERAL = range(10_000, 22_000)
"""Where no system takes the port of a connection from, so that none of another test's is in the way meanwhile."""


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    while True:
        port = random.SystemRandom().choice(_BELOW_EPHEMERAL)
        if _can_be_bound(port):
            return port


def _can_be_bound(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
