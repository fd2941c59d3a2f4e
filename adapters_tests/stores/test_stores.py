"""What every store promises: the contract for stores of one's own, run over each of ours and over one that fails it."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters_tests.common.clock import ManualClock
from adapters_tests.common.world import STATEMENT, World
from adapters_tests.servers.redis_server import RedisServer
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.crowds import register_at_once
from adapters_tests.stores.kinds_of_stores import Kind
from dcrauth import (
    AdobePass,
    ConfigurationError,
    FileStore,
    MemoryStore,
    Store,
    StoreUnavailable,
    TokenSource,
)
from dcrauth.engine.identity import Identity
from dcrauth.engine.incident_breaker import breaker_of
from dcrauth.stores import _locks
from dcrauth.stores._locks import stripe
from dcrauth.stores.sqlite import SQLiteStore
from dcrauth.testing._races import forked
from dcrauth.testing.store_contract import StoreContract


class Contract(StoreContract):
    """The contract with its hook for damage."""

    @pytest.fixture
    def kind(self) -> Kind:
        raise NotImplementedError

    @pytest.fixture
    def factory(self, kind: Kind) -> kinds.Factory:
        self.kind_under_test = kind
        return kind.open

    def damage(self, store: Store, key: str, content: bytes) -> None:
        self.kind_under_test.damage(key, content)


class TestMemory(Contract):
    """MemoryStore."""

    @pytest.fixture
    def kind(self) -> Kind:
        return kinds.memory()

    def damage(self, store: Store, key: str, content: bytes) -> None:
        pytest.skip("a memory store keeps values as they are: damage cannot be told from a value")


class TestFile(Contract):
    """FileStore."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.file(tmp_path)


class TestFileByPath(Contract):
    """FileStore where directories have no descriptors."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.file_by_path(tmp_path)


class TestSQLite(Contract):
    """SQLiteStore."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.sqlite(tmp_path)


class TestRedis(Contract):
    """RedisStore."""

    @pytest.fixture
    def kind(self, redis_server: RedisServer) -> Kind:
        return kinds.in_redis(redis_server.url)


class TestEncryptedMemory(Contract):
    """EncryptedStore over MemoryStore."""

    @pytest.fixture
    def kind(self) -> Kind:
        return kinds.encrypted(kinds.memory())


class TestEncryptedFile(Contract):
    """EncryptedStore over FileStore."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.encrypted(kinds.file(tmp_path))


class TestEncryptedSQLite(Contract):
    """EncryptedStore over SQLiteStore."""

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return kinds.encrypted(kinds.sqlite(tmp_path))


class TestEncryptedRedis(Contract):
    """EncryptedStore over RedisStore."""

    @pytest.fixture
    def kind(self, redis_server: RedisServer) -> Kind:
        return kinds.encrypted(kinds.in_redis(redis_server.url))


NAIVE = """
import functools
from pathlib import Path

import pytest

from adapters_tests.stores.naive_store import NaiveStore
from dcrauth.testing.store_contract import StoreContract


class TestNaive(StoreContract):
    @pytest.fixture
    def factory(self, tmp_path):
        return functools.partial(NaiveStore, tmp_path)

    def damage(self, store, key, content):
        store.path.write_bytes(content)
