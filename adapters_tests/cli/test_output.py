"""What goes out: the same bytes for programs whatever the output is, and words for people that fit it."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import sys
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from adapters_tests.cli.running import Run, in_a_process
from adapters_tests.cli.test_cli import failing_output
from dcrauth import AccessToken, ConfigurationError, TokenSource
from dcrauth.cli import output, plain
from dcrauth.cli.commands import main
from dcrauth.cli.exit_codes import ExitCode

LONG = AccessToken("x" * 3000, 0.0, 9e9)
FOR_PROGRAMS = {
    "token": f"{LONG.value}\n",
    "token --header": f"Authorization: Bearer {LONG.value}\n",
    "token --json": None,
    "config": None,
    "config --json": None,
    "statement show --json": None,
    "statement decode --json": None,
    "statement validate --json": None,
    "device-info show --json": None,
    "device-info build --detect": None,
    "device-info build --detect --json": None,
    "forget --yes --json": '{"forgotten": false, "unregistered": false}\n',
    "simulate --seconds 0": None,
    "store ddl postgresql": None,
    "store ddl postgresql --json": None,
    "store check --json": None,
}
"""What programs read, and what that is, where it is always the same."""

ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"FORCE_COLOR": "1"},
    {"FORCE_COLOR": "1", "NO_COLOR": "1"},
    {"CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1"},
    {"CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "NO_COLOR": "1"},
]


def to_a_pipe(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the bytes that a command writes to a pipe or a file."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "utf-8"))
    assert main(arguments) == 0
    return out.getvalue()


def to_a_terminal(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the bytes that a command writes to a terminal."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        with open(slave, "w", encoding="utf-8") as terminal:
            monkeypatch.setattr(sys, "stdout", terminal)
            assert main(arguments) == 0
            found = b""
            with suppress(BlockingIOError, OSError):
                while more := os.read(master, 65536):
                    found += more
            return found
    finally:
        os.close(master)


@pytest.mark.parametrize("where", [pytest.param(to_a_pipe, marks=pytest.mark.slow), to_a_terminal])
@pytest.mark.parametrize("command", FOR_PROGRAMS)
def test_what_programs_read_is_the_same_bytes_everywhere(
    command: str,
    where: Callable[[list[str], pytest.MonkeyPatch], bytes],
    client: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No width, no colour and no terminal changes what programs read; no line of a token is broken."""
    if command.startswith("simulate"):
        monkeypatch.setattr("dcrauth.cli.simulate._simulator", no_simulator)
    monkeypatch.setattr(TokenSource, "token", lambda self: LONG)
    usual = client(*command.split()).out
    if (always := FOR_PROGRAMS[command]) is not None:
        assert usual == always
    monkeypatch.setenv("COLUMNS", "20")
    for given in ENVIRONMENTS:
        with monkeypatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            assert where(command.split(), patch).decode() == usual
    if "--json" in command:
        assert usual.count("\n") == 1
        assert isinstance(json.loads(usual), dict)


class no_simulator:  # noqa: N801  # takes the place of a function
    """A simulator that does nothing."""

    url, software_statement = "http://127.0.0.1:1", "eyJ"

    def __init__(self, _: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def wait(self, _: object) -> None: ...


@pytest.mark.parametrize(
    ("given", "terminal", "coloured"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
    ids=range(8),
)
def test_colours_are_for_terminals_and_those_who_ask(
    given: dict[str, str], terminal: bool, coloured: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR wins, then FORCE_COLOR, then whether it is a terminal; empty variables say nothing."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    output.complain("it [red]went[/red] \x1b[1mwrong")
    begin = "\x1b[1;31mdcrauth:\x1b[0m" if coloured else "dcrauth:"
    assert stream.getvalue() == f"{begin} it [red]went[/red] \\x1b[1mwrong\n"


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        *((each, True) for each in ("token", "token --json", "config", "statement decode", "completion bash")),
        *((each, True) for each in ("store stats", "store check", "store check --json", "store ddl mysql")),
        *((each, extra) for each in ("--help", "--version", "export --help") for extra in (True, False)),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_full_disk_behind_the_output_is_a_sentence(
    command: str, extra: bool, client: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command says that its output cannot be written, with a status that is not 0."""
    monkeypatch.setattr(TokenSource, "token", lambda self: LONG)
    if not extra:
        monkeypatch.setattr("dcrauth.cli.commands._front", lambda: plain.run)
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(command.split()) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("dcrauth: The standard output cannot be written (No space left")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "token --help", "config", "completion zsh", "device-info show"])
@pytest.mark.parametrize("kind", ["full", "closed pipe"])
def test_a_failing_output_of_a_process_is_a_sentence(command: str, kind: str) -> None:
    """In a process of its own as well, where Python writes what is left when it ends."""
    with failing_output(kind) as out:
        ended = in_a_process(command.split(), stdout=out)
    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr.startswith("dcrauth: The standard output cannot be written (")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["--help", "token --help"])
def test_a_reader_that_ends_in_between_is_told(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A help whose reader has gone, and of which nothing is left in the buffer, ends as any output that fails."""
    monkeypatch.setattr("sys.stdout", _Unread())
    assert main(command.split()) == ExitCode.USAGE
    told = (
        "dcrauth: The standard output cannot be written (Broken pipe); send it elsewhere. What was done before stands\n"
    )
    assert capsys.readouterr().err == told


class _Unread(io.StringIO):
    """An output that nobody reads, and that keeps nothing of what could not be written."""

    def write(self, text: str, /) -> int:
        if text:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_of_another_encoding_gets_escapes(encoding: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that the output has no characters for come out as escapes; JSON is ASCII and means the same."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding))
    assert main(["config", "--instance", "Ω"]) == 0
    assert main(["config", "--instance", "Ω", "--json"]) == 0
    lines = out.getvalue().decode(encoding).splitlines()
    assert any(line.split() == ["instance", "given", "\\u03a9"] for line in lines)
    assert json.loads(lines[-1])["settings"]["instance"]["value"] == "Ω"


def test_an_output_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What programs read is not lost without a word where there is no output."""
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(ConfigurationError, match="closed"):
        output.write_line("x")
