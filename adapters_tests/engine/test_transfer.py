"""Moving client credentials between stores: all of them, unchanged, and nothing is overwritten unasked."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.common.world import STATEMENT, World
from dcrauth import (
    AccessToken,
    AdobePass,
    ClientCredentials,
    ConfigurationError,
    EncryptedStore,
    FileStore,
    MemoryStore,
    RedisStore,
    SQLiteStore,
    Store,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TokenSource,
)
from dcrauth._internal.confidential import replaced
from dcrauth.cli.commands import main
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import (
    Forgotten,
    StoredCredentials,
    read_credentials,
    write_credentials,
    write_forgotten,
    write_token,
)
from dcrauth.engine.transfer import Transferred, copy_credentials, export_credentials, import_credentials


def identity(number: int) -> Identity:
    return Identity.of("https://a/register", "https://a/token", "app", f"instance {number}")


def pair(number: int, name: str = "client", at: float = 1.0) -> ClientCredentials:
    return ClientCredentials(f"{name}-{number}", f"secret-{number}", registered_at=at, metadata={"scopes": ["é"]})


def filled(store: Store, count: int = 3, name: str = "client") -> Store:
    """Put credentials and tokens of so many identities into *store*."""
    for number in range(count):
        key = identity(number).credentials
        store.add(key, write_credentials(key, pair(number, name)).data)
        token = AccessToken(f"token-{number}", 1.0, 2.0)
        store.put(identity(number).token, write_token(identity(number).token, token))
    return store


def clients(store: Store) -> dict[str, str]:
    found = {}
    for key in store.keys():
        if key.endswith(".token"):
            continue
        record = read_credentials(key, store.get(key) or b"")
        found[key] = record.credentials.client_id if isinstance(record, StoredCredentials) else "forgotten"
    return found


def test_all_credentials_are_copied_and_no_token() -> None:
    """Credentials arrive byte for byte, with those kept aside; tokens stay behind."""
    source, target = filled(MemoryStore()), MemoryStore()
    aside = identity(0).replaced(1)
    source.add(aside, write_credentials(aside, pair(9)).data)
    assert copy_credentials(source, target) == Transferred(written=4, present=0, kept=0)
    assert set(target.keys()) == {key for key in source.keys() if not key.endswith(".token")}
    assert all(target.get(key) == source.get(key) for key in target.keys())


def test_copying_twice_does_no_harm() -> None:
    """What is there already is left as it is and counted."""
    source, target = filled(MemoryStore()), MemoryStore()
    copy_credentials(source, target)
    before = {key: target.get(key) for key in target.keys()}
    assert copy_credentials(source, target, overwrite=True) == Transferred(written=0, present=3, kept=0)
    assert {key: target.get(key) for key in target.keys()} == before


def test_nothing_is_overwritten_unless_asked() -> None:
    """Different credentials in the target stay, and are counted."""
    source, target = filled(MemoryStore()), filled(MemoryStore(), 1, "other")
    assert copy_credentials(source, target) == Transferred(written=2, present=0, kept=1)
    assert clients(target)[identity(0).credentials] == "other-0"


def test_what_is_overwritten_is_kept_aside() -> None:
    """When asked to, the target takes the arriving pair as a later generation, and keeps its own aside."""
    source, target = filled(MemoryStore()), filled(MemoryStore(), 1, "other")
    assert copy_credentials(source, target, overwrite=True) == Transferred(written=3, present=0, kept=0)
    assert clients(target)[identity(0).credentials] == "client-0"
    assert clients(target)[identity(0).replaced(1)] == "other-0"
    key = identity(0).credentials
    assert read_credentials(key, target.get(key) or b"").generation == 2


def test_what_ends_a_transfer_leaves_no_token_of_a_replaced_client(tmp_path: Path) -> None:
    """A file that breaks off has replaced clients before that, and their tokens are gone as well."""
    target = filled(MemoryStore(), 1, "other")
    export_credentials(filled(MemoryStore(), 1), tmp_path / "export")
    lines = (tmp_path / "export").read_text().splitlines()
    (tmp_path / "export").write_text("\n".join(lines[:2]))
    with pytest.raises(ConfigurationError, match="cut short"):
        import_credentials(target, tmp_path / "export", overwrite=True)
    assert clients(target)[identity(0).credentials] == "client-0"
    assert target.get(identity(0).token) is None


def test_the_tokens_of_a_replaced_client_go_with_it() -> None:
    """A client that is replaced leaves no token that would be used on in its successor's place."""
    source, target = filled(MemoryStore()), filled(MemoryStore(), 1, "other")
    of_all_scopes = [f"{identity(number).key}.token{scope}" for number in (0, 1) for scope in ("", "-a scope")]
    for key in of_all_scopes:
        target.put(key, b"a token of the client that was here")
    copy_credentials(source, target, overwrite=True)
    assert [target.get(key) is None for key in of_all_scopes] == [True, True, False, False]


