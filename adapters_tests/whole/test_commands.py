"""Every command of README and docs, as a reader pastes it into a shell, with the built wheel in an environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters_tests.cli.running import BY_HAND, NOT_INHERITED, registered_by_hand
from dcrauth.simulator import Simulator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
BASH = ("bash", "-euo", "pipefail", "-c")
API = re.compile(r"https://sp\.auth(-staging)?\.adobe\.com")

NOT_RUN = {
    "pip": "it asks a package index for what this environment is made of",
    "tox": "it runs the tests, of which this is one",
    "python3.11": "it makes an environment to work on the package",
    ". .venv/bin/activate": "it enters an environment to work on the package",
    "bash .ci/run": "it runs the tests, of which this is one",
    "bash .ci/nightly": "it runs the tests, of which this is one",
    "dcrauth simulate --port": "it serves until Ctrl-C; a test of the command's own page starts it",
    "SOFTWARE_STATEMENT=statement.txt locust": "it is a minute of load; its locustfile runs as code of the page",
    "python dcrauth/docs/examples/entitlements_httpx.py": "it waits for somebody to log in, whom a test below plays",
    "python entitlements_httpx.py": "it waits for somebody to log in, whom a test below plays",
}
"""How commands begin that are not run, and why."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 12), reason="the commands of the documentation are tried on one Python"
    ),
    pytest.mark.skipif(
        not (shutil.which("bash") and shutil.which("curl")), reason="the pages are about a shell with curl"
    ),
]


@dataclass(frozen=True)
class Block:
    """What one block of a page has to run, and which of its commands are not run."""

    name: str
    commands: str
    left_out: tuple[str, ...]


def not_run(command: str) -> str | None:
    """Return how *command* begins, if it is one of those that are not run."""
    return next((start for start in NOT_RUN if command.startswith(f"{start} ") or command == start), None)


def block(name: str, text: str) -> Block:
    """Return what is to be run of a block: all lines, but for commands that are not run."""
    lines: list[str] = []
    left_out: list[str] = []
    for line in text.splitlines():
        rest = line
        while rest and (start := not_run(rest)):
            left_out.append(start)
            rest = rest.partition(" && ")[2]
        lines.append(rest)
    return Block(name, "\n".join(lines).strip(), tuple(left_out))


BLOCKS = [
    block(f"{page.name}-{number}", text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs in an environment with the wheel and what it needs for all commands."""
    folder = tmp_path_factory.mktemp("wheel")
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def pip(*arguments: str) -> None:
        command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
        subprocess.run(command, check=True, capture_output=True, timeout=240, env=given)

    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("dcrauth-*.whl")
    venv.create(folder / "env", with_pip=False)
    pip("--python", str(folder / "env" / "bin" / "python"), "install", f"{wheel}[demo,httpie,sql]")
    return folder / "env" / "bin"


def at_home(folder: Path, programs: Path, adobe: Simulator) -> dict[str, Any]:
    """Put into *folder* what the pages take for there; return how a shell is run in it, without this source."""
    profiles = folder / "config" / "dcrauth" / "config.toml"
    profiles.parent.mkdir(parents=True)
    profiles.write_text('[profiles.staging]\nenvironment = "release-staging"\n')
    (folder / "statement.txt").write_text(adobe.software_statement)
    pair = registered_by_hand(adobe.url, adobe.software_statement)
    (folder / "secret.txt").write_text(pair["client_secret"])
    (folder / "client.json").write_text(json.dumps(pair))
    (folder / ".curlrc").write_text("silent\nshow-error\n")  # no progress, which curl shows where there is no terminal
    settings = {"DCRAUTH_BASE_URL": adobe.url, "DCRAUTH_SOFTWARE_STATEMENT": "statement.txt"}
    return alone(folder, PATH=f"{programs}:{os.environ['PATH']}", **settings)


def alone(folder: Path, **variables: str) -> dict[str, Any]:
    """Return how a program is run in *folder*, which is its home as well, without this process's settings."""
    ignored = {name for name in os.environ if name.startswith("PYTHON")} | NOT_INHERITED
    inherited = {name: value for name, value in os.environ.items() if name not in ignored}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data")}
    pipes = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 120}
    return {**pipes, "cwd": folder, "env": inherited | home | variables}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_the_commands_of_a_page_run(block: Block, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """What a reader copies from a page into a shell works, where the wheel is installed and a client is stored."""
    if not block.commands:
        pytest.skip("; ".join(f"{start}: {NOT_RUN[start]}" for start in dict.fromkeys(block.left_out)))
    programs: Path = request.getfixturevalue("programs")
    with Simulator() as adobe:
        shell = at_home(tmp_path, programs, adobe)
        before = subprocess.run([*BASH, "dcrauth token; dcrauth token --store credentials"], check=False, **shell)
        assert (before.returncode, before.stderr) == (0, "")
        client_id = json.loads((tmp_path / "client.json").read_text())["client_id"]
        commands = API.sub(adobe.url, block.commands).replace(BY_HAND, client_id)
        done = subprocess.run([*BASH, commands], check=False, **shell)
        assert (done.returncode, done.stderr) == (0, "")
        assert adobe.counts.refused == 0
        assert adobe.counts.api >= len(re.findall(r"^(?:curl|http) ", block.commands, re.MULTILINE))


def test_the_code_of_the_tutorial_runs_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    """A newcomer who pastes the tutorial into one file, with nothing but the wheel, comes to its end."""
    pasted = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "tutorial.py").write_text("\n".join(pasted))
    done = subprocess.run([programs / "python", "tutorial.py"], check=False, **alone(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Registered(identity=" in done.stdout


def test_the_program_of_the_tutorial_has_an_answer(programs: Path, tmp_path: Path) -> None:
    """The program that is saved from the page shows a link, and after the login there what may be watched."""
    shutil.copy(ROOT / "docs" / "examples" / "entitlements_httpx.py", tmp_path)
    pipes = {"cwd": tmp_path, "env": alone(tmp_path)["env"], "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([programs / "python", "-u", "entitlements_httpx.py"], **pipes) as program:
        assert program.stdout is not None
        try:
            link = next(line.split()[-1] for line in program.stdout if line.startswith("Log in: "))
            server, _, rest = link.partition("/api/")
            order = {"code": rest.rpartition("/")[2], "user": "alice"}
            requests.post(f"{server}/control/log-in", json=order, timeout=20).raise_for_status()
            assert "news: may be watched\n" in list(program.stdout)
        finally:
            program.terminate()


def test_what_is_not_run_is_there() -> None:
    """Each command that is left out still stands on a page, so that no reason outlives it."""
    assert {start for block in BLOCKS for start in block.left_out} == set(NOT_RUN)
