"""Notes what blocks an event loop, of asyncio or of trio: each call from the package that may wait for anything else.

blockbuster looks for calls on a thread on which asyncio runs; here it is told of trio as well, and of some more calls.
"""

from __future__ import annotations

import asyncio
import builtins
import fcntl
import os
import socket
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import trio
from blockbuster import BlockBuster, BlockingError
from blockbuster.blockbuster import BlockBusterFunction

_MORE = (
    (builtins, "open"),
    (os, "open"),
    (os, "lstat"),
    (os, "fsync"),
    (os, "fdatasync"),
    (os, "scandir"),
    (os, "utime"),
    (os, "chmod"),
    (fcntl, "flock"),
    (socket, "getaddrinfo"),
    (socket, "create_connection"),
    (sqlite3, "connect"),
)

_IMPORT = ("<frozen importlib._bootstrap>", "_find_and_load")
"""Imports are left out, as blockbuster leaves them out: what is made first imports what it is made of."""


def _runs_here() -> None:
    """Raise RuntimeError unless an event loop runs on this thread."""
    if not trio.lowlevel.in_trio_run():
        asyncio.get_running_loop()


@contextmanager
def noting_what_blocks(package: str = "dcrauth") -> Iterator[list[str]]:
    """Give a list in which there is each call from *package* meanwhile that has blocked a loop, with where it was."""
    noted: list[str] = []

    class Noted(BlockingError):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            noted.append(name + "".join(traceback.format_stack()[:-2]))

    guard = BlockBuster(scanned_modules=[package])
    for module, name in _MORE:
        call = BlockBusterFunction(module, name, scanned_modules=[package])  # type: ignore[arg-type]
        guard.functions[f"{module.__name__}.{name}"] = call.can_block_in(*_IMPORT)
    inside: Any = sys.modules["blockbuster.blockbuster"]
    inside.asyncio, inside.BlockingError = SimpleNamespace(get_running_loop=_runs_here), Noted
    guard.activate()
    try:
        yield noted
    finally:
        guard.deactivate()
        inside.asyncio, inside.BlockingError = asyncio, BlockingError
