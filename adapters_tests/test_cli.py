"""The dcrauth command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dcrauth.demo
from adapters_tests.conftest import ManualClock
from dcrauth import cli
from dcrauth.adobe import AdobePass
from dcrauth.simulator import Behaviour, Simulator


def test_the_demo_ends_well(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo plays all steps with all clients and ends with status 0."""
    monkeypatch.setattr(dcrauth.demo, "TASKS", 50)
    clients = {name: (get, min(crowd, 50)) for name, (get, crowd) in dcrauth.demo.CLIENTS.items()}
    monkeypatch.setattr(dcrauth.demo, "CLIENTS", clients)
    assert cli.main(["demo"]) == 0
    text = capsys.readouterr().out
    assert "All as it should be." in text
    assert all(name in text for name in ("requests", "httpx", "httpx (async)", "httpx2 (async)", "aiohttp"))
    assert "✗" not in text


def test_the_demo_fails_if_a_step_costs_too_much(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that does not cost what it should is shown, and the status is 1."""
    monkeypatch.setattr(dcrauth.demo, "CLIENTS", {"requests": (dcrauth.demo.with_requests, 2)})
    monkeypatch.setattr(dcrauth.demo, "Behaviour", lambda **_: Behaviour(refuse_every_token=True))
    assert cli.main(["demo"]) == 1
    assert "✗" in capsys.readouterr().out


def test_the_safe_part_runs_against_a_service(
    adobe: Simulator,
    time: ManualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a statement the demo registers once, whatever the number of clients, and asks for a configuration."""
    statement = tmp_path / "statement.txt"
    statement.write_text(adobe.software_statement)
    monkeypatch.setattr(
        dcrauth.demo, "AdobePass", lambda text, environment, **rest: AdobePass(text, base_url=adobe.url, **rest)
    )
    arguments = ["demo", "--software-statement", str(statement), "--service-provider", "REF30"]
    assert cli.main([*arguments, "--store", str(tmp_path / "store")]) == 0
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 10)
    assert "Registered, TokenRenewed" in capsys.readouterr().out


def test_errors_of_the_service_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A statement that is none ends with status 1 and a sentence."""
    statement = tmp_path / "statement.txt"
    statement.write_text("nonsense")
    arguments = ["demo", "--software-statement", str(statement), "--service-provider", "REF30"]
    assert cli.main(arguments) == 1
    assert "ConfigurationError" in capsys.readouterr().out
    assert cli.main(arguments[:3]) == 2
    assert "--service-provider" in capsys.readouterr().err


def test_simulate_prints_what_is_needed_and_stops() -> None:
    """The simulator prints its base URL and a statement, serves, and ends by itself when told to."""
    command = [sys.executable, "-m", "dcrauth", "simulate", "--seconds", "0.1"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "base_url            http://127.0.0.1:" in found.stdout
    assert "software_statement  eyJ" in found.stdout


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version and ends."""
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("dcrauth 0.")
