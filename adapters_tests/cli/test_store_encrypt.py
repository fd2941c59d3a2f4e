"""The key for a store that is to be encrypted: made where nothing needs another one, read back, and then used."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from adapters_tests.cli.running import Run
from adapters_tests.common.world import STATEMENT
from adapters_tests.engine.test_store_copy import precious, put_client
from dcrauth import AdobePass, EncryptedStore, FileStore, MemoryStore, StoreUnavailable, TokenSource
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.store import encrypting
from dcrauth.errors import DCRAuthError, DecryptionFailed, InsecureStore, StoreCorrupt
from dcrauth.simulator import Simulator
from dcrauth.stores.first_key import first_key
from dcrauth.stores.keys import generate_key, key_from_keyring

OTHER = bytes(32)


class Keyring(KeyringBackend):
    """A keyring in memory, as a good one works; the others say how they do not."""

    priority = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.calls: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.calls.append("get")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.calls.append("set")
        self.kept[service, username] = password


class Silent(Keyring):
    """A locked one that says that nothing is there, and refuses what is new."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise keyring.errors.PasswordSetError("canary")


class Locked(Keyring):
    """A locked one that says so."""

    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.KeyringLocked("canary")


class Dropping(Keyring):
    """One that accepts what is new, and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        self.calls.append("set")


class Changing(Keyring):
    """One that keeps something else than what it was given."""

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = generate_key()


class Hanging(Keyring):
    """One that waits for somebody who is not there, until the test ends."""

    end = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.end.wait(20)
        return None


class HangingWhenSet(Keyring):
    """One that asks for a password where something is to be kept."""

    def set_password(self, service: str, username: str, password: str) -> None:
        Hanging.end.wait(20)


Use = Callable[[KeyringBackend], KeyringBackend]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Use]:
    """Set the keyring for a test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def use(backend: KeyringBackend) -> KeyringBackend:
        monkeypatch.setattr("keyring.core._keyring_backend", backend)
        return backend

    Hanging.end.clear()
    yield use
    Hanging.end.set()


@pytest.fixture
def plain(tmp_path: Path) -> FileStore:
    """A plain store with a client."""
    store = FileStore(tmp_path / "store")
    put_client(store, 0)
    return store


def test_a_key_is_made_read_back_and_used(use: Use, plain: FileStore) -> None:
    """Where no record is encrypted a key is made, and is what the keyring gives back; the next time it is that one."""
    backend = use(Keyring())
    key, is_new = first_key(plain, "key_service", "shop", timeout=5)
    assert is_new
    assert backend.calls == ["get", "get", "set", "get"]  # type: ignore[attr-defined]
    assert key == key_from_keyring("shop")()
    before = precious(plain)
    assert EncryptedStore(plain, keys=[key]).migrate() == 1
    assert first_key(plain, "key_service", "shop", timeout=5) == (key, False)
    assert precious(EncryptedStore(plain, keys=[key_from_keyring("shop")])) == before


FAILING = [
    (Silent, StoreUnavailable, "PasswordSetError; if it is locked, unlock it"),
    (Locked, StoreUnavailable, "KeyringLocked; if it is locked, unlock it"),
    (Dropping, StoreUnavailable, "gives nothing back: nothing was encrypted"),
    (Changing, StoreUnavailable, "gives another key back: nothing was encrypted"),
    (Hanging, StoreUnavailable, r"did not answer within 0\.1 s"),
    (HangingWhenSet, StoreUnavailable, r"did not answer within 0\.1 s"),
]


@pytest.mark.fault(
    "a keyring says that nothing is there, refuses, hangs, or takes a new key and drops it",
    "one error that says so, within a bound; nothing is encrypted with a key that could be lost",
)
@pytest.mark.parametrize(("kind", "error", "told"), FAILING, ids=[each[0].__name__ for each in FAILING])
def test_a_keyring_that_does_not_keep_encrypts_nothing(
    kind: type[Keyring], error: type[DCRAuthError], told: str, use: Use, plain: FileStore
) -> None:
    """Whatever a keyring does instead of keeping a key, one error says what to do, and no record is changed."""
    use(kind())
    before = precious(plain)
    with pytest.raises(error, match=told) as caught:
        first_key(plain, "key_service", "shop", timeout=0.1)
    assert "canary" not in str(caught.value)
    assert precious(plain) == before


@pytest.mark.parametrize("place", ["key_service", "key_file"])
def test_nothing_beside_encrypted_records_is_an_error(place: str, use: Use, plain: FileStore, tmp_path: Path) -> None:
    """A key that is missing beside encrypted records is never made anew, wherever it should be."""
    backend = use(Keyring())
    EncryptedStore(plain, keys=[OTHER]).migrate()
    name = {"key_service": "shop", "key_file": str(tmp_path / "key")}[place]
    with pytest.raises(DecryptionFailed, match="no key was made"):
        first_key(plain, place, name, timeout=5)
    assert "set" not in backend.calls  # type: ignore[attr-defined]
    assert not (tmp_path / "key").exists()


