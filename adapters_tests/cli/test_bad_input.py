"""Every command with what it cannot use: one sentence that says what and how to mend it, a code, and nothing lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import rich.traceback

from adapters_tests.cli.running import Run
from dcrauth import AdobePass, ClientCredentials
from dcrauth.cli import access_token, client, configuration, simulate, transfer
from dcrauth.cli.commands import main
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.providers.protocol import Request, Response
from dcrauth.providers.settings import PROFILE, VARIABLES
from dcrauth.simulator import Fault, Simulator
from dcrauth.stores.file import DIRECTORY_VARIABLE, FileStore

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
WITH_SETTINGS = ("token", "forget --yes", "restore --yes", "import --client-id x")
WITH_STATEMENT = (*WITH_SETTINGS, "statement show", "statement decode", "statement validate")
ALL = (*WITH_STATEMENT, "config", "export x", "import x")


@pytest.fixture
def folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run commands in, with a statement, a file that is none, and a folder."""
    monkeypatch.chdir(tmp_path)
    Path("statement.txt").write_text(JWT)
    Path("nonsense.txt").write_text("nonsense")
    Path("binary.txt").write_bytes(b"\xff\xfe\xfd")
    Path("folder").mkdir()
    return tmp_path


def check(ended: object, code: ExitCode, told: str) -> None:
    """Check that a command has ended with a sentence."""
    status, out, err = ended.status, ended.out, ended.err  # type: ignore[attr-defined]
    assert (status, out) == (code, "")
    assert err.startswith("dcrauth: ")
    assert err.count("\n") == 1
    assert told in err
    assert "Traceback" not in err


def table(*rows: tuple[tuple[str, ...], str, ExitCode, str]) -> list[object]:
    """Return a row for each command; the quick path has the first one of those that share their code."""
    return [
        pytest.param(
            command, more, code, told, id=f"{command} {more}"[:60], marks=[pytest.mark.slow] * (command != commands[0])
        )
        for commands, more, code, told in rows
        for command in commands
    ]


