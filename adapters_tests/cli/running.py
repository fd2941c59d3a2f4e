"""The command, run within this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

import dcrauth
from dcrauth.providers.settings import PROFILE, VARIABLES
from dcrauth.stores.file import DIRECTORY_VARIABLE

COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "COLUMNS", "TERM")
NOT_INHERITED = {"PYTHONUNBUFFERED", DIRECTORY_VARIABLE, PROFILE, *VARIABLES.values(), *COLOURS}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


def inherited() -> dict[str, str]:
    """Return the environment for a command of this very package, wherever it is run, without settings."""
    given = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return given | {"PYTHONPATH": str(Path(dcrauth.__file__).parents[1])}


BY_HAND = "made-by-hand"
"""How the pages call the id of a client that was registered by hand."""


def registered_by_hand(url: str, statement: str) -> dict[str, str]:
    """Return id and secret of a client of the server at *url*, registered without the library."""
    answer = requests.post(f"{url}/o/client/register", json={"software_statement": statement}, timeout=20)
    return {name: answer.json()[name] for name in ("client_id", "client_secret")}


def in_a_process(arguments: Sequence[object], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, whose output is buffered as usual."""
    command = [sys.executable, "-m", "dcrauth", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 60} | options
    return subprocess.run(command, env=inherited() | options.pop("env", {}), check=False, **options)


@contextmanager
def simulating(*arguments: str, seconds: int) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """Yield what a simulator says of itself, by name, and its process, which ends by itself after so many *seconds*."""
    command = [sys.executable, "-u", "-m", "dcrauth", "simulate", *arguments, "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=inherited()) as process:
        assert process.stdout is not None
        said: dict[str, str] = {}
        while "page" not in said:
            name, value = process.stdout.readline().split(maxsplit=1)
            said[name] = value.strip()
        try:
            yield said, process
        finally:
            process.terminate()
