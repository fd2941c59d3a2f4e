"""dcrauth token: which token it prints, how, and with whom it shares it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters_tests.cli.running import Run, inherited
from adapters_tests.common.clock import ManualClock
from dcrauth import AccessToken, AdobePass, MemoryStore, ServerUnavailable, TokenSource
from dcrauth.cli import access_token
from dcrauth.cli.commands import main
from dcrauth.cli.exit_codes import ExitCode, exit_code
from dcrauth.cli.findings import Word, word_of
from dcrauth.engine import answer_errors
from dcrauth.providers.protocol import Problem
from dcrauth.simulator import Fault, OAuthSimulator, Simulator


def test_the_token_is_all_that_is_printed(client: Run, adobe: Simulator) -> None:
    """A token, its header or its JSON is one line on stdout, nothing is on stderr, and one client serves them all."""
    plain = client("token")
    assert (plain.status, plain.err) == (0, "")
    assert re.fullmatch(r"[!-~]+\n", plain.out)
    assert client("token", "--header").out == f"Authorization: Bearer {plain.out}"
    found = json.loads(client("token", "--json").out)
    assert found["access_token"] == plain.out.rstrip("\n")
    assert (found["token_type"], found["expires_at"] > found["obtained_at"]) == ("Bearer", True)
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


def test_a_refused_token_is_renewed(client: Run, adobe: Simulator) -> None:
    """--renew brings another token in the place of one that the API has refused, and the others see it."""
    before = client("token").out
    after = client("token", "--renew").out
    assert before != after == client("token").out
    assert (adobe.counts.register, adobe.counts.token) == (1, 2)


def test_watching_tells_each_token_once(provider: AdobePass, time: ManualClock, adobe: Simulator) -> None:
    """--watch tells a token that takes the place of another once, whatever number of times it looks."""
    source = TokenSource(provider, store=MemoryStore(), clock=time.clock)
    told: list[AccessToken] = []
    steps = iter([0.0, 0.0, 7 * 3600.0, 0.0])

    def wait(_: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        time.advance(step)

    with pytest.raises(KeyboardInterrupt):
        access_token._watch(source, source.token(), told.append, wait)
    assert [each.value for each in told] == [source.token().value]
    assert adobe.counts.token == 2


def test_watching_waits_for_a_server_that_is_away(
    provider: AdobePass, time: ManualClock, adobe: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that does not answer is a sentence on stderr while --watch goes on, until the moment of the next try."""
    told: list[AccessToken] = []
    waits: list[float] = []

    class Away:
        def token(self) -> AccessToken:
            if len(waits) < 2:
                raise ServerUnavailable("no answer", retry_at=9e9)
            return AccessToken("new", 0.0, 1.0)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if told:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        access_token._watch(Away(), AccessToken("old", 0.0, 1.0), told.append, wait)  # type: ignore[arg-type]
    assert waits[1] > 1e9
    assert [each.value for each in told] == ["new"]
    assert capsys.readouterr().err.startswith("dcrauth: no answer; the next try is at ")


@pytest.mark.parametrize(
    ("what", "code", "word"),
    [
        ("refused", ExitCode.REFUSED, "software statement"),
        pytest.param("no answer", ExitCode.UNAVAILABLE, "could not be called", marks=pytest.mark.slow),
        pytest.param("throttled", ExitCode.UNAVAILABLE, "429", marks=pytest.mark.slow),
        pytest.param("failing", ExitCode.UNAVAILABLE, "503", marks=pytest.mark.slow),
        ("store", ExitCode.STORE, "is not a directory"),
    ],
    ids=["refused", "no answer", "throttled", "failing", "store"],
)
def test_the_exit_code_says_who_has_to_act(
    what: str, code: ExitCode, word: str, client: Run, adobe: Simulator, tmp_path: Path
) -> None:
    """A refusal, a server that is away or throttles, and a store that fails are told apart by the exit code."""
    more = []
    if what == "refused":
        adobe.revoke_statement()
    elif what == "no answer":
        adobe.inject("register", Fault(reset=True), times=None)
    elif what == "store":
        (tmp_path / "file").touch()
        more = ["--store", tmp_path / "file"]
    else:
        adobe.inject("register", Fault(status=429 if what == "throttled" else 503), times=None)
    ended = client("token", *more)
    assert (ended.status, ended.out) == (code, "")
    assert ended.err.count("\n") == 1
    assert word in ended.err


PROGRAM = """
import sys, requests
import dcrauth.requests
from dcrauth import AdobePass

session = requests.Session()
session.auth = dcrauth.requests.DCRAuth(AdobePass.from_environment())
url = sys.argv[1]
print(session.get(url, timeout=30).request.headers["Authorization"], flush=True)
sys.stdin.readline()
print(session.get(url, timeout=30).request.headers["Authorization"], flush=True)
"""


