"""What the SQLite store promises beyond what every store does: its file, its connection, and what damage leads to."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.common.direct import Server
from adapters_tests.common.world import World
from dcrauth import (
    ConfigurationError,
    DCRAuthError,
    InsecureStore,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreTooNew,
    StoreUnavailable,
    StoreWarning,
)
from dcrauth.stores import _database, _mounts, _sqlite
from dcrauth.stores._disk import Disk
from dcrauth.stores._locks import locked
from dcrauth.stores._sentinel import Sentinel
from dcrauth.stores.sqlite import SQLiteStore
from dcrauth.testing._races import forked

PATIENCE = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database goes, in a directory that does not exist yet."""
    return tmp_path / "home" / "store" / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(path)) as opened:
        yield opened


def filled(path: Path) -> None:
    """Leave a store with credentials in it that no process has open."""
    with closing(SQLiteStore(path)) as store:
        store.add("key", b"value")
        for number in range(50):
            store.add(f"other {number}", b"x" * 1000)


def left_open(path: Path) -> None:
    """Leave a store with a record in it as a process leaves it that is killed: with a log."""

    def child() -> None:
        store = SQLiteStore(path)
        store.put("key", b"value")
        os._exit(0)

    with forked(child):
        pass


def raw(path: Path, *statements: str) -> None:
    """Let another program change the file."""
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# Its file.


def test_the_marks_are_where_the_page_says(tmp_path: Path) -> None:
    """Whoever looks for the marks of a store finds them by the names that the page has."""
    page = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")
    (tmp_path / "app").mkdir(mode=0o700)
    with SQLiteStore(tmp_path / "app" / "credentials.db") as store:
        store.add("key", b"value")
    for mark in ("app/credentials.db.mark", ".app%credentials.db.sqlite.dcrauth"):
        assert (tmp_path / mark).exists()
        assert mark.rpartition("/")[2] in page


@pytest.mark.fault(
    "the directory of an SQLite store is missing",
    "it is made, and only its owner can read the file and all that belongs to it",
)
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read(store: SQLiteStore, path: Path, umask: int) -> None:
    """The file, SQLite's own beside it, and the locks can be read by their owner only, whatever the umask."""
    before = os.umask(umask)
    try:
        with store.lock("key", wait=1):
            store.add("key", b"value")
    finally:
        os.umask(before)
    found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.rglob("*")}
    assert {"records.db", "records.db-wal", "records.db-shm", "records.db.lock", "records.db.mark"} <= found.keys()
    assert {name: mode for name, mode in found.items() if mode != 0o600} == {"records.db.locks": 0o700}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.fault(
    "a link, a FIFO or a directory is where an SQLite store should be",
    "refused; what a link leads to is not touched, and nothing hangs",
)
@pytest.mark.parametrize("plant", ["link", "fifo", "directory", "dangling link"])
def test_things_in_its_place_are_refused(path: Path, plant: str, tmp_path: Path) -> None:
    """A link, a FIFO or a directory where the file should be is refused, and what a link leads to is not touched."""
    victim = tmp_path / "victim.db"
    raw(victim, "CREATE TABLE theirs (x)")
    before = victim.read_bytes()
    path.parent.mkdir(parents=True, mode=0o700)
    path.parent.chmod(0o700)
    {
        "link": lambda: path.symlink_to(victim),
        "dangling link": lambda: path.symlink_to(tmp_path / "nowhere"),
        "fifo": lambda: os.mkfifo(path),
        "directory": path.mkdir,
    }[plant]()
    store = SQLiteStore(path)
    for act in (lambda: store.get("key"), lambda: store.add("key", b"value"), store.healthcheck):
        with pytest.raises(InsecureStore, match="not a regular file"):
            act()
    assert victim.read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.fault(
    "a link, a FIFO or a directory is where the lock of an SQLite store should be",
    "refused in the same way",
)
@pytest.mark.parametrize("plant", ["link", "fifo", "directory"])
def test_things_in_the_place_of_a_lock_are_refused(store: SQLiteStore, path: Path, plant: str) -> None:
    """The same goes for the lock file."""
    store.add("key", b"value")
    lock = path.with_name("records.db.lock")
    lock.unlink()
    {"link": lambda: lock.symlink_to(path), "fifo": lambda: os.mkfifo(lock), "directory": lock.mkdir}[plant]()
    with pytest.raises(InsecureStore, match="not a lock file"):
        store.add("other", b"value")
    assert store.get("key") == b"value"
    lock.rmdir() if lock.is_dir() and not lock.is_symlink() else lock.unlink()
    assert store.add("other", b"value")


