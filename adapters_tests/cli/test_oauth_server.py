"""The commands for any other server than Adobe Pass: a client that is given, and one that registers itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

import dcrauth.requests
from adapters_tests.cli.running import Ended, Run
from adapters_tests.cli.test_status import valid
from dcrauth import ConfigurationError, OAuthServer
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.simulator import Fault, OAuthBehaviour, OAuthSimulator


@pytest.fixture
def given(run: Run, oauth: OAuthSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with a client that the server has, whose secret is in a file."""
    oauth.add_client("reports", secret="the secret of the client")
    (tmp_path / "secret.txt").write_text("the secret of the client\n")
    settings = {"ISSUER": oauth.issuer, "CLIENT_ID": "reports", "CLIENT_SECRET_FILE": str(tmp_path / "secret.txt")}
    for name, value in (settings | {"STORE": str(tmp_path / "store")}).items():
        monkeypatch.setenv(f"DCRAUTH_{name}", value)
    return run


@pytest.fixture
def registering(run: Run, oauth: OAuthSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with a server where clients register themselves."""
    for name, value in {"ISSUER": oauth.issuer, "APPLICATION": "a", "STORE": str(tmp_path / "store")}.items():
        monkeypatch.setenv(f"DCRAUTH_{name}", value)
    return run


def findings(ended: Ended) -> dict[str, tuple[str, str]]:
    """Return word and text of what ``check --json`` has found, by the name of the check."""
    found = valid(json.loads(ended.out), "check")["findings"]
    return {each["check"]: (each["word"], each["found"]) for each in found}


def test_a_token_of_a_client_that_is_given(given: Run, oauth: OAuthSimulator) -> None:
    """Nothing is registered; two runs share one token, another scope has another one, and the API takes both."""
    tokens = [given("token", *scope).out.strip() for scope in ([], [], ["--scope", "read"])]
    assert tokens[0] == tokens[1] != tokens[2]
    for token in tokens:
        answer = requests.get(f"{oauth.api_url}/films", headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert answer.status_code == 200
    assert (oauth.counts.register, oauth.counts.token) == (0, 2)


def test_the_status_of_a_client_that_is_given(given: Run) -> None:
    """Its tokens are told with the scope of the settings; neither secret nor token is, and the id in part only."""
    given("token", "--scope", "read")
    secret = given("token", "--scope", "read").out.strip()
    ended = given("status", "--scope", "read")
    assert "given by the settings, and so not stored" in ended.out
    assert "scope 'read': ends in" in ended.out
    assert "reports" not in ended.out
    report = given("status", "--scope", "read", "--json")
    (identity,) = valid(json.loads(report.out), "status")["identities"]
    assert (identity["client"]["word"], identity["token"]["word"]) == ("given", "ok")
    assert secret not in ended.out + report.out


def test_a_check_of_a_client_that_is_given(given: Run, oauth: OAuthSimulator, tmp_path: Path) -> None:
    """The issuer is asked for the token endpoint, which is called; the secret is proved if that is asked for."""
    found = findings(given("check", "--json"))
    assert found["metadata"] == ("ok", f"its token endpoint is {oauth.token_endpoint}")
    assert (found["answer"][0], found["credentials"][0]) == ("ok", "ok")
    assert "statement" not in found
    assert found["token-call"][0] == "not tried"
    assert findings(given("check", "--token", "--register", "--json"))["token-call"][0] == "ok"
    (tmp_path / "secret.txt").write_text("another one")
    ended = given("check", "--token", "--json")
    assert (ended.status, findings(ended)["token-call"][0]) == (ExitCode.REFUSED, "refused")
    assert oauth.counts.register == 0


@pytest.mark.parametrize(
    ("behaviour", "word", "told"),
    [
        ({"registration": "absent"}, "not usable", "it names no endpoint where clients register"),
        ({"issuer": "https://elsewhere.example"}, "not usable", "the metadata is that of"),
    ],
    ids=["no registration", "another issuer"],
)
def test_a_check_of_metadata_that_will_not_do(
    behaviour: dict[str, str], word: str, told: str, registering: Run, oauth: OAuthSimulator
) -> None:
    """What the issuer says, and a client cannot use, is a finding with what to do."""
    oauth.behaviour = OAuthBehaviour(**behaviour)  # type: ignore[arg-type]
    ended = registering("check", "--json")
    assert findings(ended)["metadata"][0] == word
    assert told in findings(ended)["metadata"][1]
    assert ended.status == ExitCode.USAGE


@pytest.mark.slow
def test_a_check_of_an_issuer_that_fails(registering: Run, oauth: OAuthSimulator) -> None:
    """Without metadata nothing is called, and the reason is told."""
    oauth.inject("discovery", Fault(status=503), times=None)
    ended = registering("check", "--json")
    found = findings(ended)
    assert (found["metadata"][0], found["answer"][0]) == ("failing", "not tried")
    assert "where the token endpoint is, is not known" in found["answer"][1]
    assert ended.status == ExitCode.UNAVAILABLE


def test_a_check_of_a_token_endpoint_that_is_given(
    given: Run, oauth: OAuthSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an issuer nobody is asked where the endpoint is, which may have a query."""
    monkeypatch.delenv("DCRAUTH_ISSUER")
    found = findings(given("check", "--token", "--token-endpoint", f"{oauth.token_endpoint}?tenant=a", "--json"))
    assert (found["answer"][0], found["token-call"][0]) == ("ok", "ok")
    assert "metadata" not in found
    assert (oauth.counts.discovery, oauth.counts.register) == (0, 0)


@pytest.mark.slow
def test_a_client_that_registers_itself(registering: Run, oauth: OAuthSimulator) -> None:
    """Register, look, unregister: the server has no client afterwards, and the next token is that of another one."""
    assert findings(registering("check", "--register", "--json"))["registration"][0] == "ok"
    registering("token")
    assert (oauth.counts.register, len(oauth.clients)) == (1, 1)
    assert "registered" in registering("status").out
    ended = registering("forget", "--unregister", "--yes")
    assert (ended.status, oauth.clients) == (0, ())
    assert ended.out.startswith("The server has the client no more, and it is deleted here as well")
    assert json.loads(registering("forget", "--unregister", "--yes", "--json").out) == {
        "forgotten": False,
        "unregistered": False,
    }
    registering("token")
    assert oauth.counts.register == 2


@pytest.mark.slow
def test_a_client_that_the_server_does_not_delete_stays(registering: Run, oauth: OAuthSimulator) -> None:
    """What the server has answered is told, with what to do; the client is used on."""
    oauth.behaviour = OAuthBehaviour(management=("read", "update"))
    registering("token")
    ended = registering("forget", "--unregister", "--yes")
    assert (ended.status, ended.out) == (ExitCode.REFUSED, "")
    assert "Nothing was deleted, neither there nor here: " in ended.err
    assert oauth.clients[0].client_id not in ended.err
    registering("token")
    assert oauth.counts.register == 1


def test_a_client_of_another_server_is_imported(registering: Run, oauth: OAuthSimulator) -> None:
    """A client that was made by hand is proved and stored, and used in the place of a registration."""
    oauth.add_client("by-hand", secret="the secret of the client")
    assert registering("import", "--client-id", "by-hand", stdin=b"wrong").status == ExitCode.REFUSED
    done = registering("import", "--client-id", "by-hand", stdin=b"the secret of the client\n")
    assert (done.status, done.out[:9]) == (0, "1 written")
    registering("token")
    assert oauth.counts.register == 0


def test_a_program_has_the_client_and_the_token_of_the_command(
    given: Run, oauth: OAuthSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a program makes of the same settings uses the token that the command has stored."""
    given("token")
    monkeypatch.setenv("DCRAUTH_PROTECTS", f"{oauth.api_url} https://other.example")
    session = requests.Session()
    session.auth = dcrauth.requests.DCRAuth(OAuthServer.from_environment())
    assert session.get(f"{oauth.api_url}/films", timeout=20).status_code == 200
    assert oauth.counts.token == 1


@pytest.mark.parametrize("path", ["secret.txt", "~/secret.txt"], ids=["beside", "home"])
def test_a_profile_names_the_server(
    path: str, run: Run, oauth: OAuthSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile has all of it; the file of the secret is beside that of the profiles, or where its path says."""
    oauth.add_client("reports", secret="the secret of the client")
    folder = tmp_path / ".config" / "dcrauth"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret.txt" if path[0] == "~" else folder / "secret.txt").write_text("the secret of the client\n")
    (folder / "config.toml").write_text(
        f"""[profiles.reports]
        issuer = "{oauth.issuer}"
        client_id = "reports"
        client_secret_file = "{path}"
        scope = "read"
        protects = "{oauth.api_url}"
        store = "state"
        """
    )
    assert run("token", "--profile", "reports").status == 0
    session = requests.Session()
    session.auth = dcrauth.requests.DCRAuth(OAuthServer.from_environment("reports"))
    assert session.get(f"{oauth.api_url}/films", timeout=20).json()["scope"] == "read"
    assert oauth.counts.token == 1


@pytest.mark.slow
def test_a_client_registers_with_what_the_settings_have(
    registering: Run, oauth: OAuthSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An initial access token comes from its file right before the registration, a statement from that of its own."""
    oauth.behaviour = OAuthBehaviour(statement="required", initial_token="required")
    (tmp_path / "initial.txt").write_text(oauth.initial_access_token)
    (tmp_path / "statement.txt").write_text(oauth.software_statement)
    monkeypatch.setenv("DCRAUTH_INITIAL_ACCESS_TOKEN_FILE", str(tmp_path / "initial.txt"))
    monkeypatch.setenv("DCRAUTH_SOFTWARE_STATEMENT", str(tmp_path / "statement.txt"))
    assert "statement" in findings(registering("check", "--json"))
    assert registering("token").status == 0
    (tmp_path / "initial.txt").unlink()
    assert registering("token").status == 0
    assert oauth.counts.register == 1


@pytest.mark.slow
def test_a_secret_that_was_changed_is_read_anew(
    given: Run, oauth: OAuthSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in a file, as a container has it mounted, is read for each token call."""
    monkeypatch.setenv("DCRAUTH_PROTECTS", oauth.api_url)
    session = requests.Session()
    session.auth = dcrauth.requests.DCRAuth(OAuthServer.from_environment())
    assert session.get(f"{oauth.api_url}/films", timeout=20).status_code == 200
    oauth.revoke_tokens()
    oauth.revoke_clients()
    oauth.add_client("reports", secret="its second secret")
    (tmp_path / "secret.txt").write_text("its second secret")
    assert session.get(f"{oauth.api_url}/films", timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"CLIENT_ID": "a"}, "There is a client's id and no secret"),
        ({"CLIENT_SECRET": "canary"}, "There is a client's secret and no id"),
        ({"CLIENT_ID": "a", "CLIENT_SECRET": "canary", "CLIENT_SECRET_FILE": "x"}, "leave one of them out"),
        ({"CLIENT_ID": "a", "CLIENT_SECRET_FILE": "gone"}, "gone, cannot be read: No such file or directory"),
        ({"CLIENT_ID": "a", "CLIENT_SECRET_FILE": "/dev/null"}, "is empty"),
        ({"BASE_URL": "http://127.0.0.1:1"}, "base_url ($DCRAUTH_BASE_URL) is a setting of Adobe Pass, and issuer"),
        ({"ISSUER": "http://issuer.example"}, "issuer is http://issuer.example: secrets are sent over https only"),
        ({"SCOPE": 'a"b'}, "a scope is printable ASCII"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("command", ["status", pytest.param("token", marks=pytest.mark.slow)])
def test_settings_that_will_not_do_are_a_sentence(
    command: str, settings: dict[str, str], told: str, registering: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing or contradicts is told with the variables, exit code 2, and without a secret."""
    for name, value in settings.items():
        monkeypatch.setenv(f"DCRAUTH_{name}", value)
    ended = registering(command)
    assert (ended.status, ended.out) == (ExitCode.USAGE, "")
    assert told in ended.err
    assert "canary" not in ended.err


def test_a_given_client_is_not_imported(given: Run) -> None:
    """Where the settings give a client, an import says that it is never stored."""
    ended = given("import", "--client-id", "by-hand", stdin=b"secret")
    assert ended.status == ExitCode.USAGE
    assert "These settings give a client, which is never stored" in ended.err


@pytest.mark.slow
def test_a_given_client_is_not_forgotten_but_its_tokens_are(given: Run, oauth: OAuthSimulator) -> None:
    """To forget it deletes the tokens, of all scopes; to unregister it is refused, since nothing here has made it."""
    given("token")
    given("token", "--scope", "read")
    assert given("forget", "--unregister", "--yes").status == ExitCode.USAGE
    ended = given("forget", "--yes")
    assert (ended.status, ended.out) == (0, "The settings give the client; its tokens are deleted\n")
    assert given("status").out.count("none stored") == 1
    given("token")
    assert (oauth.counts.token, len(oauth.clients)) == (3, 1)


def test_settings_of_no_server_are_told(run: Run) -> None:
    """Without an issuer and a token endpoint, and without an API, what is missing is named."""
    with pytest.raises(ConfigurationError, match="set DCRAUTH_ISSUER"):
        OAuthServer.from_environment()


def test_no_api_is_told(registering: Run) -> None:
    """A program has to name the API that may see the token; a command, which sends it to none, has not."""
    with pytest.raises(ConfigurationError, match="set DCRAUTH_PROTECTS"):
        OAuthServer.from_environment()


def test_config_shows_what_is_set_and_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of settings of other servers those that somebody has made are shown; a secret is not."""
    assert "issuer" not in run("config").out
    monkeypatch.setenv("DCRAUTH_ISSUER", "https://issuer.example")
    monkeypatch.setenv("DCRAUTH_CLIENT_SECRET", "canary")
    shown = run("config").out
    assert "issuer              $DCRAUTH_ISSUER              https://issuer.example" in shown
    assert "client_secret       $DCRAUTH_CLIENT_SECRET       …" in shown
    assert "canary" not in shown + run("config", "--json").out
    assert "canary" in run("config", "--reveal").out
