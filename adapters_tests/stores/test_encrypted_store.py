"""EncryptedStore and its keys: what the contract for every store does not ask."""

from __future__ import annotations

import base64
import errno
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyrings.alt.file import PlaintextKeyring

from adapters_tests.common.direct import Server
from adapters_tests.common.world import World
from dcrauth import (
    ConfigurationError,
    DCRAuthError,
    DecryptionFailed,
    FileStore,
    InsecureStore,
    MemoryStore,
    Store,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    StoreWarning,
)
from dcrauth.stores.encrypted import EncryptedStore
from dcrauth.stores.keys import generate_key, key_from_environment, key_from_file, key_from_keyring
from dcrauth.stores.sqlite import SQLiteStore
from dcrauth.testing._races import PATIENCE, count_up, forked, race

OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))
CANARY = b'{"value": "canary"}'
TEXT = base64.urlsafe_b64encode(NEW).decode()
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


class Watched(MemoryStore):
    """A memory store in which something happens before each replacement."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.before = before

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        self.before()
        return super().replace(key, value, expected=expected)


def contents(store: Store) -> dict[str, bytes | None]:
    """Return everything in a store."""
    return {key: store.get(key) for key in store.keys()}


def id_of(key: bytes) -> bytes:
    """Return the id of *key* as it stands in the records."""
    inner = MemoryStore()
    EncryptedStore(inner, keys=[key]).add("key", b"value")
    return (inner.get("key") or b"")[9:17]


# What is in a record.


def test_no_value_is_in_the_other_store_in_plain_text(tmp_path: Path) -> None:
    """No byte on the disk tells a value, however it was written, replaced or deleted."""
    inners = (FileStore(tmp_path / "files"), SQLiteStore(tmp_path / "db" / "records.db"))
    for inner in inners:
        store = EncryptedStore(inner, keys=[NEW])
        store.add("added", CANARY)
        store.put("put", CANARY)
        assert store.replace("added", CANARY + b"2", expected=CANARY)
        store.delete("put")
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"added" in written
        assert b"canary" not in written
        assert store.get("added") == CANARY + b"2"
    inners[1].close()


@pytest.mark.fault("an encrypted record is copied to the key of another identity", "an error; it does not count there")
def test_a_record_copied_to_another_key_is_refused() -> None:
    """A record that somebody copied to the key of another identity does not count there."""
    inner = MemoryStore()
    store = EncryptedStore(inner, keys=[NEW])
    store.add("one", CANARY)
    inner.put("two", inner.get("one") or b"")
    with pytest.raises(StoreCorrupt, match=r"'two'.*left as it is.*copied from another key"):
        store.get("two")
    with pytest.raises(StoreCorrupt):
        store.replace("two", b"value", expected=CANARY)
    assert store.get("one") == CANARY


@pytest.mark.fault("a bit of an encrypted record has changed", "an error of the right kind; nothing is written over it")
def test_no_changed_bit_goes_unnoticed() -> None:
    """Whichever bit of a record is flipped, reading is an error of the right kind, and nothing is written over it."""
    inner = MemoryStore()
    store = EncryptedStore(inner, keys=[NEW])
    store.add("key", b"value")
    whole = inner.get("key") or b""
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        inner.put("key", bytes(damaged))
        with pytest.raises((StoreCorrupt, StoreTooNew, DecryptionFailed)) as caught:
            store.get("key")
        assert (caught.type is DecryptionFailed) is (9 <= bit // 8 < 17)
        assert store.add("key", b"another") is False
        with pytest.raises(StoreError):
            store.replace("key", b"another", expected=b"value")
        assert inner.get("key") == bytes(damaged)


@pytest.mark.fault("an encrypted record is cut, or goes on after its end", "`StoreCorrupt`")
def test_no_cut_goes_unnoticed() -> None:
    """A record that ends too early, wherever, or has something after its end, is damaged."""
    inner = MemoryStore()
    store = EncryptedStore(inner, keys=[NEW])
    store.add("key", b"value")
    whole = inner.get("key") or b""
    for damaged in (*(whole[:length] for length in range(len(whole))), whole + b"\0"):
        inner.put("key", damaged)
        with pytest.raises(StoreCorrupt):
            store.get("key")


@pytest.mark.fault(
    "an encrypted record is of a later layout",
    "`StoreTooNew`; it is neither read, rotated nor migrated",
)
def test_a_later_layout_is_left_alone() -> None:
    """A record of a later version says so and is neither read, rotated nor migrated."""
    inner = MemoryStore()
    store = EncryptedStore(inner, keys=[NEW])
    store.add("key", b"value")
    record = bytearray(inner.get("key") or b"")
    record[8] += 1
    inner.put("key", bytes(record))
    for act in (lambda: store.get("key"), store.rotate):
        with pytest.raises(StoreTooNew, match=r"layout 2\); upgrade"):
            act()
    assert store.migrate() == 0
    assert inner.get("key") == bytes(record)


def test_no_nonce_is_used_twice() -> None:
    """10 000 writings of one value have 10 000 nonces, and so have those of two processes after a fork."""
    inner = MemoryStore()
    store = EncryptedStore(inner, keys=[NEW])
    reading, writing = os.pipe()

    def write(count: int) -> list[bytes]:
        nonces = []
        for _ in range(count):
            store.put("key", b"value")
            nonces.append((inner.get("key") or b"")[17:29])
        return nonces

    nonces = write(10_000)
    with forked(lambda: os.write(writing, b"".join(write(1000)))):
        nonces += write(1000)
    os.close(writing)
    with open(reading, "rb") as pipe:
        of_child = pipe.read()
    nonces += [of_child[start : start + 12] for start in range(0, len(of_child), 12)]
    assert len(nonces) == len(set(nonces)) == 12_000


# Keys.


@pytest.mark.fault(
    "the key of an encrypted record is not at hand",
    "`DecryptionFailed`, which says which key to add; the record stays",
)
def test_an_unknown_key_is_named() -> None:
    """Without the key of a record reading and replacing it is an error that says which key to add."""
    inner = MemoryStore()
    EncryptedStore(inner, keys=[OLD]).add("key", b"value")
    store = EncryptedStore(inner, keys=[NEW])
    before = inner.get("key")
    for act in (lambda: store.get("key"), lambda: store.replace("key", b"another", expected=b"value"), store.rotate):
        with pytest.raises(DecryptionFailed, match=rf"{id_of(OLD).hex()}.*Add that key to the argument 'keys'"):
            act()
    assert store.add("key", b"another") is False
    assert inner.get("key") == before
    assert EncryptedStore(inner, keys=[NEW, OLD]).get("key") == b"value"


@pytest.mark.parametrize("keys", [[], b"x" * 32, "x" * 32, [b"x" * 31], [NEW, b""], [TEXT], [NEW, None], lambda: NEW])
def test_what_is_no_key_is_refused_at_once(keys: Any) -> None:
    """A list of keys that is empty or holds something else is refused where it is given, and not shown."""
    with pytest.raises(ConfigurationError) as caught:
        EncryptedStore(MemoryStore(), keys=keys)
    assert "xxx" not in str(caught.value)
    assert TEXT not in str(caught.value)


def test_a_key_is_asked_for_once_and_late() -> None:
    """A callable is called at the first use, once for 16 threads; listing, locking and deleting take no key."""
    calls: list[int] = []
    twice = threading.Event()

    def source() -> bytes:
        calls.append(1)
        if len(calls) > 1:
            twice.set()
        twice.wait(0.2)  # for a second call that must not come
        return NEW

    store = EncryptedStore(MemoryStore(), keys=[source])
    assert list(store.keys()) == []
    with store.lock("key", wait=1):
        store.delete("key")
    assert store.get("key") is None
    assert calls == []
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: store.put(str(number), b"value"), range(16)))
    assert calls == [1]


def test_a_failure_of_a_key_is_told_and_not_remembered() -> None:
    """A callable that raises makes the store unavailable without a word of the reason; the next use asks again."""
    faults = [OSError("canary"), DecryptionFailed("ours"), None]
    inner = MemoryStore()

    def source() -> bytes:
        fault = faults.pop(0)
        if fault is not None:
            raise fault
        return NEW

    store = EncryptedStore(inner, keys=[OLD, source])
    with pytest.raises(StoreUnavailable, match=r"Key 2 .*could not be had: OSError") as caught:
        store.healthcheck()
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    with pytest.raises(DecryptionFailed, match="ours"):
        store.add("key", b"value")
    assert list(inner.keys()) == []
    assert store.add("key", b"value") is True


@pytest.mark.parametrize("returned", [None, TEXT, b"x" * 33])
def test_a_callable_that_returns_no_key_is_told(returned: Any) -> None:
    """What is not 32 bytes is no key, and is not shown."""
    store = EncryptedStore(MemoryStore(), keys=[lambda: returned])
    with pytest.raises(DecryptionFailed, match="did not return 32 bytes") as caught:
        store.healthcheck()
    assert str(returned) not in str(caught.value)


def test_a_fork_while_a_key_is_awaited_harms_nobody() -> None:
    """A child that was forked while a thread of its parent waited for a key asks for it itself."""
    parent, asked, answered = os.getpid(), threading.Event(), threading.Event()

    def source() -> bytes:
        if os.getpid() == parent:
            asked.set()
            assert answered.wait(PATIENCE)
        return NEW

    store = EncryptedStore(MemoryStore(), keys=[source])

    def child() -> None:
        signal.alarm(10)  # it would wait for ever if it had the lock of its parent
        store.add("key", b"value")
        assert store.get("key") == b"value"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.healthcheck)
        assert asked.wait(PATIENCE)
        try:
            with forked(child):
                pass
        finally:
            answered.set()
        waiting.result(PATIENCE)


def test_it_says_what_the_other_store_says_about_itself(tmp_path: Path) -> None:
    """Whether one process only may use it depends on the other store, and the repr shows both but no key."""
    over_memory, over_files = (
        EncryptedStore(inner, keys=[NEW, OLD]) for inner in (MemoryStore(), FileStore(tmp_path / "store"))
    )
    assert (over_memory.single_writer, over_files.single_writer) == (True, False)
    assert repr(over_memory) == "<EncryptedStore with 2 keys over <MemoryStore with 0 records>>"
    over_memory.healthcheck()
    assert not any(text in repr(vars(over_memory)) for text in (repr(NEW), repr(OLD), NEW.hex()))
    with pytest.raises(TypeError, match="not pickled"):
        over_memory.__reduce__()


# Rotation.


@pytest.mark.fault(
    "the key of an encrypted store is rotated",
    "old keys read until the rotation is done; then the first one reads everything",
)
def test_rotation_encrypts_anew_what_is_under_another_key() -> None:
    """After a rotation the first key alone reads everything; a second rotation has nothing to do."""
    inner = MemoryStore()
    old = EncryptedStore(inner, keys=[OLD])
    for number in range(5):
        old.add(str(number), b"%d" % number)
    store = EncryptedStore(inner, keys=[NEW, OLD])
    store.add("new", b"value")
    before = inner.get("new")
    assert store.rotate() == 5
    assert store.rotate() == 0
    assert inner.get("new") == before
    assert contents(EncryptedStore(inner, keys=[NEW])) == {str(n): b"%d" % n for n in range(5)} | {"new": b"value"}


def test_rotation_leaves_alone_what_it_cannot_read() -> None:
    """Records that cannot be decrypted stay byte for byte, all others are rotated, and then an error tells of them."""
    inner = MemoryStore()
    EncryptedStore(inner, keys=[OTHER]).add("0 unknown", b"value")
    inner.add("1 plain", CANARY)
    EncryptedStore(inner, keys=[OLD]).add("2 old", b"value")
    before = contents(inner)
    with pytest.raises(DecryptionFailed, match=r"^1 records were encrypted, 2 were left as they are\. .*'0 unknown'"):
        EncryptedStore(inner, keys=[NEW, OLD]).rotate()
    assert {key for key, value in contents(inner).items() if value != before[key]} == {"2 old"}
    assert EncryptedStore(inner, keys=[NEW]).get("2 old") == b"value"


class Overfull(MemoryStore):
    """A memory store that cannot list all it has."""

    def keys(self) -> Iterator[str]:
        yield from sorted(self._records)
        raise StoreCorrupt("Some are damaged")


@pytest.mark.fault(
    "an encrypted store is rotated or migrated over a store in which something is damaged",
    "it is left as it is and all others are seen to; then an error tells how many and of the first",
)
@pytest.mark.parametrize("method", ["rotate", "migrate"])
def test_what_cannot_be_listed_stops_nothing(method: str, tmp_path: Path) -> None:
    """A damaged file among the others stays; all records are encrypted, and then an error names it."""
    inner, records = FileStore(tmp_path / "store"), {f"key-{number}": CANARY for number in range(20)}
    old = inner if method == "migrate" else EncryptedStore(inner, keys=[OLD])
    for key, value in records.items():
        old.add(key, value)
    damaged = tmp_path / "store" / "records" / "00" / ("0" * 64)
    damaged.parent.mkdir(0o700, exist_ok=True)
    damaged.write_bytes(b"theirs")
    store = EncryptedStore(inner, keys=[NEW, OLD])
    with pytest.raises(StoreCorrupt, match=rf"^20 records were encrypted\. {damaged} is damaged"):
        getattr(store, method)()
    assert damaged.read_bytes() == b"theirs"
    damaged.unlink()
    assert contents(EncryptedStore(inner, keys=[NEW])) == records


def test_both_kinds_of_trouble_are_told() -> None:
    """What cannot be decrypted and what cannot be listed are both in the error."""
    inner = Overfull()
    inner.add("0 plain", CANARY)
    EncryptedStore(inner, keys=[OLD]).add("1 old", b"value")
    problem = r"^1 records were encrypted, 1 were left as they are\. .*'0 plain'.*\. Some are damaged$"
    with pytest.raises(StoreCorrupt, match=problem):
        EncryptedStore(inner, keys=[NEW, OLD]).rotate()


def test_a_replacement_gets_past_a_rotation() -> None:
    """A record that is rotated between a look at it and its replacement is replaced all the same, once."""
    inner = Watched()
    rotating = EncryptedStore(inner, keys=[NEW, OLD])
    store = EncryptedStore(inner, keys=[OLD, NEW])
    store.add("key", b"before")

    def rotate() -> None:
        inner.before = lambda: None
        assert rotating.rotate() == 1

    inner.before = rotate
    assert store.replace("key", b"after", expected=b"before") is True
    assert store.get("key") == b"after"


def test_a_replacement_does_not_win_over_another_one() -> None:
    """A record that others replace between a look at it and its replacement is theirs."""
    inner = Watched()
    store = EncryptedStore(inner, keys=[OLD])
    store.add("key", b"before")
    inner.before = lambda: store.put("key", b"theirs")
    assert store.replace("key", b"ours", expected=b"before") is False
    assert store.get("key") == b"theirs"


def test_a_replacement_gives_up_in_the_end() -> None:
    """Where others encrypt the same record anew without end, that is an error and not a wait without end."""
    inner = Watched()
    store = EncryptedStore(inner, keys=[OLD])
    store.add("key", b"before")
    inner.before = lambda: store.put("key", b"before")
    with pytest.raises(StoreUnavailable, match="try again"):
        store.replace("key", b"after", expected=b"before")
    assert store.get("key") == b"before"


def _rotating_or_counting(store: Store, number: int, directory: Path) -> int:
    inner = FileStore(directory)
    if number == 0:
        return sum(EncryptedStore(inner, keys=keys).rotate() for keys in ([NEW, OLD], [OLD, NEW]) for _ in range(25))
    return count_up(EncryptedStore(inner, keys=[OLD, NEW] if number == 1 else [NEW, OLD]), number, 50)


@pytest.mark.slow
def test_rotation_loses_no_replacement(tmp_path: Path) -> None:
    """While processes raise a counter, one of them under the old key yet, others rotate back and forth: all counts."""
    inner = FileStore(tmp_path / "store")
    EncryptedStore(inner, keys=[OLD]).add("counter", b"0")
    race("fork", _rotating_or_counting, lambda: inner, 3, tmp_path / "store")
    store = EncryptedStore(inner, keys=[NEW, OLD])
    assert store.get("counter") == b"100"
    store.rotate()
    assert EncryptedStore(inner, keys=[NEW]).get("counter") == b"100"


class _Deadly(FileStore):
    """A file store whose process is killed before its replacement number *deadly*."""

    deadly = 0

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        if self.deadly == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.deadly -= 1
        return super().replace(key, value, expected=expected)


def _rotate_until_killed(directory: Path, deadly: int, method: str) -> None:
    inner = _Deadly(directory)
    inner.deadly = deadly
    getattr(EncryptedStore(inner, keys=[NEW, OLD]), method)()


@pytest.mark.parametrize("method", ["rotate", "migrate"])
def test_a_killed_rotation_goes_on_where_it_was(method: str, tmp_path: Path) -> None:
    """A process is killed in the middle of a rotation or migration: each record is old or new, and the rest follows."""
    plain = FileStore(tmp_path / "store")
    before: Store = plain if method == "migrate" else EncryptedStore(plain, keys=[OLD])
    records = {str(number): b'{"number": %d}' % number for number in range(20)}
    for key, value in records.items():
        before.add(key, value)
    process = multiprocessing.get_context("spawn").Process(
        target=_rotate_until_killed, args=(tmp_path / "store", 7, method)
    )
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    done = [key for key, value in contents(plain).items() if (value or b"")[9:17] == id_of(NEW)]
    assert len(done) == 7
    store = EncryptedStore(FileStore(tmp_path / "store"), keys=[NEW, OLD])
    assert getattr(store, method)() == 13
    assert contents(EncryptedStore(plain, keys=[NEW])) == records


# Plain text.


def test_migration_encrypts_what_is_in_plain_text() -> None:
    """Records of dcrauth in plain text are refused until a migration, which encrypts them once."""
    inner = MemoryStore()
    inner.add("key", CANARY)
    store = EncryptedStore(inner, keys=[NEW])
    store.add("new", b"value")
    with pytest.raises(StoreCorrupt, match=r"not encrypted.*call migrate\(\)"):
        store.get("key")
    with pytest.raises(StoreCorrupt):
        store.replace("key", b"value", expected=CANARY)
    assert store.add("key", b"value") is False
    assert inner.get("key") == CANARY
    assert store.migrate() == 1
    assert store.migrate() == 0
    assert contents(store) == {"key": CANARY, "new": b"value"}


def test_migration_loses_no_replacement() -> None:
    """A record that is replaced in plain text between a look at it and its encryption is encrypted as it is then."""
    inner = Watched()
    inner.add("key", CANARY)

    def replace() -> None:
        inner.before = lambda: None
        assert inner.replace("key", b"{}", expected=CANARY)

    inner.before = replace
    store = EncryptedStore(inner, keys=[NEW])
    assert store.migrate() == 1
    assert store.get("key") == b"{}"


def test_migration_leaves_damage_alone() -> None:
    """What is neither encrypted nor a record stays as it is, a damaged envelope too; the others are migrated."""
    inner = MemoryStore()
    EncryptedStore(inner, keys=[NEW]).add("0", CANARY)
    inner.put("0", b"\x8d" + (inner.get("0") or b"")[1:])
    inner.add("1", CANARY[:-1])
    inner.add("2", CANARY)
    before = contents(inner)
    store = EncryptedStore(inner, keys=[NEW])
    with pytest.raises(StoreCorrupt, match=r"^1 records were encrypted, 2 were left as they are\. .*'0'"):
        store.migrate()
    assert {key for key, value in contents(inner).items() if value != before[key]} == {"2"}
    assert store.get("2") == CANARY


def test_an_outage_of_the_other_store_ends_a_rotation_at_once() -> None:
    """What the other store cannot do now is told as it is; what was done by then is done."""
    inner = Watched()
    old = EncryptedStore(inner, keys=[OLD])
    for number in range(3):
        old.add(str(number), b"value")
    store, left = EncryptedStore(inner, keys=[NEW, OLD]), [1, 0]

    def fail() -> None:
        if not left.pop(0):
            raise StoreUnavailable("no disk")

    inner.before = fail
    with pytest.raises(StoreUnavailable, match="no disk"):
        store.rotate()
    inner.before = lambda: None
    assert store.rotate() == 2


def _without_key() -> bytes:
    raise OSError("canary")


@pytest.mark.fault(
    "a record in plain text is in an encrypted store",
    "refused; nothing is registered until it is migrated",
)
def test_nothing_is_registered_over_plain_text(tmp_path: Path) -> None:
    """With credentials in plain text a new process raises and registers nothing; after a migration it uses them."""
    server, plain = Server(), FileStore(tmp_path / "store")
    server.source(plain).token()
    before, store = contents(plain), EncryptedStore(plain, keys=[NEW])
    with pytest.raises(StoreCorrupt, match="migrate"):
        server.source(store).token()
    assert contents(plain) == before
    assert store.migrate() == 2
    store.delete(World.identity.token)
    server.source(store).token()
    assert server.world.registrations == 1


@pytest.mark.fault("the key of an empty encrypted store cannot be had", "noticed before anything is registered")
@pytest.mark.parametrize("source", [_without_key, key_from_file("missing"), key_from_environment("MISSING")])
def test_an_empty_store_without_a_key_registers_nothing(source: Callable[[], bytes]) -> None:
    """A key that cannot be had is noticed before a registration whose credentials could not be kept."""
    server = Server()
    with pytest.raises(StoreError):
        server.source(EncryptedStore(MemoryStore(), keys=[source])).token()
    assert server.world.registrations == 0


@pytest.mark.fault(
    "credentials are encrypted under a key that is missing or wrong",
    "an error; they are not replaced by new ones",
)
@pytest.mark.parametrize(
    ("key", "error"), [(NEW, DecryptionFailed), (_without_key, StoreUnavailable)], ids=["another", "none"]
)
def test_nothing_is_registered_over_what_cannot_be_read(key: Any, error: type[Exception]) -> None:
    """Credentials under a key that is not at hand are not replaced by new ones."""
    server, inner = Server(), MemoryStore()
    server.source(EncryptedStore(inner, keys=[OLD])).token()
    before = contents(inner)
    with pytest.raises(error):
        server.source(EncryptedStore(inner, keys=[key])).token()
    assert server.world.registrations == 1
    assert contents(inner) == before


# Where keys come from.

NO_KEYS = ["", TEXT[:-1], TEXT + "=", NEW.hex()[:-1], NEW.hex() + "00", "x" * 44, TEXT[:20] + " " + TEXT[20:], "é" * 44]


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of our own that a traceback of *error* would show."""
    step = error.__traceback__
    while step is not None:
        if f"{os.sep}dcrauth{os.sep}stores{os.sep}" in step.tb_frame.f_code.co_filename:
            yield step.tb_frame
        step = step.tb_next


