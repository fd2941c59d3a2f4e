"""The controls of the authorization server: they do what the Python object does, for this machine's programs alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters_tests.simulator.oauth_calling import Client, call, register, registered
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import OAuthBehaviour, OAuthSimulator

CONTROLS = {
    "add_client": "add-client",
    "advance": "advance",
    "api_url": "facts",
    "authority": "authority",
    "behave_like": "behave-like",
    "behaviour": "behaviour",
    "calls": "calls",
    "clear_faults": "clear-faults",
    "client": "clients",
    "client_certificate": "client-certificate",
    "clients": "clients",
    "clock": "state",
    "counts": "counts",
    "delete_client": "delete-client",
    "expire_secrets": "expire-secrets",
    "expire_tokens": "expire-tokens",
    "initial_access_token": "facts",
    "initial_token": "initial-token",
    "inject": "inject",
    "issuer": "facts",
    "play": "play",
    "protect": "protect",
    "registration_endpoint": "facts",
    "reinstate_statement": "reinstate-statement",
    "reset": "reset",
    "reset_counts": "reset-counts",
    "revoke_clients": "revoke-clients",
    "revoke_registration_tokens": "revoke-registration-tokens",
    "revoke_statement": "revoke-statement",
    "revoke_token": "revoke-token",
    "revoke_tokens": "revoke-tokens",
    "rotate_secret": "rotate-secret",
    "rotate_secrets": "rotate-secrets",
    "route": "route",
    "software_statement": "facts",
    "statement": "statement",
    "stop": "stop",
    "token_endpoint": "facts",
    "url": "facts",
    "wait_for": "wait",
}
"""Each public name of the server, and the control that gives the same."""

NOT_CONTROLLED = {"start", "from_toml", "wait", "receive", "own"}
"""What happens before anybody could call, and what the server itself calls."""


@pytest.fixture
def oauth() -> Iterator[OAuthSimulator]:
    """A running server."""
    with OAuthSimulator() as simulator:
        yield simulator


def control(oauth: OAuthSimulator, order: str, **fields: Any) -> Any:
    """Give an order; return what is told."""
    return requests.post(f"{oauth.url}/control/{order}", json=fields, timeout=20).json()


def told(oauth: OAuthSimulator, name: str) -> Any:
    """Ask for something."""
    return requests.get(f"{oauth.url}/control/{name}", timeout=20).json()


def test_whatever_the_object_can_do_the_controls_can(oauth: OAuthSimulator) -> None:
    """Each public name of a server has a control, which exists."""
    names = {name for name in dir(oauth) if not name.startswith("_")} - NOT_CONTROLLED
    assert names == CONTROLS.keys()
    known = control(oauth, "nothing")["error"] + told(oauth, "nothing")["error"]
    assert not [name for name in CONTROLS.values() if name not in known]


def test_orders_do_what_methods_do(oauth: OAuthSimulator) -> None:
    """Switches, clients, statements, tokens and protections that are told over HTTP are as if told in Python."""
    facts = told(oauth, "facts")
    assert (facts["issuer"], facts["token_endpoint"]) == (oauth.issuer, oauth.token_endpoint)
    control(oauth, "behaviour", initial_token="required", statement="required")
    initial = control(oauth, "initial-token", uses=1)["initial_access_token"]
    statement = control(oauth, "statement", software_id="app", claims={"client_name": "A"})["software_statement"]
    client = registered(oauth, initial, software_statement=statement)
    assert client.fields["client_name"] == "A"
    control(oauth, "protect", path="/api/*", scope="x")
    token = client.token()
    assert call(oauth, token).status_code == 403
    assert call(oauth, client.token(scope="x")).ok
    assert control(oauth, "revoke-token", token=token)["issued"] == 2
    assert call(oauth, token).status_code == 401
    client.fields["client_secret"] = control(oauth, "rotate-secret", client_id=client.fields["client_id"])[
        "client_secret"
    ]
    assert client.ask().ok
    control(oauth, "revoke-statement", software_id="app")
    assert client.ask().status_code == 400
    control(oauth, "delete-client", client_id=client.fields["client_id"])
    assert told(oauth, "clients") == {"clients": []}
    given = control(oauth, "add-client", client_id="me", method="client_secret_post", scope="a")
    assert Client(oauth, given | {"token_endpoint_auth_method": "client_secret_post"}).ask().ok
    assert control(oauth, "wait", counts={"discovery": 0, "issued": 4}) == {"done": True}
    assert control(oauth, "behave-like", server="udap")
    assert oauth.behaviour == OAuthBehaviour.like("udap")
    assert control(oauth, "reset")["initial_access_token"] == oauth.initial_access_token != initial
    assert oauth.behaviour == OAuthBehaviour()


def test_calls_are_asked_for_by_every_endpoint(oauth: OAuthSimulator) -> None:
    """Calls of documents and of management are found by their endpoint, in Python and over HTTP."""
    requests.get(f"{oauth.url}/.well-known/openid-configuration", timeout=20)
    registered(oauth).manage("GET")
    for endpoint in ("discovery", "manage"):
        found = told(oauth, f"calls?endpoint={endpoint}")["calls"]
        assert [each["number"] for each in found] == [oauth.calls.one(endpoint).number]
    assert "there is number, after, status" in told(oauth, "calls?odd=1")["error"]


def test_orders_that_concern_all(oauth: OAuthSimulator) -> None:
    """Tokens, secrets, registration tokens and clients of everybody are ended by an order each."""
    client = registered(oauth)
    token = client.token()
    control(oauth, "expire-tokens")
    assert call(oauth, token).status_code == 401
    token = client.token()
    control(oauth, "revoke-tokens")
    assert call(oauth, token).status_code == 401
    control(oauth, "expire-secrets")
    assert client.ask().status_code == 401
    control(oauth, "revoke-registration-tokens")
    assert client.manage("GET").status_code == 401
    other = registered(oauth)
    control(oauth, "rotate-secrets")
    assert other.ask().status_code == 401
    control(oauth, "revoke-clients")
    assert oauth.clients == ()


@pytest.mark.parametrize(
    ("order", "fields", "why"),
    [
        ("behaviour", {"registration": "closed"}, "registration of The control behaviour is 'closed'"),
        ("behaviour", {"odd": 1}, "The control behaviour has no 'odd'"),
        ("behave-like", {"server": "nobody"}, "There is no server called 'nobody'"),
        ("delete-client", {}, "The control delete-client needs client_id"),
        ("delete-client", {"client_id": "x"}, "there is no client 'x'"),
        ("add-client", {"method": "magic"}, "method is 'magic'"),
        ("protect", {"path": "x"}, "'x' is no path to protect"),
        ("initial-token", {"uses": 0}, "uses must be at least 1"),
        ("client-certificate", {}, "need OAuthSimulator(tls=True)"),
        ("play", {"name": "x", "step": [{"do": "expire-profiles"}]}, "This simulator has nothing called"),
        ("expire-profiles", {}, "there is no control 'expire-profiles' to POST"),
        ("wait", {"counts": {"odd": 1}}, "counts has no 'odd'; there is register"),
    ],
    ids=range(12),
)
def test_wrong_orders_are_told(oauth: OAuthSimulator, order: str, fields: dict[str, Any], why: str) -> None:
    """What is wrong with an order is one sentence, and nothing is done."""
    assert why in control(oauth, order, **fields)["error"]
    assert oauth.behaviour == OAuthBehaviour()


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=range(3),
)
def test_the_controls_are_this_machine_s(oauth: OAuthSimulator, headers: dict[str, str]) -> None:
    """Controls and page answer to no page of another origin, and to no Host that is not loopback."""
    for name in ("control/clients", "control/facts", ""):
        assert requests.get(f"{oauth.url}/{name}", headers=headers, timeout=20).status_code == 403
    assert requests.get(f"{oauth.url}/", timeout=20).ok


def test_the_page_is_told_what_there_is(oauth: OAuthSimulator) -> None:
    """The state names the endpoints and actions that the page offers, and clients and tokens without secrets."""
    client = registered(oauth)
    client.token()
    state = told(oauth, "state")
    assert state["endpoints"] == ["discovery", "register", "token", "manage", "api"]
    assert "rotate-secrets" in state["actions"]
    assert [each["client_id"] for each in state["things"]["clients"]] == [client.fields["client_id"]]
    assert len(state["things"]["tokens"]) == 1


SETTINGS = """
base_path = "/tenant"

