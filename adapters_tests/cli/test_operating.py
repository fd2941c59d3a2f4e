"""``dcrauth status`` and ``dcrauth check`` as they are called, with their options and how they end."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters_tests.cli.running import NOT_INHERITED
from adapters_tests.cli.running import Run as RunCommand
from adapters_tests.cli.test_status import valid
from adapters_tests.engine.test_transfer import filled
from dcrauth import AdobePass, FileStore, TokenSource
from dcrauth.simulator import Simulator

Run = Callable[..., tuple[int, str, str]]
VARIABLES = ("SOFTWARE_STATEMENT", "ENVIRONMENT", "BASE_URL", "INSTANCE", "STORE")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: RunCommand) -> Run:
    """Runs the command in a folder of its own; returns its status, and what it wrote."""
    monkeypatch.chdir(tmp_path)

    def ended(*arguments: object) -> tuple[int, str, str]:
        found = run(*arguments)
        return found.status, found.out, found.err

    return ended


@pytest.fixture
def settings(adobe: Simulator, tmp_path: Path) -> list[str]:
    """The options that name the simulator, its statement and a store."""
    (tmp_path / "statement.txt").write_text(adobe.software_statement)
    statement, store = tmp_path / "statement.txt", tmp_path / "store"
    return ["--software-statement", str(statement), "--base-url", adobe.url, "--store", str(store)]


def test_status_marks_the_identity_of_the_settings(
    adobe: Simulator, settings: list[str], tmp_path: Path, run: Run
) -> None:
    """What a program has registered is found again by the same settings, and is shown by name."""
    store = FileStore(tmp_path / "store")
    TokenSource(AdobePass(adobe.software_statement, base_url=adobe.url), store=store, instance="kitchen").token()
    filled(store, 1)
    status, out, _ = run("status", *settings, "--instance", "kitchen", "--json")
    report = valid(json.loads(out), "status")
    assert status == 0
    assert [each["configured"] for each in report["identities"]] == [True, False]
    assert report["identities"][0]["instance"] == "kitchen"
    assert report["identities"][0]["token"]["word"] == "ok"
    status, out, _ = run("status", *settings, "--instance", "kitchen")
    assert (status, "that of these settings" in out) == (0, True)


def test_variables_stand_behind_the_options(
    adobe: Simulator, settings: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting may come from the environment; an empty variable is one that is not set."""
    for name, value in zip(VARIABLES, ("statement.txt", " ", adobe.url, "", "store"), strict=True):
        monkeypatch.setenv(f"DCRAUTH_{name}", value)
    status, out, _ = run("status", "--json")
    assert status == 0
    assert json.loads(out)["identities"][0]["instance"] == "default"
    assert run("check")[0] == 0


def test_a_profile_stands_behind_the_variables(adobe: Simulator, settings: list[str], tmp_path: Path, run: Run) -> None:
    """What neither options nor variables say comes from a profile; one that is not there is a sentence."""
    folder = tmp_path / ".config" / "dcrauth"
    folder.mkdir(parents=True)
    lines = ["[profiles.shop]", f'base_url = "{adobe.url}"', 'instance = "kitchen"', f"store = '{tmp_path / 'store'}'"]
    statement = f"software_statement = '{tmp_path / 'statement.txt'}'"
    (folder / "config.toml").write_text("\n".join([*lines, statement]))
    status, out, _ = run("status", "--profile", "shop", "--json")
    assert (status, json.loads(out)["identities"][0]["instance"]) == (0, "kitchen")
    assert str(tmp_path / "store") in json.loads(out)["store"]
    assert run("check", "--profile", "shop")[0] == 0
    for command in ("status", "check"):
        status, out, err = run(command, "--profile", "none")
        assert (status, out) == (2, "")
        assert "no profile" in err


def test_check_says_what_to_do(adobe: Simulator, settings: list[str], run: Run) -> None:
    """For people and for programs, with the same exit status, and nothing registered."""
    status, out, err = run("check", *settings)
    assert (status, err) == (0, "")
    assert "Nothing was registered, and no token was asked for." in " ".join(out.split())
    status, out, _ = run("check", *settings, "--json")
    assert valid(json.loads(out), "check")["exit_status"] == status == 0
    assert adobe.counts.register == 0


