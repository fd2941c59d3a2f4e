"""What the simulator is told wrongly: one sentence says what, and what would be right, whichever way it was told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters_tests.common.ports import free_port
from adapters_tests.simulator.calling import call, control, raw, token
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import (
    Behaviour,
    Fault,
    Mvpd,
    OAuthBehaviour,
    OAuthSimulator,
    Reply,
    Resource,
    Scenario,
    ServiceProvider,
    Simulator,
    Step,
    User,
    World,
)

Made = type[Simulator] | type[OAuthSimulator]
anything: Any = None
"""Put before a value of a wrong kind with `or`, so that type checkers let it pass."""

VALUES: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (Fault, {"status": 99_999}, "status of Fault must be from 200 to 599, not 99999"),
    (Fault, {"status": "503"}, "status of Fault is '503', and must be a whole number or null"),
    (Fault, {"body": 5}, "body of Fault is 5, and must be text or null"),
    (Fault, {"delay": -1}, "delay of Fault must be at least 0, not -1"),
    (Fault, {"delay": "long"}, "delay of Fault is 'long', and must be a number"),
    (Fault, {"delay": 10**400}, "delay of Fault is 1000"),
    (Fault, {"drip": -0.5}, "drip of Fault must be at least 0, not -0.5"),
    (Fault, {"truncate": -1}, "truncate of Fault must be at least 0, not -1"),
    (Fault, {"reset": 1}, "reset of Fault is 1, and must be true or false"),
    (Fault, {"headers": "Retry-After: 1"}, "headers of Fault must be a table of header names and their values"),
    (Fault, {"headers": {"Retry-After": 1}}, "headers of Fault must be a table of header names and their values"),
    (Fault, {"headers": {"a": "b\r\nSet-Cookie: c"}}, "a of headers of Fault is no value of a header: 'b"),
    (Fault, {"headers": {"a\r\nb": "c"}}, "headers of Fault has a name that no header has: 'a"),
    (Fault, {"headers": {"": "c"}}, "headers of Fault has a name that no header has: ''; one is Retry-After"),
    (Behaviour, {"www_authenticate": "Bearer\r\nX: y"}, "www_authenticate of Behaviour is no value of a header: 'B"),
    (Behaviour, {"retry_after": "1\n"}, "retry_after of Behaviour is no value of a header: '1"),
    (Behaviour, {"token_status": 99}, "token_status of Behaviour must be from 200 to 599, not 99"),
    (Behaviour, {"api_delay": -1}, "api_delay of Behaviour must be at least 0, not -1"),
    (Behaviour, {"most_authorized": -1}, "most_authorized of Behaviour must be at least 0, not -1"),
    (Behaviour, {"session_life": float("nan")}, "session_life of Behaviour is nan, and must be a number"),
    (Mvpd, {"id": 5}, "id of Mvpd is 5, and must be text"),
    (Mvpd, {"id": "\ud800"}, "id of Mvpd is "),
    (Mvpd, {"id": "x", "profile_life": "long"}, "profile_life of Mvpd is 'long', and must be a number"),
    (Mvpd, {"id": "x", "decision_life": -1}, "decision_life of Mvpd must be at least 0, not -1"),
    (
        Mvpd,
        {"id": "x", "degraded": "somewhat"},
        'degraded of Mvpd is \'somewhat\', and must be "authn-all" or "authz-all"',
    ),
    (Mvpd, {"id": "x", "partners": "Apple"}, "partners of Mvpd is 'Apple', and must be a list, each entry text"),
    (Mvpd, {"id": "x", "temporary_resources": 2}, "temporary_resources of Mvpd 'x' needs a temporary_life, in seconds"),
    (
        Mvpd,
        {"id": "x", "temporary_life": 9, "temporary_resources": 0},
        "temporary_resources of Mvpd must be at least 1",
    ),
    (ServiceProvider, {"id": "x", "mvpds": "Cable"}, "mvpds of ServiceProvider is 'Cable', and must be a list"),
    (ServiceProvider, {"id": "x", "domains": [5]}, "entry 1 of domains of ServiceProvider is 5, and must be text"),
    (
        User,
        {"name": "x", "resources": "news"},
        "resources of User is 'news', and must be a list, each entry text or null",
    ),
    (User, {"name": "x", "attributes": ["zip"]}, "attributes of User is ['zip'], and must be a table"),
    (Resource, {"id": "x", "error": None}, "error of Resource is None, and must be text"),
    (
        World,
        {"service_providers": "REF30"},
        "service_providers of World is 'REF30', and must be a list, each entry a table",
    ),
    (World, {"mvpds": ["Cable"]}, "entry 1 of mvpds of World is 'Cable', and must be a table, in Python Mvpd(…)"),
    (World, {"users": None}, "users of World is None, and must be a list"),
    (Step, {"do": "dance"}, "do of Step is 'dance', and must be \"expire-tokens\" or "),
    (Step, {"do": "revoke-tokens", "first_call": "1"}, "first_call of Step is '1', and must be a whole number"),
    (Step, {"do": "revoke-tokens", "after": float("inf")}, "after of Step is inf, and must be a number"),
    (Step, {"fault": 503}, "fault of Step is 503, and must be a table, in Python Fault(…) or null"),
    (Scenario, {"name": 5, "step": []}, "name of Scenario is 5, and must be text"),
    (Scenario, {"name": "x", "step": "y"}, "step of Scenario is 'y', and must be a list, each entry a table"),
]


def named(each: Any) -> str | None:
    """How a case is called: its class and the field."""
    if isinstance(each, dict):
        return "-".join(each)
    return each.__name__ if callable(each) else ""


@pytest.mark.parametrize(("kind", "fields", "told"), VALUES, ids=named)
def test_a_wrong_value_is_a_sentence(kind: Callable[..., Any], fields: dict[str, Any], told: str) -> None:
    """A value is not made of what it cannot be: the error, of one class, says which field, and what it takes."""
    with pytest.raises(ConfigurationError) as caught:
        kind(**fields)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


IN_JSON: dict[Callable[..., Any], tuple[str, Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    Fault: ("inject", lambda fields: {"endpoint": "api", "fault": fields}, "[[step]]\nfault = {}"),
    Behaviour: ("behaviour", lambda fields: fields, "behaviour = {}"),
    Mvpd: ("world", lambda fields: {"mvpds": [fields]}, "world = {{ mvpds = [{}] }}"),
    ServiceProvider: (
        "world",
        lambda fields: {"service_providers": [fields]},
        "world = {{ service_providers = [{}] }}",
    ),
    User: ("world", lambda fields: {"users": [fields]}, "world = {{ users = [{}] }}"),
    World: ("world", lambda fields: fields, "world = {}"),
    Step: ("play", lambda fields: {"name": "x", "step": [fields]}, "[[step]]\n{lines}"),
}
ALIKE = [
    (kind, fields)
    for kind, fields, _ in VALUES
    if kind in IN_JSON
    and not any(each in repr(fields) for each in ("nan", "inf'", "inf}", "udc", "ud8", "None", "1000"))
]


def in_toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {in_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture(scope="module")
def running() -> Any:
    """A simulator to which wrong orders are given, one after the other."""
    with Simulator() as adobe:
        yield adobe


@pytest.mark.parametrize(("kind", "fields"), ALIKE, ids=named)
def test_a_file_and_the_controls_refuse_the_same(
    kind: Callable[..., Any], fields: dict[str, Any], running: Simulator, tmp_path: Path
) -> None:
    """What Python refuses, a file and the controls refuse too; they name the field, and nothing changes."""
    (field, *_), reason = reversed(fields), "and must be|must be|is no value|has a name that no|needs"
    order, arguments, text = IN_JSON[kind]
    lines = "\n".join(f"{name} = {in_toml(value)}" for name, value in fields.items())
    path = tmp_path / "simulator.toml"
    path.write_text(text.format(in_toml(fields), lines=lines))
    with pytest.raises(ConfigurationError, match=rf"{field}.*({reason})") as caught:
        Simulator.from_toml(path)
    assert str(path) in str(caught.value)
    before = (running.behaviour, running.world, running._run.faults.waiting(), running._run.faults.scenario)
    answer = control(running, order, **arguments(fields))
    assert answer["status"] == 400
    assert field in answer["error"]
    assert (running.behaviour, running.world, running._run.faults.waiting(), running._run.faults.scenario) == before


def test_what_a_file_would_say_is_understood_in_python() -> None:
    """A table of headers, a text as a body and lists mean in Python what they mean in a file."""
    fault: Any = Fault(headers=anything or {"Retry-After": "1"}, body=anything or "busy")
    assert fault == Fault(headers=(("Retry-After", "1"),), body=b"busy")
    assert Behaviour(device_info_keys=anything or ["model"]) == Behaviour(device_info_keys=("model",))
    scenario = Scenario("x", anything or [Step(fault=fault)])
    with Simulator(scenario=scenario) as adobe:
        adobe.inject("api", fault)
        answer = requests.get(f"{adobe.url}/api", timeout=20)
        assert (answer.text, answer.headers["Retry-After"]) == ("busy", "1")


ORDERS: list[tuple[Callable[[Simulator], Any], str]] = [
    (lambda adobe: adobe.statement(anything or 5), "sub is 5, and must be text"),
    (lambda adobe: adobe.statement("x", service_providers="REF30"), "service_providers is 'REF30', and must be a list"),
    (lambda adobe: adobe.statement("x", scopes=anything or [5]), "entry 1 of scopes is 5, and must be text"),
    (lambda adobe: adobe.statement("x", redirect_domains=anything or 5), "redirect_domains is 5, and must be a list"),
    (lambda adobe: adobe.advance(anything or "x"), "seconds is 'x', and must be a number"),
    (lambda adobe: adobe.advance(float("nan")), "seconds is nan, and must be a number"),
    (lambda adobe: adobe.advance(-1), "seconds must be from 0 to 1e[+]10, not -1"),
    (lambda adobe: adobe.inject(anything or 5, Fault()), "endpoint is 5, and must be text"),
    (lambda adobe: adobe.inject("api", anything or {"status": 503}), "fault must be a Fault, not dict"),
    (lambda adobe: adobe.inject("api", Fault(), anything or "2"), "times is '2', and must be a whole number or null"),
    (lambda adobe: adobe.inject("api", Fault(), 0), "times must be at least 1, not 0"),
    (lambda adobe: adobe.log_in(anything or 5, "alice"), "code is 5, and must be text"),
    (
        lambda adobe: adobe.log_in("ABC", "alice"),
        "There is no session of code 'ABC', or .*; code must be that of a session, and user one .*: alice, nobody",
    ),
    (lambda adobe: adobe.revoke_statement(anything or ["x"]), r"sub is \['x'\], and must be text"),
    (lambda adobe: adobe.reinstate_statement("nobody"), "there is no application 'nobody'; statement"),
    (lambda adobe: adobe.environment(anything or 5), "environment is 5, and must be text"),
    (lambda adobe: adobe.environment("O O"), "'O O' is no name of an environment"),
    (lambda adobe: setattr(adobe, "software_statement", 5), "software_statement is 5, and must be text"),
    (lambda adobe: adobe.wait_for(anything or {"token": 1}), "predicate must be a function of the counts"),
    (lambda adobe: adobe.wait_for(lambda _: True, anything or "x"), "timeout is 'x', and must be a number"),
    (lambda adobe: adobe.route(anything or 5, "/x", {}), "method of Route is 5, and must be text"),
    (lambda adobe: adobe.route("GET", anything or 5, {}), "path of Route is 5, and must be text"),
    (lambda adobe: adobe.route("GET", "/x", {}, protected=anything or 1), "protected of Route is 1, and must be true"),
    (lambda adobe: adobe.route("GET", "/x", object()), "the answer is <object .*, and must be what JSON can tell"),
    (lambda adobe: adobe.route("GET", "/x", Reply(99_999)), "status of Reply must be from 200 to 599, not 99999"),
    (lambda adobe: adobe.route("GET", "/x", Reply(204, b"x")), "body of Reply must be empty where its status is 204"),
    (lambda adobe: adobe.route("GET", "/x", Reply(200, headers=(("a", "b\n"),))), "a of headers of Reply is no value"),
    (
        lambda adobe: adobe.calls.only("apis"),
        'endpoint is .apis., and must be "register" or "token" or "api" or "discovery" or "manage" or null',
    ),
    (lambda adobe: adobe.calls.only(status=anything or "200"), "status is '200', and must be a whole number or null"),
    (lambda adobe: adobe.calls.only(method=anything or 5), "method is 5, and must be text or null"),
    (lambda adobe: adobe.calls.only(path=anything or 5), "path is 5, and must be text or null"),
    (lambda adobe: adobe.calls.one(environment=5), "environment is 5, and must be text or null"),
    (lambda adobe: adobe.calls.exactly(anything or "1"), "count is '1', and must be a whole number"),
    (lambda adobe: adobe.calls.exactly(-1, "api"), "count must be at least 0, not -1"),
    (lambda adobe: adobe.inject("/x?y", Fault()), "there is no endpoint '/x[?]y'; .* begins with / and has no query"),
]


@pytest.mark.parametrize(("told_to", "sentence"), ORDERS, ids=range(len(ORDERS)))
def test_a_wrong_argument_is_a_sentence(told_to: Callable[[Simulator], Any], sentence: str, running: Simulator) -> None:
    """A method that is given what it cannot take says which argument it is and what it takes, and does nothing."""
    before = (running.counts, running.clock.ahead, running._run.routes.copy(), running._run.faults.waiting())
    with pytest.raises(ConfigurationError, match=sentence):
        told_to(running)
    assert (running.counts, running.clock.ahead, running._run.routes, running._run.faults.waiting()) == before


async def _awaited(call: Any) -> None: ...


def test_a_route_is_no_coroutine(running: Simulator) -> None:
    """A function that would have to be awaited is refused when the route is made."""
    with pytest.raises(ConfigurationError, match=r"answer must be a Reply, .* a plain one"):
        running.route("GET", "/x", _awaited)


UNSENDABLE: list[tuple[Any, str]] = [
    (Reply(99_999), "status of Reply must be from 200 to 599, not 99999"),
    (Reply(anything or "200"), "status of Reply is '200', and must be a whole number"),
    (Reply(200, anything or 5), "body of Reply is 5, and must be text"),
    (Reply(204, b"x"), "body of Reply must be empty where its status is 204"),
    (Reply(200, headers=anything or 5), "headers of Reply must be a table"),
    (Reply(200, headers=(("a", "b\r\nX: y"),)), "a of headers of Reply is no value of a header"),
    (Reply(200, headers=(("a b", "c"),)), "headers of Reply has a name that no header has: 'a b'"),
    ({"when": object()}, "the answer is {'when': <object"),
    (b"text", "the answer is b'text', and must be what JSON can tell"),
]


@pytest.mark.parametrize(("returned", "told"), UNSENDABLE, ids=range(len(UNSENDABLE)))
def test_what_a_route_returns_and_cannot_be_sent_is_a_500(returned: Any, told: str, running: Simulator) -> None:
    """The caller gets a 500 on a connection that goes on; the record says what cannot be sent, and why."""
    running.route("GET", "/odd", lambda call: returned, protected=False)
    with requests.Session() as session:
        assert session.get(f"{running.url}/odd", timeout=20).status_code == 500
        assert told in running.calls[-1].why
        assert running.calls[-1].why.startswith("what the route GET /odd returned cannot be sent: ")
        assert session.get(f"{running.url}/api/v2/REF30/profiles", timeout=20).status_code == 401


def test_a_redirect_cannot_be_made_to_forge_headers(running: Simulator) -> None:
    """A target with line ends, or letters that no header has, is a 400, and nothing of it is a header."""
    bearer = {"Authorization": f"Bearer {token(running)}"}
    for target in ("%0d%0aX-Forged:%20yes", "%E2%82%AC"):
        path = f"{running.url}/api/v2/REF30/redirect?to={target}"
        answer = requests.get(path, headers=bearer, timeout=20, allow_redirects=False)
        assert (answer.status_code, answer.headers.get("X-Forged")) == (400, None)


def not_a_number() -> Any:
    """What a clock might return by mistake."""
    return "now"


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"host": None}, "host of the simulator is None, and must be text"),
    ({"base_path": None}, "base_path of the simulator is None, and must be text"),
    ({"base_path": "/a b"}, "'/a b' is no base path: it is empty, or begins with /"),
    ({"clock": None}, "clock must be a function that returns seconds since the epoch, such as time.time, not None"),
    ({"clock": not_a_number}, r"What clock\(\) returns is 'now', and must be a number"),
    ({"port": True}, "port of the simulator is True, and must be a whole number"),
    ({"port": -1}, "a port is a number from 0 to 65535"),
    ({"tls": "yes"}, "tls of the simulator is 'yes', and must be true or false"),
    ({"ssl_context": "x"}, "ssl_context must be a SSLContext, not str"),
    ({"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, "ssl_context must be one of a server"),
    ({"names": [5]}, "entry 1 of names is 5, and must be text"),
    ({"names": ["a b"], "tls": True}, "names has 'a b', which is no host name, such as adobe.test"),
    ({"names": ["a" * 70], "tls": True}, "Names of a certificate must be host names, not .*'aaa"),
]
OF_ADOBE: list[tuple[dict[str, Any], str]] = [
    ({"environments": 5}, "environments is 5, and must be a list"),
    ({"environments": ["O"]}, "'O' is no name of an environment"),
    ({"world": "REF30"}, "world must be a World, not str"),
]
MADE: list[tuple[Made, dict[str, Any], str]] = [
    *((kind, *each) for kind in (Simulator, OAuthSimulator) for each in SETTINGS),
    *((Simulator, *each) for each in OF_ADOBE),
]


@pytest.mark.parametrize(("kind", "settings", "told"), MADE, ids=range(len(MADE)))
def test_what_cannot_be_made_leaves_nothing(kind: Made, settings: dict[str, Any], told: str) -> None:
    """A simulator that cannot be made as it is told leaves neither a thread nor its port behind."""
    before, port = threading.enumerate(), free_port()
    with pytest.raises(ConfigurationError, match=told):
        kind(**{"port": port} | settings)
    assert set(threading.enumerate()) <= set(before)  # of which some may just end
    Simulator(port=port).stop()


ROUTE = "[[route]]\nmethod = 'GET'\npath = '/x'\nstatus = 204\nbody = 'x'"
FILES: list[tuple[Made, str, str]] = [
    (Simulator, '[[application]]\nenvironment = "O O"', "'O O' is no name of an environment"),
    (Simulator, 'world = { service_providers = "REF30" }', "service_providers of world of .* is 'REF30'"),
    (Simulator, "a = " + "[" * 5_000, "is no TOML|is nested too deeply"),
    (
        Simulator,
        "[[world.users]]\nname = 'x'\nattributes = { born = 1979-05-27 }",
        "attributes of user 'x' is .* JSON",
    ),
    (Simulator, ROUTE, "body of Reply must be empty"),
    (OAuthSimulator, ROUTE, "body of Reply must be empty"),
    (OAuthSimulator, "a = " + "[" * 5_000, "is no TOML|is nested too deeply"),
    (OAuthSimulator, "[[client]]\nmethod = 'magic'", "method is 'magic'; there is"),
    (OAuthSimulator, "[[client]]\nmetadata = { born = 1979-05-27 }", "metadata is .* JSON"),
    (OAuthSimulator, "[[client]]\nmetadata = { scope = 'x' }", "metadata must be without 'scope'"),
    (OAuthSimulator, "[[protect]]\npath = 5", "path of entry 1 of protect of .* is 5, and must be text"),
    (OAuthSimulator, "[[step]]\ndo = 'expire-profiles'", "has nothing called 'expire-profiles' to do"),
    (OAuthSimulator, "base_path = 'x y'", "simulator.toml: 'x y' is no base path"),
]


@pytest.mark.parametrize(("kind", "text", "told"), FILES, ids=range(len(FILES)))
def test_a_file_that_cannot_be_used_leaves_nothing(kind: Made, text: str, told: str, tmp_path: Path) -> None:
    """Whatever is wrong in a file, and whenever that is found, no port is held."""
    port, path = free_port(), tmp_path / "simulator.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        kind.from_toml(path, port=port)
    Simulator(port=port).stop()


@pytest.mark.parametrize("path", [None, 0, "", "a\0b", ".", "x" * 300])
def test_what_is_no_path_of_a_file(path: Any) -> None:
    """A number is no open file, a folder no TOML; each is told for worlds, scenarios and settings alike."""
    for kind in (World, Scenario, Simulator, OAuthSimulator):
        with pytest.raises(
            ConfigurationError, match=r"path must be a path|cannot be read: Is a directory; name a TOML"
        ):
            kind.from_toml(path)


def test_a_port_in_use_is_told() -> None:
    """A port that another program has is a sentence, at the start and when it begins again; the other goes on."""
    with Simulator() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=rf"cannot listen on port {port} of 127.*in use.*or 0 for any"):
            Simulator(port=port)
        again = Simulator().start()
        again.stop()
        taken = socket.create_server(("127.0.0.1", int(again.url.rpartition(":")[2])))
        before = threading.enumerate()
        with taken, pytest.raises(ConfigurationError, match="take another one"):
            again.start()
        assert set(threading.enumerate()) <= set(before)
        assert call(first) == 401


SWITCHES: list[tuple[dict[str, Any], str]] = [
    ({"token_status": 99_999}, "token_status of OAuthBehaviour must be from 200 to 599, not 99999"),
    ({"api_delay": -1}, "api_delay of OAuthBehaviour must be at least 0, not -1"),
    ({"secret_life": -1}, "secret_life of OAuthBehaviour must be at least 0, not -1"),
    ({"retry_after": "1\r\nX: y"}, "retry_after of OAuthBehaviour is no value of a header: '1"),
    ({"expires_in": {1, 2}}, "expires_in of OAuthBehaviour is {1, 2}, and must be what JSON can tell"),
    ({"metadata": {"x": b""}}, "metadata of OAuthBehaviour is {'x': b''}, and must be what JSON can tell"),
    ({"methods": "none"}, "methods of OAuthBehaviour is 'none', and must be a list, each entry text"),
]


@pytest.mark.parametrize(("switches", "told"), SWITCHES, ids=range(len(SWITCHES)))
def test_a_wrong_switch_of_the_authorization_server_is_a_sentence(switches: dict[str, Any], told: str) -> None:
    """The switches of the authorization server are seen to as those of Adobe Pass are."""
    for made in (lambda: OAuthBehaviour(**switches), lambda: OAuthBehaviour.like("udap", **switches)):
        with pytest.raises(ConfigurationError) as caught:
            made()
        assert str(caught.value).startswith(told)


OF_OAUTH: list[tuple[Callable[[OAuthSimulator], Any], str]] = [
    (lambda oauth: oauth.initial_token(uses=anything or "1"), "uses is '1', and must be a whole number or null"),
    (lambda oauth: oauth.initial_token(life=anything or "1"), "life is '1', and must be a number or null"),
    (lambda oauth: oauth.statement(anything or 5), "software_id is 5, and must be text"),
    (lambda oauth: oauth.statement(life=float("nan")), "life is nan, and must be a number or null"),
    (lambda oauth: oauth.statement(when=object()), "claims is {'when': <object .*, and must be what JSON can tell"),
    (lambda oauth: oauth.revoke_statement(anything or ["x"]), r"software_id is \['x'\], and must be text"),
    (lambda oauth: oauth.reinstate_statement(anything or ["x"]), r"software_id is \['x'\], and must be text"),
    (lambda oauth: oauth.add_client(anything or 5), "client_id is 5, and must be text"),
    (lambda oauth: oauth.add_client(scope=anything or ["a"]), r"scope is \['a'\], and must be text"),
    (lambda oauth: oauth.add_client(jwks=object()), "metadata is {'jwks': <object .*, and must be what JSON can tell"),
    (lambda oauth: oauth.client(anything or ["x"]), r"client_id is \['x'\], and must be text"),
    (lambda oauth: oauth.client("x"), "there is no client 'x'; a registration makes one"),
    (lambda oauth: oauth.delete_client("x"), "there is no client 'x'; a registration makes one"),
    (lambda oauth: oauth.rotate_secret("x"), "there is no client 'x'; a registration makes one"),
    (lambda oauth: oauth.revoke_token(anything or ["x"]), r"token is \['x'\], and must be text"),
    (lambda oauth: oauth.protect(anything or 5), "path of Protection is 5, and must be text"),
    (lambda oauth: oauth.protect("/x", scope=anything or ["a"]), r"scope of Protection is \['a'\], and must be text"),
    (lambda oauth: oauth.behave_like(anything or ["x"]), r"server is \['x'\], and must be text"),
    (lambda oauth: oauth.client_certificate(anything or 5), "name is 5, and must be text"),
    (lambda oauth: oauth.inject("login", Fault()), 'there is no endpoint .login.; it must be "discovery", "register"'),
    (lambda oauth: oauth.inject("manage", Fault(), 0), "times must be at least 1, not 0"),
    (lambda oauth: oauth.advance(-1), "seconds must be from 0 to 1e[+]10, not -1"),
    (lambda oauth: oauth.route("GET", "/x", Reply(99_999)), "status of Reply must be from 200 to 599, not 99999"),
    (lambda oauth: oauth.wait_for(anything or {"token": 1}), "predicate must be a function of the counts"),
]


@pytest.fixture(scope="module")
def oauth() -> Any:
    """An authorization server to which wrong orders are given, one after the other."""
    with OAuthSimulator() as server:
        yield server


@pytest.mark.parametrize(("told_to", "sentence"), OF_OAUTH, ids=range(len(OF_OAUTH)))
def test_a_wrong_argument_for_the_authorization_server_is_a_sentence(
    told_to: Callable[[OAuthSimulator], Any], sentence: str, oauth: OAuthSimulator
) -> None:
    """A method of the authorization server that is given what it cannot take says so, and does nothing."""
    before = (oauth.counts, oauth.clients, oauth.clock.ahead, oauth._run.routes.copy(), oauth._run.faults.waiting())
    with pytest.raises(ConfigurationError, match=sentence):
        told_to(oauth)
    assert before == (oauth.counts, oauth.clients, oauth.clock.ahead, oauth._run.routes, oauth._run.faults.waiting())


@pytest.mark.parametrize("name", ["", "a b", "a" * 65, "\xe4" * 64])
def test_a_name_that_no_certificate_has_is_a_sentence(name: str) -> None:
    """A client's certificate for what is no name is refused in a sentence."""
    server = OAuthSimulator(tls=True)
    try:
        with pytest.raises(ConfigurationError, match="Names of a certificate must be host names"):
            server.client_certificate(name)
    finally:
        server.stop()


