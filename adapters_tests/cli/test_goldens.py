"""What people read, word for word, at 80 columns.

If it was changed on purpose, DCRAUTH_GOLDENS=write writes it anew.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from adapters_tests.cli import goldens
from adapters_tests.cli.running import Run

GOLDENS = Path(__file__).parent / "goldens"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpc3MiOiJhdXRoLmFkb2JlLmNvbSIsImlhdCI6MX0.c2ln"
COMMANDS = (
    "token", "status", "check", "statement", "statement show", "statement decode", "statement validate", "device-info",
    "device-info show", "device-info build", "device-info decode", "device-info validate", "forget", "restore",
    "config", "export", "import", "demo", "simulate", "completion", "store", "store copy", "store check", "store stats",
    "store encrypt", "store create-tables", "store ddl",
)  # fmt: skip
HELP = ["--help", *(f"{each} --help" for each in COMMANDS)]
SAID = {
    "no such command": "tokn",
    "no such option": "token --heade",
    "no statement": "token",
    "no file": "statement show gone.txt",
    "no such profile": "config --profile live",
    "config": "config --profile staging --store redis://cache.example/0",
    "config revealed": "config --profile staging --reveal",
    "statement shown": "statement show statement.txt",
    "statement decoded": "statement decode statement.txt",
    "statement validated": "statement validate statement.txt",
    "device decoded": "device-info decode eyJtb2RlbCI6IlRWIn0=",
    "device refused": "device-info validate eyJtb2RlbCI6IlRWIn0=",
    "nothing to restore": "restore --yes --software-statement statement.txt",
    "tables": "store ddl sqlite",
    "tables made": "store create-tables --store sqlite+pysqlite:///records.db",
    "no tables to make": "store create-tables --store sqlite:client.db",
    "nothing to copy": "store copy gone new",
    "no key to encrypt with": "store encrypt",
    "password in an argument": "store copy redis://:secret@cache.example/0 new",
    "not asked": "forget --software-statement statement.txt",
}
PROFILES = """
[profiles.staging]
software_statement = "statement.txt"
environment = "prequal-staging"
store = "redis://:secret@cache.example/0"
"""


def same(name: str, text: str) -> None:
    """Check that *text* is what the golden file of that name holds."""
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("DCRAUTH_GOLDENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


of_typer = pytest.mark.skipif(
    tuple(map(int, version("typer").split(".")[:2])) < (0, 29), reason="older Typers say the same in other words"
)


@of_typer
@pytest.mark.parametrize("command", HELP)
def test_each_help_reads_well(command: str, run: Run) -> None:
    """Each help is as it was read and found good, in lines of 80 columns at the most."""
    ended = run(*command.split())
    assert (ended.status, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    same(f"help of {command.removesuffix('--help').strip() or 'dcrauth'}", ended.out)


@pytest.mark.parametrize("coloured", [False, True], ids=["plain", "coloured"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[of_typer] * (name in {"no such command", "no such option"})) for name in SAID]
)
def test_each_message_reads_well(
    name: str, coloured: bool, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results and errors are as they were read and found good, plain and with colours."""
    monkeypatch.chdir(tmp_path)
    Path("statement.txt").write_text(JWT)
    (tmp_path / ".config" / "dcrauth").mkdir(parents=True)
    (tmp_path / ".config" / "dcrauth" / "config.toml").write_text(PROFILES)
    if coloured:
        monkeypatch.setenv("FORCE_COLOR", "1")
    ended = run(*SAID[name].split())
    text = f"{ended.out}{ended.err}exit code {ended.status}\n".replace(str(tmp_path), "/home/me")
    has_colours = "\x1b" in text
    assert has_colours == (coloured and bool(ended.err))
    same(f"{name}, coloured" if has_colours else name, text)


def test_no_golden_is_left_over() -> None:
    """Each golden file belongs to a test."""
    names = {f"help of {each.removesuffix('--help').strip() or 'dcrauth'}" for each in HELP}
    names |= {name for each in SAID for name in (each, f"{each}, coloured")} | set(goldens.PAGES)
    assert {each.stem for each in GOLDENS.glob("*.txt")} <= names
