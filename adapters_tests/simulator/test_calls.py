"""The record of calls, and what a test asks it; what is shown of secrets."""

from __future__ import annotations

import json
import re
import threading

import pytest
import requests

from adapters_tests.simulator.calling import call, token, told
from dcrauth.simulator import Behaviour, Call, Calls, Counts, Reply, Simulator
from dcrauth.simulator.masking import mask_body
from dcrauth.simulator.record import Record


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
        assert calls.only("token", method="post") == calls[1:2]
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


ODD_BODIES = {
    "a form as text": ("text/plain", "user=alice&password=canary 1&code=x"),
    "lines as text": ("text/plain", "user=alice\r\npassword=canary 1\r\n"),
    "a form without a type": ("", "user=alice&PASSWORD=canary"),
    "JSON cut short": ("application/json", '{"user": "alice", "password": "canary \\" canary", "n'),
    "JSON cut shorter": ("application/json", '{"user": "alice", "password": "canary'),
    "JSON as a form": ("application/x-www-form-urlencoded", '{"user": "alice", "client_secret": "canary"}'),
    "XML": ("application/xml", "<u>alice</u><password>canary</password>"),
    "XML with attributes": ("application/xml", '<u name="alice" password="canary"/>'),
    "parts": (
        "multipart/form-data; boundary=x",
        '--x\r\nContent-Disposition: form-data; name="password"; x="alice"\r\nX: a/b\r\n\r\ncanary\r\n--x--\r\n',
    ),
}


@pytest.mark.parametrize(("kind", "body"), ODD_BODIES.values(), ids=ODD_BODIES)
def test_a_password_in_a_body_of_another_kind_is_masked(kind: str, body: str) -> None:
    """What follows the name of a secret is not shown, whatever the body is said to be; what is beside it is."""
    with Simulator() as adobe:
        requests.post(f"{adobe.url}/mvpd/Cablevision/login/x", data=body, headers={"Content-Type": kind}, timeout=20)
        shown = told(adobe, "calls")["calls"][0]["request"]["body"]
        assert "canary" not in shown
        assert "alice" in shown
        assert re.search(r"\[secret[ +][0-9a-f]{8}\]", shown)


def test_who_a_promotional_pass_is_for_is_masked() -> None:
    """The header that identifies a person is a secret as tokens are."""
    with Simulator() as adobe:
        headers = {"AP-TempPass-Identity": "canary"}
        requests.get(f"{adobe.url}/api/v2/REF30/profiles", headers=headers, timeout=20)
        assert "canary" not in json.dumps(told(adobe, "calls"))


def test_masking_takes_no_time_to_speak_of() -> None:
    """A long body of hardly anything but names of secrets is masked in one go."""
    body = ('name="password"\r\nx' * 20_000 + "password" * 20_000).encode()
    assert mask_body(body, "text/plain", lambda _: False)


def test_what_is_kept_is_bounded_by_number_and_by_size() -> None:
    """The oldest calls go when there are too many, or too large ones; the latest is kept whatever its size."""
    record = Record(threading.Condition(), Counts)
    body = b"x" * (1 << 20)
    for _ in range(100):
        record.add(Call("POST", "/x", "", {}, body), Reply(200), 0.0)
    assert [call.number for call in record.calls] == list(range(38, 101))
    for _ in range(1_100):
        record.add(Call("POST", "/x", "", {}, b""), Reply(200, body), 0.0)
    assert sum(len(call.body) + len(call.reply.body) for call in record.calls if call.reply) <= 1 << 26
    for _ in range(10_001):
        record.add(Call("POST", "/x", "", {}, b""), Reply(200), 0.0)
    assert len(record.calls) == 10_000
    record.add(Call("GET", "/" + "x" * (1 << 27), "", {}, b""), Reply(200), 0.0)
    assert len(record.calls) == 1
    record.clear()
    record.add(Call("GET", "/x", "", {}, b""), Reply(200), 0.0)
    assert len(record.calls) == 1
