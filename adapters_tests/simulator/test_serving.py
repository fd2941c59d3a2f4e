"""How the simulator serves: reset, restart, base path, environments, routes, clock, TLS."""

from __future__ import annotations

import multiprocessing
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from adapters_tests.simulator.calling import call, control, raw, token, told
from adapters_tests.simulator.described import SESSION, Caller, Description
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import Behaviour, Call, Fault, Reply, Scenario, Simulator, Step


def test_a_reset_makes_all_as_new_at_the_same_url() -> None:
    """After a reset nothing is left of what was registered, said and counted; URL and given behaviour stay."""
    with Simulator(Behaviour(refusals="legacy")) as adobe:
        url, statement, value = adobe.url, adobe.software_statement, token(adobe)
        adobe.behaviour = Behaviour(throttle="once")
        adobe.inject("api", Fault(status=503), times=None)
        adobe.route("GET", "/mine", {"mine": True}, protected=False)
        adobe.environment("staging")
        adobe.advance(60)
        adobe.reset()
        assert (adobe.url, adobe.behaviour) == (url, Behaviour(refusals="legacy"))
        assert adobe.software_statement != statement
        assert (adobe.calls, adobe.counts.register, adobe.clock.ahead) == ((), 0, 0)
        assert call(adobe, value) == 401
        assert call(adobe, value, "/mine") == call(adobe, value, "/staging/o/client/token", method="POST") == 404
        assert call(adobe, token(adobe)) == 200


def test_a_call_belongs_to_the_run_that_it_came_into() -> None:
    """What is answered after a reset is not counted as if it had come after it."""
    with Simulator() as adobe:

        @adobe.route("GET", "/slow", protected=False)
        def slow(call: Call) -> dict[str, str]:
            adobe.reset()
            return {}

        assert call(adobe, path="/slow") == 200
        assert (adobe.calls, adobe.counts.api) == ((), 0)


def test_it_comes_back_on_its_port_with_what_it_knew() -> None:
    """A simulator that was stopped can be started again: same port, same clients and tokens."""
    adobe = Simulator().start()
    value, url = token(adobe), adobe.url
    adobe.stop()
    adobe.stop()  # once more does no harm
    with pytest.raises(requests.ConnectionError):
        call(adobe, value)
    with adobe:
        assert adobe.url == url
        assert call(adobe, value) == 200


def test_everything_is_below_the_base_path() -> None:
    """With a base path, API, controls and page are below it, calls are kept without it, and the rest is 404."""
    with Simulator(base_path="/adobe/pass/") as adobe:
        assert adobe.url.endswith("/adobe/pass")
        value = token(adobe)
        assert call(adobe, value) == 200
        assert adobe.calls[-1].path == "/api/v2/REF30/configuration"
        assert told(adobe, "counts")["issued"] == 1
        page = requests.get(adobe.url, timeout=20)
        assert (page.url, page.status_code) == (f"{adobe.url}/", 200)
        assert "control/page.js" in page.text
        elsewhere = adobe.url.removesuffix("/adobe/pass")
        assert requests.get(f"{elsewhere}/api/v2/REF30/profiles", timeout=20).status_code == 404
        assert adobe.calls[-1].why == f"nothing is here: the base URL is {adobe.url}"
        assert requests.get(f"{elsewhere}/adobe/password", timeout=20).status_code == 404


def test_environments_know_nothing_of_each_other() -> None:
    """Each environment has a URL, applications, clients and tokens of its own, and can be told apart in the calls."""
    with Simulator(environments=["staging"]) as adobe:
        staging, values = adobe.environment("staging"), (token(adobe), token(adobe.environment("staging")))
        assert [call(adobe, value) for value in values] == [200, 401]
        assert [call(staging, value) for value in values] == [401, 200]
        staging.revoke_tokens()
        assert (call(adobe, values[0]), call(staging, values[1])) == (200, 401)
        assert len(adobe.calls.only(environment="staging")) == 5
        assert adobe.calls[-1].path == "/api/v2/REF30/configuration"
        assert control(staging, "expire-tokens")["issued"] == 2
        assert call(adobe, values[0]) == 200
        assert control(adobe, "environment", environment="prequal")["url"] == f"{adobe.url}/prequal"


