"""Processes that renew many identities over one database and are killed: nothing is lost, and one client is used."""

from __future__ import annotations

import base64
import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import time
from collections import deque
from typing import Any

import httpx
import pytest

from adapters_tests.common.soak import often
from dcrauth import AdobePass, Policy, TokenSources
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.errors import DCRAuthError
from dcrauth.httpx import DCRAuth
from dcrauth.simulator import Behaviour, Simulator
from dcrauth.stores import sql
from dcrauth.stores.redis import RedisStore
from dcrauth.stores.sql import SQLStore

PROCESSES, IDENTITIES, SECONDS = 16, 60, often(5, by_night=600)
KILLS = 10
AT_REST = 6
"""How many processes are paused at a time."""

LEASE = 0.5
"""For how long nobody renews an identity whose holder was killed or paused: shorter than it is paused for."""

PATIENCE = 60.0
IMPORTED = [
    "pytest",
    "psycopg",
    "pymysql",
    "dcrauth.httpx",
    "dcrauth.simulator",
    "dcrauth.stores.sql",
    "dcrauth.stores.redis",
]
"""What the processes find imported already, so that they renew at once and do not import for seconds."""


def opened(url: str, table: str) -> SQLStore | RedisStore:
    """Return the store of the test, in a table or below a prefix of its own."""
    if url.startswith("redis"):
        return RedisStore(url, prefix=f"{table}:", lease=LEASE)
    return SQLStore(url, table=table)


def renew(url: str, table: str, endpoint: str, statement: str, number: int, is_up: Any) -> None:
    """Ask for tokens of identities in an order of its own until killed, through the API that says whose each is."""
    sql.LEASE = LEASE
    chance = random.Random(number * 1_000_003 + os.getpid())
    adobe = AdobePass(statement, base_url=endpoint)
    sources = TokenSources(adobe, store=opened(url, table), policy=Policy(timeout=5.0))
    with httpx.Client(auth=DCRAuth(sources)) as client:
        is_up.set()
        for each in itertools.cycle(chance.sample(range(IDENTITIES), IDENTITIES)):
            device = f"device-{each}"
            headers = {"AP-Device-Identifier": "fingerprint " + base64.b64encode(device.encode()).decode()}
            with contextlib.suppress(DCRAuthError, httpx.HTTPError):
                client.get(f"{endpoint}/api/v2/REF30/configuration", headers=headers)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 3 * PATIENCE)  # to start the servers and the processes, and to end
@pytest.mark.fault("processes that share a database are killed while they renew", "no client that was used is lost")
@pytest.mark.parametrize("database", ["postgres", "mariadb", "cluster", "sentinel"])
def test_killed_processes_lose_no_client(database: str, request: pytest.FixtureRequest) -> None:
    """16 processes renew 60 identities, are killed and paused: of each one client is used, the stored one."""
    url, table = request.getfixturevalue(f"{database}_url"), f"soak_{database}"
    with opened(url, table) as store:
        if isinstance(store, SQLStore):
            store.create_tables()
        with Simulator(behaviour=Behaviour(strict=False, register_delay=0.1)) as simulator:
            used, killed = soak(url, table, simulator)
        stored = set()
        for key in store.keys():
            if key.endswith(".credentials"):
                found = read_credentials(key, store.get(key) or b"")
                assert isinstance(found, StoredCredentials)
                stored.add(found.credentials.client_id)
    assert used <= stored, "a client was used that is not the stored one"
    assert len(stored) == IDENTITIES
    assert killed >= KILLS


def soak(url: str, table: str, simulator: Any) -> tuple[set[str], int]:
    """Kill and pause at random what runs, then let it finish; return the clients that were used, and the kills."""
    context, chance, killed, paused = multiprocessing.get_context("forkserver"), random.Random(7), 0, deque[Any]()
    context.set_forkserver_preload(IMPORTED)
    given = url, table, simulator.url, simulator.software_statement
    running = [started(context, *given, number) for number in range(PROCESSES)]
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end or killed < KILLS:
            time.sleep(chance.uniform(0.02, 0.1))
            number = chance.randrange(PROCESSES)
            process, is_up = running[number]
            if is_up.is_set() and chance.random() < 0.4:
                process.kill()
                process.join(10)
                running[number], killed = started(context, *given, number), killed + 1
            elif is_up.is_set():
                paused.append(process)
                os.kill(process.pid, signal.SIGSTOP)
                resume(paused, AT_REST)
            assert time.monotonic() < end + PATIENCE
        resume(paused, 0)
        while len(clients(simulator)) < IDENTITIES:
            time.sleep(0.1)
            assert time.monotonic() < end + PATIENCE
    finally:
        for process, _ in running:
            process.kill()
            process.join(10)
    return clients(simulator), killed


def resume(paused: deque[Any], left: int) -> None:
    """Let those go on that have been paused for longest, until so many are *left*."""
    while len(paused) > left:
        process = paused.popleft()
        if process not in paused and process.is_alive():
            os.kill(process.pid, signal.SIGCONT)


def clients(simulator: Any) -> set[str]:
    """Return the clients that have been given tokens."""
    return {call.parameters["client_id"] for call in simulator.calls if call.endpoint == "token" and call.status < 300}


def started(context: Any, *given: Any) -> tuple[Any, Any]:
    """Return a process that renews, and what is set when it does."""
    is_up = context.Event()
    process = context.Process(target=renew, args=(*given, is_up), daemon=True)
    process.start()
    return process, is_up
