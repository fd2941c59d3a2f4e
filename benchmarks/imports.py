"""What importing the package costs, beside importing requests: processor time, taken in turns.

Each import has an interpreter of its own, and the best of many counts: what else goes on on the machine only adds to
it. Modules are compiled beforehand, as they are in an installed package. Exits with status 1 if an import costs more
than it may. Run:

    python benchmarks/imports.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from machine import described

ROUNDS = 40
MOST = {"dcrauth": 0.9, "dcrauth.requests": 1.5}
"""How much each may cost, in terms of ``import requests``."""

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
MODULES = ("requests", "dcrauth", "dcrauth.requests", "httpx", "dcrauth.httpx", "aiohttp", "dcrauth.aiohttp")
PROGRAMS = {module: f"import {module}" for module in MODULES} | {
    # What an import leaves to the moment in which it is needed is not saved by who needs it.
    "dcrauth.requests, in use": f"import dcrauth.requests; dcrauth.requests.DCRAuth(dcrauth.AdobePass({STATEMENT!r}))"
}
CHILD = "import time; start = time.process_time(); {}; print(time.process_time() - start)"


def cost(program: str, environment: dict[str, str]) -> float:
    """Return the milliseconds of processor time that *program* takes in an interpreter of its own."""
    command = [sys.executable, "-c", CHILD.format(program)]
    told = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(told.stdout) * 1000


def costs(rounds: int = ROUNDS) -> dict[str, float]:
    """Return the least that each import has taken, after one that compiles what it needs."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for program in PROGRAMS.values():
            cost(program, environment)
        turns = [{name: cost(program, environment) for name, program in PROGRAMS.items()} for _ in range(rounds)]
    return {name: min(turn[name] for turn in turns) for name in PROGRAMS}


def main() -> int:
    """Print a table; return whether anything costs more than it may."""
    print(described("dcrauth", "requests", "httpx", "aiohttp"))
    print(f"\n{'import':<26}{'ms':>8}{'of requests':>14}{'at most':>10}")
    found = costs()
    for module, took in found.items():
        print(f"{module:<26}{took:8.1f}{took / found['requests']:14.2f}{MOST.get(module, ''):>10}")
    return int(any(found[module] > most * found["requests"] for module, most in MOST.items()))


if __name__ == "__main__":
    sys.exit(main())