def test_each_environment_has_its_own_application() -> None:
    """A statement of one environment is unapproved in the others; what revokes one leaves the others alone."""
    with Simulator() as adobe:
        staging = adobe.environment("staging")
        foreign = {"software_statement": adobe.software_statement}
        refused = requests.post(f"{staging.url}/o/client/register", json=foreign, timeout=20)
        assert (refused.status_code, refused.json()) == (400, {"error": "unapproved_software_statement"})
        staging.revoke_statement()
        assert call(adobe, token(adobe)) == 200
        assert control(staging, "reinstate-statement")["registered"] == 1
        assert call(staging, token(staging)) == 200
        statement = control(staging, "statement")["software_statement"]
        assert requests.post(f"{staging.url}/o/client/register", json={"software_statement": statement}, timeout=20).ok


def test_a_statement_of_another_application_has_its_own_rights() -> None:
    """Several applications live beside each other; revoking one leaves the others alone; an unknown one is told."""
    with Simulator() as adobe:
        other = adobe.statement("other", service_providers=["OTHER"])
        adobe.revoke_statement("other")
        register = f"{adobe.url}/o/client/register"
        statuses = [
            requests.post(register, json={"software_statement": text}, timeout=20).status_code
            for text in (adobe.software_statement, other)
        ]
        assert statuses == [201, 400]
        with pytest.raises(ConfigurationError, match="there is no application 'nobody'; statement"):
            adobe.revoke_statement("nobody")


def test_routes_of_ones_own() -> None:
    """A route answers with a value, a reply or a function of the call, in front of what is there; others are not."""
    with Simulator() as adobe:
        adobe.route("GET", "/my/api", {"mine": 1})
        adobe.route("*", "/my/reply", Reply(202, b"text"), protected=False)

        @adobe.route("PUT", "/my/{kind}/{name}")
        def thing(call: Call, kind: str, name: str) -> Any:
            return Reply.json(201, {"kind": kind, "name": name, "body": call.json()})

        value = token(adobe)
        bearer = {"Authorization": f"Bearer {value}"}
        assert requests.get(f"{adobe.url}/my/api", headers=bearer, timeout=20).json() == {"mine": 1}
        assert (call(adobe, path="/my/api"), call(adobe, value, "/my/api", method="POST")) == (401, 404)
        assert call(adobe, path="/my/reply", method="DELETE") == 202
        made = requests.put(f"{adobe.url}/my/a%20b/c", json=[1], headers=bearer, timeout=20)
        assert (made.status_code, made.json()) == (201, {"kind": "a b", "name": "c", "body": [1]})
        adobe.route("GET", "/api/v2/REF30/configuration", {"own": True}, protected=False)
        assert call(adobe) == 200


@pytest.mark.parametrize(
    ("base_path", "environment"), [("", ""), ("/adobe", ""), ("", "staging"), ("/adobe", "staging")]
)
def test_a_link_for_the_browser_is_found_however_it_is_resolved(base_path: str, environment: str) -> None:
    """The login of a session is found by its URL, joined to the base URL as RFC 3986 has it or put behind it."""
    with Simulator(base_path=base_path) as adobe:
        site = adobe.environment(environment)
        caller = Caller(site, Description(site))
        for link in (urljoin, str.__add__):
            page = requests.get(link(site.url, caller.start()["url"]), timeout=20)
            done = requests.post(page.url, data={"user": "alice"}, timeout=20, allow_redirects=False)
            assert (page.status_code, done.headers["Location"]) == (200, SESSION["redirectUrl"])
            assert {each.environment for each in adobe.calls[-3:]} == {environment}
            left = link(site.url, caller.log_out()["url"])
            assert requests.get(left, timeout=20, allow_redirects=False).headers["Location"] == "https://app.example"
        assert requests.get(f"{adobe.url}/api/v2/authenticate/REF30/NOCODE", timeout=20).status_code == 400


def test_a_forked_child_leaves_it_alone() -> None:
    """What a child does at its end, such as leaving the block, ends by itself and takes nothing from the parent."""
    with Simulator() as adobe:
        child = multiprocessing.get_context("fork").Process(target=adobe.stop)
        child.start()
        child.join(20)
        assert (child.exitcode, call(adobe)) == (0, 401)