def as_a_volume_is_mounted(path: Path) -> None:
    """Give the group what Kubernetes gives to the group of a volume, ``fsGroup``, each time that it is mounted."""
    for each in (path, *path.rglob("*")):
        each.chmod(stat.S_IMODE(each.stat().st_mode) | (0o2770 if each.is_dir() else 0o660))


def modes(path: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}


@pytest.mark.fault(
    "a mount gives the group of a volume access to an SQLite store (`fsGroup` of Kubernetes)",
    "it is taken away again, and a `StoreWarning` says so",
)
def test_a_mount_that_changes_modes_is_undone(path: Path) -> None:
    """After a mount has opened the store to a group it works, and nobody else can read or write any of it."""
    left_open(path)
    as_a_volume_is_mounted(path.parent)
    with closing(SQLiteStore(path)) as store:
        with pytest.warns(StoreWarning, match=rf"{path.parent} was open to others \(mode 2770\).*fsGroup") as told:
            assert store.get("key") == b"value"
        assert len(told) == 1
        assert path.parent.stat().st_mode & 0o022 == 0
        assert {modes(path)[f"records.db{end}"] for end in ("", "-wal", "-shm")} == {0o600}
        assert store.add("other", b"value")


@pytest.mark.parametrize("what", ["database", "text"])
def test_a_file_of_another_application_keeps_its_mode(what: str, path: Path) -> None:
    """Others may have to read what was named by mistake: only a file of ours is closed to them."""
    path.parent.mkdir(parents=True, mode=0o700)
    if what == "text":
        path.write_text("127.0.0.1 localhost\n" * 100)
    else:
        raw(path, "CREATE TABLE theirs (id)")
    path.chmod(0o644)
    for act in (lambda: SQLiteStore(path).get("key"), lambda: SQLiteStore(path).add("key", b"value")):
        with pytest.raises(StoreCorrupt, match="it was left as it is"):
            act()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.fault(
    "everybody can write to the file of an SQLite store, or to its directory, as to `/tmp`",
    "`InsecureStore` with the command that helps: somebody may have changed it; its mode is left as it is",
)
def test_a_directory_open_to_everybody_is_refused(path: Path) -> None:
    """A directory that everybody can write to is refused with the command that helps, and is left as it is."""
    filled(path)
    path.parent.chmod(0o1777)
    for act in (lambda: SQLiteStore(path).get("key"), lambda: SQLiteStore(path).add("other", b"value")):
        with pytest.raises(InsecureStore, match="choose a new directory in it"):
            act()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o1777


@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_file_open_to_anybody_is_refused(path: Path, end: str) -> None:
    """A file that anybody may have changed is refused with the command that helps, and works after it was run."""
    left_open(path)
    file = path.with_name(f"records.db{end}")
    file.chmod(0o606)
    with pytest.raises(InsecureStore, match=rf"mode 606.*chmod 600 {file}$"):
        SQLiteStore(path).get("key")
    file.chmod(0o600)
    with closing(SQLiteStore(path)) as store:
        assert store.get("key") == b"value"


@pytest.mark.fault("an SQLite store belongs to another user", "`InsecureStore`; it is not read")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(path: Path) -> None:
    """A file that belongs to another user is not read, nor is a log, and none is locked."""
    left_open(path)
    for end in ("", "-wal", "-shm", ".lock"):
        file = path.with_name(f"records.db{end}")
        os.chown(file, 12_345, -1)
        with closing(SQLiteStore(path)) as store, pytest.raises(InsecureStore, match=f"{file} belongs to another user"):
            store.put("key", b"another")
        os.chown(file, os.geteuid(), -1)
    with closing(SQLiteStore(path)) as store:
        assert store.get("key") == b"value"


@pytest.mark.fault(
    "an SQLite store is on a network file system",
    "refused where it is made; the error names what can be used instead",
)
def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a network file system the store cannot even be made, and the error names what can be used instead."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / /mnt rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(_mounts, "MOUNTS", str(mounts))
    with pytest.raises(ConfigurationError, match="RedisStore"):
        SQLiteStore(path)
    assert not path.parent.exists()


def test_reading_makes_nothing(store: SQLiteStore, path: Path) -> None:
    """Looking into a store that does not exist makes none."""
    assert store.get("key") is None
    assert list(store.keys()) == []
    assert not path.parent.exists()


# What damage leads to.


