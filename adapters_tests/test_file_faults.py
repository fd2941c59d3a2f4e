"""A file store whose disk fails: the error says where and why, nothing is lost, and nothing registers because of it."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.direct import Server
from adapters_tests.failing_disk import KINDS, FailingDisk
from adapters_tests.world import World
from dcrauth import DCRAuthError, FileStore, Policy, StoreError

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
        store._disk = self.disk
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
@pytest.mark.parametrize("name", OPERATIONS)
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


def faults(bench: Bench, prepare: Callable[[FileStore], object]) -> list[tuple[str, int]]:
    """Return each call of the disk that a renewal makes in a store that was prepared so."""
    store = bench.store(None)
    prepare(store)
    bench.disk.calls.clear()
    Server().source(bench.reopened(), policy=Policy(settling=0.0)).token()
    return list(listed(bench.disk.calls))


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