@pytest.mark.parametrize(
    ("command", "more", "code", "told"),
    table(
        (WITH_STATEMENT, "", ExitCode.USAGE, "No software statement is named"),
        (WITH_SETTINGS, "--software-statement gone.txt", ExitCode.USAGE, "'gone.txt'"),
        (WITH_SETTINGS, "--software-statement nonsense.txt", ExitCode.USAGE, "is not a JWT"),
        (WITH_SETTINGS, "--software-statement binary.txt", ExitCode.USAGE, "not a text file"),
        (WITH_SETTINGS, "--software-statement folder", ExitCode.USAGE, "Is a directory"),
        (WITH_SETTINGS, "--software-statement statement.txt --environment live", ExitCode.USAGE, "release-production"),
        (WITH_SETTINGS, "--software-statement statement.txt --base-url http://example.com", ExitCode.USAGE, "https"),
        (WITH_SETTINGS, "--software-statement statement.txt --base-url nonsense", ExitCode.USAGE, "base_url"),
        (
            WITH_SETTINGS,
            "--software-statement statement.txt --scope read",
            ExitCode.USAGE,
            "scope (given) is a setting of",
        ),
        (WITH_SETTINGS, "--software-statement statement.txt --store nosql:x", ExitCode.USAGE, "no store"),
        (WITH_SETTINGS, "--software-statement statement.txt --store x --prefix y", ExitCode.USAGE, "for a Redis"),
        (WITH_SETTINGS, "--software-statement statement.txt --key-file gone", ExitCode.STORE, "no key file"),
        (WITH_SETTINGS, "--software-statement statement.txt --key-variable GONE", ExitCode.STORE, "GONE"),
        (WITH_SETTINGS, "--software-statement statement.txt --key-file nonsense.txt", ExitCode.USAGE, "does not hold"),
        (
            ("forget --yes", "restore --yes"),
            "--software-statement statement.txt --store nonsense.txt",
            ExitCode.STORE,
            "nonsense.txt",
        ),
        (("token", "check"), "--base-url https://u:p@127.0.0.1", ExitCode.USAGE, "others, and --base-url takes none"),
        (("token", "check"), "--issuer=https://u:p@127.0.0.1", ExitCode.USAGE, "others, and --issuer takes none"),
        (ALL, "--profile gone", ExitCode.USAGE, "There is no profile 'gone' in "),
        (ALL, "--no-such-option", ExitCode.USAGE, "--no-such-option"),
        (ALL, "--profile=", ExitCode.USAGE, "it is empty"),
        (ALL, "too many arguments here", ExitCode.USAGE, "--help"),
        (("token",), "--header --json", ExitCode.USAGE, "contradict"),
        (("forget", "restore"), "--software-statement statement.txt", ExitCode.USAGE, "give --yes"),
        (("restore --yes",), "--software-statement statement.txt", ExitCode.USAGE, "No client was replaced"),
        (("import",), "", ExitCode.USAGE, "Give one of both"),
        (("import x",), "--client-id y", ExitCode.USAGE, "Give one of both"),
        (("import",), "nonsense.txt", ExitCode.USAGE, "not an export of dcrauth"),
        (("import",), "binary.txt", ExitCode.USAGE, "not an export of dcrauth"),
        (("import",), "folder", ExitCode.USAGE, "Is a directory"),
        (("export",), "", ExitCode.USAGE, "FILE"),
        (("export",), "folder/none/x --store folder", ExitCode.USAGE, "cannot be written"),
        (("export",), "nonsense.txt --store folder", ExitCode.USAGE, "exists already"),
        (("import --client-id x",), "--software-statement statement.txt", ExitCode.USAGE, "standard input"),
        (("statement show", "statement decode", "statement validate"), "gone.txt", ExitCode.USAGE, "'gone.txt'"),
        (("statement show", "statement decode", "statement validate"), "-", ExitCode.USAGE, "standard input"),
        (("device-info decode", "device-info validate"), "nonsense", ExitCode.USAGE, "not an X-Device-Info header"),
        (("device-info decode", "device-info validate"), "", ExitCode.USAGE, "HEADER"),
        (("device-info decode", "device-info validate"), "-", ExitCode.USAGE, "standard input"),
        (("device-info validate",), "e30=", ExitCode.USAGE, "model is missing"),
        (("device-info build",), "model", ExitCode.USAGE, "'model' is no KEY=VALUE"),
        (("device-info build",), "model=TV", ExitCode.USAGE, "osName is missing"),
        (("device-info build",), "--detect displayWidth=wide", ExitCode.USAGE, "displayWidth"),
        (("device-info show",), "x", ExitCode.USAGE, "--help"),
        (("completion",), "tcsh", ExitCode.USAGE, "tcsh"),
        (("completion",), "", ExitCode.USAGE, "--help"),
        (("simulate",), "--seconds nan", ExitCode.USAGE, "--seconds"),
        (("demo",), "--environment x", ExitCode.USAGE, "release-production"),
    ),
)
def test_what_cannot_be_used_is_a_sentence(
    command: str, more: str, code: ExitCode, told: str, run: Run, folder: Path
) -> None:
    """Missing, malformed, unreadable, unwritable and contradicting input: one sentence, a code, and nothing made."""
    before = set(folder.rglob("*"))
    check(run(*command.split(), *more.split()), code, told)
    assert all(".data" in each.parts for each in set(folder.rglob("*")) - before)


@pytest.mark.parametrize("command", ["config", *(pytest.param(each, marks=pytest.mark.slow) for each in ALL)])
@pytest.mark.parametrize(
    ("text", "told"),
    [("[profiles", "is not TOML"), ("store = 1", "profiles and nothing else"), ('[profiles.default]\nx = "y"', "'x'")],
    ids=["no TOML", "no profiles", "no setting"],
)
def test_a_file_of_settings_that_is_none_is_a_sentence(
    command: str, text: str, told: str, run: Run, folder: Path
) -> None:
    """What is wrong with config.toml is told with its path by every command that has settings."""
    path = folder / ".config" / "dcrauth" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    if command == "import x":
        command = "import nonsense.txt"
    ended = run(*command.split())
    check(ended, ExitCode.USAGE, told)
    assert str(path) in ended.err


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"", "There is no client secret"),
        (b" \n", "There is no client secret"),
        (b"\xff", "not in UTF-8"),
        (b"x" * 300_000, "too long"),
        (b"a\0b", "can be no client credentials"),
    ],
    ids=["nothing", "blanks", "no text", "too long", "no characters"],
)
def test_a_secret_that_can_be_none_is_a_sentence(stdin: bytes, told: str, run: Run, folder: Path) -> None:
    """What comes as a secret over standard input is checked, and not shown; nothing is stored."""
    arguments = "import --software-statement statement.txt --store new --client-id x"
    check(run(*arguments.split(), stdin=stdin), ExitCode.USAGE, told)
    assert not (folder / "new").exists()


