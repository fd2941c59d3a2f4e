"""A program whose settings stand in its environment: it uses the store and the instance of the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dcrauth.requests
from dcrauth import AdobePass, ConfigurationError, MemoryStore, SQLiteStore, TokenSource, TokenSources
from dcrauth.providers.settings import PROFILE, VARIABLES

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the profiles, one of which has all settings; none are in variables."""
    for name in (*VARIABLES.values(), PROFILE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = tmp_path / "dcrauth" / "config.toml"
    path.parent.mkdir()
    path.write_text("""
[profiles.staging]
software_statement = "statement.txt"
environment = "prequal-staging"
store = "sqlite:client.db"
instance = "stage"
device_identifier = "device-42"
""")
    (path.parent / "statement.txt").write_text(STATEMENT)
    return path


def identity(source: Any) -> tuple[str, str]:
    """Return whose tokens a source gives out, and in which kind of store they are."""
    found = source.status()
    return found.identity, found.store


def test_a_program_uses_what_the_environment_says(config: Path) -> None:
    """Environment, store, instance and device come from the profile, for a source and for an adapter."""
    adobe = AdobePass.from_environment("staging")
    by_hand = AdobePass(STATEMENT, environment="prequal-staging")
    there = SQLiteStore(config.parent / "client.db")
    expected = identity(TokenSource(by_hand, store=there, instance="stage"))
    source = TokenSource(adobe)
    assert identity(source) == expected
    assert source._driver.store.place == there.place
    assert identity(dcrauth.requests.DCRAuth(adobe)._source) == expected
    assert adobe.token_url == by_hand.token_url
    assert "AP-Device-Identifier" in adobe.api_headers
    assert "X-Device-Info" in adobe.api_headers


def test_what_a_program_says_itself_comes_first(config: Path) -> None:
    """A store and an instance that are given win over those of the environment."""
    adobe = AdobePass.from_environment("staging")
    expected = identity(TokenSource(AdobePass(STATEMENT, environment="prequal-staging"), store=MemoryStore()))
    assert identity(TokenSource(adobe, store=MemoryStore(), instance="default")) == expected
    assert identity(dcrauth.requests.DCRAuth(adobe, store=MemoryStore(), instance="default")._source) == expected


def test_nothing_but_a_statement_is_as_by_hand(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a statement in the environment and all else open, a program is as one that was given the statement."""
    monkeypatch.setenv("DCRAUTH_SOFTWARE_STATEMENT", str(config.parent / "statement.txt"))
    expected = identity(TokenSource(AdobePass(STATEMENT)))
    assert identity(TokenSource(AdobePass.from_environment())) == expected


def test_empty_variables_change_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are empty, one by one and together, are as if they were not set."""
    expected = identity(TokenSource(AdobePass.from_environment("staging")))
    for name in (*VARIABLES.values(), PROFILE):
        monkeypatch.setenv(name, "")
        assert identity(TokenSource(AdobePass.from_environment("staging"))) == expected


def test_no_statement_is_told_with_the_places_for_it(config: Path) -> None:
    """Where no statement is named the error names the variable and the file."""
    with pytest.raises(ConfigurationError, match="DCRAUTH_SOFTWARE_STATEMENT") as caught:
        AdobePass.from_environment()
    assert str(config) in str(caught.value)


def test_a_server_takes_the_device_out(config: Path) -> None:
    """What the environment describes serves many devices, once its own device is left out."""
    adobe = AdobePass.from_environment("staging")
    with pytest.raises(ConfigurationError, match="AP-Device-Identifier"):
        TokenSources(adobe, store=MemoryStore())
    assert TokenSources(adobe.for_device(None), store=MemoryStore()).provider.api_headers == {}


def test_a_password_of_the_store_is_in_no_repr(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider shows neither the store's URL nor the instance."""
    monkeypatch.setenv("DCRAUTH_STORE", "redis://:canary@127.0.0.1/0")
    adobe = AdobePass.from_environment("staging")
    assert "canary" not in repr(adobe)
    assert "canary" not in repr(TokenSource(adobe))