def delete(path: Path) -> None:
    path.unlink()
    for name in ("records.db-wal", "records.db-shm"):
        path.with_name(name).unlink(missing_ok=True)


def empty(path: Path) -> None:
    delete(path)
    path.touch(0o600)


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def garble(path: Path) -> None:
    path.write_bytes(b"\x00garbage\xff" * 10_000)


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 200)


def belong_to_another(path: Path) -> None:
    delete(path)
    raw(path, "CREATE TABLE theirs (x)", "PRAGMA application_id = 7")
    path.chmod(0o600)


def be_an_unnamed_database(path: Path) -> None:
    delete(path)
    raw(path, "CREATE TABLE theirs (x)")
    path.chmod(0o600)


def be_of_the_future(path: Path) -> None:
    raw(path, "PRAGMA user_version = 2")


def drop(path: Path) -> None:
    raw(path, "DROP TABLE records")


def lose_the_directory(path: Path) -> None:
    for each in sorted(path.parent.rglob("*"), reverse=True):
        each.rmdir() if each.is_dir() else each.unlink()
    path.parent.rmdir()


DAMAGES: dict[Callable[[Path], None], type[StoreError]] = {
    delete: StoreLost,
    empty: StoreLost,
    lose_the_directory: StoreLost,
    drop: StoreLost,
    halve: StoreCorrupt,
    garble: StoreCorrupt,
    overwrite_the_middle: StoreCorrupt,
    belong_to_another: StoreCorrupt,
    be_an_unnamed_database: StoreCorrupt,
    be_of_the_future: StoreTooNew,
}


@pytest.mark.fault(
    "an SQLite store is deleted, emptied, cut, overwritten, of another program or of a later version",
    "`StoreLost`, `StoreCorrupt` or `StoreTooNew`; nothing is registered, and the file is left as it is",
)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_not_absence(path: Path, damage: Callable[[Path], None]) -> None:
    """Whatever happened to the file, it is told as what it is, nothing is registered, and it is left as it is."""
    filled(path)
    damage(path)
    before = path.read_bytes() if path.exists() else None
    server = Server()
    with closing(SQLiteStore(path)) as store:
        with pytest.raises(DAMAGES[damage]):
            store.get("key")
        with pytest.raises(DAMAGES[damage]):
            list(store.keys())
        with pytest.raises(StoreError):
            server.source(store).token()
    assert server.world.registrations == 0
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.fault(
    "an SQLite store is removed, replaced or emptied while a process has it open",
    "`StoreLost` at the next call",
)
@pytest.mark.parametrize("damage", [delete, empty, lose_the_directory, drop], ids=lambda damage: damage.__name__)
def test_a_loss_is_noticed_while_it_is_open(store: SQLiteStore, path: Path, damage: Callable[[Path], None]) -> None:
    """A process that has the file open notices that it was removed, replaced or emptied, and does not go on with it."""
    store.add("key", b"value")
    damage(path)
    for _ in range(2):
        with pytest.raises(StoreError):
            store.get("key")
    with pytest.raises(StoreLost, match="was in use before"):
        store.get("key")


@pytest.mark.fault(
    "an SQLite store is lost while processes know their credentials",
    "they put them back; what nobody knows stays lost and is not registered unasked",
)
def test_a_lost_store_takes_records_back(path: Path) -> None:
    """A process that knows its credentials puts them back; what it does not know stays lost, and is not registered."""
    server = Server()
    with closing(SQLiteStore(path)) as store:
        source = server.source(store)
        source.token()
        delete(path)
        source.token(instead_of=source.token())
        source._held = None
        store.delete(World.identity.token)
        source.forget()
    assert server.world.registrations == 1


def test_what_is_put_back_is_read_and_all_else_stays_lost(path: Path) -> None:
    """A record that is written to a lost store can be read; a key without one is still an error, not absent."""
    filled(path)
    delete(path)
    with closing(SQLiteStore(path)) as store:
        assert store.add("key", b"value")
    with closing(SQLiteStore(path)) as store:
        assert store.get("key") == b"value"
        assert list(store.keys()) == ["key"]
        with pytest.raises(StoreLost):
            store.get("other 1")


def test_a_store_can_be_started_anew(path: Path, tmp_path: Path) -> None:
    """Once the marks that the error names are removed, the store is new."""
    filled(path)
    delete(path)
    with closing(SQLiteStore(path)) as store:
        with pytest.raises(StoreLost) as lost:
            store.get("key")
        for mark in (path.with_name("records.db.mark"), path.parent.with_name(".store%records.db.sqlite.dcrauth")):
            assert str(mark) in str(lost.value)
            mark.unlink()
        assert store.get("key") is None
        assert store.add("key", b"value")


