"""The controls over HTTP: that they do what the Python object does, for programs and the page, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import requests

from adapters_tests.simulator.calling import call, control, raw, token, told
from dcrauth.simulator import Behaviour, Fault, Simulator

CONTROLS = {
    "advance": "advance",
    "authority": "authority",
    "behaviour": "behaviour",
    "calls": "calls",
    "clear_faults": "clear-faults",
    "clock": "state",
    "counts": "counts",
    "environment": "environment",
    "expire_tokens": "expire-tokens",
    "expire_profiles": "expire-profiles",
    "inject": "inject",
    "log_in": "log-in",
    "play": "play",
    "reinstate_statement": "reinstate-statement",
    "reset": "reset",
    "reset_counts": "reset-counts",
    "revoke_clients": "revoke-clients",
    "revoke_statement": "revoke-statement",
    "revoke_tokens": "revoke-tokens",
    "route": "route",
    "software_statement": "statement",
    "statement": "statement",
    "stop": "stop",
    "url": "state",
    "wait_for": "wait",
    "world": "world",
}
"""Each public name of a simulator, and the control that gives the same."""

NOT_CONTROLLED = {"start", "from_toml", "wait", "receive", "own"}
"""What happens before anybody could call, and what the server itself calls."""


def test_whatever_the_object_can_do_the_controls_can() -> None:
    """Each public name of a simulator has a control, which exists."""
    with Simulator() as adobe:
        names = {name for name in dir(adobe) if not name.startswith("_")} - NOT_CONTROLLED
        assert names == CONTROLS.keys()
        known = control(adobe, "nothing")["error"] + told(adobe, "nothing")["error"]
        assert not [name for name in CONTROLS.values() if name not in known]


def test_orders_do_what_methods_do() -> None:
    """Routes, applications, scenarios, waits, resets: told over HTTP, they are as told in Python."""
    with Simulator() as adobe:
        assert "software_statement" in control(adobe, "statement", sub="other", service_providers=["OTHER"])
        control(adobe, "route", method="GET", path="/mine", status=418, body="tea", protected=False)
        assert call(adobe, path="/mine") == 418
        step = {"endpoint": "api", "fault": {"status": 503}, "last_call": 1}
        control(adobe, "play", name="one", step=[step])
        assert told(adobe, "state")["scenario"] == "one"
        assert [call(adobe) for _ in range(2)] == [503, 401]
        control(adobe, "inject", endpoint="api", fault={"status": 500}, times=None)
        assert told(adobe, "state")["faults"] == [{"endpoint": "api", "what": "500", "times": None}]
        assert control(adobe, "wait", counts={"api": 3}, timeout=5) == {"done": True}
        assert control(adobe, "wait", counts={"api": 4}, timeout=0) == {"done": False}
        control(adobe, "behaviour", refusals="bare")
        assert told(adobe, "behaviour")["refusals"] == "bare"
        assert control(adobe, "reset") == {"url": adobe.url, "software_statement": adobe.software_statement}
        assert adobe.behaviour == Behaviour()
        assert told(adobe, "statement") == {"software_statement": adobe.software_statement}


def test_calls_are_asked_for_as_in_python() -> None:
    """The filters of `Calls.only` are the query's: endpoint, method, path with its wildcards, status, environment."""
    with Simulator(environments=["staging"]) as adobe:
        token(adobe)
        call(adobe)
        call(adobe.environment("staging"), path="/api/v2/REF30/profiles")
        asked = {
            "endpoint=api": [3, 4],
            "status=401&environment=staging": [4],
            "method=POST&after=1": [2],
            "path=/api/*/conf?guration": [3],
            "number=2": [2],
        }
        found = {
            query: [each["number"] for each in told(adobe, f"calls?{quote(query, safe='=&/*')}")["calls"]]
            for query in asked
        }
        assert found == asked


@pytest.mark.parametrize(
    ("order", "fields", "told"),
    [
        ("dance", {}, "no control 'dance' to POST; to POST there is advance, behaviour"),
        ("inject", {"endpoint": "apis", "fault": {}}, "no endpoint 'apis'"),
        ("inject", {"endpoint": "api"}, "The control inject needs fault"),
        ("inject", {"endpoint": "api", "fault": {"status": "x"}}, "status of fault of The control inject is 'x'"),
        ("inject", {"endpoint": "api", "fault": {}, "times": 0}, "at least 1"),
        ("behaviour", {"colour": "red"}, "has no 'colour'"),
        ("behaviour", {"token_delay": "long"}, "must be a number"),
        ("advance", {"seconds": -1}, "seconds must be from 0 to 1e+10, not -1"),
        ("advance", {"seconds": True}, "must be a number"),
        ("wait", {"counts": {"apis": 1}}, "counts has no 'apis'; there is register, token, api"),
        ("wait", {"counts": {"api": "1"}}, "api of counts is '1', and must be a whole number"),
        ("revoke-statement", {"sub": "nobody"}, "no application 'nobody'"),
        ("expire-tokens", {"environment": "O O"}, "no name of an environment"),
        ("play", {"name": "none", "step": []}, "at least one step"),
        ("route", {"method": "GET", "path": "x"}, "no path of a route"),
        ("reset", {"all": True}, "has no 'all'"),
    ],
    ids=range(16),
)
def test_a_wrong_order_is_a_sentence(order: str, fields: dict[str, Any], told: str) -> None:
    """An order that cannot be carried out is a 400 that says what is wrong, and changes nothing."""
    with Simulator() as adobe:
        before = (adobe.behaviour, adobe.counts, adobe.clock.ahead)
        answer = control(adobe, order, **fields)
        assert answer["status"] == 400
        assert told in answer["error"]
        assert (adobe.behaviour, adobe.counts, adobe.clock.ahead) == before
        assert requests.post(f"{adobe.url}/control/{order}", data=b"{", timeout=20).status_code == 400