def assert_hidden(error: BaseException, secret: str) -> None:
    """Fail if a secret is in an error, in what it carries along, or in what its traceback holds."""
    assert error.__context__ is None or error.__suppress_context__
    for text in (repr(error), *(repr(frame.f_locals) for frame in frames_of(error))):
        assert not secret or secret not in text


def test_generated_keys_are_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each generated key is another one, of 44 characters, and is read as 32 bytes."""
    texts = {generate_key() for _ in range(100)}
    assert len(texts) == 100
    for text in texts:
        assert len(text) == 44
        monkeypatch.setenv("DCRAUTH_TEST_KEY", text)
        assert len(key_from_environment("DCRAUTH_TEST_KEY")()) == 32


@pytest.mark.parametrize("text", [TEXT, NEW.hex(), NEW.hex().upper(), f"\n {TEXT}\r\n", f"{NEW.hex()}\n"])
def test_keys_are_read_in_both_formats(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Base64 and hexadecimal digits, with space around them, are read from a variable and from a file."""
    monkeypatch.setenv("DCRAUTH_TEST_KEY", text)
    assert key_from_environment("DCRAUTH_TEST_KEY")() == NEW
    assert key_from_file(key_file(tmp_path, text))() == NEW


@pytest.mark.parametrize("text", NO_KEYS)
def test_other_text_is_refused_and_not_shown(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Text that is no key is a ConfigurationError which names the place and shows nothing of the text."""
    monkeypatch.setenv("DCRAUTH_TEST_KEY", text)
    with pytest.raises(ConfigurationError, match="DCRAUTH_TEST_KEY") as caught:
        key_from_environment("DCRAUTH_TEST_KEY")()
    assert_hidden(caught.value, text)
    with pytest.raises(ConfigurationError, match="key file") as caught:
        key_from_file(key_file(tmp_path, text))()
    assert_hidden(caught.value, text)


def test_a_missing_variable_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not set is a missing key, told with its name; it is read when it is needed."""
    source = key_from_environment("DCRAUTH_TEST_KEY")
    with pytest.raises(DecryptionFailed, match="DCRAUTH_TEST_KEY"):
        source()
    monkeypatch.setenv("DCRAUTH_TEST_KEY", TEXT)
    assert source() == NEW
    assert TEXT not in repr(source)


def key_file(directory: Path, text: str = TEXT, mode: int = 0o600) -> Path:
    """Write a key file and return its path."""
    path = directory / "key"
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_file_of_ones_own_is_read(mode: int, tmp_path: Path) -> None:
    """A file that nobody else can open is read, also by way of links such as those of mounted secrets."""
    path = key_file(tmp_path, mode=mode)
    (tmp_path / "..data").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "..data" / "key")
    assert key_from_file(path)() == key_from_file(str(tmp_path / "link"))() == NEW


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of the user, who is not root."""
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    return os.geteuid()


@pytest.mark.fault(
    "a mount gives the group of a volume access to a key file (`fsGroup` of Kubernetes)",
    "it is taken away again, and a `StoreWarning` says so",
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o601, 0o644, 0o660])
@pytest.mark.parametrize("linked", [False, True], ids=["file", "link"])
def test_a_file_open_to_others_is_closed(mode: int, linked: bool, tmp_path: Path, user: int) -> None:
    """Permissions of others on a file of one's own are taken away, also at the end of a link, and that is told."""
    path = key_file(tmp_path, mode=mode)
    os.chown(path, user, -1)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.warns(StoreWarning, match=rf"mode {mode:o}\).*consider the key as known") as told:
        assert key_from_file(link if linked else path)() == NEW
    assert path.stat().st_mode & 0o777 == 0o600
    assert TEXT not in str(told[0].message)
    assert key_from_file(path)() == NEW


