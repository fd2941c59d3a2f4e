"""The record of calls, and what a test asks it; what is shown of secrets."""

from __future__ import annotations

import json

import pytest
import requests

from adapters_tests.simulator.calling import call, token, told
from dcrauth.simulator import Behaviour, Calls, Simulator


def test_calls_are_asked_for_what_a_test_wants_to_know() -> None:
    """Filters combine, patterns fit paths, and what does not hold is told along with all calls."""
    with Simulator() as adobe:
        value = token(adobe)
        call(adobe, value)
        call(adobe, None, "/api/v2/REF30/profiles?secret=in-the-query")
        calls = adobe.calls
        calls.assert_endpoints("register", "token", "api", "api")
        assert calls.one("token").parameters["grant_type"] == "client_credentials"
        assert calls.one("register").json() == {"software_statement": adobe.software_statement}
        assert calls.one(path="/api/*/profiles", status=401).number == 4
        assert calls.only(path="/api/*/profiles") == calls[-1:]
        assert isinstance(calls.only("api"), Calls)
        assert (len(calls.exactly(2, "api")), calls.exactly(0, method="PUT")) == (2, ())
        with pytest.raises(AssertionError, match=r"2 calls, not 1, fit \(api, method='GET'\); all calls:\n1\. POST /o"):
            calls.one("api", method="GET")
        with pytest.raises(AssertionError, match=r"were not token; all calls") as caught:
            calls.assert_endpoints("token")
        assert "in-the-query" not in str(caught.value)
        assert value not in str(calls)


def test_the_answer_is_kept_and_when_it_came() -> None:
    """A call knows what was answered, by the simulator's clock."""
    with Simulator(clock=lambda: 1_000.0) as adobe:
        adobe.advance(5)
        call(adobe)
        kept = adobe.calls[0]
        assert (kept.number, kept.at) == (1, 1_005.0)
        assert kept.reply is not None
        assert (kept.reply.status, kept.status) == (401, 401)
        assert json.loads(kept.reply.body)["status"] == 401


def test_nothing_secret_is_shown_unless_it_is_asked_for() -> None:
    """Over HTTP, headers, queries and bodies of calls have marks in the place of secrets, the same for the same one."""
    with Simulator() as adobe:
        value = token(adobe)
        registered = json.loads(adobe.calls[0].reply.body)  # type: ignore[union-attr]
        secrets = (value, registered["client_secret"], adobe.software_statement)
        headers = {"Authorization": f"Bearer {value}", "X-Odd": f"a {value}", "Cookie": "session=canary"}
        odd = f"{adobe.url}/api/v2/REF30/echo/{registered['client_secret']}?client_secret=canary&token={value}"
        requests.post(odd, headers=headers, json={"deep": [{"access_token": "canary", "n": [value]}]}, timeout=20)
        requests.post(odd, headers=headers, data=b"\xff plain " + value.encode(), timeout=20)
        tokens = ("Adobe-Subject-Token", "AD-Service-Token", "X-Roku-Reserved-Roku-Connect-Token")
        requests.post(odd, headers=dict.fromkeys(tokens, "canary"), data={"SAMLResponse": "canary"}, timeout=20)
        shown = json.dumps(told(adobe, "calls")) + json.dumps(told(adobe, "state"))
        assert not [each for each in (*secrets, "canary") if each in shown]
        assert registered["client_id"] in shown
        marks = told(adobe, "calls?number=3")["calls"][0]["request"]["headers"]
        assert marks["authorization"] == f"Bearer {marks['x-odd'].removeprefix('a ')}"
        every = json.dumps(told(adobe, "calls?secrets=shown"))
        assert all(each in every for each in (*secrets, "canary"))
        assert [each["number"] for each in told(adobe, "calls?after=2")["calls"]] == [3, 4, 5]


def test_why_a_call_was_refused_shows_no_secret() -> None:
    """A token in the wrong place is quoted to who sent it; where calls are shown it has its mark."""
    with Simulator(Behaviour(token_kind="opaque")) as adobe:
        value = token(adobe)
        call(adobe, value, f"/api/v2/{value}/configuration")
        assert value in adobe.calls[-1].why
        assert value not in json.dumps(told(adobe, "calls"))
