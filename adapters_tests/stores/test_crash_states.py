"""What is left of a file store after a power failure at any moment: the old record or the new one, and a store."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters_tests.stores.crash_states import Drive, HastyDisk, Killed, RecordingDisk, Tree, build
from dcrauth import FileStore, StoreError, StoreLost
from dcrauth.stores import _placing, _sentinel
from dcrauth.stores._disk import Folder
from dcrauth.stores._locks import digest

pytestmark = pytest.mark.slow

OLD, NEW, OTHER = b"old" * 1000, b"new" * 1000, b"other" * 1000

Promised = frozenset[str]
Allowed = Callable[[Promised], dict[str, set[bytes | None]]]
"""From what was promised before the power failed to what each key may hold afterwards."""

Writes = Callable[["History"], Allowed]
"""What happens to a store until the power fails."""

Seen = set[tuple[Tree, Promised]]


def in_one_shard() -> tuple[str, str]:
    """Return two keys whose records share a folder."""
    keys = (f"key-{number}" for number in itertools.count())
    first = next(keys)
    return first, next(key for key in keys if digest(key)[:2] == digest(first)[:2])


KEY, NEIGHBOUR = in_one_shard()
ELSEWHERE = "elsewhere"


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same history leaves the same bytes, so that states can be told from each other by their content."""
    numbers = itertools.count()
    monkeypatch.setattr(_placing, "secrets", SimpleNamespace(token_hex=lambda size: f"{next(numbers):08x}"))
    monkeypatch.setattr(_sentinel, "time", SimpleNamespace(time=lambda: 1.0))


class History:
    """A store on a drive that will lose its power.

    Parameters:
        directory: where drives are made, before the failure and after it.
        disk: the kind of disk it is on.
    """

    def __init__(self, directory: Path, disk: type[RecordingDisk] = RecordingDisk) -> None:
        self.directory, self.disk = directory, disk
        base = directory / "drive"
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir()
        self.drive = Drive(base)
        self.drive.note()

    def store(self, last: float = float("inf")) -> FileStore:
        """Open the store, in a directory two levels below what is there for good, in a process of its own."""
        store = FileStore(self.drive.base / "above" / "store")
        store._folders.disk = self.disk(self.drive, last)
        return store

    def survived(self, allowed: Allowed, seen: Seen | None = None) -> int:
        """Check every state that a power failure can leave; return how many there are."""
        visited = 0
        seen = set() if seen is None else seen
        for tree, promised in self.drive.states():
            if (tree, promised) in seen:
                continue
            seen.add((tree, promised))
            visited += 1
            after = self.directory / "after"
            build(tree, after)
            check(after / "above" / "store", allowed(promised))
            shutil.rmtree(after)
        return visited


def check(directory: Path, allowed: dict[str, set[bytes | None]]) -> None:
    """See that a store holds what it may, and works."""
    store = FileStore(directory)
    store._folders.disk = HastyDisk()
    found = {key: store.get(key) for key in allowed}
    assert [key for key, value in found.items() if value not in allowed[key]] == []
    assert set(store.keys()) == {key for key, value in found.items() if value is not None}
    store.healthcheck()
    for key, value in found.items():
        assert store.add(key, b"added") is (value is None)
        assert store.replace(key, b"replaced", expected=b"added" if value is None else value)
    store.put("token", b"put")
    assert [store.get(key) for key in (*found, "token")] == [b"replaced"] * len(found) + [b"put"]


def first_add(history: History) -> Allowed:
    """Add a record in directories that are yet to be made."""
    assert history.store().add(KEY, NEW)
    history.drive.promise("added")
    return lambda promised: {KEY: {NEW} if promised else {NEW, None}}


def add_to_a_folder(history: History) -> Allowed:
    """Add a record beside others, in a process that has not written yet."""
    history.store().add(NEIGHBOUR, OTHER)
    history.drive.start()
    assert history.store().add(KEY, NEW)
    history.drive.promise("added")
    return lambda promised: {KEY: {NEW} if promised else {NEW, None}, NEIGHBOUR: {OTHER}}