def test_a_file_without_a_key_keeps_its_mode(tmp_path: Path, user: int) -> None:
    """Others may have to read what was named by mistake: only a file with a key in it is closed to them."""
    path = key_file(tmp_path, text="127.0.0.1 localhost", mode=0o644)
    os.chown(path, user, -1)
    with pytest.raises(ConfigurationError, match="does not hold"):
        key_from_file(path)()
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("mode", [0o602, 0o606, 0o622, 0o666])
def test_a_file_open_to_anybody_is_refused(mode: int, tmp_path: Path, user: int) -> None:
    """A file that everybody can write to is refused, since it may hold anybody's key, and the remedy is told."""
    path = key_file(tmp_path, mode=mode)
    os.chown(path, user, -1)
    with pytest.raises(InsecureStore, match=rf"mode {mode:o}\).*chmod 600 .*make a new one") as caught:
        key_from_file(path)()
    assert_hidden(caught.value, TEXT)
    assert path.stat().st_mode & 0o777 == mode


@needs_root
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """A file of another user is refused, whatever its mode."""
    path = key_file(tmp_path)
    os.chown(path, 12345, -1)
    with pytest.raises(InsecureStore, match=r"another user .*12345"):
        key_from_file(path)()


@needs_root
@pytest.mark.parametrize(("mode", "accepted"), [(0o400, True), (0o440, True), (0o444, False), (0o460, False)])
def test_a_file_of_root_may_be_read_by_its_group(
    mode: int, accepted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is mounted for a group is read by root and by users of that group; one for all is refused."""
    path = key_file(tmp_path, mode=mode)
    monkeypatch.setattr(os, "chmod", _read_only)
    for user in (0, 12345):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        if accepted:
            assert key_from_file(path)() == NEW
        else:
            with pytest.raises(InsecureStore):
                key_from_file(path)()


def _read_only(*given: object) -> None:
    """Stands for `os.chmod` in a volume of secrets."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file is a missing key; a directory, a FIFO and a device are no key files; nothing hangs."""
    with pytest.raises(DecryptionFailed, match="no key file"):
        key_from_file(tmp_path / "missing")()
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(InsecureStore, match="not a file"):
            key_from_file(path)()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        key_from_file(tmp_path / "loop")()


# The keyring.


class Keyring(KeyringBackend):
    """A keyring with one entry, in memory, that may take its time."""

    priority = 0.01

    def __init__(self, answer: str | Exception | None = TEXT, until: threading.Event | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.until = until
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append((service, username))
        if self.until is not None:
            self.until.wait(PATIENCE)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("nothing is ever written to a keyring")


class Chain(ChainerBackend):
    """A chain of the backends that it is given."""

    priority = 0.0
    backends: Any = ()

    def __init__(self, *backends: KeyringBackend) -> None:
        super().__init__()
        self.backends = backends


class DerivedPlaintext(PlaintextKeyring):
    """Plain text under another name."""


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[KeyringBackend | None], None]:
    """Set the keyring for a test; None has it be found anew."""
    return lambda backend: monkeypatch.setattr("keyring.core._keyring_backend", backend)


def test_a_key_comes_from_the_keyring(use: Callable[..., None]) -> None:
    """The entry of the service and user is asked for when the key is needed."""
    backend = Keyring(f"{TEXT}\n")
    use(backend)
    source = key_from_keyring("shop")
    assert backend.asked == []
    assert source() == key_from_keyring("shop", "me")() == NEW
    assert backend.asked == [("shop", "dcrauth"), ("shop", "me")]
    assert TEXT not in repr(source) + repr(vars(source))


def test_a_missing_entry_is_never_made_up(use: Callable[..., None]) -> None:
    """Without an entry the error says how to put one there, and nothing is put there."""
    use(Keyring(None))
    with pytest.raises(DecryptionFailed, match="keyring set shop dcrauth"):
        key_from_keyring("shop")()


@pytest.mark.parametrize("text", NO_KEYS)
def test_an_entry_that_is_no_key_is_not_shown(text: str, use: Callable[..., None]) -> None:
    """Another password under that name is refused and not shown."""
    use(Keyring(text))
    with pytest.raises(ConfigurationError, match="shop") as caught:
        key_from_keyring("shop")()
    assert_hidden(caught.value, text)


@pytest.mark.fault("the keyring fails", "`StoreUnavailable`, without the keyring's words")
def test_a_failing_keyring_is_unavailable(use: Callable[..., None]) -> None:
    """What a backend raises makes the store unavailable, without its words."""
    use(Keyring(keyring.errors.KeyringLocked("canary")))
    with pytest.raises(StoreUnavailable, match="KeyringLocked") as caught:
        key_from_keyring("shop")()
    assert_hidden(caught.value, "canary")


@pytest.mark.fault(
    "the keyring is locked and never answers",
    "an error after the time that was given; a late answer is used",
)
def test_a_keyring_that_never_answers_is_not_waited_for(use: Callable[..., None]) -> None:
    """A locked keyring costs the time that was given; asking again starts no second thread, and has its late answer."""
    unlocked = threading.Event()
    backend = Keyring(until=unlocked)
    use(backend)
    source = key_from_keyring("shop", timeout=0.01)
    try:
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"within 0\.01 s; unlock it"):
                source()
        assert len(backend.asked) == 1
        with forked(lambda: _asks_itself(source, unlocked, use)):
            pass
    finally:
        unlocked.set()
    source._timeout = PATIENCE
    assert source() == NEW
    assert len(backend.asked) == 1


