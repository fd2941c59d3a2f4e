"""Stores that processes share which start together, are killed, or are stopped: nothing acknowledged is ever lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.common.direct import Server
from adapters_tests.common.soak import often
from adapters_tests.common.world import World
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from dcrauth import Policy, Store, StoreUnavailable
from dcrauth.testing._races import add_and_read, race

KILLS = often(40, by_night=200)
PROCESSES = 64
PATIENCE = 60.0
LONGEST_PAUSE = 0.5
STATES = (None, b"first", b"second")
"""What is under a key before the first write, after it, and after the second one."""

GROUPS = ["cluster", "sentinel"]
DATABASES = ["postgres", "mariadb", *GROUPS]
SHARED = ["file", "sqlite", "redis", "encrypted file", "encrypted sqlite", "encrypted redis", *DATABASES]


@pytest.fixture
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Storage for the store that the test is parametrized with."""
    *wrapped, name = request.param.split()
    if name == "redis":
        found = kinds.in_redis(request.getfixturevalue("redis_server").url)
    elif name in GROUPS:
        found = kinds.in_redis(request.getfixturevalue(f"{name}_url"))
    elif name in DATABASES:
        found = kinds.in_sql(request.getfixturevalue(f"{name}_url"))
    else:
        found = getattr(kinds, name)(tmp_path)
    return kinds.encrypted(found) if wrapped else found


@pytest.mark.slow
@pytest.mark.fault("64 processes register one new identity at once", "one record is stored and all use it")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["file", "sqlite", "redis", *DATABASES], indirect=True)
def test_sixty_four_processes_agree(kind: Kind) -> None:
    """Of 64 processes that add one identity at once exactly one succeeds, and all use its record."""
    found = race("fork", add_and_read, kind.open, PROCESSES)
    winners = [number for number, (won, _) in enumerate(found) if won]
    assert len(winners) == 1
    assert {value for _, value in found} == {b"%d" % winners[0]}


def _writes(store: Store, name: str, saying: int) -> None:
    """Add and replace records without end; say "[" before each of these writes, and "]" once it is acknowledged."""
    number = 0
    while True:
        key = f"{name} {number}"
        os.write(saying, b"[")
        assert store.add(key, b"first")
        os.write(saying, b"][")
        assert store.replace(key, b"second", expected=b"first")
        os.write(saying, b"]")
        store.put("token", b"%d" % number)
        number += 1


