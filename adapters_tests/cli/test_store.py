"""dcrauth store: all its commands, with what they print, their statuses, and what they leave alone."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.cli.running import Run, in_a_process
from adapters_tests.cli.test_status import valid
from adapters_tests.engine.test_store_copy import of_every_kind, precious, put_client, token
from adapters_tests.engine.test_transfer import clients, filled, identity
from adapters_tests.servers.redis_server import RedisServer
from dcrauth import EncryptedStore, FileStore, SQLiteStore, SQLStore, Store, open_store
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.store import progress
from dcrauth.engine.copied_store import Phase
from dcrauth.stores.keys import key_from_file

DAMAGED = b"garbage"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    """A store with three clients, in the present folder."""
    monkeypatch.chdir(tmp_path)
    store = FileStore("old")
    for number in range(3):
        put_client(store, number)
    return store


def as_json(run: Run, schema: str, *arguments: object, status: int = 0) -> dict[str, Any]:
    """Return what a command prints with --json, which fits its schema."""
    ended = run("store", *arguments, "--json")
    assert (ended.status, ended.out.count("\n")) == (status, 1), ended.err
    return valid(json.loads(ended.out), schema)


def names(store: Store) -> dict[str, str]:
    return clients(store)


def test_a_store_is_copied_and_copied_again(run: Run, old: FileStore) -> None:
    """All that is precious arrives and is read back; to run it again does no harm, and says that all was there."""
    ended = run("store", "copy", "old", "sqlite:new.db")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == (
        "3 clients written, 0 already there, 0 different ones kept as they are\n"
        "0 tokens; 3 clients read back and found the same\n"
    )
    found = as_json(run, "store-copy", "copy", "old", "sqlite:new.db")
    assert (found["written"], found["present"], found["verified"]) == (0, 3, 3)
    with SQLiteStore("new.db") as new:
        assert precious(new) == precious(old)


def test_another_client_is_kept_and_told(run: Run, old: FileStore) -> None:
    """Where the other store has another client the command copies the rest, and ends with a sentence and a status."""
    put_client(FileStore("new"), 1, "other")
    ended = run("store", "copy", "old", "new")
    assert (ended.status, ended.err.count("\n")) == (ExitCode.USAGE, 1)
    assert identity(1).key[:8] in ended.err
    assert "import --overwrite" in ended.err
    assert names(FileStore("new"))[identity(1).credentials] == "other-1"
    found = as_json(run, "store-copy", "copy", "old", "new", status=2)
    assert found["kept"] == [identity(1).credentials]
    assert names(old)[identity(1).credentials] == "client-1"


def test_a_damaged_record_is_told_and_the_rest_is_copied(run: Run, old: FileStore) -> None:
    """A record that cannot be read is no reason to leave the others behind; the status says that something is."""
    old.put(identity(1).credentials, DAMAGED)
    ended = run("store", "copy", "old", "new")
    assert (ended.status, ended.err.count("\n")) == (ExitCode.STORE, 1)
    assert "1 records could not be read" in ended.err
    assert "encrypted+" in ended.err
    found = as_json(run, "store-copy", "copy", "old", "new", status=4)
    assert [each["record"] for each in found["unread"]] == [identity(1).credentials]
    assert found["present"] == 2


def test_records_of_a_later_version_are_told(run: Run, old: FileStore) -> None:
    """What this version does not know is left behind with a warning."""
    of_every_kind(old)
    ended = run("store", "copy", "old", "new")
    assert ended.status == 0
    assert ended.err == "dcrauth: warning: 1 records are of another version of dcrauth, and were left behind; upgrade\n"
    assert as_json(run, "store-copy", "copy", "old", "new")["unknown"] == 1


def test_an_encrypted_store_is_copied_by_its_name(run: Run, old: FileStore) -> None:
    """From plain to encrypted and back, the text that names a store says the key as well."""
    run("store", "encrypt", "--store", "apart", "--key-file", "key")
    assert run("store", "copy", "old", "encrypted+sqlite:new.db?key_file=key").status == 0
    with SQLiteStore("new.db") as inner:
        assert b"secret-" not in b"".join(inner.get(key) or b"" for key in inner.keys())
    assert run("store", "copy", "encrypted+sqlite:new.db?key_file=key", "back").status == 0
    assert precious(FileStore("back")) == precious(old)


@pytest.mark.parametrize(
    ("config", "variable", "source"),
    [
        ("[profiles.live]\nstore = '{folder}/old'", "", "profile:live"),
        ("", "{folder}/old", "env:WHERE"),
        ("[profiles.live]\nstore = 'env:WHERE'", "{folder}/old", "profile:live"),
    ],
    ids=["profile", "variable", "both"],
)
def test_a_store_with_a_password_is_named_elsewhere(
    config: str,
    variable: str,
    source: str,
    run: Run,
    old: FileStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A URL that must not be in the list of processes stands in a profile, or in a variable."""
    (tmp_path / ".config" / "dcrauth").mkdir(parents=True)
    (tmp_path / ".config" / "dcrauth" / "config.toml").write_text(config.format(folder=tmp_path))
    monkeypatch.setenv("WHERE", variable.format(folder=tmp_path))
    assert run("store", "copy", source, "new").status == 0
    assert precious(FileStore("new")) == precious(old)


