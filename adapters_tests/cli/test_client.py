"""dcrauth forget, restore, export and import: what becomes of a client."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from adapters_tests.cli.running import Run
from dcrauth import AdobePass, TokenSource
from dcrauth.cli import commands, plain
from dcrauth.cli.commands import main
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.simulator import Fault, Simulator
from dcrauth.stores.by_url import open_store


def client_id(tmp_path: Path) -> str:
    """Return the client id in use, as a program with the same settings has it."""
    source = TokenSource(AdobePass.from_environment(), store=open_store(str(tmp_path / "store")))
    source.token()
    return source.status().client_id or ""


def test_forgetting_and_restoring(client: Run, adobe: Simulator, tmp_path: Path) -> None:
    """A client that is forgotten is registered anew; one that gave way comes back; nothing is lost."""
    client("token")
    assert adobe.counts.register == 1
    ended = client("forget", "--yes")
    assert (ended.status, ended.out) == (0, "The client is deleted; the next request registers anew\n")
    assert client("forget", "--yes").out == "There was no client to delete\n"
    client("token")
    assert adobe.counts.register == 2
    first = client_id(tmp_path)
    replaced = client("import", "--client-id", "by-hand", "--no-verify", "--overwrite", "--json", stdin=b"the secret\n")
    assert json.loads(replaced.out) == {"written": 1, "present": 0, "kept": 0, "forgotten": 0}
    assert json.loads(client("restore", "--yes", "--json").out) == {"restored": True}
    client("token")
    assert (client_id(tmp_path), adobe.counts.register) == (first, 2)


def test_a_client_made_by_hand_is_used(client: Run, adobe: Simulator, tmp_path: Path) -> None:
    """A pair whose secret comes from standard input is what programs use: nothing is registered; twice does no harm."""
    client("token")
    client("export", tmp_path / "export")
    record = json.loads((tmp_path / "export").read_text().splitlines()[1])["record"]
    pair = json.loads(record)["payload"]
    client("forget", "--yes")
    arguments = ["import", "--client-id", pair["client_id"], "--store", tmp_path / "other"]
    secret = f"{pair['client_secret']}\r\n".encode()
    assert client(*arguments, stdin=secret).out.startswith("1 written, 0 already there")
    assert client(*arguments, stdin=secret).out.startswith("0 written, 1 already there")
    refused = client(*arguments, "--no-verify", stdin=b"another")
    assert refused.out.startswith("0 written, 0 already there, 1 different")
    assert refused.status == 2
    assert "--overwrite" in refused.err
    shown = client("status", "--store", tmp_path / "other").out
    assert "imported" in shown
    assert "1970" not in shown
    before = adobe.counts.register
    assert client("token", "--store", tmp_path / "other").status == 0
    assert adobe.counts.register == before


def test_a_client_made_by_hand_is_proved_first(client: Run, adobe: Simulator, tmp_path: Path) -> None:
    """With a wrong secret, or without an answer, nothing is stored, and so no request replaces the client."""
    client("token")
    pair = made_by_hand(client, tmp_path)
    before = adobe.counts.register
    arguments = ["import", "--client-id", pair["client_id"], "--store", tmp_path / "other"]
    wrong = client(*arguments, stdin=b"another secret")
    assert (wrong.status, wrong.out) == (ExitCode.REFUSED, "")
    assert "invalid_client" in wrong.err
    assert "So nothing was imported: check id, secret" in wrong.err
    assert "another secret" not in wrong.err
    adobe.inject("token", Fault(status=503))
    away = client(*arguments, stdin=pair["client_secret"].encode())
    assert (away.status, away.out) == (ExitCode.UNAVAILABLE, "")
    assert "--no-verify imports it unproved" in away.err
    assert not (tmp_path / "other").exists()
    assert client(*arguments, stdin=pair["client_secret"].encode()).out.startswith("1 written")
    assert adobe.counts.register == before
    assert client(*arguments, "--no-verify", "--overwrite", stdin=b"another secret").status == 0


@pytest.mark.parametrize("front", ["app", "plain"])
@pytest.mark.parametrize("form", ["a file", "a client"])
def test_what_keeps_a_client_out_is_told(
    form: str, front: str, client: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note of forget, or another client, keeps an import out with exit code 2, and --overwrite puts it in."""
    if front == "plain":
        monkeypatch.setattr(commands, "_front", lambda: plain.run)
    by_hand = ["import", "--no-verify", "--client-id"]
    client(*by_hand, "by-hand", stdin=b"the secret")
    client("export", tmp_path / "export")
    again = ["import", tmp_path / "export"] if form == "a file" else [*by_hand, "by-hand"]
    TokenSource(AdobePass.from_environment(), store=open_store(str(tmp_path / "store"))).forget()
    kept_out = client(*again, stdin=b"the secret")
    assert (kept_out.status, "1 deleted here on purpose" in kept_out.out) == (ExitCode.USAGE, True)
    assert "dcrauth forget: --overwrite brings it back" in kept_out.err
    found = client(*again, "--json", stdin=b"the secret")
    assert json.loads(found.out) == {"written": 0, "present": 0, "kept": 1, "forgotten": 1}
    assert found.status == ExitCode.USAGE
    assert client(*again, "--overwrite", stdin=b"the secret").status == ExitCode.GOOD
    client(*by_hand, "another", "--overwrite", stdin=b"the secret")
    kept_out = client(*again, stdin=b"the secret")
    assert (kept_out.status, "1 different ones kept" in kept_out.out) == (ExitCode.USAGE, True)
    assert "has another client" in kept_out.err


