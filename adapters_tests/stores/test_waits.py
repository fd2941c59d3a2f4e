"""How often a renewal waits for the disk, and that nobody who only tries a lock waits or keeps anything."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.common.clock import EAGER
from adapters_tests.common.direct import Server
from adapters_tests.servers.redis_server import RedisServer
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.crash_states import HastyDisk
from dcrauth import FileStore, Store, StoreUnavailable
from dcrauth.stores import _locks
from dcrauth.stores._database import Database
from dcrauth.stores._disk import Folder
from dcrauth.stores._locks import stripe
from dcrauth.stores.sqlite import SQLiteStore
from dcrauth.testing._races import forked

PATIENCE = 20.0


class CountingDisk(HastyDisk):
    """A disk that notes what it is asked to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def sync_path(self, path: str) -> None:
        self.waits.append("above")

    def sync_file(self, fd: int) -> None:
        self.waits.append("file")

    def sync(self, folder: Folder) -> None:
        name = os.path.basename(folder.path)
        kinds = {"records": "records", "store": "store", "test": "above"}
        self.waits.append(kinds.get(name, "folder"))


def waits(store: FileStore, act: Callable[[], object]) -> list[str]:
    """Return what *act* waits for on the disk of *store*."""
    disk = store._folders.disk = CountingDisk()
    act()
    return disk.waits


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for a file store, in one that others can read, above which nothing of ours is synced."""
    above = tmp_path / "test"
    above.mkdir()
    above.chmod(0o755)
    return above / "store"


def test_waits_of_a_file_store(directory: Path) -> None:
    """An identity waits for two files and a folder, the first one in a store also for all that is above."""
    store, server = FileStore(directory), Server()
    trial = ["above", "store", "file", "records"]
    marks = ["records", "store", "above"]
    record, token = ["file", "folder"], ["file"]
    assert waits(store, server.source_here(store).token) == [*trial, *marks, *record, *token]
    present = {path.name for path in (directory / "records").iterdir()}
    first, later = list[int](), list[int]()
    for number in range(40):
        found = waits(store, server.source_here(store, instance=str(number)).token)
        made = {path.name for path in (directory / "records").iterdir()} - present
        present |= made
        assert found in (record + token, ["records", *record, *token])
        (first if "records" in found else later).append(len(made))
    assert first
    assert 0 not in first  # a folder that was there is not waited for again
    again = FileStore(directory)
    assert waits(again, server.source_here(again).token) == []
    source = server.source_here(again, policy=EAGER)
    taken = source.token()
    found = waits(again, lambda: source.token(instead_of=taken))
    assert found == ["above", "store", "records", *token]
    assert waits(again, server.source_here(again, instance="new").token)[-3:] == [*record, *token]


def test_waits_of_a_sqlite_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An identity writes twice: its credentials, which are waited for, and its token, which is not."""
    written: list[bool] = []
    writing = Database.writing

    @contextmanager
    def noting(self: Database, *, durable: bool, erasing: bool = False) -> Iterator[Any]:
        written.append(durable)
        with writing(self, durable=durable, erasing=erasing) as connection:
            yield connection

    monkeypatch.setattr(Database, "writing", noting)
    store, server = SQLiteStore(tmp_path / "records.db"), Server()
    trial, kept = [True, False], [True, False]
    server.source_here(store).token()
    assert written == trial + kept
    for name in ("second", "third"):
        server.source_here(store, instance=name).token()
    assert written == trial + 3 * kept
    store.close()


# Locks that are only tried.


@pytest.fixture(params=["file", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer) -> Store:
    """Each of the stores that other processes can use."""
    if request.param == "redis":
        return kinds.in_redis(redis_server.url).open()
    found: Store = getattr(kinds, request.param)(tmp_path).open()
    return found


@contextmanager
def held_elsewhere(store: Store, key: str) -> Iterator[Callable[[], None]]:
    """Have another process hold the lock of *key*; yield what has it let go."""
    reading, writing = os.pipe()
    ready, told = os.pipe()

    def child() -> None:
        with store.lock(key, wait=PATIENCE):
            os.write(told, b"held")
            os.read(reading, 1)

    released = threading.Event()

    def release() -> None:
        if not released.is_set():
            released.set()
            os.write(writing, b".")

    with forked(child):
        try:
            assert os.read(ready, 4) == b"held"
            yield release
        finally:
            release()
    for each in (reading, writing, ready, told):
        os.close(each)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists open descriptors in /proc")
@pytest.mark.fault(
    "thousands of identities wait for locks that another process holds",
    "none of them has a lock file or a connection open meanwhile",
)
def test_a_try_keeps_nothing_open(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a held lock is tried, nobody sleeps over it, and as many files are open afterwards as before."""
    with held_elsewhere(store, "key") as release:
        slept: list[float] = []
        with pytest.raises(StoreUnavailable), store.lock("key", wait=0):
            pass
        before = descriptors()
        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", slept.append)
            for _ in range(50):
                with pytest.raises(StoreUnavailable), store.lock("key", wait=0):
                    pass
        assert (slept, descriptors()) == ([], before)
        assert not [path for path, file in _locks._shared._files.items() if file._holders]
        release()
        with store.lock("key", wait=PATIENCE):
            pass
    assert descriptors() <= before


def neighbours() -> tuple[str, str]:
    """Return two keys whose lock is in one file."""
    seen: dict[str, str] = {}
    number = 0
    while (other := seen.setdefault(stripe(str(number), 3), str(number))) == str(number):
        number += 1
    return other, str(number)


ON_DISK = pytest.mark.parametrize("store", ["file", "sqlite"], indirect=True)


@ON_DISK
def test_a_try_is_not_refused_for_a_neighbour(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a thread is just taking the file of a lock, another one with a key in the same file gets its own."""
    one, other = neighbours()
    inside, go_on = threading.Event(), threading.Event()
    acquired = _locks._acquired

    def slow(path: str) -> Any:
        inside.set()
        assert go_on.wait(PATIENCE)
        return acquired(path)

    def hold(key: str, entered: threading.Event) -> None:
        with store.lock(key, wait=0):
            entered.set()
            assert both.wait(PATIENCE)

    entered, both = [threading.Event(), threading.Event()], threading.Event()
    monkeypatch.setattr(_locks, "_acquired", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold, one, entered[0])
        assert inside.wait(PATIENCE)
        second = pool.submit(hold, other, entered[1])
        go_on.set()
        assert all(each.wait(PATIENCE) for each in entered)
        both.set()
        first.result(PATIENCE)
        second.result(PATIENCE)


@ON_DISK
def test_a_try_does_not_wait_for_who_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a thread waits for another process, a try for a key in the same file is refused at once."""
    one, other = neighbours()
    pausing, pause = threading.Event(), time.sleep

    def noted_pause(seconds: float) -> None:
        pausing.set()
        pause(seconds)

    with held_elsewhere(store, one) as release, ThreadPoolExecutor(1) as pool:

        def wait() -> str:
            with store.lock(one, wait=PATIENCE):
                return "had it"

        monkeypatch.setattr(time, "sleep", noted_pause)
        waiting = pool.submit(wait)
        assert pausing.wait(PATIENCE)
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match="Another process"), store.lock(other, wait=0):
                pass
        assert not waiting.done()
        release()
        assert waiting.result(PATIENCE) == "had it"
