"""Where the default store is: what the environment says, or else the user's data directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dcrauth import ConfigurationError, FileStore


def directory() -> str:
    """Return where a store is that was told nothing."""
    return FileStore()._directory


def test_the_environment_may_say_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable stands for the argument that was not given, a ``~`` and all."""
    monkeypatch.setenv("DCRAUTH_DATA_DIRECTORY", str(tmp_path / "a"))
    assert directory() == os.path.realpath(tmp_path / "a")
    assert FileStore(tmp_path / "b")._directory == os.path.realpath(tmp_path / "b")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DCRAUTH_DATA_DIRECTORY", "~/c")
    assert directory() == os.path.realpath(tmp_path / "c")


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing is one that is not set."""
    monkeypatch.delenv("DCRAUTH_DATA_DIRECTORY", raising=False)
    usual = directory()
    monkeypatch.setenv("DCRAUTH_DATA_DIRECTORY", "")
    assert directory() == usual


def test_what_can_be_no_directory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with what is no path is an error that names it, and nothing is kept elsewhere instead."""
    monkeypatch.setenv("DCRAUTH_DATA_DIRECTORY", "x" * 300)
    with pytest.raises(ConfigurationError, match="DCRAUTH_DATA_DIRECTORY must be a path"):
        directory()
