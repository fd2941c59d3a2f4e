"""A whole store goes into another one: nothing precious is left behind, nobody's client is overwritten, all is read."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.engine.test_transfer import clients, filled, identity, pair
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from dcrauth import (
    AccessToken,
    AdobePass,
    ClientCredentials,
    ConfigurationError,
    EncryptedStore,
    FileStore,
    MemoryStore,
    SQLiteStore,
    Store,
    StoreCorrupt,
    StoreLost,
    StoreUnavailable,
    TokenSource,
)
from dcrauth._internal.confidential import replaced
from dcrauth.engine import store_copy
from dcrauth.engine.copied_store import CopiedStore, Phase
from dcrauth.engine.record_kinds import Kind as RecordKind
from dcrauth.engine.record_kinds import kind_of
from dcrauth.engine.records import (
    UnusableRegistration,
    write_credentials,
    write_forgotten,
    write_kept,
    write_token,
    write_unusable,
)
from dcrauth.engine.store_copy import copy_store
from dcrauth.simulator import Simulator

NOW = 1_000.0
MANAGED = {"registration_access_token": "manages it", "registration_client_uri": "https://a/client/1"}
LATER = f"{'c' * 64}.of-a-later-version"


def token(number: int, value: str = "token", until: float = NOW + 60) -> tuple[str, bytes]:
    """Return the key and the record of a token."""
    key = identity(number).token
    return key, write_token(key, AccessToken(value, NOW - 60, until))


def put_client(store: Store, number: int, name: str = "client", generation: int = 1) -> None:
    """Put a client in the place of whatever is there."""
    key = identity(number).credentials
    store.put(key, write_credentials(key, pair(number, name), generation).data)


def of_every_kind(store: Store) -> Store:
    """Fill *store* with a record of every kind."""
    for number in range(3):
        put_client(store, number)
    key, aside = identity(3).credentials, identity(3).replaced(1)
    store.add(key, write_credentials(key, replaced(pair(3), metadata=MANAGED), 2).data)
    store.add(aside, write_credentials(aside, pair(3), 1).data)
    store.add(identity(4).credentials, write_forgotten(identity(4).credentials, 2, NOW).data)
    note = UnusableRegistration(NOW, "digest", 200)
    store.put(identity(5).registration, write_unusable(identity(5).registration, note))
    store.put(*token(0))
    store.put(f"{identity(0).token}-scope", write_token(f"{identity(0).token}-scope", AccessToken("s", 0.0, NOW + 9)))
    store.put(*token(1, until=NOW - 1))
    store.put(identity(0).kept, write_kept(identity(0).kept, {"found": "anew"}))
    store.put(LATER, b"what nobody knows")
    return store


def copied(source: Store, target: Store, **options: Any) -> CopiedStore:
    """Copy by the clock of these tests."""
    return copy_store(source, target, wall=lambda: NOW, **options)


def precious(store: Store) -> dict[str, bytes | None]:
    """Return all that has to arrive."""
    left = {identity(1).token, identity(0).kept, LATER}
    return {key: store.get(key) for key in store.keys() if key not in left}


KINDS: dict[str, Callable[[Path], Kind]] = {
    "memory": lambda _: kinds.memory(),
    "file": kinds.file,
    "sqlite": kinds.sqlite,
    "sql": lambda folder: kinds.in_sql(f"sqlite:///{folder}/records.db"),
    "encrypted": lambda folder: kinds.encrypted(kinds.file(folder)),
}
QUICK = {("file", "sqlite"), ("sqlite", "file"), ("file", "encrypted"), ("encrypted", "sql"), ("sql", "memory")}
PAIRS = [
    pytest.param(one, other, id=f"{one}-{other}", marks=[pytest.mark.slow] * ((one, other) not in QUICK))
    for one, other in itertools.product(KINDS, KINDS)
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_all_that_is_precious_arrives(one: str, other: str, tmp_path: Path) -> None:
    """From each kind of store into each other one all that must not be lost arrives byte for byte, and good tokens."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    source, target = KINDS[one](tmp_path / "a").open(), KINDS[other](tmp_path / "b").open()
    before = precious(of_every_kind(source))
    done = copied(source, target)
    assert (done.written, done.present, done.verified) == (6, 0, 6)
    assert (done.tokens, done.notes, done.unknown) == (2, 1, 1)
    assert done.kept | done.missing | set(done.unread) == set()
    assert {key: target.get(key) for key in target.keys()} == before == precious(source)
    again = copied(source, target)
    assert (again.written, again.present, again.verified, again.tokens, again.notes) == (0, 6, 6, 0, 0)
    for store in (source, target):
        getattr(store, "close", lambda: None)()