def assert_lost_after_deletion(path: Path) -> None:
    """Delete the database, not the marks, and see that the next process takes it for lost."""
    delete(path)
    with closing(SQLiteStore(path)) as store, pytest.raises(StoreLost):
        store.get("key")


@pytest.mark.fault(
    "an SQLite store is lost after it was moved, or restored from a backup, to another place",
    "`StoreLost` there as well, once something was written to it",
)
def test_a_backup_in_another_place_can_be_lost(path: Path, tmp_path: Path) -> None:
    """A store that was restored where no store was before is marked at its first write, so that its loss is noticed."""
    elsewhere = tmp_path / "elsewhere" / "records.db"
    elsewhere.parent.mkdir(0o700)
    filled(path)
    with closing(SQLiteStore(path)) as store:
        store.backup(elsewhere)
    with closing(SQLiteStore(elsewhere)) as store:
        assert store.add("later", b"value")
    assert_lost_after_deletion(elsewhere)


@pytest.mark.fault(
    "a process is killed after it has laid an SQLite store out, before it leaves the marks",
    "the next one leaves them; a later loss is noticed",
)
@pytest.mark.parametrize("marks", [0, 1, 2])
def test_a_death_before_the_marks_is_made_up_for(path: Path, monkeypatch: pytest.MonkeyPatch, marks: int) -> None:
    """The first writer dies between its commit and the marks; the second one, who finds tables, writes them."""

    def die(sentinel: Sentinel, disk: Disk) -> None:
        for place in sentinel.places[:marks]:
            sentinel._write(disk, place)
        os._exit(0)

    def child() -> None:  # which ends at once, as one that is killed does
        monkeypatch.setattr(Sentinel, "write", die)
        SQLiteStore(path).add("key", b"value")

    with forked(child):
        pass
    assert path.exists()
    assert path.with_name("records.db.mark").exists() is (marks > 0)
    with closing(SQLiteStore(path)) as store:
        assert store.get("key") is None
        assert store.add("key", b"value")
    path.with_name("records.db.mark").unlink()
    assert_lost_after_deletion(path)


def test_a_store_that_was_started_anew_can_be_lost_again(path: Path) -> None:
    """A lost store that took records back and was started anew, by removing the marks, has its next loss noticed."""
    filled(path)
    delete(path)
    with closing(SQLiteStore(path)) as store:
        assert store.add("key", b"value")
    for mark in (path.with_name("records.db.mark"), path.parent.with_name(".store%records.db.sqlite.dcrauth")):
        mark.unlink()
    with closing(SQLiteStore(path)) as store:
        assert store.add("other", b"value")
        assert store.get("absent") is None
    assert_lost_after_deletion(path)


@pytest.mark.fault("the log of an SQLite store is removed", "acknowledged credentials are in the database itself")
def test_losing_the_log_loses_no_credentials(store: SQLiteStore, path: Path) -> None:
    """Credentials are in the database itself once they are acknowledged: without its log they are still there."""

    def child() -> None:  # which ends without closing anything, as one that is killed does
        store.add("key", b"value")
        store.add("other", b"one")
        store.replace("other", b"two", expected=b"one")

    with forked(child):
        pass
    path.with_name("records.db-wal").unlink()
    path.with_name("records.db-shm").unlink()
    assert (store.get("key"), store.get("other")) == (b"value", b"two")


def test_losing_the_log_is_noticed(store: SQLiteStore, path: Path) -> None:
    """A process does not go on writing to a log that was removed: what it writes, others read."""
    store.add("key", b"value")
    path.with_name("records.db-wal").unlink()
    store.put("third", b"value")
    reader = f"from dcrauth import SQLiteStore; print(SQLiteStore({str(path)!r}).get('third'))"
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", reader], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "b'value'"


@pytest.mark.fault("a row of an SQLite store holds another key or another type", "`StoreCorrupt`; it stays as it is")
@pytest.mark.parametrize(
    "change",
    ["key = X'00'", "key = 'text'", "value = 'text'", "value = 7"],
)
def test_a_damaged_row_is_not_absent(store: SQLiteStore, path: Path, change: str) -> None:
    """A row with another key or another type in it is StoreCorrupt, is not written over, and stays as it is."""
    store.add("key", b"value")
    raw(path, f"UPDATE records SET {change}")  # noqa: S608
    with pytest.raises(StoreCorrupt, match="left as it is"):
        store.get("key")
    assert store.add("key", b"another") is False
    assert store.replace("key", b"another", expected=b"value") is ("value" not in change and False)
    with pytest.raises(StoreCorrupt):
        store.get("key")


