"""What the file store promises beyond what every store does: its files, their modes, and what stands in their place."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from adapters_tests.common.clock import ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.world import STATEMENT, World
from dcrauth import (
    AdobePass,
    ConfigurationError,
    DCRAuthError,
    FileStore,
    InsecureStore,
    Policy,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreUnavailable,
    StoreWarning,
    TokenSource,
)
from dcrauth.stores import _disk, _mounts, file
from dcrauth.stores._disk import Disk, Folder
from dcrauth.stores._locks import digest


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    """A file store in a directory that does not exist yet."""
    return FileStore(tmp_path / "store")


def record_of(files: FileStore, key: str) -> Path:
    return Path(files._path(digest(key)))


@pytest.mark.fault("the directory of a file store is missing", "it is made, and only its owner can look into it")
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


@pytest.mark.fault(
    "a link, a FIFO or a directory is where a record should be",
    "an error; nothing is followed and nothing hangs",
)
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


@pytest.mark.fault("other programs put files among the records, such as .DS_Store", "they are ignored")
def test_what_has_no_records_name_is_ignored(files: FileStore, tmp_path: Path) -> None:
    """Files and folders among the records whose names no record can have are in nobody's way."""
    files.add("key", b"value")
    record = record_of(files, "key")
    for name in (".DS_Store", f"{record.name}~", f"{record.name}\n", record.name.upper(), record.name[1:]):
        (record.parent / name).write_bytes(b"theirs")
    (record.parent / "folder").mkdir()
    assert list(files.keys()) == ["key"]


def garble(record: Path, records: Path) -> Path:
    record.write_bytes(b"garbage\n")
    return record


def nest(record: Path, records: Path) -> Path:
    record.write_bytes(b"[" * 500_000)
    return record


def misname(record: Path, records: Path) -> Path:
    return record.rename(record.with_name(record.name[:2] + "0" * 62))


def misplace(record: Path, records: Path) -> Path:
    elsewhere = records / "ff"
    elsewhere.mkdir(0o700, exist_ok=True)
    return record.rename(elsewhere / record.name)


def be_a_folder(record: Path, records: Path) -> Path:
    record.unlink()
    record.mkdir()
    return record


def open_to_anybody(record: Path, records: Path) -> Path:
    record.chmod(0o666)
    return record


@pytest.mark.fault(
    "a record, or a folder of records, cannot be read while keys are listed, as for an export",
    "all others are listed, then an error names the first and how many there are",
)
@pytest.mark.parametrize(
    "harm", [garble, nest, misname, misplace, be_a_folder, open_to_anybody], ids=lambda harm: harm.__name__
)
def test_what_cannot_be_listed_is_told_at_the_end(
    files: FileStore, tmp_path: Path, harm: Callable[[Path, Path], Path]
) -> None:
    """Every other key is listed before the error, which names the place where the trouble is."""
    keys = {f"key-{number}" for number in range(20)}
    for key in keys:
        files.add(key, b"value")
    victims = sorted(keys, key=digest)[:2]
    records, found = tmp_path / "store" / "records", list[str]()
    first = harm(record_of(files, victims[0]), records)
    with pytest.raises(StoreError, match=f"^[^:]*{re.escape(str(first))} "):
        found.extend(files.keys())
    assert set(found) == keys - {victims[0]}
    harm(record_of(files, victims[1]), records)
    with pytest.raises(StoreError, match=f"^2 parts of the store cannot be read. The first: .*{first}"):
        found.extend(files.keys())
    assert set(found[19:]) == keys - set(victims)


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


@pytest.mark.fault("a record cannot be read for want of permission", "`StoreUnavailable`, not an absent record")
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


def as_a_volume_is_mounted(path: Path) -> None:
    """Give the group what Kubernetes gives to the group of a volume, ``fsGroup``, each time that it is mounted."""
    for each in (path, *path.rglob("*")):
        each.chmod(stat.S_IMODE(each.stat().st_mode) | (0o2770 if each.is_dir() else 0o660))


