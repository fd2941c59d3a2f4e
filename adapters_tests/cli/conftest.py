"""Fixtures: the command, with nothing in its environment but what a test puts there."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from adapters_tests.cli.running import NOT_INHERITED, Ended, Run
from dcrauth.cli.commands import main
from dcrauth.simulator import Simulator


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


@pytest.fixture
def client(run: Run, adobe: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with a simulator in its environment, each run as a process that knows nothing yet."""
    (tmp_path / "statement.txt").write_text(adobe.software_statement)
    monkeypatch.setenv("DCRAUTH_SOFTWARE_STATEMENT", str(tmp_path / "statement.txt"))
    monkeypatch.setenv("DCRAUTH_BASE_URL", adobe.url)
    monkeypatch.setenv("DCRAUTH_STORE", str(tmp_path / "store"))
    return run