@pytest.mark.fault("a copy of a store breaks off at any record", "run anew it goes on; nothing is lost or there twice")
@pytest.mark.parametrize("calls", range(9))
def test_a_copy_that_breaks_off_is_taken_up_again(calls: int) -> None:
    """Whichever write the target fails at, what was written stays, and the next run writes the rest."""

    class Failing(MemoryStore):
        left = calls

        def add(self, key: str, value: bytes) -> bool:
            if not self.left:
                raise StoreUnavailable("The disk is full")
            self.left -= 1
            return super().add(key, value)

    source, target = of_every_kind(MemoryStore()), Failing()
    with pytest.raises(StoreUnavailable, match="full"):
        copied(source, target, threads=1)
    before = set(target.keys())
    assert len(before) == calls
    target.left = 100
    done = copied(source, target)
    of_clients = sum(kind_of(key) in {RecordKind.CLIENT, RecordKind.ASIDE} for key in before)
    assert (done.written, done.present) == (6 - of_clients, of_clients)
    assert precious(target) == precious(source)


def test_another_client_is_never_overwritten() -> None:
    """Where the target has another client, that one stays, with its token and without the other's."""
    source, target = of_every_kind(MemoryStore()), MemoryStore()
    put_client(target, 0, "other")
    done = copied(source, target)
    assert done.kept == {identity(0).credentials}
    assert clients(_clients_only(target))[identity(0).credentials] == "other-0"
    assert target.get(identity(0).token) is None
    assert (done.written, done.verified) == (5, 5)


def _clients_only(store: Store) -> Store:
    """Return a store with the clients of *store* alone."""
    found = MemoryStore()
    for key in store.keys():
        if kind_of(key) in {RecordKind.CLIENT, RecordKind.ASIDE}:
            found.add(key, store.get(key) or b"")
    return found


@pytest.mark.parametrize(("is_forgotten_in", "kept"), [("source", True), ("target", False)])
def test_a_deletion_is_not_undone_and_deletes_nothing(is_forgotten_in: str, kept: bool) -> None:
    """A client that was deleted on purpose in one store stays deleted there, and stays in the other one."""
    source, target, key = filled(MemoryStore(), 1), filled(MemoryStore(), 1), identity(0).credentials
    store = {"source": source, "target": target}[is_forgotten_in]
    store.put(key, write_forgotten(key, 2, NOW).data)
    before, done = target.get(key), copied(source, target)
    assert (done.kept, done.present) == (({key}, 0) if kept else (set(), 1))
    assert target.get(key) == before


def test_what_the_target_has_done_since_is_no_other_client() -> None:
    """Run again after the switch, a copy finds secrets renewed, clients deleted and registered anew, and is content."""
    source, target = filled(MemoryStore(), 3), MemoryStore()
    source.put(identity(2).credentials, write_forgotten(identity(2).credentials, 2, NOW).data)
    copied(source, target)
    renewed = replaced(pair(0), client_secret="renewed")
    target.put(identity(0).credentials, write_credentials(identity(0).credentials, renewed, 2).data)
    target.put(identity(1).credentials, write_forgotten(identity(1).credentials, 2, NOW).data)
    target.put(identity(2).credentials, write_credentials(identity(2).credentials, pair(7), 3).data)
    before = {key: target.get(key) for key in target.keys()}
    done = copied(source, target)
    assert (done.written, done.kept, done.present, done.verified) == (0, set(), 3, 3)
    assert {key: target.get(key) for key in target.keys()} == before


def test_a_secret_that_was_renewed_since_arrives_with_the_next_run() -> None:
    """A copy that is run again takes later secrets of the same clients along, and keeps the earlier ones aside."""
    source, target, key = filled(MemoryStore(), 1), MemoryStore(), identity(0).credentials
    copied(source, target)
    source.put(key, write_credentials(key, replaced(pair(0), client_secret="renewed"), 2).data)
    assert copied(source, target).written == 1
    assert target.get(key) == source.get(key)
    assert identity(0).replaced(1) in set(target.keys())


def test_a_good_token_takes_the_place_of_one_that_has_ended() -> None:
    """Run again before the switch, a copy brings tokens that are good; a good one in the target stays."""
    source, target = MemoryStore(), MemoryStore()
    for number in (0, 1):
        put_client(source, number)
        source.put(*token(number, "of-the-source"))
    target.put(*token(0, "ended", NOW - 1))
    target.put(*token(1, "good"))
    assert copied(source, target).tokens == 1
    assert [target.get(key) == data for key, data in (token(0, "of-the-source"), token(1, "good"))] == [True, True]


@pytest.mark.parametrize("where", ["source", "target"])
def test_a_damaged_record_is_told_and_all_others_are_copied(where: str) -> None:
    """What cannot be read is left as it is in both stores, and told by its key; the rest arrives."""
    source, target = of_every_kind(MemoryStore()), MemoryStore()
    key = identity(1).credentials
    {"source": source, "target": target}[where].put(key, b"garbage")
    source.put(identity(5).registration, b"garbage")  # it may be lost
    done = copied(source, target)
    assert set(done.unread) == {key}
    assert (done.written, done.verified, done.notes) == (5, 5, 0)
    assert target.get(key) == (b"garbage" if where == "target" else None)


