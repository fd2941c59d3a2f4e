"""What the simulator refuses, and that it says why: what the service would refuse, a test should not let pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from adapters_tests.simulator.described import SESSION, Caller, Description, base64_of
from dcrauth.simulator import Behaviour, Fault, Simulator

PARTNER = {
    "frameworkPermissionInfo": {"accessStatus": "granted"},
    "frameworkProviderInfo": {"id": "Cablevision", "expirationDate": "4102444800000"},
}
RESOURCES: dict[str, Any] = {"json": {"resources": ["news"]}}
FORM: dict[str, Any] = {"data": SESSION}
LOGOUT = "logout/Cablevision?redirectUrl=https%3A%2F%2Fapp.example"
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "getConfiguration": ("GET", "configuration", {}),
    "createSession": ("POST", "sessions", FORM),
    "resumeSession": ("POST", "sessions/{code}", FORM),
    "getSession": ("GET", "sessions/{code}", {}),
    "getProfiles": ("GET", "profiles", {}),
    "getProfileOfMvpd": ("GET", "profiles/Cablevision", {}),
    "getProfileOfCode": ("GET", "profiles/code/{code}", {}),
    "preauthorize": ("POST", "decisions/preauthorize/Cablevision", RESOURCES),
    "authorize": ("POST", "decisions/authorize/Cablevision", RESOURCES),
    "logout": ("GET", LOGOUT, {}),
    "startPartnerSession": ("POST", "sessions/sso/Apple", FORM),
    "createPartnerProfile": ("POST", "profiles/sso/Apple", {"data": {"SAMLResponse": base64_of(b"<r/>")}}),
}
NO_RESOURCES = (
    "{", "[]", "{}", '{"resources": []}', '{"resources": [1]}', '{"resources": "a"}', '{"resources": ["\\ud800"]}',
    "[" * 9999,
)  # fmt: skip
WITH_A_DEVICE = sorted(CALLS.keys() - {"getConfiguration", "resumeSession", "getSession", "getProfileOfCode"})
WITH_A_BODY = sorted(name for name, call in CALLS.items() if call[0] == "POST")


@pytest.fixture(scope="module")
def one_for_all() -> Iterator[tuple[Simulator, Caller]]:
    """A simulator that all these tests share, for there are many of them."""
    with Simulator() as simulator:
        caller = Caller(simulator, Description(simulator))
        caller.headers["AP-Partner-Framework-Status"] = base64_of(PARTNER)
        yield simulator, caller
        caller.close()


@pytest.fixture
def adobe(one_for_all: tuple[Simulator, Caller]) -> Simulator:
    """The simulator, as it usually behaves, and nobody logged in."""
    one_for_all[0].behaviour = Behaviour()
    one_for_all[0].expire_profiles()
    return one_for_all[0]


@pytest.fixture
def caller(one_for_all: tuple[Simulator, Caller]) -> Caller:
    """An application on a device."""
    return one_for_all[1]


class Tried:
    """Sends each of the calls as it should be, but for one thing."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._code = caller.post("sessions", data={"mvpd": "Dish"})["code"]

    def call(self, name: str, provider: str = "REF30", **changes: Any) -> tuple[int, str]:
        """Return the status and the code of the error."""
        method, path, options = CALLS[name]
        options = options | {"method": method} | changes
        response = self._caller.send(options.pop("method"), f"{provider}/{path.format(code=self._code)}", **options)
        return response.status_code, response.json().get("code", "")


@pytest.fixture
def tried(adobe: Simulator, caller: Caller) -> Tried:
    """Sends calls that are not as they should be."""
    return Tried(caller)


@pytest.mark.parametrize("name", CALLS)
def test_as_it_should_be(tried: Tried, name: str) -> None:
    """Each call is answered with 200, as it is described."""
    assert tried.call(name)[0] == 200


