"""The dcrauth command: what it does, and what it says where it cannot do that."""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dcrauth.cli.commands
import dcrauth.cli.demo
from adapters_tests.cli.running import Run, in_a_process
from adapters_tests.common.clock import ManualClock
from adapters_tests.engine.test_transfer import filled
from adapters_tests.servers.redis_server import RedisServer
from dcrauth import AdobePass, ConfigurationError, EncryptedStore, FileStore, MemoryStore, RedisStore
from dcrauth.cli import plain
from dcrauth.cli.app import _command
from dcrauth.cli.commands import main
from dcrauth.cli.demo_clients import with_requests
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.engine.transfer import import_credentials
from dcrauth.simulator import Behaviour, Fault, Simulator


def test_the_demo_ends_well(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo plays all steps with all clients and ends with status 0."""
    clients = {name: (get, min(crowd, 50)) for name, (get, crowd) in dcrauth.cli.demo.CLIENTS.items()}
    monkeypatch.setattr(dcrauth.cli.demo, "CLIENTS", clients)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert "All as it should be." in text
    assert all(name in text for name in ("requests", "httpx", "httpx (async)", "httpx2 (async)", "aiohttp"))
    assert "!!" not in text


def test_the_demo_fails_if_a_step_costs_too_much(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that does not cost what it should is shown, and the status is 1."""
    monkeypatch.setattr(dcrauth.cli.demo, "CLIENTS", {"requests": (with_requests, 2)})
    monkeypatch.setattr(dcrauth.cli.demo, "Behaviour", lambda **_: Behaviour(refuse_every_token=True))
    assert main(["demo"]) == 1
    assert "!!" in capsys.readouterr().out


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
        dcrauth.cli.demo, "AdobePass", lambda text, environment, **rest: AdobePass(text, base_url=adobe.url, **rest)
    )
    arguments = ["demo", "--software-statement", str(statement), "--service-provider", "REF30"]
    assert main([*arguments, "--store", str(tmp_path / "store")]) == 0
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 10)
    assert "Registered, TokenRenewed" in capsys.readouterr().out