def test_records_that_cannot_be_read_are_not_taken_for_plain(use: Use) -> None:
    """Where it cannot be told whether a record is encrypted, no key is made."""

    class Damaged(MemoryStore):
        def get(self, key: str) -> bytes | None:
            raise StoreCorrupt("The row is damaged")

    class Unlisted(MemoryStore):
        def keys(self) -> Iterator[str]:
            yield from super().keys()
            raise StoreCorrupt("The row is damaged")

    backend = use(Keyring())
    for store in (Damaged(), Unlisted()):
        put_client(store, 0)
        with pytest.raises(StoreCorrupt):
            first_key(store, "key_service", "shop", timeout=5)
    assert "set" not in backend.calls  # type: ignore[attr-defined]


def test_of_many_at_once_all_have_the_one_key(use: Use, plain: FileStore) -> None:
    """Of many who find no key at the same moment one makes it, and all others have that one."""
    meeting = threading.Barrier(4)

    class Met(Keyring):
        counted = itertools.count()

        def get_password(self, service: str, username: str) -> str | None:
            found = super().get_password(service, username)
            if next(self.counted) < 4:  # the first look of each
                meeting.wait(10)
            Hanging.end.wait(0.02)  # it takes its time, so that another one could come in between
            return found

    use(Met())
    found: list[tuple[bytes, bool]] = []
    threads = [
        threading.Thread(target=lambda: found.append(first_key(plain, "key_service", "shop", timeout=20)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(found) == 4
    assert len({key for key, _ in found}) == 1


@pytest.mark.parametrize("kind", [Keyring, Silent, Locked, Hanging], ids=lambda kind: kind.__name__)
def test_no_program_registers_without_the_key(kind: type[Keyring], use: Use, adobe: Simulator, tmp_path: Path) -> None:
    """A program whose keyring says that there is no key, or nothing at all, makes no call and no key."""
    backend = use(kind())
    store = EncryptedStore(FileStore(tmp_path / "store"), keys=[key_from_keyring("shop", timeout=0.05)])
    source = TokenSource(AdobePass(STATEMENT, base_url=adobe.url), store=store)
    with pytest.raises((DecryptionFailed, StoreUnavailable)):
        source.token()
    assert adobe.counts.register == 0
    assert "set" not in backend.calls  # type: ignore[attr-defined]


# The command.


def test_the_command_encrypts_with_a_key_of_the_keyring(use: Use, plain: FileStore, run: Run, tmp_path: Path) -> None:
    """One command makes the key and encrypts; then each command is told the service, or the store's name says it."""
    use(Keyring())
    ended = run("store", "encrypt", "--store", tmp_path / "store", "--key-service", "shop")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == (
        "A new key is in the keyring shop; keep a copy of it apart from the store\n"
        "1 records encrypted; give --key-service shop from now on\n"
    )
    for named in (["--key-service", "shop", "--store", tmp_path / "store"],
                  ["--store", f"encrypted+file:{tmp_path / 'store'}?key_service=shop"]):  # fmt: skip
        found = json.loads(run("store", "stats", "--json", *named).out)
        assert (found["records"]["clients"], found["records"]["unreadable"]) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "told"),
    [(Locked, "unlock it"), (Hanging, "unlock it"), (Dropping, "keep the key in a file"), (None, "keeps nothing")],
    ids=["locked", "hanging", "dropping", "headless"],
)
def test_the_command_says_what_is_wrong_with_a_keyring(
    kind: type[Keyring] | None,
    told: str,
    use: Use,
    plain: FileStore,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a desktop, and with a keyring that is locked, the command ends with one sentence, within a bound."""
    monkeypatch.setattr(encrypting, "_PATIENCE", 0.1)
    if kind is None:
        from keyring.backends.fail import Keyring as Nothing  # what a machine without a desktop has

        use(Nothing())
    else:
        use(kind())
    before = precious(plain)
    ended = run("store", "encrypt", "--store", tmp_path / "store", "--key-service", "shop")
    assert (ended.status, ended.out, ended.err.count("\n")) == (ExitCode.STORE, "", 1)
    assert told in ended.err
    assert precious(plain) == before


def test_a_refused_backend_gets_no_key(plain: FileStore, use: Use) -> None:
    """A backend that keeps nothing is told as that, before anything is put there."""
    from keyring.backends.null import Keyring as Null  # a name that is in use here

    use(Null())
    with pytest.raises(InsecureStore, match="keeps nothing"):
        first_key(plain, "key_service", "shop", timeout=5)