def add_that_loses(history: History) -> Allowed:
    """Add a record where there is one."""
    history.store().add(KEY, OLD)
    history.drive.start()
    assert not history.store().add(KEY, NEW)
    return lambda promised: {KEY: {OLD}}


def replacement(history: History) -> Allowed:
    """Replace a record."""
    history.store().add(KEY, OLD)
    history.store().add(NEIGHBOUR, OTHER)
    history.drive.start()
    assert history.store().replace(KEY, NEW, expected=OLD)
    history.drive.promise("replaced")
    return lambda promised: {KEY: {NEW} if promised else {OLD, NEW}, NEIGHBOUR: {OTHER}}


def first_put(history: History) -> Allowed:
    """Put a record in directories that are yet to be made."""
    history.store().put(KEY, NEW)
    return lambda promised: {KEY: {None, NEW}}


def put_over_another(history: History) -> Allowed:
    """Put one record over another and again, beside credentials that were added."""
    store = history.store()
    store.add(NEIGHBOUR, OTHER)
    store.put(KEY, OLD)
    history.drive.start()
    store.put(KEY, NEW)
    store.put(KEY, b"newer")
    return lambda promised: {KEY: {OLD, NEW, b"newer"}, NEIGHBOUR: {OTHER}}


def deletion(history: History) -> Allowed:
    """Delete a record beside another."""
    history.store().add(KEY, OLD)
    history.store().add(NEIGHBOUR, OTHER)
    history.drive.start()
    history.store().delete(KEY)
    history.drive.promise("deleted")
    return lambda promised: {KEY: {None} if promised else {OLD, None}, NEIGHBOUR: {OTHER}}


def healthcheck(history: History) -> Allowed:
    """Check a store that is not there yet, and add to it."""
    store = history.store()
    store.healthcheck()
    assert store.add(KEY, NEW)
    history.drive.promise("added")
    return lambda promised: {KEY: {NEW} if promised else {NEW, None}}


def two_adds(history: History) -> Allowed:
    """Add two records in different folders."""
    store = history.store()
    for key in (KEY, ELSEWHERE):
        assert store.add(key, NEW)
        history.drive.promise(key)
    return lambda promised: {key: {NEW} if key in promised else {NEW, None} for key in (KEY, ELSEWHERE)}


HISTORIES = {
    first_add: 20,
    add_to_a_folder: 6,
    add_that_loses: 4,
    replacement: 8,
    first_put: 18,
    put_over_another: 10,
    deletion: 6,
    healthcheck: 30,
    two_adds: 30,
}
"""Each history, and how many states it leaves at least: fewer would mean that nobody looked."""


@pytest.mark.fault(
    "the power fails at any step of a write",
    "what was acknowledged is there, all else is as before or complete",
)
@pytest.mark.parametrize("writes", HISTORIES, ids=lambda writes: writes.__name__)
def test_a_power_failure_loses_nothing(tmp_path: Path, writes: Writes) -> None:
    """Whenever the power fails, what was promised is there, all else is as before or complete, and the store works."""
    history = History(tmp_path)
    assert history.survived(writes(history)) >= HISTORIES[writes]


@pytest.mark.fault("the power fails during a deletion", "the record is in its place or in the trash")
def test_what_is_deleted_is_kept(tmp_path: Path) -> None:
    """At no moment of a deletion is the content neither in its place nor in the trash."""
    history = History(tmp_path)
    deletion(history)
    for tree, _ in history.drive.states():
        assert OLD in content_of(tree)


def content_of(tree: Tree) -> bytes:
    return b"".join(each if isinstance(each, bytes) else content_of(each) for name, each in tree if name != "new")


def unwritten(store: FileStore) -> None:
    """Leave the directory as it is: it does not exist."""


def written(store: FileStore) -> None:
    """Have a record in the store."""
    store.add(KEY, OLD)