def test_a_copy_leaves_what_was_deleted_on_purpose(client: Run, tmp_path: Path) -> None:
    """A client that was deleted in the store to copy to, after it had come there, is not brought back."""
    client("import", "--no-verify", "--client-id", "by-hand", stdin=b"the secret")
    client("store", "copy", tmp_path / "store", tmp_path / "other")
    TokenSource(AdobePass.from_environment(), store=open_store(str(tmp_path / "other"))).forget()
    ended = client("store", "copy", tmp_path / "store", tmp_path / "other")
    assert (ended.status, ended.err) == (ExitCode.GOOD, "")
    assert "deleted on purpose" in client("store", "stats", "--store", tmp_path / "other").out


def made_by_hand(client: Run, tmp_path: Path) -> dict[str, str]:
    """Return id and secret of the client in the store, as of one that was registered by hand."""
    client("export", tmp_path / "by-hand.export")
    record = json.loads((tmp_path / "by-hand.export").read_text().splitlines()[1])["record"]
    return json.loads(record)["payload"]  # type: ignore[no-any-return]


def test_a_client_of_adobe_is_not_unregistered(client: Run, adobe: Simulator) -> None:
    """Adobe Pass has no way to delete a client: the command says so with exit code 2, and forgets nothing."""
    client("token")
    ended = client("forget", "--unregister", "--yes")
    assert (ended.status, ended.out) == (ExitCode.USAGE, "")
    assert "Nothing was deleted, neither there nor here" in ended.err
    client("token")
    assert adobe.counts.register == 1


def test_moving_with_json(client: Run, tmp_path: Path) -> None:
    """Export and import tell in JSON what they did."""
    client("token")
    found = json.loads(client("export", tmp_path / "export", "--json").out)
    assert found == {"exported": 1, "file": str(tmp_path / "export")}
    moved = client("import", tmp_path / "export", "--store", f"sqlite:{tmp_path}/new.db", "--json")
    assert json.loads(moved.out) == {"written": 1, "present": 0, "kept": 0, "forgotten": 0}