@pytest.fixture(params=["with the extra", "without"])
def front(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commands that run with and without the extra ``cli``, both ways."""
    if request.param == "without":
        monkeypatch.setattr(dcrauth.cli.commands, "_front", lambda: plain.run)
    return str(request.param)


@pytest.mark.parametrize("stored", [False, True])
def test_errors_of_the_service_are_a_sentence(tmp_path: Path, run: Run, *, stored: bool) -> None:
    """A statement that is none ends with status 2 and a sentence on stderr, which is no markup to anybody."""
    statement = tmp_path / "[red]statement[/b]"
    if stored:
        statement.parent.mkdir()
        statement.write_text("nonsense")
    ended = run("demo", "--software-statement", statement, "--service-provider", "REF30")
    assert (ended.status, ended.out) == (ExitCode.USAGE, "")
    assert ended.err.startswith("dcrauth: The software statement ")
    assert stored or "[red]statement[/b]" in ended.err


def test_an_api_that_does_not_answer_is_a_sentence(
    adobe: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """What an HTTP library raises becomes a sentence without its text, which may hold the password of a proxy."""
    statement = tmp_path / "statement.txt"
    statement.write_text(adobe.software_statement)
    monkeypatch.setattr(dcrauth.cli.demo, "AdobePass", lambda text, **_: AdobePass(text, base_url=adobe.url))
    arguments = ["demo", "--software-statement", statement, "--service-provider", "../../canary", "--store"]
    adobe.inject("api", Fault(reset=True), times=None)
    ended = run(*arguments, tmp_path / "store")
    assert (ended.status, ended.out) == (ExitCode.UNAVAILABLE, "")
    assert ended.err == f"dcrauth: {adobe.url} does not answer (ConnectionError); try again later\n"
    adobe.clear_faults()
    adobe.revoke_statement()
    ended = run(*arguments, tmp_path / "other")
    assert ended.status == ExitCode.REFUSED
    assert "software statement" in ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["demo", "--software-statement", "statement.txt"], "--service-provider"),
        (["demo", "--software-statement", ""], "empty"),
        (["demo", "--software-statement", "x", "--service-provider", "x", "--store", "nosql:x"], "no store"),
        (["demo", "--store", "x"], "--software-statement"),
        (["demo", "--environment", "production"], "release-production"),
        (["simulate", "--port", "70000"], "0 to 65535"),
        (["simulate", "--port", "http"], "--port"),
        (["simulate", "--seconds", "-1"], "--seconds"),
        (["simulate", "--seconds", "nan"], "--seconds"),
        (["export", "--store", "", "x"], "it is empty"),
        (["export", "--store", "nowhere", ""], "it is empty"),
        (["export", "--store", "nowhere", "x"], "nowhere"),
        (["export", "--store", "sqlite:nowhere", "x"], "nowhere"),
        (["export", "--store", "sqlite:", "x"], "sqlite:FILE"),
        (["export", "--store", "sqlite:///nowhere", "x"], "sqlite:FILE"),
        (["export", "--store", "sqllite:nowhere", "x"], "sqlite:FILE"),
        (["export", "--store", "postgres://127.0.0.1/db", "x"], "sqlite:FILE"),
        (["export", "--store", "redis://127.0.0.1:1/0", "x"], "ConnectionError"),
        (["export", "--store", "nowhere", "--prefix", "shop:", "x"], "prefix is for a Redis"),
        (["export", "--store", "redis://127.0.0.1:1/0", "--prefix", " ", "x"], "it is empty"),
        (["export", "--store", "nowhere", "--key-file", "no-key", "x"], "no key file"),
        (["import", "--store", "nowhere", "no-file"], "no-file"),
        (["import", "--store", "file:///nowhere", "no-file"], "sqlite:FILE"),
        (["import", "--store", "nowhere", "--key-file", "no-key", "x"], "no key file"),
        (["import"], "FILE"),
        (["import", "x", "--client-id", "y"], "Give one of both"),
        (["backup"], "backup"),
    ],
)
def test_bad_input_is_a_sentence(
    arguments: list[str], told: str, front: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be done is told on stderr, with what would do; the status is not 0, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert ended.status in {ExitCode.USAGE, ExitCode.STORE}
    assert ended.out == ""
    assert ended.err.startswith("dcrauth: ")
    assert ended.err.count("\n") == 1
    assert told in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_a_sentence(adobe: Simulator, run: Run) -> None:
    """A simulator that finds its port taken says so, and how to get another one."""
    port = adobe.url.rpartition(":")[2]
    ended = run("simulate", "--port", port)
    assert (ended.status, ended.out) == (ExitCode.USAGE, "")
    assert f"port {port} of 127.0.0.1: Address already in use; take another one" in ended.err
    with pytest.raises(ConfigurationError, match=r"on port 0 of 192\.0\.2\.1"):
        Simulator(host="192.0.2.1")


SECRET = "canary" + "A" * 37 + "="
STATEMENT = f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.{SECRET[:-1]}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "--store", "redis://:canary@127.0.0.1:1/0", "x"], "$DCRAUTH_STORE"),
        (["export", "--store=REDISS://user:canary@127.0.0.1:1/0", "x"], "$DCRAUTH_STORE"),
        (["export", "--store", "redis://127.0.0.1:1?password=canary", "x"], "$DCRAUTH_STORE"),
        (["export", "--store=unix:///redis?db=1&pass%77ord=canary", "x"], "$DCRAUTH_STORE"),
        (["export", "--store", "rediss://127.0.0.1:1?ssl_password=canary", "x"], "$DCRAUTH_STORE"),
        (["import", "x", "redis://:canary@127.0.0.1:1/0"], "$DCRAUTH_STORE"),
        (["demo", "--software-statement", "x", "--service-provider", "x", "--store", "redis://:canary@h"], "$DCRAUTH"),
        (["demo", "--software-statement", STATEMENT, "--service-provider", "REF30"], "file"),
        (["demo", f"--software-statement={STATEMENT}"], "file"),
        ([STATEMENT], "file"),
        (["export", "--key-file", SECRET, "x"], "file"),
        (["import", f"--key-file={SECRET}", "x"], "file"),
        (["simulate", "--port", "canary" * 100], "--port"),
        (["x" * 20 + "canary" * 100], "characters"),
        (["export", "x", "x" * 20 + "canary" * 100], "characters"),
        (["import", "--store", "nowhere", "x" * 20 + "canary" * 50], "characters"),
    ],
    ids=range(16),
)
def test_a_secret_in_an_argument_is_not_shown(
    arguments: list[str], told: str, front: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all users of the machine could see is refused, with the place where it belongs, and not shown once more."""
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert ended.status == ExitCode.USAGE
    assert told in ended.err
    assert "canary" * 10 not in ended.err
    assert "canary" not in ended.err or "canary" * 10 in "".join(arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "where",
    ["redis://:canary@127.0.0.1:1/0", '"redis://:canary@127.0.0.1:1/0"', "mongo://:canary@h", "redis://h:canary@x:y"],
)
def test_a_password_in_the_environment_is_not_shown(
    where: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL in DCRAUTH_STORE, also one in quotes or of no store, is an error without what is in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DCRAUTH_STORE", where)
    ended = run("export", "x")
    assert ended.status in {ExitCode.USAGE, ExitCode.STORE}
    assert "canary" not in ended.err
    assert list(tmp_path.iterdir()) == []


def test_an_empty_variable_is_one_that_is_not_set(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty DCRAUTH_STORE means the user's data directory, which is named where there is nothing in it."""
    monkeypatch.setenv("DCRAUTH_STORE", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = run("export", tmp_path / "x")
    assert ended.status == ExitCode.USAGE
    assert f"FileStore('{tmp_path}" in ended.err


def test_what_would_rule_the_terminal_is_made_visible(run: Run, tmp_path: Path) -> None:
    """Line ends and escape sequences in names come out as escapes, so that each message is one line."""
    ended = run("import", "--store", tmp_path / "new", tmp_path / "a\n\x1b[1mb\u202e\udcff")
    assert ended.status == ExitCode.USAGE
    assert ended.err.count("\n") == 1
    assert r"a\n\x1b[1mb\u202e\udcff cannot be read" in ended.err


def test_a_folder_that_is_gone_is_a_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses something that no command foresees, that is a sentence as well."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = run("export", "--store", "here", "x")
    assert ended.status == ExitCode.USAGE
    assert ended.err == "dcrauth: The system refuses what this takes: [Errno 2] No such file or directory\n"


@pytest.mark.slow
@pytest.mark.fault(
    "the output of a command cannot be written: its disk is full, or nobody reads it any more",
    "a sentence on stderr, and a status that is not 0; what was written before, as an export, stays",
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("--version", "full"),
        ("simulate", "full"),
        ("export", "full"),
        ("export", "closed pipe"),
        ("demo", "full"),
        ("demo", "closed pipe"),
    ],
)
def test_an_output_that_fails_is_a_sentence(command: str, output: str, tmp_path: Path) -> None:
    """Each command says in a sentence that it cannot write its output, and ends with status 2."""
    filled(FileStore(tmp_path / "store"))
    arguments = {"export": ["--store", tmp_path / "store", tmp_path / "export"], "simulate": ["--seconds", "60"]}
    with failing_output(output) as out:
        ended = in_a_process([command, *arguments.get(command, [])], stdout=out)
    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr.startswith("dcrauth: The standard output cannot be written (")
    assert ended.stderr.count("\n") == 1
    assert (tmp_path / "export").exists() == (command == "export")


@pytest.mark.parametrize("front", ["app", "plain"])
@pytest.mark.parametrize("group", ["", "store", "statement", "device-info"])
def test_what_there_is_is_listed(group: str, front: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a command its name lists the commands, with the exit code of an argument that will not do."""
    if front == "plain":
        monkeypatch.setattr(dcrauth.cli.commands, "_front", lambda: plain.run)
    ended = run(*group.split())
    assert ended.status == ExitCode.USAGE
    if front == "plain" and group:
        assert "needs an extra" in ended.err
        return
    assert ended.err == ""
    assert ended.out == run(*group.split(), "--help").out
    assert {"": "export", "store": "ddl", "statement": "decode", "device-info": "build"}[group] in ended.out


@contextmanager
def failing_output(kind: str) -> Iterator[int]:
    """Open an output for which there is no room, or no reader."""
    if kind == "full":
        fd = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, fd = os.pipe()
        os.close(reader)
    try:
        yield fd
    finally:
        os.close(fd)


def test_a_command_without_outputs_does_its_work(tmp_path: Path) -> None:
    """Where stdout and stderr are closed, as for some services, an export is made, and a failure is a status."""
    filled(FileStore(tmp_path / "store"))
    command = f"exec {sys.executable} -m dcrauth export --store {tmp_path}/store {tmp_path}/export >&- 2>&-"
    statuses = [subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode for _ in range(2)]  # noqa: S607
    assert statuses == [ExitCode.GOOD, ExitCode.USAGE]
    assert import_credentials(MemoryStore(), tmp_path / "export").written == 3


@pytest.mark.parametrize(
    ("encoding", "command", "told"),
    [
        ("ascii", "export", r"3 client credentials written to .*\\u03a9"),
        ("cp1252", "export", r"3 client credentials written to .*\\u03a9"),
        ("cp1252", "demo", "All as it should be"),
        ("ascii", "--help", "Usage: dcrauth"),
    ],
)
def test_an_output_without_the_characters_shows_others(
    encoding: str, command: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo, the help and odd names come through where the output is in an old code page, or in ASCII."""
    filled(FileStore(tmp_path / "store"))
    monkeypatch.setattr(dcrauth.cli.demo, "CLIENTS", {"requests": (with_requests, 2)})
    arguments = ["--store", f"{tmp_path}/store", f"{tmp_path}/Ω"] if command == "export" else []
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding))
    assert main([command, *arguments]) == 0
    assert re.search(told, out.getvalue().decode(encoding))


def test_simulate_prints_what_is_needed_and_stops() -> None:
    """The simulator prints its base URL and a statement, serves, and ends by itself when told to."""
    command = [sys.executable, "-m", "dcrauth", "simulate", "--seconds", "0.1"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "base_url            http://127.0.0.1:" in found.stdout
    assert "software_statement  eyJ" in found.stdout


def test_the_version_is_told(front: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version and ends."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("dcrauth 0.")


def test_a_redis_is_named_with_its_prefix(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    """A Redis with a prefix of its own is exported, and the prefix misspelled is an error that names it."""
    filled(RedisStore(redis_server.url, prefix="shop:"))
    monkeypatch.setenv("DCRAUTH_STORE", redis_server.url.replace("redis:", "Redis:"))
    ended = run("export", "--prefix", "shop", tmp_path / "export")
    assert ended.status == ExitCode.USAGE
    assert "with prefix 'shop'" in ended.err
    assert run("export", "--prefix", "shop:", tmp_path / "export").out.startswith("3 client credentials")
    assert "3 written" in run("import", "--prefix", "new:", tmp_path / "export").out
    assert len(list(RedisStore(redis_server.url, prefix="new:").keys())) == 3


def test_an_encrypted_store_without_its_key_is_not_called_damaged_only(run: Run, tmp_path: Path) -> None:
    """Without --key-file an encrypted store looks damaged, so the error says how to read it; with it, no more so."""
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text("00" * 32)
    filled(EncryptedStore(FileStore(tmp_path / "sealed"), keys=[bytes(32)]))
    sealed = ["--store", tmp_path / "sealed"]
    assert "give --key-file" in run("export", *sealed, tmp_path / "export").err
    (tmp_path / "plain").mkdir(0o700)
    filled(FileStore(tmp_path / "plain"))
    ended = run("export", "--store", tmp_path / "plain", "--key-file", tmp_path / "key", tmp_path / "export")
    assert "not encrypted" in ended.err
    assert "--key-file" not in ended.err
    assert run("export", *sealed, "--key-file", tmp_path / "key", tmp_path / "export").status == 0


ONLY_WITH_EXTRA = {"--key-variable", "--key-service", "--device-identifier"}


@pytest.mark.parametrize("command", ["demo", "simulate", "export", "import"])
def test_both_fronts_have_the_same_options(command: str) -> None:
    """What runs without the extra takes there what it takes with it, but for what is said of it."""
    (commands,) = (each for each in plain._parser()._actions if isinstance(each, argparse._SubParsersAction))
    without = {name for each in commands.choices[command]._actions for name in each.option_strings}
    taken = _command().commands[command].params
    options = {name for each in taken for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}
    assert without - {"-h", "--help"} == options - ONLY_WITH_EXTRA


def test_without_the_extra_a_client_is_proved_as_well(
    client: Run, adobe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of a client with a wrong secret stores nothing, whichever front has read the arguments."""
    monkeypatch.setattr(dcrauth.cli.commands, "_front", lambda: plain.run)
    assert client("import", "--client-id", "by-hand", stdin=b"secret").status == ExitCode.REFUSED
    assert client("import", "--client-id", "by-hand", "--no-verify", stdin=b"secret").out.startswith("1 written")
