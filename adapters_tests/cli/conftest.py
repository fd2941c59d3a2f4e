"""Fixtures: the command, with nothing in its environment but what a test puts there."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from adapters_tests.cli.running import NOT_INHERITED, Ended, Run
from dcrauth.cli.commands import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command within this process; what it is to read from standard input is given as *stdin*."""
    for name in NOT_INHERITED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    for kind in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / f".{kind.lower()}"))

    def run(*arguments: object, stdin: bytes | None = None) -> Ended:
        monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
        status = main([str(each) for each in arguments])
        return Ended(status, *capsys.readouterr())

    return run