def test_what_cannot_be_listed_is_told() -> None:
    """A list that ends with an error is copied as far as it goes; one that is nothing but an error is that error."""

    class Damaged(MemoryStore):
        def keys(self) -> Iterator[str]:
            yield from super().keys()
            raise StoreCorrupt("A row is damaged")

    target = MemoryStore()
    done = copied(of_every_kind(Damaged()), target)
    assert (set(done.unread), done.written) == ({""}, 6)
    with pytest.raises(StoreCorrupt, match="row"):
        copied(Damaged(), target)


@pytest.mark.fault(
    "the store that is copied to acknowledges records and does not keep them", "the copy reads back, and says so"
)
def test_what_the_target_does_not_give_back_is_noticed() -> None:
    """A target that evicts what it has acknowledged is found out when all is read back."""

    class Evicting(MemoryStore):
        def get_many(self, keys: object) -> dict[str, bytes | None]:
            self.delete(identity(1).credentials)
            return super().get_many(keys)  # type: ignore[arg-type,return-value]

        def get(self, key: str) -> bytes | None:
            return super().get(key)

    done = copied(of_every_kind(MemoryStore()), Evicting())
    assert done.missing == {identity(1).credentials}
    assert done.verified == 5


def test_both_stores_are_locked_while_an_identity_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals of an identity are kept out of both stores; where a holder hangs, the copy goes on without the lock."""
    taken: list[tuple[str, str]] = []

    class Locked(MemoryStore):
        name = ""

        def lock(self, key: str, *, wait: float) -> AbstractContextManager[None]:
            taken.append((self.name, key))
            return super().lock(key, wait=wait)

    source, target = Locked(), Locked()
    source.name, target.name = "source", "target"
    filled(source, 1)
    monkeypatch.setattr(store_copy, "_LOCK_WAIT", 0.01)
    with target.lock(identity(0).key, wait=1):
        taken.clear()
        assert copied(source, target).written == 1
    assert taken == [("source", identity(0).key), ("target", identity(0).key)]


def test_programs_go_on_with_the_copy(adobe: Simulator, tmp_path: Path) -> None:
    """A program that is shown the new store has the same client and the same token, and makes no call."""
    provider = AdobePass(adobe.software_statement, base_url=adobe.url)
    old, new = FileStore(tmp_path / "old"), SQLiteStore(tmp_path / "new.db")
    value = TokenSource(provider, store=old).token()
    copy_store(old, new)
    assert TokenSource(provider, store=new).token() == value
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)
    new.close()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_store_is_not_copied_into_itself(encrypted: bool, tmp_path: Path) -> None:
    """By another spelling, or encrypted, it is the same storage, and nothing is done."""
    source = filled(FileStore(tmp_path / "store"))
    same: Store = FileStore(tmp_path / "x" / ".." / "store")
    with pytest.raises(ConfigurationError, match="same store"):
        copied(source, EncryptedStore(same, keys=[kinds.KEY]) if encrypted else same)


def test_a_store_without_clients_is_not_the_one_that_was_meant(tmp_path: Path) -> None:
    """An empty store, and one with tokens alone, is an error before anything is made; a lost one is told as lost."""
    source, target = MemoryStore(), FileStore(tmp_path / "new")
    source.put(*token(0))
    for store in (MemoryStore(), source):
        with pytest.raises(ConfigurationError, match="no client credentials"):
            copied(store, target)

    class Lost(MemoryStore):
        def keys(self) -> Iterator[str]:
            raise StoreLost("It was in use before")

    with pytest.raises(StoreLost):
        copied(Lost(), target)
    assert not (tmp_path / "new").exists()


def test_many_identities_are_copied_at_a_time() -> None:
    """As many as are asked for wait for the store at the same moment, and nothing is counted twice or left out."""
    meeting = threading.Barrier(3)

    class Slow(MemoryStore):
        def add(self, key: str, value: bytes) -> bool:
            meeting.wait(10)
            return super().add(key, value)

    source, target = MemoryStore(), Slow()
    for number in range(9):
        put_client(source, number)
    done = copied(source, target, threads=3)
    assert (done.written, done.verified) == (9, 9)
    with pytest.raises(ConfigurationError, match="threads"):
        copied(source, target, threads=0)


def test_its_course_is_told() -> None:
    """Both phases are told in parts, up to their ends."""
    source, told = MemoryStore(), list[tuple[Phase, int, int]]()
    for number in range(150):
        put_client(source, number)
    copy_store(source, MemoryStore(), progress=lambda *each: told.append(each), wall=lambda: NOW)
    assert told == [(phase, count, 150) for phase in Phase for count in (100, 150)]


def test_no_secret_is_in_what_it_tells() -> None:
    """What a copy has come to shows no secret, of damaged records either."""
    source = of_every_kind(MemoryStore())
    key = identity(0).credentials
    source.put(key, write_credentials(key, ClientCredentials("id", "canary")).data[:-1])
    assert "canary" not in repr(copied(source, MemoryStore()))
