"""Adobe Pass as a provider: its two requests, all variants of its answers, and its refusals."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, ClientCredentials, ConfigurationError, DeviceInfo
from dcrauth._internal.strict_json import DEEPEST
from dcrauth.engine.records import read_credentials, write_credentials
from dcrauth.providers.adobe.environments import ENVIRONMENTS
from dcrauth.providers.origins import Origin
from dcrauth.providers.protocol import Problem, Response, TokenGrant, Verdict

CREDENTIALS = ClientCredentials("client id/1", "secret+&=é".encode().hex())
DEVICE = DeviceInfo(model="m", version="1", os_name="Linux", os_version="6", connection_type="LAN")


@pytest.fixture
def adobe() -> AdobePass:
    """Adobe Pass in production."""
    return AdobePass(STATEMENT)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_has_its_hosts(environment: str) -> None:
    """The endpoints are on an environment's first host, and its origins are all that is protected."""
    adobe = AdobePass(STATEMENT, environment=environment)
    host = ENVIRONMENTS[environment][0]
    assert adobe.register_url == f"https://{host}/o/client/register"
    assert adobe.token_url == f"https://{host}/o/client/token"
    assert adobe.protected_origins == {Origin("https", each, 443) for each in ENVIRONMENTS[environment]}


def test_environments_are_kept_apart() -> None:
    """No host belongs to two environments, so no token of one can reach another."""
    hosts = [host for each in ENVIRONMENTS.values() for host in each]
    assert len(hosts) == len(set(hosts)) == 10