def test_a_path_is_what_the_tester_wrote() -> None:
    """A path that is not ASCII, which clients encode, is found by routes, faults, steps and filters as written."""
    with Simulator() as adobe:
        adobe.route("GET", "/フィルム/{name}", lambda _, name: {"name": name}, protected=False)
        film = f"{adobe.url}/フィルム/a%2Fé"
        assert requests.get(film, timeout=20).json() == {"name": "a/é"}
        adobe.inject("/フィルム/x", Fault(status=503))
        adobe.play(Scenario("é", (Step(endpoint="/é", fault=Fault(status=502)),)))
        paths = ("/フィルム/x", "/é", "/e")
        assert [requests.get(adobe.url + path, timeout=20).status_code for path in paths] == [503, 502, 404]
        assert len(adobe.calls.only(path="/フィルム/*")) == 2


def test_a_route_that_raises_says_so_in_the_calls() -> None:
    """The error of a route's function is a 500, and why it came is kept."""
    with Simulator() as adobe:
        adobe.route("GET", "/broken", lambda call: 1 // 0, protected=False)
        assert call(adobe, path="/broken") == 500
        assert "raised ZeroDivisionError" in adobe.calls[-1].why


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("get", "/x", "'get' is no method"),
        ("GET", "x", "'x' is no path"),
        ("GET", "/x?y", "no path"),
        ("GET", "/", "the simulator's own"),
        ("GET", "/control/x", "the simulator's own"),
        ("GET", "/openapi.json", "the simulator's own"),
        ("GET", "/{a}/{a}", "two segments of one name"),
    ],
)
def test_a_wrong_route_is_a_sentence(method: str, path: str, told: str) -> None:
    """What can be no route is refused when it is made."""
    with Simulator() as adobe, pytest.raises(ConfigurationError, match=told.replace("'", ".")):
        adobe.route(method, path, {})


def test_its_clock_is_put_forward() -> None:
    """Tokens expire without waiting when the clock is put forward; it never goes back."""
    with Simulator(Behaviour(expires_in=3600)) as adobe:
        value = token(adobe)
        adobe.advance(3599 - 60)
        assert call(adobe, value) == 200
        assert control(adobe, "advance", seconds=120)["refused"] == 0
        assert call(adobe, value) == 401
        with pytest.raises(ConfigurationError, match="seconds must be from 0"):
            adobe.advance(-1)


def test_tls_with_an_authority_that_lasts_as_long_as_it(tmp_path: Path) -> None:
    """It speaks HTTPS for loopback and its names, to who trusts its authority, whose certificate it gives away."""
    with Simulator(tls=True, names=["adobe.test"]) as adobe:
        assert adobe.url.startswith("https://127.0.0.1:")
        assert adobe.authority is not None
        trusted = tmp_path / "authority.pem"
        trusted.write_bytes(adobe.authority)
        value = token(adobe, verify=str(trusted))
        assert call(adobe, value, verify=str(trusted)) == 200
        told = requests.get(f"{adobe.url}/control/authority", timeout=20, verify=str(trusted))
        assert told.content == adobe.authority
        with pytest.raises(requests.exceptions.SSLError):
            call(adobe, value)
    context = ssl.create_default_context(cadata=adobe.authority.decode())
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_it_listens_on_other_names_of_loopback(host: str) -> None:
    """IPv6 and the name are loopback as well."""
    with Simulator(host=host) as adobe:
        assert call(adobe, token(adobe)) == 200


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"host": "0.0.0.0"}, "it is for this machine alone; give 127.0.0.1"),  # noqa: S104
        ({"host": "example.com"}, "this machine alone"),
        ({"port": 70_000}, "a port is a number from 0 to 65535"),
        ({"base_path": "adobe"}, "'adobe' is no base path: it is empty, or begins with /"),
        ({"environments": ["o"]}, "'o' is no name of an environment"),
        ({"environments": ["Staging"]}, "small letters"),
        ({"environments": "staging"}, "environments is .staging., and must be a list, each entry text"),
        ({"names": "adobe.test"}, "names is .adobe.test., and must be a list, each entry text"),
        ({"port": "8080"}, "port of the simulator is .8080., and must be a whole number"),
        ({"behaviour": {"strict": False}}, "behaviour must be a Behaviour, not dict"),
        ({"world": {}}, "world must be a World, not dict"),
        ({"scenario": "a bad minute"}, "scenario must be a Scenario, not str"),
        ({"tls": True, "ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}, "either tls=True or an ssl_context"),
    ],
    ids=lambda given: given if isinstance(given, str) else ",".join(given),
)
def test_a_wrong_setting_is_a_sentence(settings: dict[str, Any], told: str) -> None:
    """What it cannot be made with is told, with what would do, and nothing listens."""
    with pytest.raises(ConfigurationError, match=told):
        Simulator(**settings)


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"throttle": "bukket"}, "throttle of Behaviour is 'bukket', and must be .bucket. or .once. or null"),
        ({"strict": "no"}, "strict of Behaviour is 'no', and must be true or false"),
        ({"session_life": "long"}, "must be a number"),
        ({"device_info_keys": "model"}, "must be a list"),
    ],
)
def test_a_wrong_switch_is_a_sentence(switches: dict[str, Any], told: str) -> None:
    """A switch that is set to what it cannot be is refused when it is set, in Python as in a file."""
    with pytest.raises(ConfigurationError, match=told):
        Behaviour(**switches)