@pytest.mark.parametrize("name", CALLS)
def test_tokens_are_checked(tried: Tried, name: str) -> None:
    """Without a token, or with one that was not granted, each is refused with 401."""
    wanted = (401, "invalid_access_token_client_application")
    assert tried.call(name, without="Authorization") == wanted
    assert tried.call(name, headers={"Authorization": "Bearer mine"}) == wanted


@pytest.mark.parametrize("name", CALLS)
def test_methods_and_channels_are_checked(tried: Tried, name: str) -> None:
    """Another method is a 405, an unknown service provider a 400."""
    assert tried.call(name, method="DELETE") == (405, "invalid_http_method")
    assert tried.call(name, provider="NOBODY") == (400, "invalid_parameter_service_provider")


@pytest.mark.parametrize("name", WITH_A_DEVICE)
def test_device_headers_are_checked(tried: Tried, name: str) -> None:
    """A device header that is missing or malformed is a 400 that names it."""
    identifier, info = "invalid_header_device_identifier", "invalid_header_device_info"
    assert tried.call(name, without="AP-Device-Identifier") == (400, identifier)
    for value in ("ZGV2aWNl", "fingerprint", "fingerprint no!base64", "digest ZGV2aWNl"):
        assert tried.call(name, headers={"AP-Device-Identifier": value}) == (400, identifier)
    assert tried.call(name, without="X-Device-Info") == (400, info)
    for value in ("no!base64", base64_of(b"{"), base64_of([]), base64_of({"model": "m"}), base64_of(b"[" * 9999)):
        assert tried.call(name, headers={"X-Device-Info": value}) == (400, info)


@pytest.mark.parametrize("name", WITH_A_BODY)
def test_media_types_are_checked(tried: Tried, name: str) -> None:
    """A body that does not say that it is what is wanted is a 400."""
    for value in ("text/plain", "", "application/xml"):
        assert tried.call(name, headers={"Content-Type": value}) == (400, "invalid_header")


@pytest.mark.parametrize("name", sorted({*WITH_A_BODY} - {"startPartnerSession"}))
def test_bodies_are_checked(tried: Tried, name: str) -> None:
    """A body that cannot be understood is a 400 with the code of what is wrong in it."""
    wrong: dict[str, list[tuple[Any, str]]] = {
        "Session": [
            ({"mvpd": "Nobody"}, "invalid_parameter_mvpd"),
            ({"redirectUrl": "/path"}, "invalid_parameter_redirect_url"),
            ({"redirectUrl": "https://a\r\nSet-Cookie: b=c"}, "invalid_parameter_redirect_url"),
            ({"redirectUrl": "https://[::"}, "invalid_parameter_redirect_url"),
        ],
        "authorize": [(b, "invalid_parameter_resources") for b in NO_RESOURCES],
        "Profile": [({"SAMLResponse": each}, "invalid_parameter_saml_response") for each in ("", "@", "bm8=")],
    }
    kind = next(each for each in wrong if name.endswith(each))
    media = {"Content-Type": "application/json"} if kind == "authorize" else {}
    for data, code in wrong[kind]:
        assert tried.call(name, data=data, json=None, headers=media) == (400, code)


def test_codes_mvpds_and_paths_are_checked(caller: Caller, adobe: Simulator) -> None:
    """What is not there has a code of its own in each place."""
    for path, code in (
        ("sessions/NOCODE", "invalid_parameter_code"),
        ("profiles/code/NOCODE", "invalid_parameter_code"),
        ("profiles/Nobody", "invalid_parameter_mvpd"),
        ("logout/Nobody?redirectUrl=https%3A%2F%2Fa", "invalid_parameter_mvpd"),
        ("logout/Cablevision", "invalid_parameter_redirect_url"),
        ("logout/Cablevision?redirectUrl=nowhere", "invalid_parameter_redirect_url"),
    ):
        response = caller.send("GET", f"REF30/{path}")
        assert (response.status_code, response.json()["code"]) == (400, code), path
    response = requests.get(f"{adobe.url}/api/v2/REF30/nothing", headers=caller.headers, timeout=20)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    response = requests.put(f"{adobe.url}/api/v2/REF30/profiles", headers=caller.headers, timeout=20)
    assert response.headers["Allow"] == "GET"