def test_damaged_rows_are_told_after_all_keys(path: Path) -> None:
    """Keys that cannot be read are told once all others were listed, with how many there are."""
    filled(path)
    raw(path, "UPDATE records SET key = 7 WHERE number = 1", "UPDATE records SET key = x'ff' WHERE number = 3")
    found: list[str] = []
    with closing(SQLiteStore(path)) as store, pytest.raises(StoreCorrupt, match=r"^2 parts.*The first: Row 1 in /"):
        found.extend(store.keys())
    assert found == ["other 0", *(f"other {number}" for number in range(2, 50))]


@pytest.mark.fault("a byte of an SQLite store has changed", "the record is what it was, or an error")
@pytest.mark.slow
def test_every_flipped_byte_is_told_or_harmless(path: Path, tmp_path: Path) -> None:
    """With any one byte of the file changed a record is what it was, or an error, or not ours by its own checksum."""
    server = Server()
    with closing(SQLiteStore(path)) as store:
        server.source(store).token()
    content = path.read_bytes()
    seen = set()
    for at in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        with closing(SQLiteStore(path)) as store:
            try:
                seen.add(server.source(store).token().value)
            except DCRAuthError as error:
                seen.add(type(error).__name__)
        for name in ("records.db-wal", "records.db-shm"):
            path.with_name(name).unlink(missing_ok=True)
    assert server.world.registrations == 1
    assert {"token-1", "StoreCorrupt"} <= seen


class Overtaken(sqlite3.Connection):
    """A connection beside which another process lays the file out, just before one of its statements."""

    path = ""
    at = 0

    def execute(self, *given: Any) -> sqlite3.Cursor:
        self.at -= 1
        if self.at == 0:
            with closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as other:
                other.execute("BEGIN")
                with contextlib.suppress(sqlite3.OperationalError), other:  # "locked": it has to wait
                    for statement in _sqlite.LAYOUT:
                        other.execute(statement)
        return super().execute(*given)


@pytest.mark.fault(
    "processes open a new SQLite store at the same moment",
    "each sees it empty or complete, none takes it for another program's",
)
@pytest.mark.parametrize("at", range(1, 6))
def test_a_store_in_the_making_is_nobody_elses(path: Path, at: int) -> None:
    """Whichever statement of a look another process comes before, what is seen is nothing, or a whole store."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None, factory=Overtaken)) as connection:
        connection.path, connection.at = str(path), at
        assert _sqlite.is_laid_out(connection, str(path)) is (at <= 2)
        assert not connection.in_transaction


# Full, read-only and busy.


@contextmanager
def limited(kind: int, soft: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


@pytest.mark.fault(
    "an SQLite store cannot grow",
    "an error; what was there can be read, and it goes on once there is room",
)
def test_a_full_disk_keeps_what_is_there(path: Path) -> None:
    """When nothing more can be written, that is told, what was there can be read, and it goes on once there is room."""
    with closing(SQLiteStore(path)) as store:
        store.add("key", b"old")
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            with limited(resource.RLIMIT_FSIZE, 40_960):
                for act in (
                    lambda: store.add("other", b"x" * 200_000),
                    lambda: store.replace("key", b"x" * 200_000, expected=b"old"),
                    lambda: store.put("key", b"x" * 200_000),
                ):
                    with pytest.raises(StoreUnavailable, match="cannot write to"):
                        act()
                assert store.get("key") == b"old"
        finally:
            signal.signal(signal.SIGXFSZ, before)
        assert store.replace("key", b"new", expected=b"old")
        assert list(store.keys()) == ["key"]


@contextmanager
def mounted(*options: str) -> Iterator[Path]:
    """A small file system of its own."""
    with tempfile.TemporaryDirectory() as place:
        if system("mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", place):
            pytest.skip("this machine lets nobody mount a file system")
        try:
            yield Path(place)
        finally:
            assert system("umount", place) == 0


def system(*command: str) -> int:
    program = shutil.which(command[0])
    return (
        1 if program is None else subprocess.run([program, *command[1:]], capture_output=True, check=False).returncode
    )


def fill(path: Path) -> None:
    """Write to a file until there is no room for more."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