"""


@pytest.mark.slow
def test_the_contract_finds_a_naive_store_out(tmp_path: Path) -> None:
    """Run over a store without locks, compare-and-swap and honest errors, the contract fails where it should."""
    (tmp_path / "test_naive.py").write_text(NAIVE)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    found = subprocess.run(
        [*command, "test_naive.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    failed = {
        line.split("::")[2].split("[")[0].split(" ")[0]
        for line in found.stdout.splitlines()
        if line.startswith("FAILED")
    }
    assert failed >= {
        "test_damage_is_not_absence",
        "test_no_replacement_is_lost",
        "test_no_replacement_is_lost_between_processes",
        "test_a_lock_excludes_and_gives_up",
        "test_a_lock_excludes_other_processes",
    }, found.stdout[-3000:]
    passed = {line.split("::")[2].split("[")[0] for line in found.stdout.splitlines() if line.startswith("PASSED")}
    assert "test_the_first_add_wins" in passed, "it should fail for what it lacks, not for being unable to run"


@pytest.mark.slow
def test_a_hook_that_nobody_overrides_is_skipped(tmp_path: Path) -> None:
    """Without its hooks the contract says what it could not test, and why."""
    (tmp_path / "test_bare.py").write_text(NAIVE.partition("    def damage")[0])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        "-k",
        "damage or lost_answer",
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    found = subprocess.run(
        [*command, "test_bare.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "the hook 'damage' is not overridden" in found.stdout
    assert "the hook 'losing_the_answer' is not overridden" in found.stdout


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


NAMES = ("../x", "..\\x", "/etc/passwd", "nul\0", "é", "e\u0301", "CON", "con", "\udc80", "", " ", "x" * 1_000_000)


@pytest.mark.fault(
    "an instance has a hostile name: a path, a NUL, a reserved word, a megabyte, letters that look the same",
    "each name is a client of its own; no file has a name that comes from outside",
)
def test_hostile_names_of_instances_are_kept_apart(tmp_path: Path) -> None:
    """Any text names an instance, different texts name different ones, and none of them leads anywhere."""
    world = World()

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    def token_of(name: str) -> str:
        store = FileStore(tmp_path / "a" / "b" / "store")
        return TokenSource(AdobePass(STATEMENT), store=store, transport=Direct(), instance=name).token().value

    first = {name: token_of(name) for name in NAMES}
    assert world.registrations == len(set(first.values())) == len(NAMES)
    assert {name: token_of(name) for name in NAMES} == first
    assert {path.name for path in tmp_path.iterdir()} == {"a"}
    assert all(path.name.isascii() and len(path.name) <= 80 for path in tmp_path.rglob("*"))


HOST = "https://sp.auth.adobe.com"


@pytest.mark.fault(
    "the URL of a server is spelled otherwise than before: in capitals, or with its default port",
    "it is the same client; nothing is registered anew",
)
def test_spellings_of_a_server_name_one_client() -> None:
    """However the URL of one server is spelled, there is one registration, and one count of what it refuses."""
    store, world = MemoryStore(), World()

    class Direct:
        def send(self, request: Any) -> Any:
            registers = request.endpoint.endswith("/register")
            return world._register() if registers else world._token(parse_qs(request.body.decode()))

    spelled = [HOST, "HTTPS://sp.auth.adobe.com", "https://SP.auth.Adobe.com/", f"{HOST}:443"]
    for url in spelled:
        TokenSource(AdobePass(STATEMENT, base_url=url), store=store, transport=Direct()).token()
    assert (world.registrations, world.token_calls) == (1, 1)
    assert len({id(breaker_of(AdobePass(STATEMENT, base_url=url).token_url)) for url in spelled}) == 1


def test_the_usual_spelling_keeps_its_key() -> None:
    """The key of an identity is for good: client credentials are found under it by every later version."""
    key = "151b32b61c94721dd15ad896a68ec15c51904c3da2b49f8b20f102deeed9bbc9"
    assert Identity.of(f"{HOST}/o/client/register", f"{HOST}/o/client/token", "app", "default").key == key


# Locks in files, of which there are fewer than identities.

ON_DISK = pytest.mark.parametrize("kind", [kinds.file, kinds.sqlite], ids=["file", "sqlite"])


def sharing_a_file() -> tuple[str, str]:
    """Two keys whose lock is in one file."""
    seen: dict[str, str] = {}
    for key in map(str, itertools.count()):
        if (other := seen.setdefault(stripe(key, 3), key)) != key:
            return other, key
    raise AssertionError("unreachable")


def is_free_elsewhere(store: Store, key: str) -> bool:
    """Whether another process can have the lock of *key* now."""
    reading, writing = os.pipe()

    def child() -> None:
        try:
            with store.lock(key, wait=0):
                os.write(writing, b"free")
        except StoreUnavailable as refusal:
            os.write(writing, b"held" if "Another process" in str(refusal) else b"odd!")

    with forked(child):
        found = os.read(reading, 4)
    os.close(reading)
    os.close(writing)
    return {b"free": True, b"held": False}[found]


@pytest.mark.fault(
    "two identities whose lock is in the same file are renewed at once by one process",
    "neither waits for the other; other processes wait for both",
)
@ON_DISK
def test_identities_of_one_process_share_lock_files(kind: Any, tmp_path: Path) -> None:
    """Threads wait for each other on account of one identity only, other processes until the last of them is done."""
    storage = kind(tmp_path)
    store, again = storage.open(), storage.open()
    one, other = sharing_a_file()
    with store.lock(one, wait=0):
        with again.lock(other, wait=0):
            with pytest.raises(StoreUnavailable, match="Another thread of this process"), again.lock(one, wait=0):
                pass
            assert not is_free_elsewhere(store, one)
        assert not is_free_elsewhere(store, other)
    assert is_free_elsewhere(store, one)
    with again.lock(one, wait=0):
        pass


@ON_DISK
def test_a_child_that_leaves_an_inherited_lock_frees_nothing(kind: Any, tmp_path: Path) -> None:
    """Leaving, in the child of a fork, the lock that its parent holds does not hang, and lets nobody in."""
    store = kind(tmp_path).open()
    held = store.lock("key", wait=0)
    held.__enter__()
    (file,) = (each for each in _locks._shared._files.values() if each._path.startswith(str(tmp_path)))

    def child() -> None:
        signal.alarm(20)
        held.__exit__(None, None, None)
        with pytest.raises(StoreUnavailable, match="Another process"), store.lock("key", wait=0):
            pass

    with file._guard, forked(child):  # at the fork another thread is in the middle of something
        pass
    assert not is_free_elsewhere(store, "key")
    held.__exit__(None, None, None)
    assert is_free_elsewhere(store, "key")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["of", "taken"])
@ON_DISK
def test_an_interrupt_leaves_no_lock_taken(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """An interrupt right after a lock was taken, before its holder knows, stops nobody, here and elsewhere."""
    store = kind(tmp_path).open()
    place = _locks._Shared if step == "of" else _locks._LockFile
    whole = getattr(place, step)

    def interrupted(self: Any, *given: Any) -> Any:
        found = whole(self, *given)
        if step == "of":
            found[1].acquire()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, step, interrupted)
        with pytest.raises(KeyboardInterrupt), store.lock("key", wait=0):
            pass
    gc.collect()  # what the traceback of the interrupt has kept
    with store.lock("key", wait=0):
        pass
    assert is_free_elsewhere(store, "key")


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store that the test is parametrized with, closed at the end if it can be."""
    store = getattr(kinds, request.param)(tmp_path).open()
    with closing(store) if isinstance(store, SQLiteStore) else nullcontext():
        yield store


