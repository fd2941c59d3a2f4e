"""docs/cli.md: its commands run as they stand there, and its tables are what the command has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest

from adapters_tests.cli.running import BY_HAND, Run, inherited, registered_by_hand
from adapters_tests.common.ports import free_port
from dcrauth.cli import options
from dcrauth.cli.app import app
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.providers.settings import DEFAULTS, OF_OAUTH, PROFILE, VARIABLES
from dcrauth.simulator import Fault, Simulator

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
BLOCKS = [each for each in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if not each.startswith("pip ")]
API = "https://sp.auth.adobe.com"


def rows(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table that begins with a heading, by their first cell."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]
    return {first.strip("`"): rest for first, *rest in cells}


@pytest.mark.slow
@pytest.mark.skipif(not (which("bash") and which("curl")), reason="the page is about a shell with curl")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_commands_of_the_page_run(number: int, tmp_path: Path) -> None:
    """What a reader copies into a shell works, with a statement in a file, against the simulator."""
    program = tmp_path / "bin" / "dcrauth"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dcrauth "$@"\n')
    program.chmod(0o755)
    with Simulator() as adobe:
        (tmp_path / "statement.txt").write_text(adobe.software_statement)
        pair = registered_by_hand(adobe.url, adobe.software_statement)
        (tmp_path / "secret.txt").write_text(pair["client_secret"])
        given = inherited() | {
            "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DCRAUTH_BASE_URL": adobe.url,
            "DCRAUTH_SOFTWARE_STATEMENT": "statement.txt",
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
        }
        pipes = {"capture_output": True, "text": True, "timeout": 50, "cwd": tmp_path, "env": given}
        for where in ([], ["--store", "credentials"]):  # so that there are clients to be exported and copied
            subprocess.run([program, "token", *where], check=True, **pipes)
        block = BLOCKS[number].replace(API, adobe.url).replace(BY_HAND, pair["client_id"])
        found = subprocess.run(["bash", "-euo", "pipefail", "-c", block], check=False, **pipes)  # noqa: S607
    assert (found.returncode, found.stderr) == (0, "")
    if "echo" in block:
        assert found.stdout == "200\n"
    assert adobe.counts.refused == 0


CRON = next(each for each in BLOCKS if each.startswith("#!/bin/bash"))


@dataclass(frozen=True)
class Cron:
    """What the script for cron runs in: a folder, an environment, and who counts the calls.

    Parameters:
        folder: the directory that it runs in.
        adobe: the server, which may have been stopped.
    """

    folder: Path
    adobe: Simulator

    def run(self, **more: str) -> subprocess.CompletedProcess[str]:
        script = self.folder / "refresh-guide"
        script.write_text(CRON.replace(API, self.adobe.url).replace("/opt/app/venv/bin", f"{self.folder}/bin"))
        script.chmod(0o755)
        given = inherited() | {
            "DCRAUTH_BASE_URL": self.adobe.url,
            "DCRAUTH_SOFTWARE_STATEMENT": str(self.folder / "statement.txt"),
            "DCRAUTH_STORE": str(self.folder / "store"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        return subprocess.run(
            [script], capture_output=True, text=True, timeout=50, cwd=self.folder, env=given | more, check=False
        )

    @property
    def slept(self) -> list[str]:
        found = self.folder / "slept"
        return found.read_text().split() if found.exists() else []

    @property
    def fetched(self) -> bool:
        found = self.folder / "guide.json"
        return found.exists() and bool(json.loads(found.read_text())["requestor"])


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[Cron]:
    """The script for cron, with a virtual environment of its own, in which `sleep` only notes for how long."""
    (tmp_path / "bin").mkdir()
    for name, does in {"dcrauth": f'exec {sys.executable} -m dcrauth "$@"', "sleep": 'echo "$1" >>slept'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    with Simulator() as adobe:
        (tmp_path / "statement.txt").write_text(adobe.software_statement)
        yield Cron(tmp_path, adobe)


of_a_shell = pytest.mark.skipif(not (which("bash") and which("curl")), reason="the page is about a shell with curl")


@pytest.mark.slow
@of_a_shell
def test_the_script_for_cron_renews_a_token_that_was_revoked(cron: Cron) -> None:
    """The first run fetches; after the API has refused the token another one is had, once, and the log says why."""
    first = cron.run()
    assert (first.returncode, first.stderr, cron.fetched) == (0, "", True)
    cron.adobe.revoke_tokens()
    (cron.folder / "guide.json").unlink()
    renewed = cron.run()
    assert (renewed.returncode, cron.fetched, cron.slept) == (0, True, [])
    assert "401" in renewed.stderr
    assert (cron.adobe.counts.register, cron.adobe.counts.token) == (1, 2)
    cron.adobe.inject("api", Fault(status=401), times=None)
    refused = cron.run()
    assert (refused.returncode, refused.stderr.count("401")) == (22, 2)
    assert cron.fetched


@pytest.mark.slow
@of_a_shell
def test_the_script_for_cron_waits_for_a_server_that_is_down(cron: Cron) -> None:
    """Without a server it tries three times and ends with 3; with a token at hand, with what curl says of the API."""
    down = cron.run(DCRAUTH_BASE_URL="http://127.0.0.1:1")
    assert (down.returncode, cron.slept, cron.fetched) == (3, ["60", "60", "0"], False)
    assert down.stderr.count("could not be called") == 3
    assert cron.run().returncode == 0
    cron.adobe.stop()
    away = cron.run()
    assert (away.returncode, cron.fetched) == (7, True)
    assert away.stderr.startswith("curl: (7)")


@pytest.mark.slow
@of_a_shell
@pytest.mark.parametrize(("what", "code"), [("refused", 1), ("damaged", 2), ("no dcrauth", 127)])
def test_the_script_for_cron_does_not_try_again_in_vain(what: str, code: int, cron: Cron) -> None:
    """A statement that the server refuses, or that is none, ends it at once, with the exit code of dcrauth."""
    if what == "refused":
        cron.adobe.revoke_statement()
    elif what == "damaged":
        (cron.folder / "statement.txt").write_text("no statement")
    else:
        (cron.folder / "bin" / "dcrauth").unlink()
    ended = cron.run(PATH="/usr/bin:/bin")
    assert (ended.returncode, cron.slept, cron.fetched) == (code, [], False)
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
@of_a_shell
def test_the_way_without_an_account_works(tmp_path: Path) -> None:
    """The simulator in one terminal, as the page starts it, and its commands in another one."""
    start, rest = re.findall(r"```text\n((?:dcrauth simulate|export DCRAUTH_).*?)```", PAGE, re.DOTALL)
    port = str(free_port())
    (tmp_path / "dcrauth").write_text(f'#!/bin/sh\nexec {sys.executable} -m dcrauth "$@"\n')
    (tmp_path / "dcrauth").chmod(0o755)
    given = inherited() | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    arguments = start.replace("8080", port).split()[1:]
    command = [sys.executable, "-m", "dcrauth", *arguments, "--seconds", "50"]
    with subprocess.Popen(command, cwd=tmp_path, env=given, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        assert port in simulator.stdout.readline()  # it is there, and its statement as well
        shell = ["bash", "-euo", "pipefail", "-c", rest.replace("8080", port)]
        pipes = {"capture_output": True, "text": True, "timeout": 50, "cwd": tmp_path, "env": given}
        found = subprocess.run(shell, check=False, **pipes)
        simulator.terminate()
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["requestor"]


def test_every_command_is_on_the_page() -> None:
    """The table of commands has all of them, and none that is not there."""
    groups = [each.name for each in app.registered_groups]
    named = {name for cell in rows("command") for name in re.findall(r"[a-z-]+", cell.split(" ")[0])}
    assert named == {*groups, *(each.name for each in app.registered_commands)}


def test_every_setting_is_on_the_page() -> None:
    """The table of settings has each option, variable, name and default."""
    found = rows("option")
    of_adobe = {name: variable for name, variable in VARIABLES.items() if name not in OF_OAUTH}
    assert {row[0].strip("`") for row in found.values()} == {PROFILE, *of_adobe.values()}
    for name, variable in of_adobe.items():
        option, row = next((option, row) for option, row in found.items() if row[0] == f"`{variable}`")
        assert option.startswith(f"--{name.replace('_', '-')} ")
        assert row[1] == f"`{name}`"
        assert name not in DEFAULTS or row[2] == f"`{DEFAULTS[name]}`"


def test_every_setting_of_other_servers_is_on_the_page() -> None:
    """So has that of settings of an OAuth server, some of which have an option."""
    found = rows("setting")
    assert set(found) == set(OF_OAUTH)
    for name, (variable, option, _) in found.items():
        assert variable == f"`{VARIABLES[name]}`"
        assert (option != "-") == (name in options._ALL)
        assert option.startswith(f"`--{name.replace('_', '-')} " if option != "-" else "-")


def test_every_exit_code_is_on_the_page() -> None:
    """The table of exit codes has all of them."""
    assert set(rows("code")) == {str(int(code)) for code in ExitCode} | {"143"}


@pytest.mark.slow
def test_the_keys_of_the_page_are_those_of_the_command(client: Run, tmp_path: Path) -> None:
    """What each command prints with --json has the keys that the page promises, no more and no less."""
    table = PAGE.partition("## JSON")[2]
    promised = {
        command: set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", keys)))
        for command, keys in re.findall(r"^\| `([a-z -]+)` \| (.*) \|$", table, re.MULTILINE)
    }
    header = client("device-info", "build", "--detect").out.strip()
    more: dict[str, list[object]] = {
        "device-info build": ["--detect"],
        "device-info decode": [header],
        "device-info validate": [header],
        "forget": ["--yes"],
        "restore": ["--yes"],
        "export": [tmp_path / "export"],
        "import": [tmp_path / "export"],
        "simulate": ["--seconds", "0"],
        "store copy": [tmp_path / "store", tmp_path / "copy"],
        "store encrypt": ["--store", tmp_path / "other", "--key-file", tmp_path / "key"],
        "store create-tables": ["--store", f"sqlite+pysqlite:///{tmp_path}/records.db"],
        "store ddl": ["sqlite"],
    }
    client("token")
    client("import", "--client-id", "by-hand", "--no-verify", "--overwrite", stdin=b"secret")
    order = sorted(promised, key=["restore", "export", "import", "forget"].__contains__)
    found = {
        command: set(json.loads(client(*command.split(), *more.get(command, []), "--json").out))
        for command in [*(each for each in order if each != "forget"), "forget"]
    }
    assert found == promised