@pytest.mark.fault(
    "the file system of an SQLite store is full",
    "an error before anything is registered; nothing is half-written",
)
def test_a_full_file_system_is_told(tmp_path: Path) -> None:
    """On a file system that is full a write fails, nothing is half-written, and no registration is made."""
    with mounted() as place:
        server = Server()
        with closing(SQLiteStore(place / "records.db")) as store:
            store.add("key", b"value")
            fill(place / "ballast")
            with pytest.raises(StoreUnavailable):
                store.add("large", b"x" * 50_000)
            with pytest.raises(StoreError):
                server.source(store).token()
            assert server.world.registrations == 0
            assert store.get("key") == b"value"
            (place / "ballast").unlink()
            assert server.source(store).token().value == "token-1"


@pytest.mark.fault(
    "the file system of an SQLite store is read-only",
    "records are read; a registration is refused before the server is asked",
)
def test_a_read_only_file_system_can_be_read(tmp_path: Path) -> None:
    """On a read-only file system records are read, and a write is an error before anything is registered."""
    with mounted() as place:
        server = Server()
        with closing(SQLiteStore(place / "records.db")) as store:
            store.add("key", b"value")
        assert system("mount", "-o", "remount,ro", str(place)) == 0
        with closing(SQLiteStore(place / "records.db")) as store:
            assert store.get("key") == b"value"
            assert list(store.keys()) == ["key"]
            for act in (lambda: store.add("other", b"value"), store.healthcheck, lambda: store.delete("key")):
                with pytest.raises(StoreUnavailable, match=r"[Rr]ead-only"):
                    act()
            with pytest.raises(StoreUnavailable):
                server.source(store).token()
        assert server.world.registrations == 0


def test_a_log_on_a_read_only_file_system_is_not_ignored(tmp_path: Path) -> None:
    """Where a log was left that cannot be worked off, the store says so and does not read what is older."""
    with mounted() as place:
        with closing(SQLiteStore(place / "records.db")) as store:
            store.add("key", b"old")
            store.put("key", b"new")
            log = (place / "records.db-wal").read_bytes()
        (place / "records.db-wal").touch(0o600)
        (place / "records.db-wal").write_bytes(log)
        assert system("mount", "-o", "remount,ro", str(place)) == 0
        with pytest.raises(StoreUnavailable, match="make it writable"):
            SQLiteStore(place / "records.db").get("key")


@pytest.mark.fault(
    "a process has no descriptor left for an SQLite store",
    "`StoreUnavailable`; everything is there afterwards",
)
def test_too_many_open_files_are_told(store: SQLiteStore) -> None:
    """A process without a descriptor left says so and finds everything there afterwards."""
    store.add("key", b"value")
    store.close()

    def child() -> None:
        with limited(resource.RLIMIT_NOFILE, 0), pytest.raises(StoreUnavailable):
            store.get("key")
        assert store.get("key") == b"value"

    with forked(child):  # a process of its own: other threads of this one need descriptors
        pass


@pytest.mark.fault(
    "another program holds on to an SQLite store for too long",
    "`StoreUnavailable`; the write can be repeated",
)
def test_a_busy_file_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another program holds on to the file for too long, that is told, and the write can be repeated."""
    monkeypatch.setattr(_database, "_WAIT", 0.05)
    with closing(SQLiteStore(path)) as store:
        store.add("key", b"value")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                store.add("other", b"value")
            assert store.get("key") == b"value"
        assert store.add("other", b"value")


# What is deleted.


def files_with(path: Path, *secrets: bytes) -> list[str]:
    return [
        each.name for each in path.parent.rglob("*") if each.is_file() for one in secrets if one in each.read_bytes()
    ]


@pytest.mark.fault(
    "a record of an SQLite store is deleted, as `forget()` does",
    "nothing is left of it in the file and in the log, nor of those before it",
)
def test_nothing_is_left_of_what_is_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a deletion neither the record nor one that it had replaced stands in any file, while others use them."""
    # Some systems have a SQLite that overwrites by itself; the others are what this is about.
    monkeypatch.setattr(_sqlite, "_SETTINGS", ("secure_delete = OFF", *_sqlite._SETTINGS))
    with closing(SQLiteStore(path)) as store, closing(SQLiteStore(path)) as other:
        store.add("kept", b"kept")
        for value in (b"canary 1" * 3, b"canary 2" * 10_000, b"canary 3"):
            store.put("key", value)
        assert other.get("key") == b"canary 3"
        assert files_with(path, b"canary")
        store.delete("key")
        assert files_with(path, b"canary") == []
        assert (other.get("key"), other.get("kept")) == (None, b"kept")


