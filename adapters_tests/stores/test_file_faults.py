"""A file store whose disk fails: the error says where and why, nothing is lost, and nothing registers because of it."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters_tests.common.direct import Server
from adapters_tests.common.world import World
from adapters_tests.stores.crash_states import HastyDisk
from adapters_tests.stores.failing_disk import KINDS, FailingDisk
from dcrauth import DCRAuthError, FileStore, Policy, StoreError
from dcrauth.stores import _placing
from dcrauth.stores._disk import Folder
from dcrauth.stores._locks import digest

NUMBERS = [
    errno.EIO,
    errno.EACCES,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
]

KEY, OTHER = "key", "other"
OLD, NEW = b"old" * 1000, b"new" * 1000

Records = dict[str, bytes]


@dataclass(frozen=True)
class Operation:
    """Something that a store is asked to do.

    Parameters:
        before: the records that are there; None if there is not even a directory.
        act: what is done.
        result: what comes of it.
        after: the records that are there then.
    """

    before: Records | None
    act: Callable[[FileStore], Any]
    result: Any
    after: Records


def locked(store: FileStore) -> bool:
    with store.lock(KEY, wait=1):
        return True


FULL = {KEY: OLD, OTHER: OLD}

OPERATIONS = {
    "get": Operation(FULL, lambda store: store.get(KEY), OLD, FULL),
    "get nothing": Operation(FULL, lambda store: store.get("absent"), None, FULL),
    "first add": Operation(None, lambda store: store.add(KEY, NEW), True, {KEY: NEW}),
    "add": Operation({OTHER: OLD}, lambda store: store.add(KEY, NEW), True, {OTHER: OLD, KEY: NEW}),
    "add to what is there": Operation(FULL, lambda store: store.add(KEY, NEW), False, FULL),
    "replace": Operation(FULL, lambda store: store.replace(KEY, NEW, expected=OLD), True, FULL | {KEY: NEW}),
    "put": Operation({OTHER: OLD}, lambda store: store.put(KEY, NEW), None, {OTHER: OLD, KEY: NEW}),
    "put over": Operation(FULL, lambda store: store.put(KEY, NEW), None, FULL | {KEY: NEW}),
    "delete": Operation(FULL, lambda store: store.delete(KEY), None, {OTHER: OLD}),
    "keys": Operation(FULL, lambda store: sorted(store.keys()), [KEY, OTHER], FULL),
    "healthcheck": Operation(FULL, lambda store: store.healthcheck(), None, FULL),
    "lock": Operation(FULL, locked, True, FULL),
}


class Bench:
    """Stores with a disk that can fail, each in a new directory that holds the same records."""

    def __init__(self, directory: Path) -> None:
        self._directories = (directory / str(number) for number in itertools.count())

    def store(self, records: Records | None) -> FileStore:
        """Return a store that holds *records*, as a process finds it that has just started."""
        self.directory = next(self._directories)
        self.disk = FailingDisk()
        if records is not None:
            earlier = self.reopened()
            for key, value in records.items():
                earlier.add(key, value)
        return self.reopened()

    def reopened(self) -> FileStore:
        store = FileStore(self.directory / "store")
        store._folders.disk = self.disk
        return store

    def records(self) -> Records:
        """Return what another process reads there now."""
        store = self.reopened()
        return {key: store.get(key) or b"" for key in store.keys()}

    def leftovers(self) -> list[str]:
        new = self.directory / "store" / "new"
        return os.listdir(new) if new.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def places(bench: Bench, operation: Operation) -> Iterator[tuple[str, int]]:
    """Yield each call of the disk that *operation* makes: its kind, and the how manieth of it it is."""
    store = bench.store(operation.before)
    bench.disk.calls.clear()
    assert operation.act(store) == operation.result
    calls = dict(bench.disk.calls)
    shutil.rmtree(bench.directory)
    yield from listed(calls)


def listed(calls: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yield each of so many calls; of very many of a kind, the first ones and the last ones."""
    for kind in KINDS:
        count = calls.get(kind, 0)
        yield from ((kind, at) for at in range(1, count + 1) if at <= 20 or at > count - 3)