ACTS: dict[str, tuple[Callable[[FileStore], None], Callable[[FileStore], object]]] = {
    "first add": (unwritten, lambda store: store.add(KEY, OLD)),
    "first put": (unwritten, lambda store: store.put(KEY, OLD)),
    "add beside": (unwritten, lambda store: store.add(NEIGHBOUR, OLD)),
    "healthcheck": (unwritten, lambda store: store.healthcheck()),
    "replace": (written, lambda store: store.replace(KEY, NEW, expected=OLD)),
    "delete": (written, lambda store: store.delete(KEY)),
    "put over": (written, lambda store: store.put(KEY, NEW)),
}
"""What is there, and what a process was doing when it was killed."""


@pytest.mark.fault(
    "a process is killed between two steps of a write and another one goes on",
    "what the other one acknowledges is durable",
)
@pytest.mark.parametrize("act", ACTS)
def test_a_process_that_is_killed_leaves_its_work_to_the_next(tmp_path: Path, act: str) -> None:
    """What one process has begun and another one builds on is durable when that one gets its answer."""
    before, work = ACTS[act]
    seen: Seen = set()
    killings = visited = 0
    while True:
        history = History(tmp_path)
        before(history.store())
        history.drive.start()
        if not killed(work, history.store(last=killings)):
            break
        killings += 1
        survivor = history.store()
        survivor.add(KEY, OTHER)
        value = survivor.get(KEY)
        history.drive.promise("answered")
        earlier: set[bytes | None] = {OLD, NEW, OTHER} | ({None} if before is unwritten or act == "delete" else set())
        beside: set[bytes | None] = {OLD, None}
        allowed = {True: {KEY: {value}, NEIGHBOUR: beside}, False: {KEY: earlier, NEIGHBOUR: beside}}
        visited += history.survived(lambda promised, allowed=allowed: allowed[bool(promised)], seen)
    assert killings >= 5
    assert visited >= 6 * killings


def killed(work: Callable[[FileStore], object], store: FileStore) -> bool:
    """Do *work* and return whether the process was killed over it."""
    try:
        work(store)
    except Killed:
        return True
    return False


class WithoutFileSync(RecordingDisk):
    """A disk that does not wait for content."""

    def sync_file(self, fd: int) -> None:
        """Do nothing."""


class WithoutFolderSync(RecordingDisk):
    """A disk that does not wait for names."""

    def sync(self, folder: Folder) -> None:
        """Do nothing."""


class WithoutPathSync(RecordingDisk):
    """A disk that does not wait for the names of the directories that it makes."""

    def sync_path(self, path: str) -> None:
        """Do nothing."""


class NamedTooEarly(RecordingDisk):
    """A disk that writes a file when it has its name already."""

    def create(self, folder: Folder, name: str, content: bytes, *, durable: bool) -> None:
        self._content = content
        os.close(self.make_file(folder, name))

    def link(self, source: Folder, name: str, folder: Folder, new_name: str) -> bool:
        linked = super().link(source, name, folder, new_name)
        fd = os.open(folder.at(new_name), os.O_WRONLY, dir_fd=folder.fd)
        self._open[fd] = self.drive.directory(folder.path).now(new_name)
        self.write(fd, self._content)
        self.sync_file(fd)
        os.close(fd)
        return linked


class Copying(RecordingDisk):
    """A disk that replaces a file by writing over it."""

    def rename(self, source: Folder, name: str, folder: Folder, new_name: str) -> None:
        content = self.read(source, name)
        self.unlink(folder, new_name)
        self.create(folder, new_name, content, durable=True)
        self.unlink(source, name)


@pytest.mark.parametrize(
    ("disk", "writes"),
    [
        (WithoutFileSync, first_add),
        (WithoutFileSync, replacement),
        (WithoutFileSync, put_over_another),
        (WithoutFolderSync, first_add),
        (WithoutFolderSync, add_to_a_folder),
        (WithoutFolderSync, replacement),
        (WithoutFolderSync, deletion),
        (WithoutPathSync, first_add),
        (NamedTooEarly, add_to_a_folder),
        (Copying, replacement),
    ],
)
def test_a_step_left_out_is_found(tmp_path: Path, disk: type[RecordingDisk], writes: Writes) -> None:
    """Each wait that is left out, each step in the wrong order loses something in some state: the checks see it."""
    history = History(tmp_path, disk)
    allowed = writes(history)
    with pytest.raises((AssertionError, StoreError)):
        history.survived(allowed)