@pytest.mark.slow
def test_two_shells_and_a_program_share_one_client_and_one_token(tmp_path: Path) -> None:
    """Two shells that ask at once and a program that runs have one registration and one token, and go on so."""
    with Simulator() as adobe:
        (tmp_path / "statement.txt").write_text(adobe.software_statement)
        given = inherited() | {
            "DCRAUTH_SOFTWARE_STATEMENT": str(tmp_path / "statement.txt"),
            "DCRAUTH_BASE_URL": adobe.url,
            "DCRAUTH_STORE": f"sqlite:{tmp_path}/client.db",
            "DCRAUTH_INSTANCE": "shared",
        }
        url = f"{adobe.url}/api/v2/REF30/configuration"
        shell = [sys.executable, "-m", "dcrauth", "token", "--header"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": given}
        started = [subprocess.Popen(each, **pipes) for each in (shell, shell, [sys.executable, "-c", PROGRAM, url])]
        *shells, program = started
        found = {each.communicate(timeout=50)[0].removeprefix("Authorization: ") for each in shells}
        assert program.stdout is not None
        found.add(program.stdout.readline())
        assert len(found) == 1
        assert (adobe.counts.register, adobe.counts.token) == (1, 1)
        adobe.revoke_tokens()
        renewed = program.communicate("\n", timeout=50)[0]
        later = subprocess.run(shell, capture_output=True, text=True, env=given, timeout=50, check=True).stdout
    assert later == f"Authorization: {renewed}"
    assert renewed not in found
    assert (adobe.counts.register, adobe.counts.token) == (1, 2)


def test_the_command_keeps_the_token_out_of_a_closed_output(
    client: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that nobody could read is an error, not a success."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["token"]) == ExitCode.USAGE
    assert "There is no standard output" in capsys.readouterr().err


def test_a_token_that_is_not_renewed_again_is_told(client: Run, adobe: Simulator) -> None:
    """Right after a renewal because of a refusal the same token is printed, with the reason on stderr."""
    client("token")
    first = client("token", "--renew")
    again = client("token", "--renew")
    assert (first.err, again.status, again.out) == ("", 0, first.out)
    assert "granted moments ago, in the place of another one that was refused" in again.err
    assert adobe.counts.token == 2


def test_a_refusal_names_no_moment_to_try_again(
    run: Run, oauth: OAuthSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server has said no to is told with what to do, and not when to try again, which would not help."""
    oauth.add_client("reports", secret="a secret", scope="read")
    for name, value in {"ISSUER": oauth.issuer, "CLIENT_ID": "reports", "CLIENT_SECRET": "a secret"}.items():
        monkeypatch.setenv(f"DCRAUTH_{name}", value)
    ended = run("token", "--scope", "write")
    assert ended.status == ExitCode.REFUSED
    assert "invalid_scope; the server does not grant that scope to this client" in ended.err
    assert "again" not in ended.err
    oauth.inject("token", Fault(status=429, headers=(("Retry-After", "3600"),)), times=None)
    later = run("token", "--scope", "read")
    assert later.status == ExitCode.UNAVAILABLE
    assert re.search(r"; try again after \S+ \S+ UTC\n$", later.err)


ENDPOINT_GONE = "there is no such endpoint at this address"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["base-url", "token-endpoint", "issuer"])
def test_an_address_without_an_endpoint_is_a_setting_to_mend(
    place: str, client: Run, adobe: Simulator, oauth: OAuthSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL with a mistake in it ends token and check with one exit code, says what to check, and not to try again."""
    adobe_or_oauth = adobe.url if place == "base-url" else oauth.issuer
    if place != "base-url":
        monkeypatch.delenv("DCRAUTH_BASE_URL")
        monkeypatch.delenv("DCRAUTH_SOFTWARE_STATEMENT")
        oauth.add_client("reports", secret="a secret")
        monkeypatch.setenv("DCRAUTH_CLIENT_ID", "reports")
        monkeypatch.setenv("DCRAUTH_CLIENT_SECRET", "a secret")
    wrong = [f"--{place}", f"{adobe_or_oauth}/mistaken"]
    ended = client("token", *wrong)
    assert (ended.status, ended.out) == (ExitCode.USAGE, "")
    assert ENDPOINT_GONE in ended.err
    assert "try again" not in ended.err
    assert client("check", "--token", "--register", *wrong).status == ExitCode.USAGE


@pytest.mark.parametrize("oauth", [False, True], ids=["page", "OAuth"])
@pytest.mark.parametrize("registering", [False, True], ids=["token", "registration"])
@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_no_endpoint_is_no_firewall(status: int, registering: bool, oauth: bool) -> None:
    """Whatever stands in the body, a server without the endpoint is a setting to mend, to token and to check."""
    problem = Problem(f"HTTP {status}", status, error="not_found", oauth=oauth)
    error = answer_errors.error_of(problem, "https://sp.auth.example/x", registering, 1.0)
    assert ENDPOINT_GONE in error.message
    assert (exit_code(error), word_of(error)) == (ExitCode.USAGE, Word.NOT_USABLE)


@pytest.mark.slow
def test_a_new_client_that_is_refused_is_told_the_same_everywhere(client: Run, adobe: Simulator) -> None:
    """Of a client that the server lost at once token and check say the same, with one exit code and one way out."""
    client("token")
    adobe.revoke_clients()
    adobe.revoke_tokens()
    renewing, checked = client("token", "--renew"), client("check", "--token", "--json")
    finding = next(each for each in json.loads(checked.out)["findings"] if each["check"] == "token-call")
    assert (renewing.status, checked.status, finding["word"]) == (ExitCode.UNAVAILABLE, ExitCode.UNAVAILABLE, "failing")
    for told in (renewing.err, finding["found"]):
        assert "They are new: the server is given time to know them" in told
        assert "unless this one is forgotten (dcrauth forget, or TokenSource.forget())" in told
    client("forget", "--yes")
    assert client("token").status == ExitCode.GOOD


@pytest.mark.parametrize("code", ["invalid_client", "invalid_request"])
def test_an_error_of_oauth_is_no_firewall(code: str) -> None:
    """A no that is not believed yet has come from the server itself, and nothing in between is to blame."""
    error = ServerUnavailable("They are new", status=400, error=code)
    assert (word_of(error), exit_code(error)) == (Word.FAILING, ExitCode.UNAVAILABLE)