@pytest.mark.fault(
    "a call of the disk fails: full, read-only, no descriptor left, an error of the device, also while waiting for it",
    "an error with the place and the reason; the old records stay, nothing is left behind, and the next call works",
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "delete")) for name in OPERATIONS],
)
def test_a_fault_costs_nothing(bench: Bench, name: str) -> None:
    """Whichever call of the disk fails, and how: a StoreError, the old records, no leftovers, and it works again."""
    operation = OPERATIONS[name]
    numbers = itertools.cycle(NUMBERS)
    faults = 0
    for kind, at in places(bench, operation):
        for number in {errno.EIO, errno.EACCES, next(numbers), next(numbers)}:
            faults += 1
            store = bench.store(operation.before)
            with bench.disk.failing(kind, at, number):
                went_well = outcome(operation, store, number, str(bench.directory))
            assert bench.disk.struck
            present = bench.records()
            if kind == "sync" and not went_well and operation.result is True and "add" in name:
                # The record may have its name already, and somebody may have read it: then it stays.
                assert present in (operation.before or {}, operation.after)
                continue
            assert present == (operation.after if went_well else operation.before or {}), (kind, at)
            assert bench.leftovers() == [] or kind == "unlink", (kind, at)
            if not went_well:
                assert operation.act(store) == operation.result
                assert bench.records() == operation.after
            shutil.rmtree(bench.directory, ignore_errors=True)
    assert faults >= 12


def outcome(operation: Operation, store: FileStore, number: int, directory: str) -> bool:
    """Return whether *operation* did all the same what it should; if not, it must say so, where, and why."""
    try:
        result = operation.act(store)
    except StoreError as error:
        message = str(error)
    else:
        assert result == operation.result
        return True
    assert directory in message
    assert os.strerror(number) in message
    return False


class FailingAtTheEnd(HastyDisk):
    """A disk that cannot sync the folder of a record: after *meanwhile* that is an error of the device."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def sync(self, folder: Folder) -> None:
        if os.path.basename(folder.path) == digest(KEY)[:2]:
            self._meanwhile()
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def two_stores(bench: Bench, meanwhile: Callable[[FileStore], None]) -> tuple[FileStore, FileStore]:
    """Return a store that will fail after a replacement that *meanwhile* comes in the middle of, and another one."""
    store, other = bench.store({KEY: OLD}), bench.reopened()
    long_ago = time.time() - 7200
    os.utime(store._path(digest(KEY)), (long_ago, long_ago))
    assert store.add(KEY, NEW) is False
    store._folders.disk = FailingAtTheEnd(lambda: meanwhile(other))
    return store, other


@pytest.mark.fault(
    "a replacement cannot be made durable while another process cleans up",
    "it is taken back, and the error says why it failed",
)
def test_a_replacement_is_undone_whoever_cleans_up(bench: Bench) -> None:
    """The old record of long ago is kept for as long as it may be needed, though its file was written long ago."""
    store, other = two_stores(bench, lambda other: other.healthcheck())
    with pytest.raises(StoreError, match=f"{os.strerror(errno.EIO)}$"):
        store.replace(KEY, NEW, expected=OLD)
    assert other.get(KEY) == OLD
    assert bench.leftovers() == []


def test_a_replacement_that_cannot_be_undone_says_so(bench: Bench) -> None:
    """Where even the old record cannot be put back, the error tells of both, the cause first."""

    def clear(other: FileStore) -> None:
        for name in bench.leftovers():
            (bench.directory / "store" / "new" / name).unlink()

    store, other = two_stores(bench, clear)
    both = f"{os.strerror(errno.EIO)}; nor can the change be undone: {os.strerror(errno.ENOENT)}"
    with pytest.raises(StoreError, match=both):
        store.replace(KEY, NEW, expected=OLD)
    assert other.get(KEY) == NEW


@pytest.mark.fault("a process is killed while it writes a file", "what it left is removed after an hour, not before")
def test_what_a_killed_writer_left_goes_after_an_hour(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-written files stay while their writers may be at it, and are removed by the first one to write later."""
    bench.store({KEY: OLD})
    (bench.directory / "store" / "new" / "half").write_bytes(b"half")
    for passed, left in ((0.0, ["half"]), (3500.0, ["half"]), (3700.0, [])):
        now = time.time() + passed
        monkeypatch.setattr(_placing, "time", SimpleNamespace(time=lambda now=now: now))
        bench.reopened().put(KEY, NEW)
        assert bench.leftovers() == left