WORDS = ("must be", "there is", "needs", "begins with", "or to one of", "may not use", "take JSON", "no application")


@pytest.mark.parametrize("kind", [Simulator, OAuthSimulator])
def test_every_refusal_of_the_controls_says_what_would_be_right(kind: Made, request: pytest.FixtureRequest) -> None:
    """Whatever is sent to a control, the answer is a 400 or 403 in JSON, with a sentence that says what it takes."""
    running = request.getfixturevalue("running" if kind is Simulator else "oauth")
    names = [*json.loads(requests.get(f"{running.url}/control/state", timeout=20).text)["counts"]]
    assert names
    told = control(running, "nothing")["error"].rpartition("there is ")[2].split(", ")
    assert len(told) > 15
    for name in told:
        for body in (b"{", b"[]", b"5", b'{"nonsense": 1}', b"\xff", b"[" * 9_000):
            answer = requests.post(f"{running.url}/control/{name}", data=body, timeout=20)
            assert answer.status_code == 400, (name, body)
            assert any(each in answer.json()["error"] for each in ("must be", "has no 'nonsense'; there is")), (
                answer.text
            )
    for head in (
        "GET /control/nothing",
        "PUT /control/counts",
        "GET /control/calls?number=x",
        "GET /control/authority",
    ):
        answer_ = raw(running, f"{head} HTTP/1.1\nHost: localhost")
        assert any(each.encode() in answer_ for each in WORDS), answer_


@pytest.mark.parametrize(
    ("order", "fields", "told"),
    [
        ("statement", {"claims": {"life": 1}}, "claims must be without 'life', which is an argument of its own"),
        ("statement", {"claims": {"self": 1}}, "claims must be without 'self'"),
        ("add-client", {"metadata": {"method": "none"}}, "metadata must be without 'method'"),
        ("revoke-token", {"token": "x"}, "there is no such token; it must be one that was granted"),
        ("wait", {"counts": {"discovery": "1"}}, "discovery of counts is '1', and must be a whole number"),
    ],
    ids=range(5),
)
def test_orders_for_the_authorization_server_that_cannot_be_carried_out(
    order: str, fields: dict[str, Any], told: str, oauth: OAuthSimulator
) -> None:
    """An order that the method behind it could not take is a 400 that says why."""
    answer = requests.post(f"{oauth.url}/control/{order}", json=fields, timeout=20)
    assert (answer.status_code, told in answer.json()["error"]) == (400, True)