class Skipping(RecordingDisk):
    """A disk that does not wait once.

    Parameters:
        skipped: at the how manieth time; None for a disk that always waits.
    """

    def __init__(self, drive: Drive, last: float = float("inf"), *, skipped: int | None = None) -> None:
        super().__init__(drive, last)
        self.skipped = skipped
        self.waits: list[str] = []

    def sync_file(self, fd: int) -> None:
        self._wait(f"for the file {len(self.waits)}", lambda: super(Skipping, self).sync_file(fd))

    def sync(self, folder: Folder) -> None:
        self._wait(f"for names in {os.path.basename(folder.path)}", lambda: super(Skipping, self).sync(folder))

    def sync_path(self, path: str) -> None:
        self._wait(f"for names in {os.path.basename(path)}", lambda: super(Skipping, self).sync_path(path))

    def _wait(self, what: str, wait: Callable[[], None]) -> None:
        self.waits.append(what)
        if len(self.waits) - 1 != self.skipped:
            wait()


def first_of_a_store(history: History, skipped: int | None) -> tuple[Skipping, Allowed]:
    """Add the first record of a store."""
    store = history.store()
    disk = store._folders.disk = Skipping(history.drive, skipped=skipped)
    store.add(KEY, NEW)
    history.drive.promise("added")
    return disk, lambda promised: {KEY: {NEW} if promised else {NEW, None}}


def all_later_ones(history: History, skipped: int | None) -> tuple[Skipping, Allowed]:
    """Add a record in another folder, replace one, and put a token over another, in a process that has written."""
    store = history.store()
    store.add(KEY, OLD)
    store.put("disposable", OLD)
    history.drive.start()
    disk = store._folders.disk = Skipping(history.drive, skipped=skipped)
    store.add(ELSEWHERE, NEW)
    history.drive.promise("added")
    store.replace(KEY, NEW, expected=OLD)
    history.drive.promise("replaced")
    store.put("disposable", NEW)
    return disk, lambda promised: {
        ELSEWHERE: {NEW} if "added" in promised else {NEW, None},
        KEY: {NEW} if "replaced" in promised else {OLD, NEW},
        "disposable": {OLD, NEW},
    }


WAITS = {first_of_a_store: 8, all_later_ones: 6}
"""How often each of them waits for the disk."""


def check_loss(history: History) -> None:
    """See that a store that was in use before a power failure is missed after it, by either mark."""
    for tree, promised in history.drive.states():
        for gone in ["store/records", "store"] if promised else []:
            above = history.directory / "after" / "above"
            build(tree, above.parent)
            shutil.rmtree(above / gone)
            (above / ".store.dcrauth").rename(above / (".store.dcrauth" if gone == "store" else "none"))
            with pytest.raises(StoreLost):
                FileStore(above / "store").get(KEY)
            shutil.rmtree(above.parent)


@pytest.mark.parametrize("writes", WAITS, ids=lambda writes: writes.__name__)
def test_no_wait_for_the_disk_is_in_vain(tmp_path: Path, writes: Any) -> None:
    """Each single wait for the disk is there for something: without it a promise, or the notice of a loss, is lost."""
    history = History(tmp_path)
    disk, allowed = writes(history, None)
    history.survived(allowed)
    check_loss(history)
    assert len(disk.waits) == WAITS[writes], disk.waits
    for skipped, what in enumerate(disk.waits):
        history = History(tmp_path)
        shutil.rmtree(tmp_path / "after", ignore_errors=True)
        _, allowed = writes(history, skipped)
        try:
            history.survived(allowed)
            check_loss(history)
        except (AssertionError, StoreError, FileNotFoundError, pytest.fail.Exception):
            continue
        pytest.fail(f"nothing is lost without the wait {what}")