def test_nothing_is_left_of_a_forgotten_client(path: Path) -> None:
    """After `forget()` neither the client's secret nor its token stands in any file of the store."""
    server = Server()
    with closing(SQLiteStore(path)) as store:
        source = server.source(store)
        source.token()
        assert files_with(path, b"secret-1", b"token-1")
        assert source.forget()
        assert files_with(path, b"secret-1", b"token-1") == []


@pytest.mark.fault(
    "another program reads an SQLite store while a record is deleted",
    "the record is gone; an error says that its log is not, and to delete it again",
)
def test_a_log_that_cannot_be_emptied_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads, the log has to stay: that is an error, and deleting once more does the rest."""
    monkeypatch.setattr(_database, "_BRIEF_WAIT", 0.05)
    with closing(SQLiteStore(path)) as store:
        store.put("key", b"canary")
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM records").fetchone()
            with pytest.raises(StoreUnavailable, match=r"records\.db-wal.*delete it again"):
                store.delete("key")
            assert store.get("key") is None
        store.delete("key")
        assert files_with(path, b"canary") == []


# Its connection.


@pytest.mark.fault(
    "a process with an SQLite store forks",
    "the connection is closed before, and each side opens its own",
)
def test_a_fork_shares_no_connection(store: SQLiteStore) -> None:
    """The connection is closed before a fork, so that no child inherits it, and each side opens its own."""
    store.add("key", b"value")
    assert store._database._connection is not None

    def child() -> None:
        assert store._database._connection is None
        assert store.get("key") == b"value"

    with forked(child):
        assert store._database._connection is None
        assert store.get("key") == b"value"


def test_a_child_outlives_its_parent(path: Path) -> None:
    """A daemon whose parent has ended keeps its store, and what it writes is there for the next one."""
    program = f"""
import os
from dcrauth import SQLiteStore
store = SQLiteStore({str(path)!r})
store.add("parent", b"value")
reading, writing = os.pipe()
if os.fork():
    os._exit(0)                     # without closing anything
os.close(writing)
os.read(reading, 1)                 # until the parent is gone
for number in range(20):
    assert store.add(f"child {{number}}", b"value")
    assert store.get("parent") == b"value"
print("done", flush=True)
"""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert found.stdout == "done\n", found.stderr
    with closing(SQLiteStore(path)) as store:
        assert len(list(store.keys())) == 21


@pytest.mark.slow
def test_forks_while_threads_write(store: SQLiteStore) -> None:
    """Forks while other threads write and read harm neither side."""
    done = threading.Event()
    failures: list[BaseException] = []

    def write(name: str) -> None:
        number = 0
        try:
            while not done.is_set():
                assert store.add(f"{name} {number}", b"value")
                assert store.get(f"{name} {number}") == b"value"
                number += 1
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(f"thread {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(15):

            def child(number: int = number) -> None:
                assert store.add(f"child {number}", b"value")

            with forked(child):
                assert store.add(f"parent {number}", b"value")
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert failures == []
    assert {f"child {number}" for number in range(15)} <= set(store.keys())


@pytest.mark.fault(
    "another process that writes to a SQLite store is stopped",
    "records are read all the same; a disposable one is given up soon, others after half a minute",
)
def test_a_stopped_writer_keeps_nobody_from_reading(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds on to the lock of the writers, records are read, and writers are told."""
    monkeypatch.setattr(_database, "_WAIT", 0.3)
    monkeypatch.setattr(_database, "_BRIEF_WAIT", 0.1)
    store.add("key", b"value")
    with locked(f"{path}.lock", 5):
        for write in (lambda: store.put("key", b"new"), lambda: store.add("other", b"new")):
            failures: list[BaseException] = []

            def writing(write: Callable[[], object] = write, failures: list[BaseException] = failures) -> None:
                try:
                    write()
                except StoreUnavailable as failure:
                    failures.append(failure)

            thread = threading.Thread(target=writing)
            thread.start()
            assert store.get("key") == b"value"
            thread.join(PATIENCE)
            assert len(failures) == 1
    store.put("key", b"new")
    assert store.get("key") == b"new"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError, StoreUnavailable])
