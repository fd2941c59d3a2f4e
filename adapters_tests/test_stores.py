"""What every store promises: the contract for stores of one's own, run over each of ours and over one that fails it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters_tests import kinds_of_stores as kinds
from adapters_tests.conftest import ManualClock
from adapters_tests.kinds_of_stores import Kind
from adapters_tests.redis_server import RedisServer
from adapters_tests.world import STATEMENT, World
from dcrauth import AdobePass, FileStore, MemoryStore, Store, TokenSource
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

from adapters_tests.naive_store import NaiveStore
from dcrauth.testing.store_contract import StoreContract


class TestNaive(StoreContract):
    @pytest.fixture
    def factory(self, tmp_path):
        return functools.partial(NaiveStore, tmp_path)

    def damage(self, store, key, content):
        store.path.write_bytes(content)
"""


def test_the_contract_finds_a_naive_store_out(tmp_path: Path) -> None:
    """Run over a store without locks, compare-and-swap and honest errors, the contract fails where it should."""
    (tmp_path / "test_naive.py").write_text(NAIVE)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
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
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
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
