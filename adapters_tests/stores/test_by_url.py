"""Stores by one text, as settings and commands name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcrauth import (
    ConfigurationError,
    EncryptedStore,
    FileStore,
    MemoryStore,
    RedisStore,
    SQLiteStore,
    SQLStore,
    open_store,
)
from dcrauth.stores.keys import generate_key


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("folder", FileStore),
        ("./od:d", FileStore),
        ("file:folder", FileStore),
        ("sqlite:file.db", SQLiteStore),
        ("SQLite:file.db", SQLiteStore),
        ("redis://127.0.0.1:1/0", RedisStore),
        ("rediss://:secret@127.0.0.1:1/0", RedisStore),
        ("unix:///nowhere.sock", RedisStore),
        ("redis+cluster://:secret@127.0.0.1:1,127.0.0.1:2", RedisStore),
        ("rediss+cluster://127.0.0.1:1?ssl_cert_reqs=required", RedisStore),
        ("redis+sentinel://user:secret@127.0.0.1:1,127.0.0.1:2/clients/0?sentinel_password=secret", RedisStore),
        ("Rediss+Sentinel://127.0.0.1/clients", RedisStore),
        ("postgresql+psycopg://user:secret@127.0.0.1:1/clients", SQLStore),
        ("mariadb+pymysql://127.0.0.1:1/clients", SQLStore),
        ("sqlite+pysqlite:///file.db", SQLStore),
        ("memory:", MemoryStore),
        ("encrypted+file:folder?key_variable=KEY", EncryptedStore),
        ("encrypted+sqlite:file.db?key_file=new&key_file=old", EncryptedStore),
        ("encrypted+rediss://:secret@127.0.0.1:1/0?key_service=shop&prefix=shop:", EncryptedStore),
        ("encrypted+folder?key_file=key", EncryptedStore),
        ("encrypted+/no/where/folder?key_file=/key", EncryptedStore),
        ("Encrypted+./od:d?key_service=shop", EncryptedStore),
        ("env:NAMED", SQLiteStore),
    ],
)
def test_a_text_names_a_store(url: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of store has a form that names it, and nothing is made or called by that."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAMED", " sqlite:file.db\n")
    assert type(open_store(url)) is kind
    assert not list(tmp_path.iterdir())


def test_what_it_names_is_where_it_keeps(tmp_path: Path) -> None:
    """A record that is written to a store by its name is found by its path."""
    assert open_store(f"file:{tmp_path / 'store'}").add("key", b"value")
    assert FileStore(tmp_path / "store").get("key") == b"value"
    assert open_store(f"sqlite:{tmp_path / 'store.db'}").add("key", b"value")
    assert SQLiteStore(tmp_path / "store.db").get("key") == b"value"


def test_a_prefix_goes_to_a_redis() -> None:
    """The prefix is that of the Redis store, and no other store takes one."""
    assert "shop:" in repr(open_store("redis://127.0.0.1:1/0", prefix="shop:"))
    with pytest.raises(ConfigurationError, match="prefix is for a Redis"):
        open_store("folder", prefix="shop:")


@pytest.mark.parametrize("key", ["key_variable=KEY", "key_file={folder}/key"])
def test_a_text_names_the_key_as_well(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an encrypted store by its name has written is read with the key that is named, and is not plain."""
    text = generate_key()
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(text)
    monkeypatch.setenv("KEY", text)
    with open_store(f"encrypted+sqlite:{tmp_path}/s.db?{key.format(folder=tmp_path)}") as store:  # type: ignore[attr-defined]
        store.add("key", b"value")
        assert store.get("key") == b"value"
    with SQLiteStore(tmp_path / "s.db") as inner:
        assert b"value" not in (inner.get("key") or b"value")


def test_half_a_password_is_no_path_of_a_socket() -> None:
    """A / in the password of a Redis on a socket is an error that quotes neither half; an @ in a path is none."""
    with pytest.raises(ConfigurationError) as caught:
        open_store("unix://:p/canary@/run/redis.sock")
    assert "canary" not in str(caught.value)
    assert "/run/a@b.sock" in repr(open_store("unix://:p@/run/a@b.sock"))


def test_options_are_for_the_store_or_for_its_server() -> None:
    """A prefix, a table and a schema are taken out of a URL; all else goes to the driver as it stands there."""
    redis = open_store("redis://127.0.0.1:1/0?socket_timeout=7&prefix=a%3Ab:")
    assert "a:b:" in repr(redis)
    assert redis._servers._client.connection_pool.connection_kwargs["socket_timeout"] == 7  # type: ignore[attr-defined]
    assert "given:" in repr(open_store("redis://127.0.0.1:1/0?prefix=shop:", prefix="given:"))
    sql = open_store("postgresql+psycopg://127.0.0.1:1/d?table=t&schema=s&application_name=a%20b")
    assert "s.t of" in repr(sql)
    assert dict(sql._engine.url.query) == {"application_name": "a b"}  # type: ignore[attr-defined]


def test_there_is_one_memory_of_a_name() -> None:
    """Two clients of one program with the same settings have one store in memory, and so one client."""
    assert open_store("memory:") is open_store("memory:")
    assert open_store("memory:") is not open_store("memory:other")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("env:NOWHERE", "NOWHERE, which should name a store, is not set"),
        ("env:BLANK", "is not set"),
        ("env:redis://:canary@h", "name of an environment variable"),
        ("env:NAMED", "no store"),
        ("encrypted+file:canary", "needs a key"),
        ("encrypted+file:canary?key_service=", "needs a key"),
        ("encrypted+env:NAMED?key_file=x", "no store"),
        ("encrypted+canary", "needs a key"),
        ("encrypted+?key_file=canary", "no store"),
        ("/canary?key_file=key", r"put encrypted\+ before"),
        ("file:/canary?key_service=shop", r"put encrypted\+ before"),
        ("sqlite:canary.db?key_file=key", r"put encrypted\+ before"),
        ("redis://:canary@h/0?prefix=p:&key_variable=KEY", r"put encrypted\+ before"),
        ("postgresql+psycopg://u:canary@h/d?key_file=key", r"put encrypted\+ before"),
        ("sqlite+pysqlite:///canary?prefix=shop:", "prefix is for a Redis"),
        ("postgresql+psycopg://u:canary@h/d?schema=", "schema must be a name"),
        ("postgresql+psycopg://u:canary@h/d?table=", "table must be a name"),
        ("redis://:canary@h/0?socket_timeout=0", "socket_timeout must be a number of seconds above 0"),
        ("redis+cluster://:canary@h?socket_timeout=-1", "socket_timeout must be a number of seconds above 0"),
        ("redis+sentinel://h/canary?socket_connect_timeout=nan", "socket_connect_timeout must be a number"),
    ],
)
def test_what_a_text_lacks_is_said(url: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables without a text, and encrypted stores without a key, are told as what they are; nothing is quoted."""
    monkeypatch.setenv("BLANK", " ")
    monkeypatch.setenv("NAMED", "env:NAMED-canary")
    with pytest.raises(ConfigurationError, match=says) as caught:
        open_store(url, prefix="canary" if "prefix" in url else None)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite:///canary", "postgres://u:canary@h/d", "nosql:canary", 7, None])
def test_a_text_that_names_none_is_refused(url: object) -> None:
    """What names no store is an error that says what would, and quotes nothing."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)