def test_what_is_asked_for_wrongly_is_a_sentence() -> None:
    """A number that is none, an authority that is not there, a method that is not known: 400, and why."""
    with Simulator() as adobe:
        assert "number must be a whole number, such as 200, not 'x'" in told(adobe, "calls?number=x")["error"]
        assert "by 'endpont'; there is number, after, status, endpoint" in told(adobe, "calls?endpont=api")["error"]
        assert "endpoint is 'apis', and must be \"register\" or" in told(adobe, "calls?endpoint=apis")["error"]
        assert "not started with tls" in told(adobe, "authority")["error"]
        assert requests.delete(f"{adobe.url}/control/counts", timeout=20).status_code == 400
        assert requests.post(f"{adobe.url}/control/stop/", timeout=20).status_code == 400


def test_a_simulator_is_stopped_over_http() -> None:
    """The order to stop is answered, and then nobody listens."""
    adobe = Simulator().start()
    server = adobe._server
    assert control(adobe, "stop")["api"] == 0
    assert server.stopped.wait(20)
    adobe.stop()  # returns once it has stopped
    with pytest.raises(requests.ConnectionError):
        call(adobe)


def test_a_page_and_its_controls_are_not_calls() -> None:
    """What the tester does is neither counted, nor kept, nor throttled, nor does any fault hit it."""
    with Simulator(Behaviour(throttle="once")) as adobe:
        adobe.inject("api", Fault(status=500), times=None)
        for _ in range(20):
            assert requests.get(f"{adobe.url}/", timeout=20).status_code == 200
        assert (adobe.counts.api, adobe.counts.throttled, adobe.calls) == (0, 0, ())


Change = Callable[[Simulator], str]
FOREIGN = {
    "another host": "POST /control/revoke-tokens HTTP/1.1\nHost: evil.example",
    "another host with a port": "POST /control/revoke-tokens HTTP/1.1\nHost: evil.example:{port}",
    "an address of another machine": "POST /control/revoke-tokens HTTP/1.1\nHost: 192.0.2.1",
    "no host": "POST /control/revoke-tokens HTTP/1.0",
    "a host that is none": "POST /control/revoke-tokens HTTP/1.1\nHost: [",
    "another origin": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nOrigin: https://evil.example",
    "another port": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nOrigin: http://127.0.0.1:1",
    "an origin that is hidden": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nOrigin: null",
    "another site": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nSec-Fetch-Site: cross-site",
    "another port of this machine": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nSec-Fetch-Site: same-site",
    "a form": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nContent-Type: application/x-www-form-urlencoded",
    "plain text": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nContent-Type: text/plain;charset=UTF-8",
    "a page of another host": "GET / HTTP/1.1\nHost: evil.example",
    "events for another host": "GET /control/events HTTP/1.1\nHost: evil.example",
    "events for another site": "GET /control/events HTTP/1.1\nHost: {host}\nSec-Fetch-Site: cross-site",
    "calls for another host": "GET /control/calls HTTP/1.1\nHost: evil.example",
}


@pytest.mark.parametrize("head", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_page_of_somebody_else_reaches_nothing(head: str) -> None:
    """What a page in the tester's browser can send, by its name or by another, is 403 and changes nothing."""
    with Simulator() as adobe:
        value, host = token(adobe), adobe.url.removeprefix("http://")
        answer = raw(adobe, head.format(host=host, port=host.rpartition(":")[2]))
        assert answer.startswith(b"HTTP/1.1 403")
        assert value.encode() not in answer
        assert call(adobe, value) == 200


NEAR = {
    "curl": "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nUser-Agent: curl/8",
    "by name": "POST /control/revoke-tokens HTTP/1.1\nHost: localhost:{port}",
    "by a name of its own": "POST /control/revoke-tokens HTTP/1.1\nHost: Adobe.test:{port}",
    "its own page": (
        "POST /control/revoke-tokens HTTP/1.1\nHost: {host}\nOrigin: http://{host}\nSec-Fetch-Site: same-origin\n"
        "Content-Type: application/json"
    ),
}


@pytest.mark.parametrize("head", NEAR.values(), ids=NEAR.keys())
def test_programs_and_its_own_page_are_let_in(head: str) -> None:
    """A program of this machine and the simulator's own page may use the controls, by any of its names."""
    with Simulator(names=["adobe.test"]) as adobe:
        value, host = token(adobe), adobe.url.removeprefix("http://")
        assert raw(adobe, head.format(host=host, port=host.rpartition(":")[2])).startswith(b"HTTP/1.1 200")
        assert call(adobe, value) == 401


def test_the_page_brings_its_policy() -> None:
    """Page, style and script come with a policy that lets nothing else in, and nothing inline."""
    with Simulator() as adobe:
        for name in ("", "control/page.css", "control/page.js"):
            answer = requests.get(f"{adobe.url}/{name}", timeout=20)
            policy = answer.headers["Content-Security-Policy"]
            assert (answer.status_code, "unsafe" in policy) == (200, False)
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