def test_no_password_is_shown(run: Run, old: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there is told without user, password and options, in every output."""
    monkeypatch.setenv("WHERE", "redis://user:ca%6Eary-canary@127.0.0.1:1/0?client_name=canary")
    commands = ["copy old env:WHERE", "copy env:WHERE new", "check --store env:WHERE", "stats --store env:WHERE"]
    for command in [*commands, *(f"{each} --json" for each in commands)]:
        ended = run("store", *command.split())
        assert ended.status == ExitCode.STORE
        assert "127.0.0.1:1" in ended.out + ended.err
        assert "canary" not in ended.out + ended.err
    assert "canary" not in run("config", "--store", "env:WHERE").out


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("copy", ExitCode.USAGE, "FROM"),
        ("copy old", ExitCode.USAGE, "TO"),
        ("copy old old", ExitCode.USAGE, "same store"),
        ("copy old encrypted+file:old?key_file=key", ExitCode.USAGE, "same store"),
        ("copy gone new", ExitCode.USAGE, "nothing was copied"),
        ("copy old nosql:x", ExitCode.USAGE, "no store"),
        ("copy old memory:", ExitCode.USAGE, "ends with this command"),
        ("copy old text/new", ExitCode.STORE, "cannot"),
        ("copy text new", ExitCode.STORE, "text"),
        ("copy old sqlite:text", ExitCode.STORE, "not a database"),
        ("copy old sqlite+pysqlite:///gone.db", ExitCode.STORE, "a table of the store is not there"),
        ("copy old redis://u:p@127.0.0.1/0", ExitCode.USAGE, "can be seen by others"),
        ("copy old mysql+pymysql://h/d?passwd=x", ExitCode.USAGE, "can be seen by others"),
        ("copy old postgresql+psycopg://user:p@127.0.0.1:1/d", ExitCode.USAGE, "can be seen by others"),
        ("copy old mysql+pymysql://user:p@127.0.0.1:1/d", ExitCode.USAGE, "can be seen by others"),
        ("copy old encrypted+mariadb+pymysql://:p@127.0.0.1:1/d?key_file=key", ExitCode.USAGE, "can be seen by others"),
        ("copy old postgresql+psycopg://a:b@c@127.0.0.1:1/d", ExitCode.USAGE, "can be seen by others"),
        ("check --store=postgresql+psycopg://user@127.0.0.1:1/d?password=x", ExitCode.USAGE, "can be seen by others"),
        ("copy old redis://p@127.0.0.1/0", ExitCode.USAGE, "can be seen by others"),
        ("stats --store=redis+sentinel://p@127.0.0.1/clients", ExitCode.USAGE, "can be seen by others"),
        ("copy old postgresql+psycopg://user@127.0.0.1:1/d", ExitCode.STORE, "connection refused"),
        ("copy old mysql+pymysql://user@127.0.0.1:1/d", ExitCode.STORE, "connection refused"),
        ("create-tables --store=mariadb+pymysql://user@127.0.0.1:1/d", ExitCode.STORE, "connection refused"),
        ("copy env:GONE new", ExitCode.USAGE, "GONE"),
        ("copy profile:gone new", ExitCode.USAGE, "no profile 'gone'"),
        ("copy profile: new", ExitCode.USAGE, "is the name of a profile"),
        ("copy old profile:", ExitCode.USAGE, "is the name of a profile"),
        ("copy old encrypted+file:new?key_file=gone", ExitCode.STORE, "no key file"),
        ("copy old new too many", ExitCode.USAGE, "--help"),
        ("check --store nosql:x", ExitCode.USAGE, "no store"),
        ("check --store old --prefix x", ExitCode.USAGE, "for a Redis"),
        ("check --profile gone", ExitCode.USAGE, "no profile"),
        ("stats --store nosql:x", ExitCode.USAGE, "no store"),
        ("stats --store old --key-file gone", ExitCode.STORE, "no key file"),
        ("stats --store encrypted+file:old?key_file=key --key-file key", ExitCode.USAGE, "named twice"),
        ("stats old", ExitCode.USAGE, "--help"),
        ("encrypt --store old", ExitCode.USAGE, "one only"),
        ("encrypt --store old --key-file a --key-variable B", ExitCode.USAGE, "one only"),
        ("encrypt --store encrypted+file:old?key_file=key --key-file key", ExitCode.USAGE, "plain one"),
        ("encrypt --store old --key-variable GONE", ExitCode.STORE, "GONE"),
        ("encrypt --store old --key-file text", ExitCode.USAGE, "does not hold"),
        ("encrypt --store old --key-file gone/key", ExitCode.STORE, "No key can be written"),
        ("encrypt --store text --key-file new", ExitCode.STORE, "text"),
        ("create-tables", ExitCode.USAGE, "Name the database"),
        ("create-tables --store old", ExitCode.USAGE, "needs none"),
        ("create-tables --store redis://127.0.0.1:1/0", ExitCode.USAGE, "needs none"),
        ("create-tables --store sqlite+pysqlite:///a.db --prefix x", ExitCode.USAGE, "for a Redis"),
        ("create-tables --store sqlite+pysqlite:///gone/a.db", ExitCode.STORE, "see that its directory is there"),
        ("create-tables --store postgresql+psycopg://127.0.0.1:1/a", ExitCode.STORE, "connection refused"),
        ("ddl", ExitCode.USAGE, "Name the database"),
        ("ddl oracle", ExitCode.USAGE, "not oracle://"),
        ("ddl redis://h/0", ExitCode.USAGE, "not redis://"),
        ("ddl postgresql --table=", ExitCode.USAGE, "it is empty"),
        (f"ddl postgresql --table {'x' * 49}", ExitCode.USAGE, "1 to 48"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(
    command: str, code: ExitCode, told: str, run: Run, old: FileStore, tmp_path: Path
) -> None:
    """Missing, malformed, unreadable, unwritable and contradicting input: one sentence, a status, and nothing made."""
    (tmp_path / "text").write_text("text\n")
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text("0" * 64)
    before = precious(old)
    ended = run("store", *command.split())
    assert (ended.status, ended.out) == (code, "")
    assert ended.err.startswith("dcrauth: ")
    assert ended.err.count("\n") == 1
    assert told in ended.err
    assert precious(old) == before
    assert not any((tmp_path / name).exists() for name in ("gone", "new"))


def test_a_good_store_is_checked(run: Run, old: FileStore) -> None:
    """All records are read, and the status is that nothing is wrong; nothing is made where nothing is."""
    found = as_json(run, "check", "check", "--store", "old")
    assert {each["check"]: each["word"] for each in found["findings"]} == {
        "store": "ok", "mount": "ok", "permissions": "ok", "health": "ok", "records": "ok",
    }  # fmt: skip
    ended = run("store", "check", "--store", "gone")
    assert ended.status == 0
    assert "there are none" in ended.out
    assert not Path("gone").exists()
    assert max(map(len, ended.out.splitlines())) <= 80


def test_each_damaged_record_is_told(run: Run, old: FileStore) -> None:
    """A client that cannot be read is told by its key; of very many the first ones, and how many more there are."""
    for number in range(12):
        old.put(identity(number).credentials, DAMAGED)
    old.put(identity(13).token, DAMAGED)  # it is had anew
    found = as_json(run, "check", "check", "--store", "old", status=4)
    told = [each["found"] for each in found["findings"] if each["check"] == "record"]
    assert len(told) == 11
    assert told[-1] == "2 more records of clients cannot be read"
    ended = run("store", "check", "--store", "old")
    assert ended.status == ExitCode.STORE
    assert max(map(len, ended.out.splitlines())) <= 80


def test_a_key_that_is_not_there_is_a_finding(run: Run, old: FileStore) -> None:
    """Where the key of an encrypted store is gone, the check says so, and does not call the records damaged."""
    run("store", "encrypt", "--store", "old", "--key-file", "key")
    assert as_json(run, "check", "check", "--store", "old", "--key-file", "key")["exit_status"] == 0
    Path("key").unlink()
    found = as_json(run, "check", "check", "--store", "old", "--key-file", "key", status=4)
    assert [each["check"] for each in found["findings"]] == ["store"]


def test_a_store_is_counted(run: Run, old: FileStore) -> None:
    """Each kind of record is counted, and how many bytes there are; what cannot be read gives a status."""
    of_every_kind(old)
    old.put(*token(2, until=2.0**40))
    found = as_json(run, "store-stats", "stats", "--store", "old")
    assert found["records"] == {
        "clients": 4, "forgotten": 1, "kept_aside": 1, "tokens": 1, "expired_tokens": 3, "notes": 1, "found_anew": 1,
        "unknown": 1, "unreadable": 0,
    }  # fmt: skip
    assert found["bytes"] == sum(len(old.get(key) or b"") for key in old.keys())
    assert (found["first_registered_at"], found["last_registered_at"]) == (1.0, 1.0)
    old.put(identity(0).credentials, DAMAGED)
    assert as_json(run, "store-stats", "stats", "--store", "old", status=4)["records"]["unreadable"] == 1
    told = run("store", "stats", "--store", "old")
    assert told.status == ExitCode.STORE
    assert max(map(len, told.out.splitlines())) <= 80


def test_a_plain_store_is_encrypted_with_a_new_key(run: Run, old: FileStore) -> None:
    """A key file is made, readable by its owner only, and everything is under it; a second run has nothing to do."""
    before = precious(old)
    assert as_json(run, "store-encrypt", "encrypt", "--store", "old", "--key-file", "key") == {
        "schema": 1, "encrypted": 3, "key_made": True,
    }  # fmt: skip
    assert Path("key").stat().st_mode & 0o777 == 0o600
    assert precious(EncryptedStore(old, keys=[key_from_file("key")])) == before
    assert all(b"secret-" not in (old.get(key) or b"") for key in old.keys())
    ended = run("store", "encrypt", "--store", "old", "--key-file", "key")
    assert ended.out == "0 records encrypted; give --key-file key from now on\n"


def test_a_store_gets_no_second_key(run: Run, old: FileStore) -> None:
    """Where a record is under another key than the one that is named, nothing is written, a plain record neither."""
    run("store", "encrypt", "--store", "old", "--key-file", "key")
    run("store", "encrypt", "--store", "apart", "--key-file", "other")
    put_client(old, 7)  # a plain one
    before = precious(old)
    ended = run("store", "encrypt", "--store", "old", "--key-file", "other")
    assert (ended.status, ended.out, ended.err.count("\n")) == (ExitCode.STORE, "", 1)
    assert "Nothing was encrypted" in ended.err
    assert precious(old) == before
    assert run("store", "encrypt", "--store", "old", "--key-file", "key").status == 0


def test_a_store_without_records_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To encrypt nothing makes a key for later, with a warning: the name of the store may be a wrong one."""
    monkeypatch.chdir(tmp_path)
    ended = run("store", "encrypt", "--store", "typo", "--key-file", "key")
    assert ended.status == 0
    assert ended.err == (
        "dcrauth: warning: that store has no records; if your application has some, name the store that it uses\n"
    )


def test_no_key_is_made_beside_encrypted_records(run: Run, old: FileStore) -> None:
    """Where a record is encrypted already, a key that is missing stays missing, and nothing is changed."""
    run("store", "encrypt", "--store", "old", "--key-file", "key")
    put_client(old, 7)  # a plain one, by a program that has gone on
    before = precious(old)
    Path("key").rename("moved")
    ended = run("store", "encrypt", "--store", "old", "--key-file", "key")
    assert (ended.status, ended.err.count("\n")) == (ExitCode.STORE, 1)
    assert "no key was made" in ended.err
    assert not Path("key").exists()
    assert precious(old) == before


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb", "sqlite"])
def test_the_tables_are_printed(dialect: str, run: Run) -> None:
    """The statements make the tables of the store, under the names that are asked for, without any driver."""
    pytest.importorskip("sqlalchemy")
    plain = run("store", "ddl", dialect)
    assert plain.status == 0
    assert plain.out.count("CREATE TABLE") == plain.out.count(";\n") == 2
    found = as_json(run, "store-ddl", "ddl", dialect, "--table", "kept", "--schema", "apart")
    assert [each.partition(" (")[0] for each in found["statements"]] == [
        "CREATE TABLE apart.kept", "CREATE TABLE apart.kept_leases",
    ]  # fmt: skip
    assert found["dialect"] == dialect


def test_the_printed_tables_are_those_of_the_store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed for the store of the settings is its own ddl, and a store in such tables can be copied to."""
    monkeypatch.chdir(tmp_path)
    url = "sqlite+pysqlite:///new.db?table=kept"
    printed = run("store", "ddl", "--store", url).out
    with SQLStore("sqlite+pysqlite:///new.db", table="kept") as store:
        assert store.ddl().split() == printed.split()
        store.create_tables()
    filled(FileStore("old"))
    assert run("store", "copy", "old", url).status == 0
    with open_store(url) as same:  # type: ignore[attr-defined]
        assert len(names(same)) == 3


@pytest.mark.parametrize(
    "store",
    ["sqlite+pysqlite:///new.db?table=kept", "encrypted+sqlite+pysqlite:///new.db?table=kept&key_file=gone"],
    ids=["plain", "encrypted"],
)
def test_tables_are_made(store: str, run: Run, old: FileStore) -> None:
    """The tables are made once, which is told, for a plain and for an encrypted store, and nothing else is needed."""
    made, there = (run("store", "create-tables", "--store", store) for _ in range(2))
    assert (made.status, made.err, there.status, there.err) == (0, "", 0, "")
    assert made.out.endswith("made: kept, kept_leases\n")
    assert there.out.endswith("already there, left as they are: kept, kept_leases\n")
    assert run("store", "copy", "old", "sqlite+pysqlite:///new.db?table=kept").status == 0
    found = as_json(run, "store-create-tables", "create-tables", "--store", store)
    assert (found["made"], found["present"]) == ([], ["kept", "kept_leases"])
    assert len(list(open_store("sqlite+pysqlite:///new.db?table=kept").keys())) == 3


def test_one_table_is_made_beside_another(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tables of which one is there the other one is made."""
    monkeypatch.chdir(tmp_path)
    store = "sqlite+pysqlite:///new.db"
    run("store", "create-tables", "--store", store)
    with sqlite3.connect("new.db") as database:
        database.execute("DROP TABLE dcrauth_records_leases")
    database.close()
    found = as_json(run, "store-create-tables", "create-tables", "--store", store)
    assert (found["made"], found["present"]) == (["dcrauth_records_leases"], ["dcrauth_records"])


def test_a_table_of_somebody_else_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of that name with other columns is left as it is, and the exit status is that of a store."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("new.db") as database:
        database.execute("CREATE TABLE dcrauth_records (id INTEGER PRIMARY KEY, title TEXT)")
    database.close()
    ended = run("store", "create-tables", "--store", "sqlite+pysqlite:///new.db")
    assert (ended.status, ended.err.count("\n")) == (ExitCode.STORE, 1)
    assert "name another by table=" in ended.err


def test_missing_tables_are_told_with_what_makes_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tables are not there, the check names the command, and that is all there is to be done."""
    monkeypatch.chdir(tmp_path)
    store = "sqlite+pysqlite:///new.db"
    told = " ".join(run("store", "check", "--store", store).out.split())
    assert "dcrauth store create-tables does" in told
    assert "there are none" not in told
    assert run("store", "create-tables", "--store", store).status == 0
    assert run("store", "check", "--store", store).status == 0


class Terminal(io.StringIO):
    """An output that says that it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "is_shown"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (io.StringIO(), {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
        (None, {}, False),
    ],
    ids=["terminal", "dumb", "file", "coloured file", "closed"],
)
def test_the_bar_is_for_terminals(
    stream: io.StringIO | None, variables: dict[str, str], is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far a copy is shows on a terminal, within 80 columns, and nowhere else."""
    for name, value in {"COLUMNS": "200", "NO_COLOR": "1", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown_progress() as show:
        assert (show is not None) == is_shown
        if show is not None:
            show(Phase.COPYING, 3, 4)
    if stream is not None:
        assert ("copying" in stream.getvalue()) == ("3/4" in stream.getvalue()) == is_shown
        assert all(len(line) < 120 for line in stream.getvalue().splitlines())


@pytest.mark.slow
def test_a_bar_on_a_terminal_leaves_the_output_alone(old: FileStore, tmp_path: Path) -> None:
    """In a process whose errors go to a terminal, what is printed is the same bytes, and the bar is gone at the end."""
    master, slave = os.openpty()
    try:
        ended = in_a_process(["store", "copy", "old", "new", "--json"], stderr=slave, env={"TERM": "xterm"})
    finally:
        os.close(slave)
        os.close(master)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["written"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "encrypted redis"])
def test_a_redis_is_copied_to_and_from(
    kind: str, run: Run, old: FileStore, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Over a real server, with a prefix of its own, and encrypted."""
    of_every_kind(old)
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text("0" * 64)
    url = f"{redis_server.url}?prefix={kind[0]}-copy:"
    url = f"encrypted+{url}&key_file=key" if kind.startswith("encrypted") else url
    assert run("store", "copy", "old", url).status == 0
    assert run("store", "copy", url, "sqlite:back.db").status == 0
    with SQLiteStore("back.db") as back:
        assert clients_alone(back) == clients_alone(old)
    assert as_json(run, "check", "check", "--store", url)["exit_status"] == 0
    assert as_json(run, "store-stats", "stats", "--store", url)["records"]["clients"] == 4


def clients_alone(store: Store) -> dict[str, bytes | None]:
    return {key: store.get(key) for key in store.keys() if ".credentials" in key or ".replaced" in key}