def test_a_suspension_that_is_interrupted_hangs_nobody(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    """Whatever happens right before a fork, both sides can use the store afterwards."""
    store.add("key", b"value")

    def close(wait: float) -> None:
        raise raised("interrupted")

    monkeypatch.setattr(store._database, "_close", close)

    def child() -> None:
        assert store.get("key") == b"value"
        assert store.add("child", b"value")

    with forked(child):
        assert store.get("key") == b"value"
    assert store.get("child") == b"value"


def test_threads_share_the_connection(store: SQLiteStore) -> None:
    """The store is made in one thread, used in another, and closed in a third."""

    def in_a_thread(act: Callable[[], Any]) -> None:
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(act()))
        thread.start()
        thread.join(PATIENCE)
        assert len(results) == 1

    in_a_thread(lambda: store.add("key", b"value"))
    in_a_thread(store.close)
    in_a_thread(lambda: store.get("key"))


def test_it_opens_again_after_closing(store: SQLiteStore, path: Path) -> None:
    """A closed store leaves one whole file behind, and opens again by itself."""
    store.add("key", b"value")
    store.close()
    store.close()
    assert not path.with_name("records.db-wal").exists()
    assert store.get("key") == b"value"


def test_a_store_that_is_dropped_closes_its_file(path: Path) -> None:
    """A store that nobody closes leaves no connection open when it is collected."""
    store = SQLiteStore(path)
    store.add("key", b"value")
    del store
    gc.collect()
    assert not path.with_name("records.db-wal").exists()


@pytest.mark.slow
def test_it_does_not_read_everything(store: SQLiteStore) -> None:
    """Keys are read a page at a time, and the store can be used while somebody reads them."""
    for number in range(2500):
        store.put(f"key {number}", b"value")
    keys = store.keys()
    first = next(keys)
    store.delete(first)
    store.put("late", b"value")
    assert len({first, *keys}) == 2501


# Backups.


def test_a_backup_is_a_store(path: Path, tmp_path: Path) -> None:
    """A backup that is made while others write is a whole store that only its owner can read, as of one moment."""
    backup = tmp_path / "backup.db"
    with closing(SQLiteStore(path)) as store:
        store.add("key", b"value")
        store.backup(backup)
        store.add("later", b"value")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    delete(path)
    with closing(SQLiteStore(path)) as lost, pytest.raises(StoreLost):
        lost.get("key")
    os.replace(backup, path)
    with closing(SQLiteStore(path)) as restored:
        assert restored.get("key") == b"value"
        assert restored.get("later") is None
        assert restored.add("later", b"again")


def test_a_backup_overwrites_nothing(store: SQLiteStore, tmp_path: Path) -> None:
    """A file that is there is not overwritten, and a backup of nothing is an error."""
    backup = tmp_path / "backup.db"
    with pytest.raises(StoreUnavailable, match="no database"):
        store.backup(backup)
    store.add("key", b"value")
    backup.write_text("mine")
    with pytest.raises(StoreUnavailable, match="File exists"):
        store.backup(backup)
    assert backup.read_text() == "mine"


def test_a_backup_that_fails_leaves_nothing(store: SQLiteStore, tmp_path: Path) -> None:
    """A backup that does not fit on the disk is an error and leaves no half of itself."""
    store.add("key", b"x" * 200_000)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with limited(resource.RLIMIT_FSIZE, 40_960), pytest.raises(StoreUnavailable):
            store.backup(tmp_path / "backup.db")
    finally:
        signal.signal(signal.SIGXFSZ, before)
    assert not (tmp_path / "backup.db").exists()
    assert store.get("key") == b"x" * 200_000


# Its version.


@pytest.mark.fault(
    "SQLite is of a version that may damage its log", "a line in the log at INFO, once, of what not to do"
)
@pytest.mark.parametrize(
    ("version", "told"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_a_version_with_a_known_fault_is_told_once(
    version: tuple[int, ...], told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Versions of SQLite that may damage their log are noted once and warned of never: our own writes are safe."""
    _sqlite._note_version.cache_clear()
    with caplog.at_level(logging.INFO, "dcrauth"):
        for _ in range(2):
            _sqlite._note_version(version)
    _sqlite._note_version.cache_clear()
    assert [record.levelname for record in caplog.records] == ["INFO"] * told


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no folder /proc in which nobody can make a file")
def test_where_no_lock_can_be_made_is_told() -> None:
    """Where no file can be made the lock is nobody's: that is an error, and is not waited for."""
    with pytest.raises(FileNotFoundError), locked("/proc/dcrauth.lock", 10.0):
        """It is not held."""
    with pytest.raises(StoreUnavailable, match="No such file"):
        SQLiteStore("/proc/dcrauth.db").healthcheck()
