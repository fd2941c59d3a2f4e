"""What every store promises, and what the file store promises beyond that."""

from __future__ import annotations

import multiprocessing
import os
import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.conftest import ManualClock
from adapters_tests.world import STATEMENT, World
from dcrauth.stores._locks import digest
from dcrauth import (
    AdobePass,
    DCRAuthError,
    FileStore,
    InsecureStore,
    MemoryStore,
    Store,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TokenSource,
)

KEYS = ["a", "", "../../etc/passwd", "CON", "nul\0", "é", "e\u0301", "A", "x" * 10_000, "line\nbreak", "\udc80"]


def test_a_store_is_a_store(store: Store) -> None:
    """Each shipped store has every method of the protocol."""
    assert isinstance(store, Store)


def test_absent_is_none(store: Store) -> None:
    """A key that was never written reads as None."""
    assert store.get("never") is None


@pytest.mark.parametrize("value", [b"", b"value", b"\x00\xff\n\n", b"x" * 100_000], ids=len)
def test_values_come_back(store: Store, value: bytes) -> None:
    """A value is read as it was written, byte for byte, however it was written."""
    assert store.add("added", value) is True
    store.put("put", value)
    assert (store.get("added"), store.get("put")) == (value, value)


def test_the_first_add_wins(store: Store) -> None:
    """A record that is there is not overwritten by add, and the caller learns it."""
    assert store.add("key", b"first") is True
    assert store.add("key", b"second") is False
    assert store.add("key", b"first") is False
    assert store.get("key") == b"first"


def test_replace_compares(store: Store) -> None:
    """Replace writes only over what the caller expects, and never creates a record."""
    assert store.replace("key", b"new", expected=b"old") is False
    assert store.get("key") is None
    store.add("key", b"old")
    assert store.replace("key", b"new", expected=b"other") is False
    assert store.replace("key", b"new", expected=b"old") is True
    assert store.get("key") == b"new"


def test_the_last_put_wins(store: Store) -> None:
    """Put overwrites."""
    store.put("key", b"one")
    store.put("key", b"two")
    assert store.get("key") == b"two"


def test_delete_is_final_and_idempotent(store: Store) -> None:
    """A deleted record is absent; deleting what is not there is no error."""
    store.add("key", b"value")
    store.delete("key")
    store.delete("key")
    assert store.get("key") is None
    assert store.add("key", b"again") is True


def test_hostile_keys_are_told_apart(store: Store) -> None:
    """Any text is a key, different texts are different keys, and keys() gives them back."""
    for number, key in enumerate(KEYS):
        assert store.add(key, str(number).encode()) is True
    assert [store.get(key) for key in KEYS] == [str(number).encode() for number in range(len(KEYS))]
    assert sorted(store.keys()) == sorted(KEYS)


def test_one_of_many_adds_wins(store: Store) -> None:
    """Of threads that add the same key at once exactly one succeeds, and all read its value."""
    barrier = threading.Barrier(16)

    def race(number: int) -> tuple[bool, bytes | None]:
        barrier.wait(10)
        return store.add("key", b"%d" % number), store.get("key")

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(race, range(16)))
    assert sum(won for won, _ in results) == 1
    assert len({value for _, value in results}) == 1


def test_one_of_many_replaces_wins(store: Store) -> None:
    """Of threads that replace the same value at once exactly one succeeds."""
    store.add("key", b"old")
    barrier = threading.Barrier(16)

    def race(number: int) -> bool:
        barrier.wait(10)
        return store.replace("key", b"%d" % number, expected=b"old")

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(race, range(16))) == 1


def test_a_lock_excludes_and_gives_up(store: Store) -> None:
    """Who waits too long for a lock gets StoreUnavailable; another key is free, and so is this one afterwards."""

    def claim(key: str) -> bool:
        with store.lock(key, wait=0.05):
            return True

    with ThreadPoolExecutor(1) as pool, store.lock("key", wait=5):
        with pytest.raises(StoreUnavailable, match=r"0\.05 s"):
            pool.submit(claim, "key").result(20)
        assert pool.submit(claim, "other").result(20)
    assert claim("key")