def _asks_itself(source: Any, unlocked: threading.Event, use: Callable[..., None]) -> None:
    signal.alarm(10)
    use(Keyring())
    source._timeout = 5.0
    assert source() == NEW


@pytest.mark.fault(
    "the keyring's backend keeps nothing, or keeps it in plain text",
    "refused, even where it was chosen on purpose",
)
@pytest.mark.parametrize(
    "name",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.fail.Keyring",
        "keyrings.alt.file.PlaintextKeyring",
        f"{__name__}.DerivedPlaintext",
    ],
)
def test_a_backend_that_keeps_no_secrets_is_refused(
    name: str, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Backends that keep nothing, or keep it in plain text, are refused, even where one was chosen on purpose."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    use(None)
    with pytest.raises(InsecureStore, match=r"keeps (nothing|secrets in plain text)"):
        key_from_keyring("shop")()


def test_a_chain_is_looked_through(use: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A chain that begins with a refused backend, or is empty, is refused; further on such a one is not asked."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    plain = PlaintextKeyring()
    plain.set_password("shop", "dcrauth", TEXT)
    for chain in (Chain(), Chain(plain), Chain(plain, Keyring()), Chain(Chain(plain), Keyring())):
        use(chain)
        with pytest.raises(InsecureStore):
            key_from_keyring("shop")()
    use(Chain(Keyring(None), plain, Keyring(OLD.hex())))
    assert key_from_keyring("shop")() == OLD
    use(Chain(Keyring(None), plain))
    with pytest.raises(DecryptionFailed):
        key_from_keyring("shop")()


def test_errors_of_keys_are_errors_of_dcrauth() -> None:
    """Everything that a source of keys raises has a place in the tree of errors."""
    with pytest.raises(DCRAuthError):
        key_from_file("/nonexistent/key")()