def test_base_url_takes_the_place_of_the_environment() -> None:
    """With a base URL only its origin is protected, and what protects adds."""
    adobe = AdobePass(STATEMENT, base_url="http://127.0.0.1:8080/", protects=["https://api.example.com/v2"])
    assert adobe.token_url == "http://127.0.0.1:8080/o/client/token"
    assert adobe.protected_origins == {Origin("http", "127.0.0.1", 8080), Origin("https", "api.example.com", 443)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"environment": "production"}, "release-production, prequal-production"),
        ({"base_url": "http://sp.auth.adobe.com"}, "https only"),
        ({"base_url": "http://127.0.0.1.evil.com"}, "https only"),
        ({"base_url": "ftp://127.0.0.1"}, "https only"),
        ({"base_url": "sp.auth.adobe.com"}, "absolute URL"),
        ({"base_url": ""}, "absolute URL"),
        ({"base_url": "https://user:canary@sp.auth.adobe.com"}, "user name"),
        ({"base_url": "https://sp.auth.adobe.com/?a=canary"}, "query"),
        ({"base_url": "https://sp.auth.adobe.com:99999"}, "absolute URL"),
        ({"protects": ["http://api.example.com"]}, "protects"),
        ({"protects": "https://api.example.com"}, "list"),
        ({"token_request": "header"}, "token_request"),
        ({"forwarded_for": "1.2.3.4\r\nX: y"}, "forwarded_for"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    """Each wrong setting is an error that names it, with no secret in its text."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        AdobePass(STATEMENT, **settings)
    assert "canary" not in str(caught.value)


def test_the_registration_request() -> None:
    """A registration is JSON with the statement and, if there is one, the redirect URI; no secret is in its URL."""
    request = AdobePass(STATEMENT, redirect_uri="app://com.programmer").registration_request()
    assert json.loads(request.body) == {"software_statement": STATEMENT, "redirect_uri": "app://com.programmer"}
    assert request.headers["Content-Type"] == "application/json;charset=utf-8"
    assert request.url == request.endpoint
    assert "Authorization" not in request.headers
    assert json.loads(AdobePass(STATEMENT).registration_request().body) == {"software_statement": STATEMENT}


def test_the_token_request(adobe: AdobePass) -> None:
    """A token request is a form with grant type, client id and secret, each once, and nothing in its URL."""
    request = adobe.token_request(CREDENTIALS)
    assert parse_qs(request.body.decode(), strict_parsing=True) == {
        "grant_type": ["client_credentials"],
        "client_id": [CREDENTIALS.client_id],
        "client_secret": [CREDENTIALS.client_secret],
    }
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.url == request.endpoint


def test_the_token_request_as_a_query() -> None:
    """On demand the same parameters go into the URL, and the endpoint shown in messages has none of them."""
    request = AdobePass(STATEMENT, token_request="query").token_request(CREDENTIALS)
    assert parse_qs(urlsplit(request.url).query)["client_secret"] == [CREDENTIALS.client_secret]
    assert request.body == b""
    assert "?" not in request.endpoint


def test_device_headers_are_on_both_calls() -> None:
    """The device and its address are told to both endpoints; for another device there is another provider."""
    first = AdobePass(STATEMENT, device_info=DEVICE, forwarded_for="203.0.113.7")
    second = first.for_device(None, forwarded_for="203.0.113.8")
    for request in (first.registration_request(), first.token_request(CREDENTIALS)):
        assert request.headers["X-Device-Info"] == DEVICE.header
        assert request.headers["X-Forwarded-For"] == "203.0.113.7"
    assert "X-Device-Info" not in second.registration_request().headers
    assert second.registration_request().headers["X-Forwarded-For"] == "203.0.113.8"
    assert second.application == first.application


def test_device_headers_on_requests_can_be_switched_off() -> None:
    """By default protected APIs get the device headers too; for APIs that want none there is a switch."""
    assert set(AdobePass(STATEMENT, device_info=DEVICE).api_headers) == {"X-Device-Info"}
    assert AdobePass(STATEMENT, device_info=DEVICE, device_headers_on_requests=False).api_headers == {}


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    "more",
    [{}, {"client_id_issued_at": 1723227212}, {"client_id_issued_at": 1700725699585, "scopes": ["api:client:v2"]}],
)
def test_registrations_are_read(adobe: AdobePass, status: int, more: dict[str, Any]) -> None:
    """A registration is good with 200 and 201, with fields missing or added; what else was answered is kept."""
    body = json.dumps({"client_id": "a", "client_secret": "b", **more}).encode()
    found = adobe.read_registration(Response(status, {}, body))
    assert isinstance(found, ClientCredentials)
    assert (found.client_id, found.client_secret, found.metadata) == ("a", "b", more)


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("kind", [{}, {"token_type": "bearer"}, {"token_type": "Bearer"}])
@pytest.mark.parametrize("life", [{}, {"expires_in": 21600}, {"expires_in": "21600"}, {"expires_in": 1e300}])
def test_tokens_are_read(adobe: AdobePass, status: int, kind: dict[str, Any], life: dict[str, Any]) -> None:
    """A token is good with 200 and 201, whatever created_at, id and scopes are like."""
    body = json.dumps({"access_token": "t", "created_at": 123456789, **kind, **life}).encode()
    found = adobe.read_token(Response(status, {}, body))
    assert found == TokenGrant("t", life.get("expires_in"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>please log in</html>",
        b"[]",
        b"null",
        b'{"access_token": "t", "access_token": "u"}',
        b'{"access_token": "t", "expires_in": NaN}',
        b"[" * 100_000,
        b'{"access_token": ""}',
        b'{"access_token": 5}',
        b'{"access_token": "a\\r\\nX: y"}',
        b'{"access_token": "a b"}',
        '{"access_token": "é"}'.encode(),
        b'{"access_token": "t", "token_type": "mac"}',
        b'{"access_token": "t", "token_type": 5}',
        b"\xff",
    ],
)
def test_unreadable_tokens_are_problems(adobe: AdobePass, body: bytes) -> None:
    """An answer without a usable bearer token is a problem that carries its status and quotes nothing of it."""
    found = adobe.read_token(Response(201, {}, body))
    assert isinstance(found, Problem)
    assert found.status == 201
    assert found.error is None


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_half_a_registration_is_a_problem(adobe: AdobePass, missing: str) -> None:
    """Without both a client id and a secret there is nothing to store."""
    fields = {"client_id": "a", "client_secret": "b"}
    del fields[missing]
    assert isinstance(adobe.read_registration(Response(201, {}, json.dumps(fields).encode())), Problem)


@pytest.mark.parametrize(
    ("body", "error", "oauth"),
    [
        (b'{"error":"invalid_client"}', "invalid_client", True),
        (b'{"error":"invalid_client","error_description":"no\\nsuch"}', "invalid_client", True),
        (b'{"error":{"code":"invalid_client","trace":"t1"}}', "invalid_client", False),
        (b'{"errors":[{"code":"invalid_client"}]}', "invalid_client", False),
        (b'{"status":400,"code":"invalid_client","action":"none"}', "invalid_client", False),
        (b"<error><code>invalid_client</code></error>", "invalid_client", False),
        (b"<html><h1>400 Bad Request</h1></html>", None, False),
        (b'{"decisions":[{"error":{"code":"invalid_client"}}]}', "invalid_client", False),
        (b'{"error":"invalid_client","action":"none"}', None, False),
        (b'{"error":"\\u0000 <script>"}', None, True),
        (b'{"message":"x"}', None, False),
        (b"", None, False),
    ],
)
def test_errors_are_read_in_every_shape(adobe: AdobePass, body: bytes, error: str | None, oauth: bool) -> None:
    """Error codes are found in JSON, nested JSON, lists and XML; only the plain OAuth form counts as OAuth."""
    found = adobe.read_token(Response(400, {"adobe-request-id": "t0", "retry-after": "5"}, body))
    assert isinstance(found, Problem)
    assert (found.status, found.error, found.oauth) == (400, error, oauth)
    assert found.trace in {"t0", "t1"}
    assert found.retry_after == "5"


def test_a_trace_is_fit_for_a_log(adobe: AdobePass) -> None:
    """The identifier of a call is printed in errors: whatever else than printable text is in it is left out."""
    found = adobe.read_token(Response(503, {"adobe-request-id": "a\x1b[31m\xe9b" + "c" * 500}, b""))
    assert isinstance(found, Problem)
    assert found.trace == "a[31mb" + "c" * 192


def test_answers_are_nested_less_deeply_than_records(adobe: AdobePass) -> None:
    """What is accepted of a registration can be stored and read again, however deeply it is nested; the rest is not."""
    readable = 0
    for depth in range(1, 2 * DEEPEST):
        more = "[" * depth + "]" * depth
        body = f'{{"client_id":"a","client_secret":"b","more":{more}}}'
        found = adobe.read_registration(Response(201, {}, body.encode()))
        if isinstance(found, ClientCredentials):
            readable = depth
            assert read_credentials("key", write_credentials("key", found).data)
    assert readable == DEEPEST - 1


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", Verdict.TOKEN),
        (b"<html>401</html>", Verdict.TOKEN),
        (b'{"error":"access_denied"}', Verdict.TOKEN),
        (b'{"code":"access_token_expired","action":"application-registration"}', Verdict.TOKEN),
        (b'{"code":"invalid_access_token_signature","action":"application-registration"}', Verdict.TOKEN),
        (b'{"code":"invalid_access_token_service_provider","action":"application-registration"}', Verdict.TOKEN),
        (b'{"code":"something_new","action":"something-new"}', Verdict.TOKEN),
        (b'{"code":"missing_authentication_header","action":"none"}', Verdict.TOKEN),
        (
            b'{"code":"invalid_access_token_client_application","action":"application-registration"}',
            Verdict.CREDENTIALS,
        ),
        (b'{"error":{"code":"invalid_client_id","action":"application-registration"}}', Verdict.CREDENTIALS),
        (b'{"error":"invalid_client"}', Verdict.CREDENTIALS),
        (b'{"code":"authentication_session_missing","action":"authentication"}', Verdict.USER),
        (b'{"errors":[{"code":"authenticated_profile_expired","action":"authentication"}]}', Verdict.USER),
        (b"<error><action>authentication</action><code>x</code></error>", Verdict.USER),
        (b"<resources><resource><error><action>authentication</action></error></resource></resources>", Verdict.USER),
        (b'{"decisions":[{"error":{"code":"x","action":"authentication"}}]}', Verdict.USER),
        (b'{"resources":[{},{"error":{"code":"x","action":"authentication"}}]}', Verdict.USER),
        (b'{"status":200,"code":"x","action":"authentication"}', Verdict.USER),
        (b'{"error":"Unauthorized","code":"x","action":"authentication"}', Verdict.USER),
        (b'{"decisions":[{"error":{"code":"invalid_access_token_client_application"}}]}', Verdict.CREDENTIALS),
        (b"<error><status>401</status><code>invalid_client_id</code></error>", Verdict.CREDENTIALS),
        (b"<error><code>unknown_application</code></error>", Verdict.APPLICATION),
        (b"<error><code>access_token_expired</code></error>", Verdict.TOKEN),
        (b'{"code":"unknown_software_statement","action":"configuration"}', Verdict.APPLICATION),
        (b'{"code":"unknown_application","action":"configuration"}', Verdict.APPLICATION),
    ],
)
def test_what_a_401_says(adobe: AdobePass, body: bytes, verdict: Verdict) -> None:
    """A 401 is about the token unless it says that the user or the application is meant."""
    assert adobe.verdict(401, {}, body) is verdict


@given(st.binary(max_size=300) | st.from_regex(rb'\{"(error|code|action)":.{0,40}\}', fullmatch=True))
def test_any_body_is_read_without_a_crash(body: bytes) -> None:
    """Whatever a server answers, reading it ends in a value and never in an exception."""
    adobe = AdobePass(STATEMENT)
    assert isinstance(adobe.verdict(401, {}, body), Verdict)
    for status in (200, 400):
        assert adobe.read_token(Response(status, {}, body)) is not None
        assert adobe.read_registration(Response(status, {}, body)) is not None
