"""The command dcrauth simulate: what it is started with, and what it tells."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest
import requests

from adapters_tests.common.world import STATEMENT
from dcrauth.cli.commands import main


def test_it_prints_its_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    """The base URL, a statement and the address of the page are on lines of their own; the status is 0."""
    assert main(["simulate", "--base-path", "/adobe", "--seconds", "0"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/adobe", lines["base_url"])
    assert lines["page"] == f"{lines['base_url']}/"
    assert lines["software_statement"].count(".") == 2


def test_it_is_told_to_stop_and_has_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings, scenario and an authority's file are used, and the order to stop ends the command with status 0."""
    settings, scenario, authority = (tmp_path / name for name in ("simulator.toml", "scenario.toml", "authority.pem"))
    settings.write_text('environments = ["staging"]\n')
    scenario.write_text('name = "tea"\n[[step]]\nendpoint = "api"\nfault = {status = 418}\n')
    arguments = ["--settings", str(settings), "--scenario", str(scenario), "--authority", str(authority)]
    ended: list[int] = []
    running = threading.Thread(target=lambda: ended.append(main(["simulate", *arguments, "--seconds", "30"])))
    running.start()
    said = ""
    while not re.search(r"^page .*\n", said, re.MULTILINE):
        said += capsys.readouterr().out
    lines = dict(line.split(maxsplit=1) for line in said.splitlines())
    url, trusted = lines["base_url"], str(authority)
    assert requests.get(f"{url}/staging/api/v2/REF30/profiles", timeout=20, verify=trusted).status_code == 418
    assert requests.post(f"{url}/control/stop", timeout=20, verify=trusted).status_code == 200
    running.join(20)
    assert ended == [0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--settings", "no.toml"], "no.toml cannot be read: No such file or directory; name a TOML file"),
        (["--scenario", "no.toml"], "no.toml cannot be read"),
        (["--base-path", "x"], "'x' is no base path: it is empty, or begins with / and has no query"),
        (["--port", "70000"], "a port is a number from 0 to 65535; take another one, or 0 for any that is free"),
        (["--authority", "no/where.pem"], "no/where.pem cannot be written: No such file or directory; choose another"),
    ],
    ids=range(5),
)
def test_what_it_cannot_start_with_is_a_sentence(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong setting is told on stderr, with status 2, and nothing is printed as if it ran."""
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *arguments]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""


def test_an_oauth_server_is_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --oauth, an authorization server is there instead, with settings of its own kind; its addresses are told."""
    (tmp_path / "oauth.toml").write_text('[behaviour]\nregistration = "absent"\n')
    arguments = ["--oauth", "--base-path", "/tenant", "--settings", str(tmp_path / "oauth.toml"), "--seconds", "0"]
    assert main(["simulate", *arguments]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/tenant", lines["issuer"])
    assert lines["page"] == f"{lines['issuer']}/"
    assert lines["token_endpoint"] == f"{lines['issuer']}/token"
    assert {"registration_endpoint", "api_url", "initial_access_token", "software_statement"} < lines.keys()


@pytest.mark.parametrize("oauth", [False, True], ids=["adobe", "oauth"])
def test_its_statement_is_written_for_the_next_command(
    oauth: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file for the owner alone has what is printed; one of an earlier simulator is replaced, and nothing else."""
    path = tmp_path / "statement.txt"
    arguments = ["simulate", "--seconds", "0", "--json", "--statement-file", str(path), *["--oauth"] * oauth]
    for _ in range(2):
        assert main(arguments) == 0
        assert path.read_text() == json.loads(capsys.readouterr().out)["software_statement"] + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    for other in (STATEMENT, "a shopping list", ""):
        path.write_text(other)
        assert main(arguments) == 2
        assert "is not overwritten: choose another name" in capsys.readouterr().err
        assert path.read_text() == other
    assert main([*arguments[: -1 - oauth], str(tmp_path / "no" / "where"), *["--oauth"] * oauth]) == 2
    assert "cannot be written: No such file or directory; choose another place" in capsys.readouterr().err


def test_settings_of_the_other_kind_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings of Adobe Pass are refused with --oauth, by the name of what is not known."""
    (tmp_path / "adobe.toml").write_text('environments = ["staging"]\n')
    assert main(["simulate", "--oauth", "--settings", str(tmp_path / "adobe.toml")]) == 2
    assert "has no 'environments'; there is host, port" in capsys.readouterr().err