def test_a_lock_is_freed_by_an_exception(store: Store) -> None:
    """A renewal that fails under the lock does not keep it."""
    with pytest.raises(ZeroDivisionError), store.lock("key", wait=5):
        _ = 1 / 0
    with store.lock("key", wait=0):
        pass


def test_the_healthcheck_leaves_nothing(store: Store) -> None:
    """A healthy store says nothing and has no more records afterwards."""
    store.healthcheck()
    assert list(store.keys()) == []


def _race(directory: str, number: int, results: Any) -> None:
    store = FileStore(directory)
    won = store.add("key", b"%d" % number)
    results.put((won, store.get("key")))


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_one_of_many_processes_wins(tmp_path: Path, method: str) -> None:
    """Of processes that add the same key to one directory exactly one succeeds, and all read its value."""
    context: Any = multiprocessing.get_context(method)
    results = context.Queue()
    processes = [context.Process(target=_race, args=(str(tmp_path), number, results)) for number in range(6)]
    for process in processes:
        process.start()
    found = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
    assert sum(won for won, _ in found) == 1
    assert len({value for _, value in found}) == 1


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    """A file store in a directory that does not exist yet."""
    return FileStore(tmp_path / "store")


def record_of(files: FileStore, key: str) -> Path:
    return Path(files._path(digest(key)))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read(files: FileStore, tmp_path: Path, umask: int) -> None:
    """Directories are 0700 and files 0600 from the moment they exist, whatever the umask."""
    before = os.umask(umask)
    try:
        with files.lock("key", wait=1):
            files.add("key", b"value")
            files.put("other", b"value")
            files.replace("key", b"new", expected=b"value")
    finally:
        os.umask(before)
    for path in (tmp_path / "store").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_nothing_is_left_lying_around(files: FileStore, tmp_path: Path) -> None:
    """After writes that win and writes that lose there are the records and no temporary file."""
    files.add("key", b"one")
    files.add("key", b"two")
    files.replace("key", b"three", expected=b"none")
    files.put("key", b"four")
    found = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {path.name for path in found} == {"store.json", record_of(files, "key").name}


def test_file_names_tell_nothing(files: FileStore, tmp_path: Path) -> None:
    """Neither keys nor values appear in file names."""
    files.add("canary-key", b"canary-value")
    assert not [path for path in tmp_path.rglob("*") if "canary" in path.name]


@pytest.mark.parametrize("damage", [b"", b"garbage", b'"other"\nvalue', b'"ke'])
def test_damage_is_not_absence(files: FileStore, damage: bytes) -> None:
    """A file that is empty, garbage or another key's record is StoreCorrupt, and stays as it is."""
    files.add("key", b"value")
    path = record_of(files, "key")
    path.write_bytes(damage)
    with pytest.raises(StoreCorrupt, match="left as it is"):
        files.get("key")
    assert path.read_bytes() == damage


def test_things_in_a_records_place_are_refused(files: FileStore, tmp_path: Path) -> None:
    """A link, a FIFO or a directory where a record should be is an error: nothing is followed, nothing hangs."""
    files.add("key", b"value")
    path = record_of(files, "key")
    victim = tmp_path / "victim"
    victim.write_bytes(path.read_bytes())
    for plant in (lambda: path.symlink_to(victim), lambda: os.mkfifo(path), path.mkdir):
        path.unlink()
        plant()
        with pytest.raises((StoreCorrupt, StoreUnavailable)):
            files.get("key")
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
            path.touch()
    assert victim.read_bytes().endswith(b"value")


NOBODY = 65_534


def _read_as_nobody(directory: str, results: Any) -> None:
    """Read in a process without privileges, since root may read everything."""
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        results.put(repr(FileStore(directory).get("key")))
    except DCRAuthError as error:
        results.put(type(error).__name__)