def test_a_code_is_of_one_channel(adobe: Simulator, caller: Caller) -> None:
    """The code of another service provider's session is none."""
    adobe.statement("other", service_providers=["OTHER"])
    response = caller.send("GET", f"OTHER/sessions/{caller.start()['code']}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter_code")


@pytest.mark.parametrize("name", CALLS)
def test_kindness(adobe: Simulator, tried: Tried, name: str) -> None:
    """With strict=False nothing is asked of headers and bodies, and MVPDs that there are not will do."""
    adobe.behaviour = Behaviour(strict=False)
    for header in ("AP-Device-Identifier", "X-Device-Info"):
        assert tried.call(name, without=header)[0] == 200
    assert tried.call(name, headers={"X-Device-Info": "@", "Content-Type": "text/plain"})[0] == 200
    if name in WITH_A_BODY:
        assert tried.call(name, json=None, data=b"\xff{")[0] == 200


def test_the_switches_of_headers(adobe: Simulator, tried: Tried) -> None:
    """Device headers can be wanted everywhere, X-Device-Info can be wanted whole, or with nothing in it."""
    adobe.behaviour = Behaviour(device_headers="always")
    assert tried.call("getConfiguration", without="X-Device-Info") == (400, "invalid_header_device_info")
    adobe.behaviour = Behaviour(device_info_keys=("model", "version", "osName", "osVersion", "connectionType"))
    short = base64_of({"model": "m", "osName": "Linux"})
    assert tried.call("getProfiles", headers={"X-Device-Info": short}) == (400, "invalid_header_device_info")
    adobe.behaviour = Behaviour(device_info_keys=())
    assert tried.call("getProfiles", headers={"X-Device-Info": base64_of({})}) == (200, "")
    adobe.behaviour = Behaviour(content_type_error="a", method_error="b")
    assert tried.call("createSession", headers={"Content-Type": "text/plain"}) == (400, "a")
    assert tried.call("getProfiles", method="PUT") == (405, "b")


def test_a_logout_can_do_without_a_redirect(adobe: Simulator, caller: Caller) -> None:
    """With a switch a logout need not say where to go afterwards."""
    adobe.behaviour = Behaviour(logout_redirect_url="optional")
    adobe.log_in(caller.start()["code"], "alice")
    assert caller.get("logout/Cablevision")["logouts"]["Cablevision"]["url"].startswith("/mvpd/Cablevision/logout")