@pytest.mark.fault(
    "a mount gives the group of a volume access to a file store (`fsGroup` of Kubernetes)",
    "it is taken away again, and a `StoreWarning` says so",
)
@pytest.mark.parametrize("by_descriptor", [True, False])
def test_a_mount_that_changes_modes_is_undone(files: FileStore, tmp_path: Path, by_descriptor: bool) -> None:
    """After a mount has opened the store to a group it works, is closed to all others, and one warning tells of it."""
    files.add("key", b"value")
    as_a_volume_is_mounted(tmp_path / "store")
    again = FileStore(tmp_path / "store")
    again._folders.disk = Disk(by_descriptor)
    with pytest.warns(StoreWarning, match=r"store was open to others \(mode 2770\).*fsGroup") as told:
        assert again.get("key") == b"value"
    assert again.replace("key", b"new", expected=b"value")
    assert len(told) == 1
    found = [record_of(files, "key").parent, *(tmp_path / "store" / name for name in ("records", "new", "locks"))]
    assert {each.stat().st_mode & 0o777 for each in found} == {0o700}
    assert (tmp_path / "store").stat().st_mode & 0o022 == 0
    assert again.get("key") == b"new"


@pytest.mark.fault(
    "everybody can write to a directory of the store, as to `/tmp`",
    "`InsecureStore` with the command that helps, before anything is written; its mode is left as it is",
)
@pytest.mark.parametrize("folder", ["", "records", "locks"])
@pytest.mark.parametrize(("mode", "remedy"), [(0o777, "chmod 700"), (0o1777, "choose a new directory in it")])
def test_a_directory_open_to_everybody_is_refused(
    files: FileStore, tmp_path: Path, folder: str, mode: int, remedy: str
) -> None:
    """A directory that everybody can write to is refused before anything is written to it, and is left as it is."""
    with files.lock("key", wait=1):
        files.add("key", b"value")
    (tmp_path / "store" / folder).chmod(mode)
    with pytest.raises(InsecureStore, match=remedy), files.lock("key", wait=1):
        files.add("other", b"value")
    assert stat.S_IMODE((tmp_path / "store" / folder).stat().st_mode) == mode