def test_moving_through_a_pipe(client: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What export writes to a pipe is what it writes to a file, import reads it, and no terminal shows it."""
    client("token")
    client("export", tmp_path / "export")
    piped = client("export", "-")
    assert (piped.out, piped.err) == ((tmp_path / "export").read_text(), "")
    moved = client("import", "-", "--store", tmp_path / "new", stdin=piped.out.encode())
    assert moved.out.startswith("1 written")
    cut = client("import", "-", "--store", tmp_path / "other", stdin=piped.out.encode()[:-3])
    assert (cut.status, cut.err.count("\n")) == (ExitCode.USAGE, 1)
    assert client("export", "-", "--json").status == ExitCode.USAGE
    assert client("import", "-").status == ExitCode.USAGE
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["export", "-"]) == ExitCode.USAGE
    assert screen.getvalue() == ""


@pytest.mark.parametrize(
    ("answer", "done"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)], ids=range(5)
)
@pytest.mark.parametrize("command", ["forget", "restore"])
def test_they_ask_first(
    command: str,
    answer: str,
    done: bool,
    client: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a terminal both ask, on stderr; anything but yes changes nothing and is not a success."""
    called: list[str] = []
    monkeypatch.setattr(TokenSource, command, lambda self, **_: called.append(command) or True)
    stdin = io.StringIO(answer)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([command, "--instance", "\x1b[1m"]) == (ExitCode.GOOD if done else ExitCode.USAGE)
    told = capsys.readouterr()
    assert "[y/N]" in told.err
    assert r"\x1b[1m" in told.err
    assert called == [command] * done
    assert bool(told.out) == done
    assert ("Nothing was done" in told.err) != done


def test_a_secret_is_asked_for_unseen(client: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the secret of a client is asked for without being shown; to give none is an error."""
    stdin = io.StringIO()
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"secret for {prompt}")
    assert main(["import", "--client-id", "by-hand", "--no-verify"]) == ExitCode.GOOD

    def nothing(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nothing)
    assert main(["import", "--client-id", "by-hand"]) == ExitCode.USAGE


PAIR = {"client_id": "by-hand", "client_secret": "canary"}
NO_SECRETS = [json.dumps(PAIR), json.dumps(PAIR, indent=2), "by-hand\ncanary\n"]


@pytest.mark.parametrize("front", ["app", "plain"])
@pytest.mark.parametrize("text", NO_SECRETS, ids=["object", "lines of one", "two lines"])
def test_a_file_is_not_taken_for_a_secret(
    text: str, front: str, client: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a registration answered, piped in or given as an export, is told with what to give; nothing is stored."""
    if front == "plain":
        monkeypatch.setattr(commands, "_front", lambda: plain.run)
    piped = client("import", "--client-id", "by-hand", "--no-verify", stdin=text.encode())
    assert (piped.status, piped.out) == (ExitCode.USAGE, "")
    assert "give the value of its client_secret alone" in piped.err
    (tmp_path / "client.json").write_text(text)
    exported = client("import", tmp_path / "client.json")
    assert exported.status == ExitCode.USAGE
    assert "this is not an export of dcrauth. One client that was registered by hand takes" in exported.err
    assert "--client-id" in exported.err
    assert "canary" not in piped.err + exported.err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("text", NO_SECRETS, ids=["object", "lines of one", "two lines"])
@pytest.mark.parametrize("where", ["CLIENT_SECRET", "CLIENT_SECRET_FILE"])
def test_a_setting_is_no_file_with_a_secret_in_it_either(
    where: str, text: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of the secret of a client that the settings give, before any server is asked."""
    (tmp_path / "client.json").write_text(text)
    for name, value in {"TOKEN_ENDPOINT": "http://127.0.0.1:1/token", "CLIENT_ID": "by-hand"}.items():
        monkeypatch.setenv(f"DCRAUTH_{name}", value)
    monkeypatch.setenv(f"DCRAUTH_{where}", text if where == "CLIENT_SECRET" else str(tmp_path / "client.json"))
    ended = run("token")
    assert (ended.status, ended.out) == (ExitCode.USAGE, "")
    assert "give the value of its client_secret alone" in ended.err
    assert "canary" not in ended.err