def faults(bench: Bench, prepare: Callable[[FileStore], object]) -> list[tuple[str, int]]:
    """Return each call of the disk that a renewal makes in a store that was prepared so."""
    store = bench.store(None)
    prepare(store)
    bench.disk.calls.clear()
    Server().source(bench.reopened(), policy=Policy(settling=0.0)).token()
    return list(listed(bench.disk.calls))


@pytest.mark.slow
@pytest.mark.fault(
    "the disk fails before a registration",
    "no registration while credentials cannot be kept; afterwards one client is in use",
)
@pytest.mark.parametrize("lasting", [False, True])
def test_nothing_registers_with_a_store_that_fails(bench: Bench, lasting: bool) -> None:
    """While the store cannot keep credentials none are asked for; once it can, one client is stored and used."""
    in_vain: list[tuple[str, int]] = []
    for (kind, at), number in zip(faults(bench, lambda store: None), itertools.cycle(NUMBERS), strict=False):
        store = bench.store(None)

        def witness(store: FileStore = store, fault: tuple[str, int] = (kind, at)) -> None:
            if lasting and bench.disk.struck and not can_write(store):
                in_vain.append(fault)

        server = Server(witness)
        with bench.disk.failing(kind, at, number, lasting=lasting):
            first = token_or_error(server, store)
        assert bench.disk.struck
        assert isinstance(first, str | StoreError), first
        if (
            lasting and at == 1 and isinstance(first, StoreError) and kind != "status"
        ):  # which nothing refuses by itself
            assert server.world.registrations == 0, kind
        assert token_or_error(server, bench.reopened()) in {"token-1", "token-2"}
        assert server.world.registrations <= 2
        assert len(set(server.world.used)) == 1
    assert in_vain == []


def can_write(store: FileStore) -> bool:
    try:
        return store.add("probe", b"value")
    except StoreError:
        return False


@pytest.mark.slow
@pytest.mark.fault(
    "the disk fails in a store that holds credentials",
    "no registration; the same credentials are used afterwards",
)
@pytest.mark.parametrize("lasting", [False, True])
def test_nothing_registers_because_the_store_fails(bench: Bench, lasting: bool) -> None:
    """Whatever fails in a store that holds credentials, nothing is registered, and they are used again afterwards."""

    def prepare(store: FileStore) -> None:
        Server().source(store).token()
        store.delete(World.identity.token)

    for (kind, at), number in zip(faults(bench, prepare), itertools.cycle(NUMBERS), strict=False):
        store = bench.store(None)
        server = Server()
        server.source(store).token()
        store.delete(World.identity.token)
        with bench.disk.failing(kind, at, number, lasting=lasting):
            first = token_or_error(server, bench.reopened())
        assert isinstance(first, str | StoreError), first
        assert token_or_error(server, bench.reopened()) in {"token-1", "token-2", "token-3"}
        assert (server.world.registrations, set(server.world.used)) == (1, {"client-1"}), (kind, at)


def token_or_error(server: Server, store: FileStore) -> str | DCRAuthError:
    try:
        return server.source(store).token().value
    except DCRAuthError as error:
        return error