[behaviour]
registration = "refused"
token_kind = "jwt"
metadata = { scopes_supported = ["a"] }

[[client]]
client_id = "me"
secret = "mine"
method = "client_secret_post"
metadata = { client_name = "Me" }

[[protect]]
path = "/api/reports"
scope = "reports"

[[route]]
method = "GET"
path = "/health"
protected = false

[[step]]
endpoint = "token"
last_call = 1
fault = { status = 503 }
"""


def test_settings_in_a_file(tmp_path: Path) -> None:
    """A file says what it is made with, and a reset comes back to that."""
    (tmp_path / "oauth.toml").write_text(SETTINGS)
    with OAuthSimulator.from_toml(tmp_path / "oauth.toml") as oauth:
        for _ in range(2):
            client = Client(oauth, {"client_id": "me", "client_secret": "mine"})
            form = client.fields
            assert [client.send(**form).status_code for _ in range(2)] == [503, 200]
            token = client.send(**form).json()["access_token"]
            assert call(oauth, token, "/api/reports").status_code == 403
            assert requests.get(f"{oauth.url}/health", timeout=20).ok
            assert register(oauth).status_code == 403
            assert oauth.client("me").metadata["client_name"] == "Me"
            oauth.reset()


def test_a_file_that_is_wrong_is_a_sentence(tmp_path: Path) -> None:
    """What is wrong in a file is told, and nothing listens."""
    (tmp_path / "oauth.toml").write_text('[behaviour]\nregistration = "closed"\n')
    with pytest.raises(ConfigurationError, match=r"registration of behaviour of .*toml is 'closed'"):
        OAuthSimulator.from_toml(tmp_path / "oauth.toml")
