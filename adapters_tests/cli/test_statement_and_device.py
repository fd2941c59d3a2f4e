"""dcrauth statement, device-info and completion: what they print."""

from __future__ import annotations

import base64
import json
import time as clock
from pathlib import Path

import pytest

from adapters_tests.cli.running import Run, in_a_process
from dcrauth import DeviceInfo
from dcrauth.cli.exit_codes import ExitCode


def jwt(**claims: object) -> str:
    """Return a statement with *claims*."""
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)
    )
    return f"{header}.{payload}.c2ln"


def test_a_statement_is_masked_unless_it_is_revealed(run: Run, tmp_path: Path) -> None:
    """Of which application, from whom and since when is shown; the text itself with --reveal only."""
    text = jwt(sub="app", iss="adobe", iat=1)
    (tmp_path / "statement.txt").write_text(text)
    assert text not in run("statement", "show", tmp_path / "statement.txt").out
    found = json.loads(run("statement", "show", "-", "--json", stdin=text.encode()).out)
    assert (found["application"], found["issuer"], found["issued_at"]) == ("app", "adobe", 1)
    assert text not in found["statement"]
    assert json.loads(run("statement", "show", "-", "--json", "--reveal", stdin=text.encode()).out)["statement"] == text
    decoded = json.loads(run("statement", "decode", "-", stdin=text.encode()).out)
    assert decoded == {"header": {"alg": "RS256"}, "claims": {"sub": "app", "iss": "adobe", "iat": 1}}


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"sub": "app"}, None),
        ({"sub": "app", "iat": "yesterday"}, None),
        ({"sub": "app", "exp": 1}, "it has expired at 1970-01-01 00:00:01 UTC"),
        ({"sub": "app", "iat": clock.time() + 7200}, "look at this machine's clock"),
        ({"sub": "app", "nbf": 1e300}, "1e+300 s since the epoch"),
        ({"iss": "x"}, "no sub"),
        ({"sub": 1}, "no sub"),
    ],
    ids=range(7),
)
def test_what_is_wrong_with_a_statement_is_told(claims: dict[str, object], told: str | None, run: Run) -> None:
    """A statement that has expired, is of the future or of nobody is an error that says so, and so in JSON."""
    text = jwt(**claims).encode()
    ended = run("statement", "validate", "-", stdin=text)
    found = run("statement", "validate", "-", "--json", stdin=text)
    code = ExitCode.GOOD if told is None else ExitCode.USAGE
    assert (ended.status, found.status) == (code, code)
    assert (told or "") in ended.err
    assert json.loads(found.out)["valid"] == (told is None)
    assert (told or "") in " ".join(json.loads(found.out)["problems"])


DEVICE = ["model=TV", "version=7", "osName=tvOS", "osVersion=18", "connectionType=wired", "displayWidth=1920"]


def test_a_device_is_built_read_and_checked(run: Run) -> None:
    """What build prints is what the library sends, decode reads it again, and validate finds nothing wrong."""
    built = run("device-info", "build", *DEVICE)
    device = DeviceInfo(
        model="TV", version="7", os_name="tvOS", os_version="18", connection_type="wired", display_width=1920
    )
    assert built.out == f"{device.header}\n"
    assert json.loads(run("device-info", "decode", built.out.strip()).out) == device.to_json()
    line = f"X-Device-Info: {built.out}".encode()
    assert json.loads(run("device-info", "decode", "-", "--json", stdin=line).out)["device"] == device.to_json()
    assert run("device-info", "validate", built.out.strip()).status == 0
    assert json.loads(run("device-info", "validate", built.out.strip(), "--json").out) == {
        "valid": True,
        "problems": [],
    }
    found = json.loads(run("device-info", "build", "--detect", "model=Box", "extraKey=1", "--json").out)
    assert found["device"] == DeviceInfo.detect(model="Box", extra={"extraKey": "1"}).to_json()
    assert json.loads(run("device-info", "show").out) == DeviceInfo.detect().to_json()


@pytest.mark.parametrize(
    ("shell", "word"),
    [("bash", "complete -o default -F"), ("zsh", "#compdef dcrauth"), ("fish", "complete --command dcrauth")],
)
def test_scripts_for_shells_come_out(shell: str, word: str, run: Run) -> None:
    """The scripts for bash, zsh and fish are printed as they are to be sourced."""
    ended = run("completion", shell)
    assert (ended.status, ended.err) == (0, "")
    assert word in ended.out
    assert "_DCRAUTH_COMPLETE" in ended.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "given"),
    [
        ("bash", {"COMP_WORDS": "dcrauth state", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "dcrauth state"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "dcrauth state", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_what_scripts_ask_for_is_answered(shell: str, given: dict[str, str]) -> None:
    """A command's beginning is completed in each shell."""
    ended = in_a_process([], env=given | {"_DCRAUTH_COMPLETE": f"complete_{shell}"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "statement" in ended.stdout