def test_what_it_is_told_wrongly_changes_nothing() -> None:
    """Something of another kind is refused at once, and does not wait for a call to go wrong."""
    with Simulator() as adobe:
        anything: Any = adobe
        for name in ("behaviour", "world"):
            with pytest.raises(ConfigurationError, match=f"{name} must be a "):
                setattr(anything, name, {})
        with pytest.raises(ConfigurationError, match="fault must be a Fault, not int"):
            anything.inject("api", 503)
        with pytest.raises(ConfigurationError, match="scenario must be a Scenario, not str"):
            anything.play("a bad minute")
        assert call(adobe) == 401


def test_it_is_made_from_a_file(tmp_path: Path) -> None:
    """A TOML file says what a simulator is made with, its applications, routes and a scenario."""
    path = tmp_path / "simulator.toml"
    path.write_text(
        """
        base_path = "/adobe"
        environments = ["staging"]
        [behaviour]
        refusals = "bare"
        expires_in = 60
        [[application]]
        sub = "other"
        service_providers = ["OTHER"]
        [[route]]
        method = "GET"
        path = "/my/api"
        body = "mine"
        headers = {Content-Type = "text/plain"}
        protected = false
        [[step]]
        endpoint = "token"
        last_call = 1
        fault = {status = 503}
        """
    )
    with Simulator.from_toml(path, environments=["prequal"]) as adobe:
        assert adobe.url.endswith("/adobe")
        assert adobe.behaviour == Behaviour(refusals="bare", expires_in=60)
        assert requests.get(f"{adobe.url}/my/api", timeout=20).text == "mine"
        assert [call(adobe, path="/o/client/token", method="POST") for _ in range(2)] == [503, 400]
        assert call(adobe.environment("prequal")) == 401
        adobe.reset()
        assert call(adobe, path="/o/client/token", method="POST") == 503
        assert call(adobe, path="/my/api") == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port = ", "is no TOML"),
        ("prot = 1", "has no 'prot'; there is host, port"),
        ("port = 'x'", "port of .* is 'x', and must be a whole number"),
        ("[behaviour]\nrefusals = 'kind'", 'refusals of behaviour of .* must be "v2" or "legacy"'),
        ("[[application]]\nscopes = ['a', 1]", "entry 2 of scopes of entry 1 of application of .* must be text"),
        ("[[route]]\nmethod = 'GET'", "entry 1 of route of .* needs path"),
        ("[[route]]\nmethod = 'GET'\npath = 'x'", "'x' is no path of a route"),
        ("[[route]]\nmethod = 'GET'\npath = '/x'\nstatus = 99", "from 200 to 599, not 99"),
        (
            "[[route]]\nmethod = 'GET'\npath = '/x'\nheaders = {a = \"b\\r\\n\"}",
            "a of headers of .* is no value of a header",
        ),
        ("[[step]]\nendpoint = 'tokens'\nfault = {status = 500}", "no endpoint 'tokens'"),
        ("[[step]]\nendpoint = 'token'", "either a fault or something to do"),
        ("step = 3", "step of .* is 3, and must be a list"),
    ],
    ids=range(12),
)
def test_a_wrong_file_is_a_sentence(text: str, told: str, tmp_path: Path) -> None:
    """What a file says wrong is told: where, what, and what would be right."""
    path = tmp_path / "simulator.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        Simulator.from_toml(path)
    with pytest.raises(ConfigurationError, match=r"no\.toml cannot be read: No such file"):
        Simulator.from_toml(tmp_path / "no.toml")