def test_check_registers_when_it_is_asked_to(adobe: Simulator, settings: list[str], run: Run) -> None:
    """--register makes one client, --token asks for a token with it, and a second time nothing is made."""
    for _ in range(2):
        assert run("check", *settings, "--register", "--token")[0] == 0
    assert adobe.counts.register == 1


def test_each_end_has_its_status(adobe: Simulator, settings: list[str], tmp_path: Path, run: Run) -> None:
    """0 for good, 1 for refused, 2 for settings, 3 for unavailable, 4 for the store."""
    assert run("check", *settings)[0] == 0
    assert run("check", *settings, "--base-url", "http://127.0.0.1:1")[0] == 3
    assert run("check", "--base-url", adobe.url, "--store", "store")[0] == 2
    assert run("status", "--store", "nosql:x")[0] == 2
    assert run("status", *settings, "--software-statement", "none")[0] == 2
    adobe.revoke_statement()
    assert run("check", *settings, "--register")[0] == 1
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for command in ("check", "status"):
        assert run(command, *settings, "--store", "open")[0] == 4


def clean() -> dict[str, str]:
    """Return the environment without what concerns the command."""
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


@pytest.mark.parametrize("command", ["status", pytest.param("check", marks=pytest.mark.slow)])
def test_a_pipe_gets_plain_text_and_exact_json(command: str, settings: list[str]) -> None:
    """Whatever asks for colours, a pipe gets none, and no line of JSON is broken at the width of a terminal."""
    given = clean() | {"CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "20"}
    for options in ([], ["--json"]):
        forced = given | ({"FORCE_COLOR": "1"} if options else {})
        arguments = [sys.executable, "-m", "dcrauth", command, *settings, *options]
        ended = subprocess.run(arguments, capture_output=True, env=forced, timeout=60, check=True)
        assert b"\x1b" not in ended.stdout
        if options:
            json.loads(ended.stdout)
            assert ended.stdout.count(b"\n") == 1


@pytest.mark.parametrize("colours", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_terminal_gets_colours_unless_it_wants_none(colours: bool, tmp_path: Path) -> None:
    """A terminal sees styles; with NO_COLOR none."""
    leader, follower = pty.openpty()
    given = clean() | ({"NO_COLOR": ""} if colours else {"NO_COLOR": "1"}) | {"TERM": "xterm"}
    command = [sys.executable, "-m", "dcrauth", "status", "--store", str(tmp_path / "store")]
    ended = subprocess.run(command, stdout=follower, env=given, timeout=60, check=True)
    os.close(follower)
    text = os.read(leader, 65_536)
    os.close(leader)
    assert ended.returncode == 0
    assert (b"\x1b[" in text) == colours
    assert b"nothing is stored here" in text


def test_markup_in_settings_is_text(adobe: Simulator, settings: list[str], run: Run) -> None:
    """An instance in the language of rich, or with control characters, is shown as it is, its escapes visible."""
    odd = "[red]x[/b][link=a]\x1b[2J\x07\u200f"
    status, out, _ = run("status", *settings, "--instance", odd)
    assert status == 0
    assert r"[red]x[/b][link=a]\x1b[2J\x07\u200f" in out
    assert json.loads(run("status", *settings, "--instance", odd, "--json")[1])["identities"][0]["instance"] == odd
    assert run("check", *settings, "--instance", odd)[0] == 0


def test_status_can_be_watched(run: Run, tmp_path: Path) -> None:
    """--watch shows it as often as --times says, each time anew."""
    filled(FileStore(tmp_path / "store"), 1)
    status, out, _ = run("status", "--store", "store", "--watch", "0.01", "--times", "3", "--json")
    assert status == 0
    assert len([json.loads(line) for line in out.splitlines()]) == 3


@pytest.mark.parametrize(
    "options",
    [
        *(["--watch", each] for each in ("x", "-1", "inf", "1e12")),
        *(["--times", each] for each in ("x", "2")),
        ["--instance", ""],
    ],
    ids=" ".join,
)
def test_wrong_options_are_a_sentence(options: list[str], run: Run) -> None:
    """What cannot be meant ends with 2 and says which option it is."""
    status, out, err = run("status", "--store", "store", *options)
    assert (status, out) == (2, "")
    assert options[0] in err.splitlines()[-1]