def test_dcr_calls_are_checked(adobe: Simulator, description: Description) -> None:
    """A body of another media type is an invalid request, whatever is in it; parameters in the query need none."""

    def post(path: str, **options: Any) -> requests.Response:
        response = requests.post(f"{adobe.url}/o/client/{path}", timeout=20, **options)
        description.check(response)
        return response

    body = {"software_statement": adobe.software_statement}
    for options in ({"data": body}, {"json": []}, {"json": body | {"redirect_uri": 5}}, {"data": "[" * 9999}, {}):
        assert post("register", **options).status_code == 400
    assert post("register", json=body | {"redirect_uri": "https://[::"}).json() == {"error": "invalid_redirect_uri"}
    fields = post("register", json=body).json()
    form = {name: fields[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    assert post("token", json=form).json() == {"error": "invalid_request"}
    assert post("token", data=form, headers={"Content-Type": "application/json"}).status_code == 400
    assert post("token", params=form).status_code == 201


def test_a_client_proves_itself_in_one_way(adobe: Simulator, description: Description) -> None:
    """Credentials that come in the body and in the Authorization header are an invalid request, and it is told why."""
    body = {"software_statement": adobe.software_statement}
    fields = requests.post(f"{adobe.url}/o/client/register", json=body, timeout=20).json()
    form = {name: fields[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    twice: dict[str, Any] = {"data": form, "auth": (fields["client_id"], fields["client_secret"])}
    refused = requests.post(f"{adobe.url}/o/client/token", timeout=20, **twice)
    description.check(refused)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_request"})
    assert adobe.calls[-1].why == "The client proves itself in two ways: drop the Authorization header"
    adobe.behaviour = Behaviour(strict=False)
    assert requests.post(f"{adobe.url}/o/client/token", timeout=20, **twice).status_code == 201


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (None, "There is no X-Device-Info header"),
        ("no!base64", "X-Device-Info must be Base64 of a JSON object"),
        (base64_of([]), "X-Device-Info must be Base64 of a JSON object"),
        (base64_of({"model": "m"}), "X-Device-Info has no 'osName'"),
    ],
    ids=range(4),
)
def test_x_device_info_can_be_insisted_on_at_the_dcr_calls(adobe: Simulator, info: str | None, why: str) -> None:
    """Where it is required it has to be as the API wants it; elsewhere a wrong one does no harm."""
    body = {"software_statement": adobe.software_statement}
    for wanted, status in (("required", 400), ("optional", 201)):
        adobe.behaviour = Behaviour(dcr_device_info=wanted)  # type: ignore[arg-type]
        headers = {} if info is None else {"X-Device-Info": info}
        answer = requests.post(f"{adobe.url}/o/client/register", json=body, headers=headers, timeout=20)
        assert (answer.status_code, adobe.calls[-1].why) == (status, why if status == 400 else "")


def test_what_is_injected_is_as_documented(adobe: Simulator, description: Description, caller: Caller) -> None:
    """A 429 is the page of the throttle and a 500 an Enhanced Error, unless a fault has a body of its own."""

    def sent(fault: Fault, path: str = "/api/v2/REF30/profiles") -> requests.Response:
        adobe.inject(path, fault)
        return requests.get(f"{adobe.url}{path}", headers=caller.headers, timeout=20)

    broken = sent(Fault(status=500))
    description.check(broken)
    assert broken.json()["code"] == "internal_server_error"
    throttled = sent(Fault(status=429, headers=(("Retry-After", "3"), ("server", "mine"))))
    assert (len(throttled.content), throttled.headers["Retry-After"]) == (166, "3")
    assert (throttled.headers["Server"], throttled.headers["Content-Type"]) == ("mine", "text/html")
    assert sent(Fault(status=500, body=b"mine")).text == "mine"
    assert sent(Fault(status=500, body=b"")).content == b""
    assert (sent(Fault(status=500), "/my/api").content, sent(Fault(status=503)).content) == (b"", b"")
    assert {each.why for each in adobe.calls[-6:]} == {"a fault that was injected"}


def test_it_is_told_why(adobe: Simulator, tried: Tried) -> None:
    """The record of calls has the reason of each refusal, in a sentence without secrets, whatever the answer tells."""
    for refusals in ("v2", "legacy", "bare", "oauth"):
        adobe.behaviour = Behaviour(refusals=refusals)  # type: ignore[arg-type]
        requests.get(f"{adobe.url}/api/v2/REF30/profiles", headers={"Authorization": "Bearer canary"}, timeout=20)
        assert adobe.calls[-1].why == "The token was not granted here, or was revoked"
    adobe.behaviour = Behaviour()
    tried.call("getProfiles", headers={"X-Device-Info": "canary"})
    assert adobe.calls[-1].why == "X-Device-Info must be Base64 of a JSON object"
    requests.post(f"{adobe.url}/o/client/register", json={}, timeout=20)
    assert "software_statement" in adobe.calls[-1].why
    form = {"grant_type": "client_credentials", "client_id": "canary", "client_secret": "canary"}
    requests.post(f"{adobe.url}/o/client/token", data=form, timeout=20)
    assert adobe.calls[-1].why == "No client has these credentials"
    tried.call("authorize")
    assert adobe.calls[-1].why == "The profile of this device and client with Cablevision is missing"