@pytest.mark.slow
@pytest.mark.fault(
    "a process uses a thousand new identities at once",
    "all are registered and saved; none waits in vain for another one",
)
@pytest.mark.timeout(240)
@pytest.mark.parametrize("opened", ["file", "sqlite"], indirect=True)
def test_a_thousand_identities_at_once(opened: Store) -> None:
    """A thousand identities that one process registers at once all get their token, which the store has afterwards."""
    register_at_once(opened, 1000)


class _Noting(MemoryStore):
    """A store of somebody else's that notes where it was told of a fork."""

    def after_fork(self) -> None:
        super().after_fork()
        self.told = os.getpid()


class _Unhashable(FileStore):
    __hash__ = None  # type: ignore[assignment]

    def after_fork(self) -> None:
        """There is nothing to forget."""


@pytest.mark.parametrize("sealed", [False, True])
def test_a_store_is_told_of_forks(sealed: bool) -> None:
    """In a child ``after_fork`` of any store that a source uses is called, of one within another as well."""
    store = _Noting()
    used: Any = kinds.EncryptedStore(store, keys=[kinds.KEY]) if sealed else store
    source = TokenSource(AdobePass(STATEMENT), store=used)

    here = os.getpid()

    def see() -> None:
        assert store.told == os.getpid() != here

    with forked(see):
        assert store.told == here, "the constructor's call is the only one here"
    del source


def test_a_store_that_cannot_be_told_of_forks(tmp_path: Path) -> None:
    """One that cannot be found again in a child is an error where it is given."""
    with pytest.raises(ConfigurationError, match="has to be hashable and take weak references"):
        TokenSource(AdobePass(STATEMENT), store=_Unhashable(tmp_path))
