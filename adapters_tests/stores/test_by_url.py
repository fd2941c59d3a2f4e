"""Stores by one text, as settings and commands name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcrauth import ConfigurationError, FileStore, RedisStore, SQLiteStore, SQLStore, open_store


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
    ],
)
def test_a_text_names_a_store(url: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of store has a form that names it, and nothing is made or called by that."""
    monkeypatch.chdir(tmp_path)
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


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite:///canary", "postgres://u:canary@h/d", "nosql:canary", 7, None])
def test_a_text_that_names_none_is_refused(url: object) -> None:
    """What names no store is an error that says what would, and quotes nothing."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)