ODD = ["[/b]", "[red]x", "[link http://x]", "\x1b[31mx", "a\x07b", "a\u202eb", "a\rb", "\udcff"]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_markup_and_control_characters_are_shown_as_they_are(odd: str, run: Run, folder: Path) -> None:
    """Markup in a name is shown as it is, what would rule the terminal as escapes; the code is as for plain names."""
    seen = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in odd)
    for arguments in (
        ["token", "--software-statement", odd],
        ["token", "--profile", odd],
        ["import", odd],
        ["statement", "show", odd],
        ["device-info", "build", odd],
        [odd],
    ):
        ended = run(*arguments)
        check(ended, ExitCode.USAGE, "")
        assert seen in ended.err.replace("\\\\", "\\")
    ended = run("config", "--instance", odd)
    assert ended.status == 0
    assert f"instance            given                        {seen}\n" in ended.out
    assert json.loads(run("config", "--instance", odd, "--json").out)["settings"]["instance"]["value"] == odd


@pytest.mark.parametrize("odd", ["[/b] [red]x", "\x1b[31mred\x07", "\u202eright to left"], ids=range(3))
def test_what_a_server_says_is_no_markup(odd: str, client: Run, adobe: Simulator) -> None:
    """Markup and control characters of a refusal come out as text, on one line, and with the code of a refusal."""
    body = json.dumps({"error": "invalid_software_statement", "error_description": odd}).encode()
    adobe.inject("register", Fault(status=400, body=body), times=None)
    for arguments in (["token"], ["token", "--debug"]):
        ended = client(*arguments)
        assert (ended.status, ended.out) == (ExitCode.REFUSED, "")
        assert all(each.isprintable() for each in ended.err.splitlines())
        assert "invalid_software_statement" in ended.err


@pytest.mark.parametrize("name", [*VARIABLES.values(), PROFILE, DIRECTORY_VARIABLE, None])
@pytest.mark.parametrize("value", ["", pytest.param(" \t", marks=pytest.mark.slow)], ids=["empty", "blank"])
def test_an_empty_variable_changes_nothing(
    name: str | None, value: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable, and all of them, set to nothing: every setting is as before, and config says what it ignored."""
    usual = json.loads(run("config", "--json").out)
    names = [*VARIABLES.values(), PROFILE, DIRECTORY_VARIABLE] if name is None else [name]
    store = repr(FileStore())
    for each in names:
        monkeypatch.setenv(each, value)
    found = json.loads(run("config", "--json").out)
    assert found == usual | {"ignored": names}
    assert repr(FileStore()) == store
    told = run("config").out
    assert all(f"ignored             ${each:<26}  it is empty\n" in told for each in names)


CANARY = "canary-of-a-secret"
WORK = {
    "token": (access_token, "_as_text"),
    "forget --yes": (client, "say"),
    "config": (configuration, "_ignored"),
    "export x": (transfer, "export_credentials"),
    "import x": (transfer, "import_credentials"),
    "simulate --seconds 0": (simulate, "say"),
}


@pytest.mark.parametrize("command", WORK)
@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_no_traceback_shows_a_variable(command: str, debug: bool, client: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen error inside a command is a sentence; with --debug a traceback, which shows no variable either."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    rich.traceback.install(show_locals=True)
    module, name = WORK[command]

    def fail(*given: object, **named: object) -> None:
        secret = CANARY
        raise ZeroDivisionError(len(secret))

    monkeypatch.setattr(module, name, fail)
    ended = client(*command.split(), *["--debug"] * debug)
    assert ended.status == ExitCode.FAULT
    assert CANARY not in ended.err + ended.out
    assert ("Traceback" in ended.err) == debug
    assert ended.err.splitlines()[-1].startswith("dcrauth: This ended unexpectedly with ZeroDivisionError")


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_a_fault_in_the_engine_shows_no_secret(
    debug: bool, client: Run, adobe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the middle of a renewal shows neither statement, client nor token, with --debug either."""
    seen: list[str] = [adobe.software_statement]
    read = AdobePass.read_token

    def fail(self: AdobePass, response: Response) -> object:
        seen.append(json.loads(response.body)["access_token"])
        raise ZeroDivisionError(read)

    request = AdobePass.token_request

    def spy(self: AdobePass, credentials: ClientCredentials) -> Request:
        seen.append(credentials.client_secret)
        return request(self, credentials)

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    rich.traceback.install(show_locals=True)
    monkeypatch.setattr(AdobePass, "token_request", spy)
    monkeypatch.setattr(AdobePass, "read_token", fail)
    ended = client("token", *["--debug"] * debug)
    assert ended.status == ExitCode.FAULT
    assert len(seen) >= 3
    assert not [each for each in seen if each in ended.out + ended.err]
    assert "ZeroDivisionError" in ended.err


def test_an_interrupt_is_a_code_only(client: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command with 130, without a word."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(access_token, "_as_text", interrupted)
    assert client("token").status == ExitCode.INTERRUPTED
    assert client("token").err == ""
    assert main(["config"]) == ExitCode.GOOD
