"""Processes that renew many identities over one database and are killed: nothing is lost, and one client is used."""

from __future__ import annotations

import base64
import contextlib
import multiprocessing
import os
import random
import signal
import time
from typing import Any

import httpx
import pytest

from dcrauth import AdobePass, Policy
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.errors import DCRAuthError
from dcrauth.simulator import Behaviour, Simulator
from dcrauth.stores.sql import SQLStore

PROCESSES, IDENTITIES, SECONDS = 16, 60, float(os.environ.get("DCRAUTH_SOAK", "12"))


def renew(url: str, table: str, endpoint: str, statement: str, number: int) -> None:
    """Ask for tokens of identities in a random order until killed, through the API that says whose each is."""
    from dcrauth import TokenSources  # in the process that uses it
    from dcrauth.httpx import DCRAuth

    chance = random.Random(number * 1_000_003 + os.getpid())
    adobe = AdobePass(statement, base_url=endpoint)
    sources = TokenSources(adobe, store=SQLStore(url, table=table), policy=Policy(timeout=5.0))
    with httpx.Client(auth=DCRAuth(sources)) as client:
        while True:
            device = f"device-{chance.randrange(IDENTITIES)}"
            headers = {"AP-Device-Identifier": "fingerprint " + base64.b64encode(device.encode()).decode()}
            with contextlib.suppress(DCRAuthError, httpx.HTTPError):
                client.get(f"{endpoint}/api/v2/REF30/configuration", headers=headers)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.fault("processes that share a database are killed while they renew", "no client that was used is lost")
@pytest.mark.parametrize("database", ["postgres", "mariadb"])
def test_killed_processes_lose_no_client(database: str, request: pytest.FixtureRequest) -> None:
    """16 processes renew 60 identities and are killed at random: each has one client that is used, the stored one."""
    url, table = request.getfixturevalue(f"{database}_url"), f"soak_{database}"
    with SQLStore(url, table=table) as store:
        store.create_tables()
        with Simulator(behaviour=Behaviour(strict=False)) as simulator:
            used = soak(url, table, simulator)
        stored = {}
        for key in store.keys():
            if key.endswith(".credentials"):
                found = read_credentials(key, store.get(key) or b"")
                assert isinstance(found, StoredCredentials)
                stored[key] = found.credentials.client_id
    assert len(stored) == IDENTITIES
    assert used <= set(stored.values()), "a client was used that is not the stored one"


def soak(url: str, table: str, simulator: Any) -> set[str]:
    """Run the processes and kill them at random; return the clients that have asked for tokens."""
    context, chance = multiprocessing.get_context("spawn"), random.Random(7)
    given = url, table, simulator.url, simulator.software_statement
    running = [started(context, *given, number) for number in range(PROCESSES)]
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end or simulator.counts.registered < IDENTITIES:
            time.sleep(chance.uniform(0.05, 0.3))
            number = chance.randrange(PROCESSES)
            os.kill(running[number].pid, signal.SIGKILL)
            running[number].join(10)
            running[number] = started(context, *given, number)
            assert time.monotonic() < end + 90
    finally:
        for each in running:
            each.kill()
            each.join(10)
    return {call.parameters["client_id"] for call in simulator.calls if call.endpoint == "token" and call.status < 300}


def started(context: Any, *given: Any) -> Any:
    """Return a process that renews."""
    process = context.Process(target=renew, args=given, daemon=True)
    process.start()
    return process