@pytest.mark.fault(
    "credentials are copied or exported from a store that is not there: a misspelled directory, another Redis prefix",
    "an error that says so; no empty backup is written, nothing is made in its place",
)
@pytest.mark.parametrize("kind", ["memory", "file", "sqlite", "encrypted", "redis"])
def test_a_store_that_is_not_there_is_no_success(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """Where no client credentials ever were there is nothing to move: an error, no file, and no store is made."""
    path = tmp_path / "nowhere"
    if kind == "redis":
        url = request.getfixturevalue("redis_server").url
        filled(RedisStore(url, prefix="shop:"), 1)
        store: Store = RedisStore(url, prefix="stop:")
    else:
        makers: dict[str, Callable[[], Store]] = {
            "memory": MemoryStore,
            "file": lambda: FileStore(path),
            "sqlite": lambda: SQLiteStore(path),
        }
        makers["encrypted"] = lambda: EncryptedStore(FileStore(path), keys=[bytes(32)])
        store = makers[kind]()
    with pytest.raises(ConfigurationError, match="no client credentials"):
        copy_credentials(store, MemoryStore())
    with pytest.raises(ConfigurationError, match="no client credentials"):
        export_credentials(store, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_tokens_alone_are_no_backup() -> None:
    """A store that has lost its client credentials and kept its tokens is not copied as if that were all."""
    source = filled(MemoryStore(), 1)
    source.delete(identity(0).credentials)
    with pytest.raises(ConfigurationError, match="no client credentials"):
        copy_credentials(source, MemoryStore())


def test_a_store_of_the_users_is_not_shown() -> None:
    """What a store says of itself may hold a password; an error names its class only."""

    @dataclass
    class VaultStore(MemoryStore):
        url: str

        def keys(self) -> Iterator[str]:
            return iter(())

    with pytest.raises(ConfigurationError, match="VaultStore") as caught:
        copy_credentials(VaultStore("db://user:canary@host"), MemoryStore())
    assert "canary" not in str(caught.value)


def test_what_was_forgotten_stays_forgotten() -> None:
    """A note that credentials were deleted on purpose is not copied, and gives way only when asked to."""
    key = identity(0).credentials
    source, target = filled(MemoryStore(), 1), MemoryStore()
    target.add(key, write_forgotten(key, 2, 1.0).data)
    assert copy_credentials(target, MemoryStore()) == Transferred(0, 0, 0)  # it is the right store: it has a note
    assert copy_credentials(source, target) == Transferred(written=0, present=0, kept=1, forgotten=1)
    assert isinstance(read_credentials(key, target.get(key) or b""), Forgotten)
    assert copy_credentials(source, target, overwrite=True) == Transferred(written=1, present=0, kept=0)
    assert clients(target) == {key: "client-0"}


def test_a_pair_kept_aside_is_never_overwritten() -> None:
    """Even when asked to overwrite, what was kept aside in the target stays; what arrives gets a place of its own."""
    source, target = MemoryStore(), MemoryStore()
    aside = identity(0).replaced(1)
    source.add(aside, write_credentials(aside, pair(1)).data)
    target.add(aside, write_credentials(aside, pair(2)).data)
    assert copy_credentials(source, target, overwrite=True) == Transferred(written=1, present=0, kept=0)
    assert clients(target) == {aside: "client-2", identity(0).replaced(2): "client-1"}
    assert copy_credentials(source, target, overwrite=True) == Transferred(written=0, present=1, kept=0)


def test_the_same_client_with_a_later_secret_is_taken() -> None:
    """A client whose secret was renewed takes the place of its own earlier record, never the other way round."""
    source, target, key = MemoryStore(), MemoryStore(), identity(0).credentials
    source.add(key, write_credentials(key, replaced(pair(0), client_secret="renewed"), 2).data)
    target.add(key, write_credentials(key, pair(0)).data)
    assert copy_credentials(source, target) == Transferred(written=1, present=0, kept=0)
    assert target.get(key) == source.get(key)
    assert clients(target)[identity(0).replaced(1)] == "client-0"
    back = MemoryStore()
    back.add(key, write_credentials(key, pair(0)).data)
    for overwrite in (False, True):
        assert copy_credentials(back, target, overwrite=overwrite) == Transferred(written=0, present=1, kept=0)
        assert target.get(key) == source.get(key)


def test_a_damaged_record_stops_the_copy_and_loses_nothing() -> None:
    """A record that cannot be read is an error; both stores keep what they have."""
    source, target = filled(MemoryStore()), filled(MemoryStore(), 1, "other")
    source.put(identity(1).credentials, b"garbage")
    with pytest.raises(StoreCorrupt):
        copy_credentials(source, target, overwrite=True)
    assert source.get(identity(1).credentials) == b"garbage"
    assert "other-0" in clients(target).values()


def test_a_target_that_cannot_be_written_is_found_first(tmp_path: Path) -> None:
    """A target that cannot be written to is an error before anything is read."""

    class Unreadable(MemoryStore):
        def keys(self) -> Iterator[str]:
            raise AssertionError("read too early")

    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        copy_credentials(Unreadable(), FileStore(tmp_path / "file" / "store"))


def test_a_race_for_the_target_is_told() -> None:
    """When another process replaces a pair at the same moment, the transfer stops and says so."""

    class Busy(MemoryStore):
        def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
            return False

    with pytest.raises(StoreUnavailable, match="again"):
        copy_credentials(filled(MemoryStore()), filled(Busy(), 1, "other"), overwrite=True)


def test_export_and_import(tmp_path: Path) -> None:
    """An exported file, readable by its owner only, brings everything into another store."""
    source, target = filled(MemoryStore()), MemoryStore()
    path = tmp_path / "export"
    before = os.umask(0)
    try:
        assert export_credentials(source, path) == 3
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert import_credentials(target, path) == Transferred(written=3, present=0, kept=0)
    assert all(target.get(key) == source.get(key) for key in target.keys())


def test_an_export_overwrites_no_file(tmp_path: Path) -> None:
    """A file that exists, or a link, is left as it is."""
    path, link = tmp_path / "export", tmp_path / "link"
    path.write_text("precious")
    link.symlink_to(tmp_path / "nowhere")
    for each in (path, link):
        with pytest.raises(ConfigurationError, match="exists already"):
            export_credentials(filled(MemoryStore()), each)
    assert path.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Half an export is none: the file is removed."""
    store = filled(MemoryStore())
    store.put(identity(1).credentials, b"garbage")
    with pytest.raises(StoreCorrupt):
        export_credentials(store, tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.fault(
    "an export ends half-way: the disk is full, or the store fails",
    "an error with the place and the reason, and no file; one that was cut short is not taken for whole",
)
def test_an_export_without_room_leaves_no_file(tmp_path: Path) -> None:
    """An export for which there is no room is an error in a sentence, and not half a file."""
    filled(FileStore(tmp_path / "old"))
    command = f"ulimit -f 1; exec {sys.executable} -m dcrauth export --store {tmp_path}/old {tmp_path}/export"
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)  # noqa: S607
    assert found.returncode == 2
    assert found.stderr == f"dcrauth: {tmp_path}/export cannot be written: File too large; choose another place\n"
    assert not (tmp_path / "export").exists()


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """What the system says of a name becomes an error with the name, and with what to do."""
    for name in (tmp_path / "no" / "folder", "nothing\0here", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigurationError, match=r"choose another place|there can be none"):
            export_credentials(filled(MemoryStore()), name)


def test_a_failing_store_is_not_taken_for_a_failing_file(tmp_path: Path) -> None:
    """What a store raises comes out of a transfer as it is, though it looks like an error of the file."""

    class Broken(MemoryStore):
        def keys(self) -> Iterator[str]:
            raise PermissionError("keys")

        def healthcheck(self) -> None:
            raise PermissionError("healthcheck")

    export_credentials(filled(MemoryStore()), tmp_path / "export")
    with pytest.raises(PermissionError, match="keys"):
        export_credentials(Broken(), tmp_path / "new")
    with pytest.raises(PermissionError, match="healthcheck"):
        import_credentials(Broken(), tmp_path / "export")
    assert not (tmp_path / "new").exists()


def heading() -> str:
    return json.dumps({"format": "dcrauth-export", "schema": 1})


RECORD = {"key": identity(0).credentials, "record": write_credentials(identity(0).credentials, pair(0)).data.decode()}
TOKEN = {"key": identity(0).token, "record": write_token(identity(0).token, AccessToken("t", 1.0, 2.0)).decode()}
MOVED = RECORD | {"key": identity(1).credentials}
FORGOTTEN = RECORD | {"record": write_forgotten(identity(0).credentials, 2, 1.0).data.decode()}


@pytest.mark.parametrize(
    ("lines", "error", "text"),
    [
        ([], ConfigurationError, "line 1"),
        (["secret"], ConfigurationError, "line 1"),
        (['{"format":"dcrauth-export","schema":2}'], ConfigurationError, "this version"),
        ([heading(), "secret"], ConfigurationError, "line 2"),
        ([heading(), "{}"], ConfigurationError, "line 2"),
        ([heading(), json.dumps(TOKEN)], ConfigurationError, "line 2"),
        ([heading(), json.dumps(RECORD), json.dumps(MOVED)], StoreCorrupt, "another key"),
        ([heading(), json.dumps(FORGOTTEN)], StoreCorrupt, "line 2"),
        ([heading(), json.dumps(RECORD)[:-9] + '"}'], StoreCorrupt, "damaged"),
        ([heading(), "\udcff"], ConfigurationError, "which is text"),
        ([heading()], ConfigurationError, "cut short after line 1"),
        ([heading(), json.dumps(RECORD)], ConfigurationError, "cut short after line 2"),
        ([heading(), json.dumps(RECORD), '{"records": 2}'], ConfigurationError, "line 3"),
        ([heading(), json.dumps(RECORD), '{"records": 1}', heading()], ConfigurationError, "line 3"),
        (["x" * (17 << 20)], ConfigurationError, "line 1"),
    ],
    ids=range(15),
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, lines: list[str], error: type, text: str) -> None:
    """Whatever is wrong with a file is told with its line, and without its content."""
    path = tmp_path / "export"
    path.write_text("\n".join(lines), errors="surrogateescape")
    with pytest.raises(error, match=text) as caught:
        import_credentials(MemoryStore(), path)
    assert "secret" not in str(caught.value)


def test_an_export_without_its_end_is_not_taken_for_whole(tmp_path: Path) -> None:
    """A file that was cut short, wherever that was, is refused, and the whole one can be imported afterwards."""
    whole, cut, target = tmp_path / "whole", tmp_path / "cut", MemoryStore()
    export_credentials(filled(MemoryStore()), whole)
    content = whole.read_bytes()
    for length in (*range(0, len(content), 29), len(content) - 2):
        cut.write_bytes(content[:length])
        with pytest.raises(ConfigurationError):
            import_credentials(target, cut)
    assert import_credentials(target, whole) == Transferred(written=0, present=3, kept=0)


def test_a_file_of_another_kind_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """A name with a typing error makes no store, and a directory or device is told as quickly as a missing file."""
    (tmp_path / "note").write_text("milk, bread")
    for name in (tmp_path / "nothing", tmp_path / "note", tmp_path, "/dev/zero"):
        with pytest.raises(ConfigurationError, match=str(name)):
            import_credentials(FileStore(tmp_path / "new"), name)
    assert not (tmp_path / "new").exists()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """There being no file is an error with its name."""
    with pytest.raises(ConfigurationError, match="nothing-here"):
        import_credentials(MemoryStore(), tmp_path / "nothing-here")
    with pytest.raises(ConfigurationError, match="there can be none"):
        import_credentials(MemoryStore(), "nothing\0here")


def test_a_moved_client_is_used_on(tmp_path: Path) -> None:
    """After a move to another store the application goes on with the same client, and does not register."""
    world = World()

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    old, new = FileStore(tmp_path / "old"), FileStore(tmp_path / "new")
    TokenSource(AdobePass(STATEMENT), store=old, transport=Direct()).token()
    copy_credentials(old, new)
    TokenSource(AdobePass(STATEMENT), store=new, transport=Direct()).token()
    assert world.used == ["client-1", "client-1"]
    assert world.registrations == 1


def test_the_command_exports_and_imports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands export and import move credentials, overwrite nothing unasked, and say what they did."""
    filled(FileStore(tmp_path / "old"))
    filled(FileStore(tmp_path / "new"), 1, "other")
    exported = str(tmp_path / "export")
    assert main(["export", "--store", str(tmp_path / "old"), exported]) == 0
    monkeypatch.setenv("DCRAUTH_STORE", str(tmp_path / "new"))
    assert main(["import", exported]) == 2  # one was kept out, which is no success
    assert "2 written, 0 already there, 1 different" in capsys.readouterr().out
    assert main(["import", "--overwrite", exported]) == 0
    assert "1 written, 2 already there, 0 different" in capsys.readouterr().out
    assert clients(FileStore(tmp_path / "new"))[identity(0).credentials] == "client-0"


def test_the_command_knows_every_store(tmp_path: Path, capsys: pytest.CaptureFixture[str], redis_server: Any) -> None:
    """The command takes a directory, an SQLite file, a Redis and an encrypted store."""
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text("00" * 32)
    sealed = ["--store", str(tmp_path / "sealed"), "--key-file", str(key_file)]
    stores = [["--store", f"sqlite:{tmp_path}/records.db"], ["--store", redis_server.url], sealed]
    filled(FileStore(tmp_path / "old"))
    before = ["--store", str(tmp_path / "old")]
    for number, store in enumerate(stores):
        assert main(["export", *before, str(tmp_path / str(number))]) == 0
        assert main(["import", *store, str(tmp_path / str(number))]) == 0
        assert "3 written" in capsys.readouterr().out
        before = store
    with pytest.raises(StoreCorrupt):
        list(clients(FileStore(tmp_path / "sealed")))