@contextmanager
def writer(kind: Kind, name: str) -> Iterator[tuple[int, int]]:
    """A process that writes until it is killed, as it is at the latest in the end; yield its pid and what it says."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pytest-xdist has threads; the child uses none of them
        child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _writes(kind.open(), name, writing)
        finally:
            os._exit(1)
    os.close(writing)
    try:
        yield child, reading
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)


def killed_writer(kind: Kind, name: str, chance: random.Random) -> bytes:
    """Let a process write, kill it at some moment of a write, and return what it had said by then."""
    with writer(kind, name) as (child, reading):
        said, took = b"", 0.0
        for _ in range(chance.randrange(1, 4)):
            said += _read_up_to(b"[", reading)
            begun = time.monotonic()
            said += _read_up_to(b"]", reading)
            took = time.monotonic() - begun
        said += _read_up_to(b"[", reading)
        # No step of a write is spared on a machine of whatever speed; nothing is waited for.
        time.sleep(chance.uniform(0, min(took, LONGEST_PAUSE)))
        os.kill(child, signal.SIGKILL)
        while more := os.read(reading, 4096):
            said += more
    return said


def _read_up_to(mark: bytes, reading: int) -> bytes:
    said = b""
    while not said.endswith(mark):
        more = os.read(reading, 1)
        assert more, "the writer has ended by itself"
        said += more
    return said


@pytest.mark.slow
@pytest.mark.fault("a process is killed while it writes", "each record is the old one or the new one; the store works")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", SHARED, indirect=True)
def test_a_killed_writer_loses_nothing(kind: Kind, request: pytest.FixtureRequest) -> None:
    """A process is killed forty times while it writes, ten with a database: all it was promised is there."""
    chance = random.Random(1)
    kills = KILLS // 4 if request.node.callspec.params["kind"] in DATABASES else KILLS
    watcher = kind.open()
    struck = unheard = 0
    for number in range(kills):
        said = killed_writer(kind, f"round {number}", chance)
        begun, acknowledged = said.count(b"["), said.count(b"]")
        store = kind.open() if number % 2 else watcher
        for at in range(begun // 2 + 1):
            least, most = (min(2, max(0, writes - 2 * at)) for writes in (acknowledged, begun))
            found = STATES.index(store.get(f"round {number} {at}"))
            assert least <= found <= most, (number, at)
            unheard += found > least
        struck += begun > acknowledged
    assert struck  # writes that were under way
    assert unheard  # writes that were done, but not acknowledged
    store.healthcheck()
    assert len(list(watcher.keys())) > kills
    assert watcher.get("token") is not None


class Impatient(Policy):
    """The usual policy, but for a wait for the lock that a test need not make; all the rest has its usual time."""

    @property
    def lock_wait(self) -> float:
        return 0.5


def _holds(open_store: kinds.Factory, key: str, entered: Any) -> None:
    with open_store().lock(key, wait=5):
        entered.set()
        time.sleep(PATIENCE)


@contextmanager
def holder(kind: Kind, key: str) -> Iterator[int]:
    """A process that holds the lock of *key*; yield its pid."""
    context = multiprocessing.get_context("spawn")
    entered = context.Event()
    process = context.Process(target=_holds, args=(kind.open, key, entered), daemon=True)
    process.start()
    try:
        assert entered.wait(PATIENCE)
        assert process.pid is not None
        yield process.pid
    finally:
        process.kill()
        process.join(PATIENCE)


def slowly(*names: str) -> list[Any]:
    """Return kinds of stores that the quick path leaves out: one of them shows the promise."""
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


FILE_FIRST = ["file", *slowly("sqlite", "redis")]


@pytest.mark.fault("the holder of a lock is killed", "the lock is free at once")
@pytest.mark.parametrize("kind", ["file", *slowly("sqlite", "encrypted file")], indirect=True)
def test_a_killed_holder_frees_the_lock(kind: Kind) -> None:
    """The lock of a process that is killed is free at once."""
    with holder(kind, "key") as pid:
        with pytest.raises(StoreUnavailable, match="Another process has held"), kind.open().lock("key", wait=0):
            pass
        os.kill(pid, signal.SIGKILL)
        with kind.open().lock("key", wait=PATIENCE):
            pass


@pytest.mark.fault(
    "the holder of the lock is stopped, and the identity is new",
    "an error after the wait; nothing is registered without the lock",
)
@pytest.mark.parametrize("kind", FILE_FIRST, indirect=True)
def test_a_stopped_holder_lets_nobody_register(kind: Kind) -> None:
    """While the holder of the lock is stopped a new identity is not registered, and the error says why."""
    server = Server()
    with holder(kind, World.identity.key) as pid:
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            server.source(kind.open(), policy=Impatient()).token()
        assert server.world.registrations == 0


@pytest.mark.fault(
    "the holder of the lock is stopped, and there are credentials",
    "they are used for a new token all the same",
)
@pytest.mark.parametrize("kind", FILE_FIRST, indirect=True)
def test_a_stopped_holder_stops_no_renewal(kind: Kind) -> None:
    """While the holder of the lock is stopped, credentials that are stored are used for new tokens all the same."""
    server = Server()
    assert server.source(kind.open()).token().value == "token-1"
    kind.open().delete(World.identity.token)
    with holder(kind, World.identity.key) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert server.source(kind.open(), policy=Impatient()).token().value == "token-2"
    assert server.world.registrations == 1