def test_a_scenario_goes_by_calls_and_by_time() -> None:
    """Steps hit the calls of their numbers and of their times, do what is to be done once, and end."""
    steps = (
        Step(endpoint="api", fault=Fault(status=503), first_call=2, last_call=3),
        Step(endpoint="/api/v2/REF30/profiles", fault=Fault(status=418)),
        Step(endpoint="api", fault=Fault(status=429), after=60, until=120),
        Step(do="revoke-tokens", after=200),
    )
    with Simulator(scenario=Scenario("a bad day", steps)) as adobe:
        value = token(adobe)
        assert [call(adobe, value) for _ in range(4)] == [200, 503, 503, 200]
        assert call(adobe, value, "/api/v2/REF30/profiles") == 418
        adobe.advance(60)
        assert [call(adobe, value) for _ in range(2)] == [429, 429]
        adobe.advance(60)
        assert call(adobe, value) == 200
        adobe.advance(80)
        assert call(adobe, value) == 401
        assert call(adobe, token(adobe)) == 200
        adobe.clear_faults()
        assert call(adobe, None, "/api/v2/REF30/profiles") == 401


def test_what_was_injected_comes_before_a_scenario() -> None:
    """An injected fault hits the call, whose number the scenario counts all the same."""
    with Simulator() as adobe:
        adobe.play(Scenario("two", (Step(endpoint="api", fault=Fault(status=503), last_call=2),)))
        adobe.inject("/api/v2/REF30/configuration", Fault(status=500))
        assert [call(adobe) for _ in range(3)] == [500, 503, 401]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "either a fault or something to do"),
        ({"fault": Fault(status=500), "do": "revoke-tokens"}, "either a fault or something to do"),
        ({"do": "revoke-tokens", "first_call": 0}, "first_call is 1 or more"),
        ({"do": "revoke-tokens", "first_call": 3, "last_call": 2}, "last_call is not before"),
        ({"do": "revoke-tokens", "after": 5, "until": 5}, "and until later"),
        ({"do": "dance"}, "do of Step is 'dance', and must be \"expire-tokens\" or "),
    ],
    ids=range(6),
)
def test_a_wrong_step_is_a_sentence(fields: dict[str, Any], told: str) -> None:
    """A step that could never do anything, or not what is meant, is refused."""
    with pytest.raises(ConfigurationError, match=told):
        Step(**fields)


def test_a_scenario_from_a_file(tmp_path: Path) -> None:
    """A scenario of its own file is read with its name; a file without steps is none."""
    path = tmp_path / "outage.toml"
    path.write_text('name = "outage"\n[[step]]\nendpoint = "token"\nfault = {status = 503, body = "busy"}\n')
    assert Scenario.from_toml(path) == Scenario(
        "outage", (Step(endpoint="token", fault=Fault(status=503, body=b"busy")),)
    )
    path.write_text('name = "outage"\nstep = []\n')
    with pytest.raises(ConfigurationError, match="needs at least one step"):
        Scenario.from_toml(path)


@pytest.mark.parametrize("length", ["-1", "-5", "9" * 30, "9" * 15, "x"])
def test_a_length_that_no_body_has_is_answered_at_once(length: str) -> None:
    """Nothing is waited for, and nothing set aside, for a body whose length is wrong."""
    with Simulator() as adobe:
        answer = raw(adobe, f"POST /o/client/register HTTP/1.1\nHost: 127.0.0.1\nContent-Length: {length}", "{}")
        assert answer.startswith(b"HTTP/1.1 400")


def test_what_is_no_http_does_no_harm() -> None:
    """A length that is no number is a 400; the simulator goes on."""
    with Simulator() as adobe:
        answer = raw(adobe, "GET /api/v2/REF30/profiles HTTP/1.1\nHost: 127.0.0.1\nTransfer-Encoding: chunked", "x\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert call(adobe) == 401
