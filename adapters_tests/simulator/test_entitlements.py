"""REST API v2 as the simulator plays it: what one call does is what the next ones find."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from adapters_tests.common.clock import ManualClock
from adapters_tests.simulator.described import Caller
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import Behaviour, Mvpd, Resource, ServiceProvider, Simulator, User, World


def furnish(adobe: Simulator, **world: Any) -> None:
    """Give a running simulator another world."""
    adobe.world = World(**world)


def test_the_whole_flow(adobe: Simulator, caller: Caller) -> None:
    """A code leads to a login, the login to a profile, the profile to a decision with a token, a logout ends it."""
    mvpds = caller.get("configuration")["requestor"]["mvpds"]
    assert [each["id"] for each in mvpds] == ["Cablevision", "Dish", "TempPass_TEST40", "flexibleTempPass"]
    assert caller.profiles() == {}
    session = caller.start()
    assert (session["actionName"], session["actionType"], session["reasonType"]) == (
        "authenticate",
        "interactive",
        "none",
    )
    assert session["url"] == f"/api/v2/authenticate/REF30/{session['code']}"
    assert caller.get(f"profiles/code/{session['code']}") == {"profiles": {}}
    adobe.log_in(session["code"], "alice")
    profile = caller.get(f"profiles/code/{session['code']}")["profiles"]["Cablevision"]
    assert (profile["issuer"], profile["type"]) == ("Cablevision", "regular")
    assert caller.profiles() == caller.get("profiles/Cablevision")["profiles"] == {"Cablevision": profile}
    assert caller.decide("preauthorize", "news", "sport") == [
        {"resource": each, "serviceProvider": "REF30", "mvpd": "Cablevision", "source": "mvpd", "authorized": True}
        for each in ("news", "sport")
    ]
    (decision,) = caller.decide("authorize", "news")
    assert decision["authorized"]
    assert decision["token"]["notAfter"] - decision["token"]["notBefore"] == 420_000
    again = caller.start()
    assert (again["actionName"], again["reasonType"]) == ("authorize", "authenticated")
    assert "code" not in again
    done = caller.log_out()
    assert (done["actionName"], done["actionType"]) == ("logout", "interactive")
    assert caller.profiles() == {}
    assert caller.log_out()["actionName"] == "invalid"


def test_a_second_screen(adobe: Simulator, caller_of: Callable[..., Caller]) -> None:
    """A television begins without parameters, a telephone says what is missing, and the television has the profile."""
    television, telephone = caller_of("tv"), caller_of("phone")
    begun = television.post("sessions", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (begun["actionName"], begun["actionType"]) == ("resume", "direct")
    assert begun["missingParameters"] == ["mvpd", "domainName", "redirectUrl"]
    assert begun["url"] == f"/api/v2/REF30/sessions/{begun['code']}"
    path = f"sessions/{begun['code']}"
    retry = telephone.post(path, data={"mvpd": "Cablevision", "domainName": "adobe.com"})
    assert (retry["actionName"], retry["missingParameters"]) == ("retry", ["redirectUrl"])
    status = telephone.get(path)
    assert status["existingParameters"] == {
        "mvpd": "Cablevision", "domainName": "adobe.com", "serviceProvider": "REF30",
    }  # fmt: skip
    assert (status["device"]["model"], status["device"]["operatingSystem"]["version"]["minor"]) == ("Box", 1)
    ready = telephone.post(path, data={"redirectUrl": "https://app.example"})
    assert (ready["actionName"], ready["sessionId"]) == ("authenticate", begun["sessionId"])
    adobe.log_in(begun["code"], "alice")
    assert set(television.profiles()) == {"Cablevision"}
    assert telephone.profiles() == {}
    assert set(telephone.get(f"profiles/code/{begun['code']}")["profiles"]) == {"Cablevision"}
    resumed = telephone.post(path, data={"mvpd": "Cablevision"})
    assert resumed["actionName"] == "authorize"


def test_a_code_ends(adobe: Simulator, caller: Caller, time: ManualClock) -> None:
    """After half an hour a code is refused wherever it is used, and nobody can log in with it."""
    code = caller.start()["code"]
    time.advance(1799)
    assert caller.get(f"sessions/{code}")["existingParameters"]["mvpd"] == "Cablevision"
    time.advance(2)
    for method, path in (("GET", f"sessions/{code}"), ("POST", f"sessions/{code}"), ("GET", f"profiles/code/{code}")):
        response = caller.send(method, f"REF30/{path}", data={"mvpd": "Dish"} if method == "POST" else None)
        assert (response.status_code, response.json()["code"]) == (400, "invalid_authentication_session")
    with pytest.raises(ConfigurationError, match="its time is over"):
        adobe.log_in(code, "alice")


def test_a_profile_ends(adobe: Simulator, caller: Caller, time: ManualClock) -> None:
    """An expired profile is told by no call, and decisions say that it has expired; a new login begins another."""
    furnish(adobe, mvpds=(Mvpd(id="Cablevision", profile_life=3600),))
    adobe.log_in(caller.start()["code"], "alice")
    time.advance(3599)
    assert set(caller.profiles()) == {"Cablevision"}
    (decision,) = caller.decide("authorize", "news")
    assert decision["notAfter"] == caller.profiles()["Cablevision"]["notAfter"]
    time.advance(2)
    assert caller.profiles() == {}
    (decision,) = caller.decide("authorize", "news")
    assert decision["error"]["code"] == "authenticated_profile_expired"
    adobe.log_in(caller.start()["code"], "alice")
    assert caller.decide("authorize", "news")[0]["authorized"]
    adobe.expire_profiles()
    assert caller.decide("authorize", "news")[0]["error"]["code"] == "authenticated_profile_expired"


def test_a_decision_is_kept_for_its_life(adobe: Simulator, caller: Caller, time: ManualClock) -> None:
    """The same decision is told until its time is over, each time with a new media token."""
    furnish(adobe, mvpds=(Mvpd(id="Cablevision", decision_life=600),))
    adobe.log_in(caller.start()["code"], "alice")
    (first,) = caller.decide("authorize", "news")
    time.advance(300)
    (second,) = caller.decide("authorize", "news")
    assert first["notAfter"] == second["notAfter"]
    assert first["token"] != second["token"]
    time.advance(301)
    assert caller.decide("authorize", "news")[0]["notBefore"] > first["notAfter"]


def test_a_media_token_tells_what_it_is_for(adobe: Simulator, caller: Caller) -> None:
    """It is Base64 of a signed text that names the user, the MVPD, the requestor and the resource."""
    adobe.log_in(caller.start()["code"], "alice")
    token = caller.decide("authorize", "news")[0]["token"]["serializedToken"]
    claims = base64.b64decode(token).split(b".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))
    assert {name: told[name] for name in ("sub", "mvpd", "requestor", "resource")} == {
        "sub": "alice", "mvpd": "Cablevision", "requestor": "REF30", "resource": "news",
    }  # fmt: skip


def test_profiles_belong_to_a_client_and_a_device(adobe: Simulator, caller_of: Callable[..., Caller]) -> None:
    """Another device has no profile, nor has the same device once its application has registered anew."""
    first = caller_of("one")
    adobe.log_in(first.start()["code"], "alice")
    assert first.profiles()
    assert caller_of("one").profiles() == {}
    other = caller_of("two")
    other.headers["Authorization"] = first.headers["Authorization"]
    assert other.profiles() == {}


def test_who_may_watch_what(adobe: Simulator, caller: Caller) -> None:
    """Subscriptions, what there is at all, and errors that a resource always has decide each resource by itself."""
    furnish(
        adobe,
        users=(User(name="alice", resources=("news", "broken", "film")),),
        resources=(
            *(Resource(id=each) for each in ("news", "sport")),
            Resource(id="broken", error="network_received_error"),
            Resource(id="film", error="my_own_code"),
        ),
    )
    adobe.log_in(caller.start()["code"], "alice")
    found = {
        each["resource"]: each for each in caller.decide("preauthorize", "news", "sport", "broken", "film", "what")
    }
    errors = {name: each["error"] for name, each in found.items() if not each["authorized"]}
    assert {name: (each["code"], each["action"], each["status"]) for name, each in errors.items()} == {
        "sport": ("preauthorization_denied_by_mvpd", "none", 403),
        "broken": ("network_received_error", "retry", 403),
        "film": ("my_own_code", "none", 403),
        "what": ("preauthorization_denied_by_mvpd", "none", 403),
    }
    assert caller.decide("authorize", "sport")[0]["error"]["code"] == "authorization_denied_by_mvpd"
    assert "token" not in caller.decide("authorize", "sport")[0]


def test_too_many_resources(adobe: Simulator, caller: Caller) -> None:
    """More resources than a call may name are refused, each by itself or all by the status, up to another number."""
    adobe.log_in(caller.start()["code"], "alice")
    assert {each["error"]["code"] for each in caller.decide("preauthorize", *"abcdef")} == {"too_many_resources"}
    assert {each["error"]["code"] for each in caller.decide("authorize", "a", "b")} == {"too_many_resources"}
    adobe.behaviour = Behaviour(most_authorized=2, most_preauthorized=None, decision_errors="status")
    assert all(
        each["authorized"] for each in caller.decide("authorize", "a", "b") + caller.decide("preauthorize", *"abcdef")
    )
    response = caller.send("POST", "REF30/decisions/authorize/Cablevision", json={"resources": ["a", "b", "c"]})
    assert (response.status_code, response.json()["action"]) == (403, "configuration")
    caller.log_out()
    response = caller.send("POST", "REF30/decisions/authorize/Cablevision", json={"resources": ["a"]})
    assert (response.status_code, response.json()["code"]) == (403, "authenticated_profile_missing")


def test_mvpds_without_a_logout_page(adobe: Simulator, caller: Caller) -> None:
    """Where the MVPD has no page for it, a logout is complete at once."""
    adobe.log_in(caller.start(mvpd="Dish")["code"], "alice")
    assert caller.log_out("Dish") == {"actionName": "complete", "actionType": "none", "mvpd": "Dish"}
    assert caller.profiles() == {}


def test_a_temporary_pass(caller: Caller, time: ManualClock) -> None:
    """It needs no login, begins with its first use, and ends after its time for good."""
    assert caller.start(mvpd="TempPass_TEST40")["reasonType"] == "temporary"
    profile = caller.get("profiles/TempPass_TEST40")["profiles"]["TempPass_TEST40"]
    assert (profile["type"], profile["issuer"]) == ("temporary", "Adobe")
    (decision,) = caller.decide("authorize", "news", mvpd="TempPass_TEST40")
    assert (decision["source"], decision["authorized"]) == ("temppass", True)
    assert caller.log_out("TempPass_TEST40")["actionName"] == "complete"
    time.advance(181)
    response = caller.send("GET", "REF30/profiles/TempPass_TEST40")
    assert (response.status_code, response.json()["code"]) == (403, "temporary_access_duration_limit_exceeded")
    (decision,) = caller.decide("authorize", "news", mvpd="TempPass_TEST40")
    assert (decision["source"], decision["error"]["action"]) == ("temppass", "authentication")


def test_a_promotional_pass(caller_of: Callable[..., Caller]) -> None:
    """It needs to know for whom it is, and is good for so many resources."""
    caller = caller_of()
    response = caller.send("GET", "REF30/profiles/flexibleTempPass")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_header_identity_for_temporary_access")
    caller.headers["AP-TempPass-Identity"] = "eyJlbWFpbCI6ImZvb0BiYXIuY29tIn0="
    assert caller.get("profiles/flexibleTempPass")["profiles"]["flexibleTempPass"]["type"] == "temporary"
    decisions = [caller.decide("authorize", each, mvpd="flexibleTempPass")[0] for each in ("a", "b", "a", "c")]
    assert [each["authorized"] for each in decisions] == [True, True, True, False]
    assert decisions[3]["error"]["code"] == "temporary_access_resources_limit_exceeded"


@pytest.mark.parametrize(
    ("rule", "reason", "authorized", "code"),
    [
        ("authn-all", "degraded", True, None),
        ("authz-all", "none", False, "authenticated_profile_missing"),
        ("authz-none", "none", False, "authenticated_profile_missing"),
    ],
)
def test_degradation(
    adobe: Simulator, caller: Caller, rule: Any, reason: str, authorized: bool, code: str | None
) -> None:
    """While an MVPD is down a rule lets everybody in, or lets all who are in see everything, or nothing."""
    furnish(adobe, mvpds=(Mvpd(id="Cablevision", degraded=rule),), users=(User(name="alice", resources=()),))
    session = caller.start()
    assert session["reasonType"] == reason
    (decision,) = caller.decide("authorize", "news")
    assert (decision["authorized"], decision.get("error", {}).get("code")) == (authorized, code)
    if "code" in session:
        adobe.log_in(session["code"], "alice")
        (decision,) = caller.decide("authorize", "news")
        assert (decision["source"], decision["authorized"]) == ("degradation", rule == "authz-all")
    else:
        assert caller.get("profiles/Cablevision")["profiles"]["Cablevision"]["type"] == "degraded"
        assert caller.log_out()["actionName"] == "complete"


@pytest.mark.parametrize(
    ("header", "kind"), [("Adobe-Subject-Token", "platformSSO"), ("AD-Service-Token", "serviceTokenSSO")]
)
def test_single_sign_on_by_token(adobe: Simulator, caller_of: Callable[..., Caller], header: str, kind: str) -> None:
    """Who has logged in with a platform's or a service's token is known wherever the same token comes along."""
    first, second, third = caller_of("one"), caller_of("two"), caller_of("three")
    for each, value in ((first, "x"), (second, "x"), (third, "other")):
        each.headers[header] = value
    adobe.log_in(first.start()["code"], "alice")
    assert first.profiles()["Cablevision"]["type"] == "regular"
    assert second.profiles()["Cablevision"]["type"] == kind
    assert third.profiles() == {}
    assert second.start()["reasonType"] == "authenticatedSSO"
    assert second.decide("authorize", "news")[0]["authorized"]
    assert second.log_out()["actionName"] == "logout"
    assert first.profiles() == second.profiles() == {}


def test_only_some_mvpds_of_a_channel(adobe: Simulator, caller: Caller) -> None:
    """A service provider offers those it is integrated with, and refuses others by name."""
    furnish(adobe, service_providers=(ServiceProvider(id="REF30", name="Reference", mvpds=("Dish",)),))
    requestor = caller.get("configuration")["requestor"]
    assert (requestor["name"], [each["id"] for each in requestor["mvpds"]]) == ("Reference", ["Dish"])
    response = caller.send("GET", "REF30/profiles/Cablevision")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_integration")


def test_the_pages_have_texts_where_the_files_have_objects(adobe: Simulator, caller: Caller) -> None:
    """By the files an error has no message and a profile no userID, which must be objects there; by the pages both."""
    adobe.log_in(caller.start()["code"], "alice")
    assert caller.profiles()["Cablevision"]["attributes"] == {}
    error = caller.send("GET", "REF30/profiles/X").json()
    assert ("message" in error, "no MVPD 'X'" in error["details"]) == (False, True)
    adobe.behaviour = Behaviour(wording="pages")
    assert caller.profiles()["Cablevision"]["attributes"] == {"userID": {"value": "alice", "state": "plain"}}
    error = caller.send("GET", "REF30/profiles/X").json()
    assert ("details" in error, "no MVPD 'X'" in error["message"]) == (False, True)


def test_attributes_are_as_they_were_given(adobe: Simulator, caller: Caller) -> None:
    """Metadata of a user, of whatever JSON type, is in the profile."""
    attributes = {"userID": "u-1", "zip": ["10001", "10002"], "maxRating": {"MPAA": "PG"}}
    furnish(adobe, users=(User(name="bob", mvpd="Cablevision", attributes=attributes),))
    adobe.log_in(caller.start()["code"], "bob")
    found = caller.profiles()["Cablevision"]["attributes"]
    assert found == {name: {"value": value, "state": "plain"} for name, value in attributes.items()}


def test_what_there_is_can_be_shown(adobe: Simulator, caller: Caller) -> None:
    """Sessions and profiles are told as rows, the latest first, for a page that shows them."""
    code = caller.start()["code"]
    adobe.log_in(code, "alice")
    rows = requests.get(f"{adobe.url}/control/state", timeout=20).json()["things"]
    assert (rows["sessions"][0]["code"], rows["profiles"][0]["user"]) == (code, "alice")