@pytest.mark.fault(
    "the file system does not let the permissions of others be taken away",
    "`InsecureStore` with the command that helps; nothing is read or written",
)
def test_a_directory_that_stays_open_is_refused(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where permissions cannot be taken away, or that has no effect, the store is refused."""
    files.add("key", b"value")
    (tmp_path / "store").chmod(0o770)

    def refused(*given: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    for chmod in (refused, lambda *given: None):
        monkeypatch.setattr(os, "chmod", chmod)
        with pytest.raises(InsecureStore, match=rf"mode 770.*chmod 700 {tmp_path}/store$"):
            files.get("key")


@pytest.mark.fault(
    "another user has put a record into a directory that was open to others, or anybody can write to a record",
    "`InsecureStore`: it is neither read nor used",
)
def test_a_record_of_others_is_refused(files: FileStore, tmp_path: Path) -> None:
    """A record that somebody else has, or may have, written is refused, however right it looks."""
    files.add("key", b"value")
    record_of(files, "key").chmod(0o606)
    with pytest.raises(InsecureStore, match="chmod 600"):
        files.get("key")
    record_of(files, "key").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(record_of(files, "key"), 12_345, -1)
        with pytest.raises(InsecureStore, match="another user"):
            files.get("key")


@pytest.mark.fault(
    "a link, a FIFO or a directory is where a lock of a file store should be",
    "`InsecureStore`; what a link leads to is not touched, and nothing hangs",
)
@pytest.mark.parametrize("plant", ["link", "fifo", "directory"])
def test_things_in_a_locks_place_are_refused(files: FileStore, tmp_path: Path, plant: str) -> None:
    """The same goes for a lock file; once it is moved away the store works."""
    with files.lock("key", wait=1):
        files.add("key", b"value")
    (lock,) = (tmp_path / "store" / "locks").glob("???.lock")
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    lock.unlink()
    {"link": lambda: lock.symlink_to(victim), "fifo": lambda: os.mkfifo(lock), "directory": lock.mkdir}[plant]()
    with pytest.raises(InsecureStore, match="not a lock file"), files.lock("key", wait=1):
        pass
    assert victim.read_bytes() == b"victim"
    lock.rename(tmp_path / "moved away")
    with files.lock("key", wait=1):
        assert files.get("key") == b"value"


@pytest.mark.fault("the directory of a file store belongs to another user", "`InsecureStore`; nothing is read from it")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(files: FileStore, tmp_path: Path) -> None:
    """A directory that belongs to another user is neither read nor written to."""
    files.add("key", b"value")
    os.chown(tmp_path / "store", 12_345, -1)
    for act in (lambda: files.get("key"), lambda: files.add("other", b"value")):
        with pytest.raises(InsecureStore, match="another user"):
            act()
    os.chown(tmp_path / "store", os.geteuid(), -1)
    assert files.get("key") == b"value"


@pytest.mark.fault("there is a file where the store's directory should be", "an error; nothing is registered")
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


@pytest.mark.fault(
    "a record is larger than the system lets a file be",
    "an error; the old record stays and no half of a new one appears",
)
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


@pytest.mark.fault(
    "a program has no home directory, as in a container whose user has no name, and no store was named",
    "`ConfigurationError` that says what to write; no folder `~` is made",
)
@pytest.mark.parametrize("found", ["~/.local/share/dcrauth", "share/dcrauth", None], ids=["old", "relative", "new"])
def test_without_a_home_there_is_no_default(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    """Where nobody knows a home directory, whatever the version of platformdirs makes of that, the error says so."""
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # raises a KeyError as for a user without an entry
    if found is not None:
        monkeypatch.setattr(platformdirs, "user_data_dir", lambda *given, **named: found)
    with pytest.raises(ConfigurationError, match=r"FileStore\(path\)"):
        TokenSource(AdobePass(STATEMENT))


def test_the_default_is_the_users_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a directory the store is where the platform keeps a user's data, never in a cache."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert repr(FileStore()) == f"FileStore({str(tmp_path / 'dcrauth')!r})"


def test_store_errors_are_ours(files: FileStore, tmp_path: Path) -> None:
    """Whatever the file system says arrives as a StoreError with the path and the reason."""
    (tmp_path / "store").mkdir(0o700)
    (tmp_path / "store" / "records").write_text("in the way")
    with pytest.raises(DCRAuthError, match="records"):
        files.add("key", b"value")


@pytest.mark.fault(
    "the directory of a file store is on a network file system",
    "a `StoreWarning` says that its locks may not exclude other hosts, and what to use instead",
)
def test_a_network_file_system_is_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network file system a warning names what can be used instead; elsewhere there is none."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / /mnt rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(_mounts, "MOUNTS", str(mounts))
    with pytest.warns(StoreWarning, match="RedisStore") as told:
        FileStore(tmp_path / "not" / "there yet")
    assert told[0].filename == __file__
    mounts.write_text(mounts.read_text().replace("nfs4", "ext4"))
    FileStore(tmp_path / "store")


LOSSES = {
    "directory": shutil.rmtree,
    "records": lambda directory: shutil.rmtree(directory / "records"),
    "mark and records": lambda directory: [shutil.rmtree(each) for each in directory.iterdir() if each.is_dir()],
}


@pytest.mark.fault(
    "the directory of a file store, or its folder of records, was deleted",
    "`StoreLost`: nothing is registered until somebody restores it or removes the marks that the error names",
)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_store_is_not_a_new_one(files: FileStore, tmp_path: Path, loss: str) -> None:
    """A process that starts after the loss is told, and registers nothing; after the marks are removed it may."""
    server = Server()
    server.source(files).token()
    LOSSES[loss](tmp_path / "store")
    again = FileStore(tmp_path / "store")
    with pytest.raises(StoreLost) as lost:
        server.source(again).token()
    with pytest.raises(StoreLost):
        list(again.keys())
    assert server.world.registrations == 1
    for mark in (tmp_path / "store" / "store.json", tmp_path / ".store.dcrauth"):
        if mark.exists():
            assert str(mark) in str(lost.value)
            mark.unlink()
    assert server.source(FileStore(tmp_path / "store")).token().value == "token-2"


@pytest.mark.fault(
    "the directory of a store is deleted while processes use it",
    "they put back what they know; what nobody knows stays lost, and is not taken for absent",
)
def test_a_lost_store_takes_records_back(files: FileStore, tmp_path: Path) -> None:
    """A process that knows its credentials puts them back, for all others as well, and registers nothing."""
    server = Server()
    source = server.source(files, policy=Policy(spared_for=0.0))
    files.add("unknown to it", b"value")
    first = source.token()
    shutil.rmtree(tmp_path / "store")
    assert source.token(instead_of=first).value == "token-2"
    again = FileStore(tmp_path / "store")
    assert server.source(again).token().value == "token-2"
    with pytest.raises(StoreLost):
        again.get("unknown to it")
    assert server.world.registrations == 1


class Interrupted(Disk):
    """A disk that has something else done once, just before a file takes its name."""

    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__()
        self._before: list[Callable[[], None]] = [before]

    def rename(self, source: Folder, name: str, folder: Folder, new_name: str) -> None:
        while self._before:
            self._before.pop()()
        super().rename(source, name, folder, new_name)


def test_a_replacement_undoes_no_put(files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody puts a record between the two halves of a compare-and-swap, which would put an older one over it."""
    other = FileStore(tmp_path / "store")
    outcomes: list[object] = []

    def put() -> None:
        try:
            outcomes.append(other.put("key", b"newer"))
        except StoreUnavailable as refusal:
            outcomes.append(str(refusal))

    def put_by_another_thread() -> None:
        monkeypatch.setattr(file, "_SWAP_WAIT", 0.05)
        thread = threading.Thread(target=put)
        thread.start()
        thread.join(30)

    files.add("key", b"old")
    files._folders.disk = Interrupted(put_by_another_thread)
    assert files.replace("key", b"rewritten", expected=b"old")
    (outcome,) = outcomes
    assert "swap-" in str(outcome), "it was put, and lost"
    assert other.get("key") == b"rewritten"
    put()
    assert files.get("key") == b"newer"


class HeldOpen:
    """A file that somebody has open, as Windows knows it, so that it cannot be replaced for a while."""

    def __init__(self, times: int, number: int) -> None:
        self.times, self.number, self.attempts = times, number, 0

    def replace(self, *names: Any, **folders: Any) -> None:
        """Stand in for os.replace."""
        self.attempts += 1
        if self.attempts <= self.times:
            error = PermissionError(13, "held open")
            error.winerror = self.number  # type: ignore[attr-defined]
            raise error
        os.rename(*names, **folders)


@pytest.mark.fault(
    "a virus scanner or a reader has a record open that is to be replaced (Windows)",
    "it is tried again for two seconds, then it is an error, and the old record stays",
)
@pytest.mark.parametrize(
    ("times", "number", "succeeds"), [(3, 5, True), (3, 32, True), (99, 33, False), (1, 13, False)]
)
def test_a_file_that_is_held_open_is_waited_for(
    files: FileStore, monkeypatch: pytest.MonkeyPatch, times: int, number: int, succeeds: bool
) -> None:
    """Replacing a file that somebody has open is tried a bounded number of times; other refusals count at once."""
    files.add("key", b"old")
    held = HeldOpen(times, number)
    monkeypatch.setattr(_disk.os, "replace", held.replace)
    monkeypatch.setattr(_disk.time, "sleep", lambda seconds: None)
    if succeeds:
        assert files.replace("key", b"new", expected=b"old")
        assert held.attempts == times + 1
    else:
        with pytest.raises(StoreUnavailable):
            files.replace("key", b"new", expected=b"old")
        assert held.attempts == (8 if number == 33 else 1)
    monkeypatch.undo()
    assert files.get("key") == (b"new" if succeeds else b"old")