@pytest.mark.parametrize(("mode", "outcome"), [(0o600, repr(b"value")), (0, "StoreUnavailable")])
def test_an_unreadable_record_is_not_absent(mode: int, outcome: str) -> None:
    """A record without read permission is StoreUnavailable."""
    context: Any = multiprocessing.get_context("fork")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as directory:
        files = FileStore(Path(directory) / "store")
        files.add("key", b"value")
        record_of(files, "key").chmod(mode)
        if os.geteuid() == 0:
            for path in (Path(directory), *Path(directory).rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        process = context.Process(target=_read_as_nobody, args=(f"{directory}/store", results))
        process.start()
        assert results.get(timeout=30) == outcome
        process.join(30)


@pytest.mark.parametrize("folder", ["", "records", "locks"])
def test_a_directory_open_to_others_is_refused(files: FileStore, tmp_path: Path, folder: str) -> None:
    """A directory that others can write to is refused before anything is written to it, with the command that helps."""
    with files.lock("key", wait=1):
        files.add("key", b"value")
    (tmp_path / "store" / folder).chmod(0o777)
    with pytest.raises(InsecureStore, match="chmod 700"), files.lock("key", wait=1):
        files.add("other", b"value")


def test_a_directory_that_is_a_file_stops_everything(tmp_path: Path, time: ManualClock) -> None:
    """A store that cannot be made is an error before any registration is attempted."""
    (tmp_path / "store").write_text("a file")
    calls: list[Any] = []

    class Counting:
        def send(self, request: Any) -> Any:
            calls.append(request)
            return World().answer(request)

    source = TokenSource(
        AdobePass(STATEMENT), store=FileStore(tmp_path / "store"), transport=Counting(), clock=time.clock
    )
    with pytest.raises(StoreError, match="not a directory"):
        source.token()
    assert calls == []


def test_a_full_disk_keeps_the_old_record(files: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the old record stays, no half of a new one appears, and the error says so."""
    import resource
    import signal

    files.add("key", b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.raises(StoreUnavailable, match="File too large"):
            files.replace("key", b"x" * 10_000, expected=b"old")
        with pytest.raises(StoreUnavailable, match="File too large"):
            files.put("key", b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert files.get("key") == b"old"
    assert list(files.keys()) == ["key"]


def test_the_default_is_the_users_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a directory the store is where the platform keeps a user's data, never in a cache."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert repr(FileStore()) == f"FileStore({str(tmp_path / 'dcrauth')!r})"


def test_a_memory_store_shows_no_record() -> None:
    """The repr of a memory store counts its records and shows none."""
    store = MemoryStore()
    store.add("canary", b"canary")
    assert repr(store) == "<MemoryStore with 1 records>"


@pytest.mark.parametrize("kind", [MemoryStore, FileStore])
def test_restart_keeps_credentials(kind: type, tmp_path: Path, time: ManualClock) -> None:
    """A new token source on the same store neither registers nor calls the token endpoint."""
    store = FileStore(tmp_path) if kind is FileStore else MemoryStore()
    world = World()

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    for _ in range(3):
        TokenSource(AdobePass(STATEMENT), store=store, transport=Direct(), clock=time.clock).token()
    assert (world.registrations, world.token_calls) == (1, 1)


def test_instances_are_kept_apart(time: ManualClock) -> None:
    """Two instances that share a store have a client each."""
    store, world = MemoryStore(), World()

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    made = [
        TokenSource(AdobePass(STATEMENT), store=store, transport=Direct(), instance=name, clock=time.clock)
        for name in ("one", "two", "one")
    ]
    values = [source.token().value for source in made]
    assert values[0] == values[2] != values[1]
    assert world.registrations == 2


def test_store_errors_are_ours(files: FileStore, tmp_path: Path) -> None:
    """Whatever the file system says arrives as a StoreError with the path and the reason."""
    (tmp_path / "store").mkdir(0o700)
    (tmp_path / "store" / "records").write_text("in the way")
    with pytest.raises(DCRAuthError, match="records"):
        files.add("key", b"value")
