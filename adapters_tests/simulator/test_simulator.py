"""The simulator: that it answers as Adobe Pass is known to, counts exactly, and misbehaves as it is told."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import trustme

from adapters_tests.common.clock import ManualClock
from adapters_tests.common.secrets import jwt
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import Behaviour, Fault, Simulator

Token = Callable[..., requests.Response]


@pytest.fixture
def http_session() -> Iterator[requests.Session]:
    """A plain session."""
    with requests.Session() as session:
        yield session


def register(adobe: Simulator, statement: str | None = None, **fields: Any) -> requests.Response:
    body = {"software_statement": adobe.software_statement if statement is None else statement, **fields}
    return requests.post(f"{adobe.url}/o/client/register", json=body, timeout=20)


def credentials(adobe: Simulator, statement: str | None = None) -> dict[str, str]:
    fields = register(adobe, statement).json()
    return {name: fields[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}


def token(adobe: Simulator, form: dict[str, str] | None = None) -> requests.Response:
    return requests.post(f"{adobe.url}/o/client/token", data=form or credentials(adobe), timeout=20)


def call(adobe: Simulator, value: str | None, path: str = "REF30/configuration", **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {value}"} if value is not None else {}
    headers |= options.pop("headers", {})
    return requests.request(
        options.pop("method", "GET"), f"{adobe.url}/api/v2/{path}", headers=headers, timeout=20, **options
    )


def granted(adobe: Simulator, **statement: Any) -> str:
    text = adobe.statement(**statement) if statement else None
    return str(token(adobe, credentials(adobe, text)).json()["access_token"])


def test_a_registration_looks_like_adobes(adobe: Simulator) -> None:
    """201, a pair of UUIDs, milliseconds, the grant type, the redirect URI echoed, and no caching."""
    answer = register(adobe, redirect_uri="app://com.programmer")
    fields = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(fields["client_id"]) == len(fields["client_secret"]) == 36
    assert fields["client_id_issued_at"] > 1e12
    assert fields["grant_types"] == ["client_credentials"]
    assert fields["redirect_uris"] == ["app://com.programmer"]
    assert fields["scopes"] == ["api:client:v2"]


def test_a_token_looks_like_adobes(adobe: Simulator, time: ManualClock) -> None:
    """201, a bearer JWT whose subject is the client and whose life is what expires_in says."""
    form = credentials(adobe)
    answer = token(adobe, form)
    fields = answer.json()
    assert (answer.status_code, fields["token_type"], fields["expires_in"]) == (201, "bearer", 21_600)
    assert abs(fields["created_at"] / 1000 - time.wall()) < 60
    part = fields["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["sub"] == form["client_id"]
    assert claims["exp"] - claims["iat"] == 21_600
    assert (claims["iss"], claims["scopes"]) == ("auth.adobe.com", "api:client:v2")


@pytest.mark.parametrize(
    ("statement", "fields", "error"),
    [
        ("", {}, "invalid_request"),
        ("no.jwt", {}, "invalid_software_statement"),
        (jwt(sub="x"), {}, "invalid_software_statement"),
        (None, {"redirect_uri": "https://elsewhere.example"}, "invalid_redirect_uri"),
    ],
)
def test_bad_registrations_are_refused(adobe: Simulator, statement: str | None, fields: Any, error: str) -> None:
    """Each mistake has Adobe's error code, as JSON with status 400, and registers nobody."""
    text = adobe.statement("strict", redirect_domains=["programmer.com"]) if statement is None else statement
    answer = register(adobe, text, **fields)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert adobe.counts.registered == 0


def test_statements_are_verified_and_known(adobe: Simulator, foreign: Simulator) -> None:
    """A good signature of an unknown application is unapproved; a changed statement is invalid."""
    other = foreign.statement("somebody else's")
    assert register(adobe, other).json() == {"error": "unapproved_software_statement"}
    head, claims, signature = adobe.software_statement.split(".")
    forged = f"{head}.{claims[:-4]}AAAA.{signature}"
    assert register(adobe, forged).json() == {"error": "invalid_software_statement"}


def test_each_download_is_another_statement(adobe: Simulator) -> None:
    """Two statements of one application differ, and both are good."""
    first, second = adobe.statement("app"), adobe.statement("app")
    assert first != second
    assert {register(adobe, text).status_code for text in (first, second)} == {201}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
    ],
)
def test_bad_token_requests_are_refused(adobe: Simulator, change: dict[str, str], error: str) -> None:
    """Each mistake has Adobe's error code, and no token is granted."""
    answer = token(adobe, credentials(adobe) | change)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert adobe.counts.issued == 0


def test_parameters_come_as_form_or_query_and_once(adobe: Simulator) -> None:
    """Form or query will do; the same parameter in both is refused; a server may insist on either."""
    form, url = credentials(adobe), f"{adobe.url}/o/client/token"
    assert requests.post(url, params=form, timeout=20).status_code == 201
    assert requests.post(url, data=form, params=form, timeout=20).json() == {"error": "invalid_request"}
    adobe.behaviour = Behaviour(token_parameters="query")
    assert requests.post(url, data=form, timeout=20).status_code == 400
    adobe.behaviour = Behaviour(token_parameters="form")
    assert requests.post(url, params=form, timeout=20).status_code == 400


def test_the_variants_of_answers(adobe: Simulator) -> None:
    """Statuses, units, fields and kinds of tokens change with the behaviour."""
    adobe.behaviour = Behaviour(
        register_status=200, token_status=200, expires_in="3600", token_kind="opaque", created_at="none",
        issued_at="s", optional_fields=False,
    )  # fmt: skip
    registered = register(adobe)
    assert registered.status_code == 200
    assert registered.json()["client_id_issued_at"] < 1e11
    assert "scopes" not in registered.json()
    answer = token(adobe)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert answer.json()["expires_in"] == "3600"
    assert "." not in answer.json()["access_token"]
    assert call(adobe, answer.json()["access_token"]).status_code == 200
    adobe.behaviour = Behaviour(expires_in=None)
    assert "expires_in" not in token(adobe).json()


@pytest.mark.parametrize("shape", ["nested", "enhanced", "xml", "html", "empty"])
def test_errors_come_in_every_shape(adobe: Simulator, shape: Any) -> None:
    """The error of a DCR call is worded as the behaviour says."""
    adobe.behaviour = Behaviour(error_shape=shape, invalid_client_status=401)
    answer = token(adobe, credentials(adobe) | {"client_id": "nobody"})
    assert answer.status_code == 401
    assert ("invalid_client" in answer.text) is (shape not in {"html", "empty"})


@pytest.mark.parametrize(
    ("refusals", "trouble", "status", "code"),
    [
        ("v2", "expired", 401, "invalid_access_token_client_application"),
        ("v2", "missing", 401, "invalid_access_token_client_application"),
        ("legacy", "missing", 401, "missing_authentication_header"),
        ("legacy", "malformed", 401, "invalid_access_token_signature"),
        ("legacy", "expired", 401, "access_token_expired"),
        ("legacy", "client", 401, "invalid_client_id"),
        ("legacy", "statement", 401, "unknown_software_statement"),
        ("bare", "expired", 401, ""),
        ("oauth", "expired", 401, "access_denied"),
        ("oauth", "client", 403, "invalid_client"),
    ],
)
def test_the_four_forms_of_refusal(adobe: Simulator, refusals: Any, trouble: str, status: int, code: str) -> None:
    """Each form of a 401 has its codes, and only "bare" has no body; a challenge is sent on demand."""
    adobe.behaviour = Behaviour(refusals=refusals, www_authenticate="Bearer")
    value: str | None = granted(adobe)
    spoil = {
        "expired": adobe.expire_tokens,
        "client": adobe.revoke_clients,
        "statement": adobe.revoke_statement,
    }
    if trouble in spoil:
        spoil[trouble]()
    value = {"missing": None, "malformed": "nonsense"}.get(trouble, value)
    answer = call(adobe, value)
    assert answer.status_code == status
    assert code in answer.text
    assert bool(answer.content) is (refusals != "bare")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_tokens_expire_by_the_clock(adobe: Simulator, time: ManualClock) -> None:
    """A token is good for its life and not a second longer."""
    value = granted(adobe)
    time.advance(21_000)
    assert call(adobe, value).status_code == 200
    time.advance(700)
    assert call(adobe, value).status_code == 401


def test_a_revoked_statement_stops_everything_until_it_is_reinstated(adobe: Simulator) -> None:
    """Registration, token and API are refused, and work again afterwards."""
    form = credentials(adobe)
    value = token(adobe, form).json()["access_token"]
    adobe.revoke_statement()
    assert register(adobe).json() == {"error": "unapproved_software_statement"}
    assert token(adobe, form).json() == {"error": "invalid_client"}
    assert call(adobe, value).status_code == 401
    adobe.reinstate_statement()
    assert (register(adobe).status_code, call(adobe, value).status_code) == (201, 200)


def test_scopes_and_service_providers_are_checked(adobe: Simulator) -> None:
    """A token without the scope, or of an application that is not linked to the service provider, is refused."""
    assert call(adobe, granted(adobe, sub="old", scopes=["config:client"])).status_code == 401
    value = granted(adobe, sub="other", service_providers=["OTHER"])
    assert call(adobe, value, "OTHER/configuration").status_code == 200
    assert call(adobe, value).json()["code"] == "invalid_access_token_service_provider"
    adobe.behaviour = Behaviour(refusals="bare")
    assert (call(adobe, value).status_code, call(adobe, value).content) == (401, b"")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("REF30/configuration", "GET", 200),
        ("REF30/configuration/", "GET", 200),
        ("REF30/profiles", "GET", 200),
        ("REF30/profiles/Cablevision", "GET", 200),
        ("REF30/configuration", "POST", 405),
        ("REF30/nothing", "GET", 404),
        ("UNKNOWN/configuration", "GET", 400),
        ("REF30/redirect?status=x&to=y", "GET", 400),
        ("REF30/echo", "PATCH", 200),
    ],
)
def test_the_routes(adobe: Simulator, path: str, method: str, status: int) -> None:
    """The paths that exist answer with their methods, others with 404 or 405."""
    adobe.behaviour = Behaviour(strict=False)
    assert call(adobe, granted(adobe), path, method=method).status_code == status


def test_device_headers_can_be_insisted_on(adobe: Simulator) -> None:
    """The device headers can be wanted on every call of the API, and X-Device-Info on the DCR calls."""
    value = granted(adobe)
    adobe.behaviour = Behaviour(device_headers="always", dcr_device_info="required", device_info_keys=())
    assert call(adobe, value).status_code == 400
    headers = {"X-Device-Info": "e30=", "AP-Device-Identifier": "fingerprint eA=="}
    assert call(adobe, value, headers=headers).status_code == 200
    assert register(adobe).status_code == 400


# Seconds since the first call, and whether the call passes (Adobe Pass documentation: Throttling mechanism).
SCENARIO = [
    *((at, True) for at in (0, 0.3, 0.6, 0.9, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 2.1, 2.2)),
    *((at, False) for at in (2.4, 2.6, 2.8)),
    (3.1, True),
]


@pytest.mark.parametrize("model", ["bucket", "once"])
def test_the_throttle_follows_the_published_table(model: Any) -> None:
    """Both models let exactly those calls pass that the documentation lists."""
    now = 0.0
    with Simulator(Behaviour(throttle=model), clock=lambda: 1000 + now) as adobe:
        for at, passes in SCENARIO:
            now = at
            assert (call(adobe, None).status_code != 429) is passes, at
        assert adobe.counts.throttled == 3


def test_the_page_of_the_throttle(adobe: Simulator) -> None:
    """A 429 is the published page, with its headers and without Retry-After; X-Forwarded-For tells devices apart."""
    adobe.behaviour = Behaviour(throttle="bucket")
    answers = [call(adobe, None, headers={"X-Forwarded-For": "203.0.113.7, 10.0.0.1"}) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 11 + [429]
    assert answers[-1].headers["Content-Type"] == "text/html"
    assert len(answers[-1].content) == 166
    assert "Retry-After" not in answers[-1].headers
    assert answers[-1].headers["Server"] == "openresty"
    assert set(answers[-1].cookies.keys()) >= {"AWSALB"}
    told = "'203.0.113.7' calls too often: once a second is let through, and 10 times more in a burst"
    assert adobe.calls[-1].why == told
    assert call(adobe, None, headers={"X-Forwarded-For": "203.0.113.8"}).status_code == 401
    adobe.behaviour = Behaviour(throttle="bucket", retry_after="3")
    assert call(adobe, None, headers={"X-Forwarded-For": "203.0.113.7"}).headers["Retry-After"] == "3"


def test_only_the_bucket_fills_again() -> None:
    """After a pause the bucket has its burst back; the burst of "once" is gone for good."""
    for model, passing in (("bucket", 11), ("once", 1)):
        now = 0.0
        with Simulator(Behaviour(throttle=model), clock=lambda: now) as adobe:  # noqa: B023
            for _ in range(20):
                call(adobe, None)
            now = 1000.0
            adobe.reset_counts()
            for _ in range(20):
                call(adobe, None)
            assert 20 - adobe.counts.throttled == passing


def test_faults_are_used_up_in_order(adobe: Simulator) -> None:
    """Each injected fault hits as many calls as it was given, then the next one, then none."""
    adobe.inject("api", Fault(status=503, body=b"one"))
    adobe.inject("api", Fault(status=500), times=2)
    assert [call(adobe, None).status_code for _ in range(4)] == [503, 500, 500, 401]
    adobe.inject("api", Fault(status=503), times=None)
    assert [call(adobe, None).status_code for _ in range(3)] == [503] * 3
    adobe.clear_faults()
    assert call(adobe, None).status_code == 401
    with pytest.raises(ConfigurationError, match="no endpoint 'apis'"):
        adobe.inject("apis", Fault())
    with pytest.raises(ConfigurationError, match="at least 1"):
        adobe.inject("api", Fault(), times=0)


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_loses_the_call_or_only_its_answer(adobe: Simulator, after: bool) -> None:
    """A reset connection has registered nobody, or, with after=True, somebody whose credentials are lost."""
    adobe.inject("register", Fault(reset=True, after=after))
    with pytest.raises(requests.ConnectionError):
        register(adobe)
    assert (adobe.counts.register, adobe.counts.registered) == (1, int(after))


def test_a_body_can_be_cut_short(adobe: Simulator) -> None:
    """Fewer bytes than announced come, and then the end."""
    adobe.inject("api", Fault(status=200, body=b"0123456789", truncate=4))
    host, _, port = adobe.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request("GET", "/api/v2/REF30/profiles")
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert caught.value.partial == b"0123"
    connection.close()


def test_a_body_can_drip(adobe: Simulator) -> None:
    """A dripping body arrives whole in the end."""
    adobe.inject("api", Fault(status=200, body=b"drip", drip=0.001))
    assert call(adobe, None).content == b"drip"


def test_chunked_bodies_are_read(adobe: Simulator) -> None:
    """A body in chunks is received whole, and the connection stays usable."""
    value = granted(adobe)
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(
                f"{adobe.url}/api/v2/REF30/echo",
                data=(part for part in [b"one", b"two"]),
                headers={"Authorization": f"Bearer {value}"},
                timeout=20,
            )
            assert answer.json()["length"] == 6
    assert adobe.calls[-1].body == b"onetwo"


def test_large_bodies_are_echoed_whole(adobe: Simulator) -> None:
    """The echo counts and digests all of a body, of which the record keeps the first mebibyte."""
    answer = call(adobe, granted(adobe), "REF30/echo", method="POST", data=b"x" * 3_000_000)
    assert answer.json()["length"] == 3_000_000
    assert len(adobe.calls[-1].body) == 1 << 20


def test_counts_are_exact_under_load(adobe: Simulator) -> None:
    """32 threads with ten calls each are counted as 320, and as many are kept."""
    value = granted(adobe)
    adobe.reset_counts()
    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(lambda _: [call(adobe, value).status_code for _ in range(10)], range(32)))
    assert statuses == [[200] * 10] * 32
    assert adobe.counts.api == len(adobe.calls) == 320


def test_it_takes_tls_connections_along() -> None:
    """When the simulator stops, connections that clients keep open end with TLS as without."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    other = Simulator(ssl_context=context).start()
    with (
        socket.create_connection(("127.0.0.1", urlsplit(other.url).port), timeout=20) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as kept,
    ):
        kept.sendall(b"GET /api/v2/REF30/profiles HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(100)
        other.stop()
        with contextlib.suppress(ssl.SSLEOFError, ConnectionResetError):  # it ends without a farewell
            while kept.recv(65_536):
                """What was on the way."""


def test_it_stops_and_frees_its_port(adobe: Simulator) -> None:
    """After stop() nobody listens, and connections that clients kept open are closed."""
    other = Simulator().start()
    host, _, port = other.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as kept:
        kept.sendall(b"GET /api/v2/REF30/profiles HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(100)
        other.stop()
        while kept.recv(65_536):
            """What was on the way."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=20)


def test_its_reprs_show_no_secret(adobe: Simulator) -> None:
    """Neither the simulator nor a recorded call shows a token, a secret or a statement."""
    value = granted(adobe)
    call(adobe, value)
    secret = json.loads(adobe.calls[0].body)["software_statement"]
    text = repr(adobe) + repr(adobe.calls) + repr(adobe.counts)
    assert value not in text
    assert secret not in text


def test_a_behaviour_is_a_value() -> None:
    """Behaviours are compared and changed as values."""
    assert replace(Behaviour(), expires_in=5) == Behaviour(expires_in=5)
    assert Behaviour(expires_in="nonsense").real_life == 21_600


def test_the_controls_work_over_http(adobe: Simulator) -> None:
    """A program in another process can do with the simulator what a test can, and is told what it did wrong."""

    def control(name: str, **fields: Any) -> requests.Response:
        return requests.post(f"{adobe.url}/control/{name}", json=fields, timeout=20)

    value = granted(adobe)
    assert control("revoke-tokens").json()["issued"] == 1
    assert call(adobe, value).status_code == 401
    control("inject", endpoint="api", times=2, fault={"status": 503, "body": "busy", "headers": {"Retry-After": "1"}})
    answers = [call(adobe, None) for _ in range(3)]
    assert [(answer.status_code, answer.text) for answer in answers[:2]] == [(503, "busy")] * 2
    assert (answers[0].headers["Retry-After"], answers[2].status_code) == ("1", 401)
    control("behaviour", refusals="bare")
    assert call(adobe, None).content == b""
    assert requests.get(f"{adobe.url}/control/counts", timeout=20).json()["refused"] == 3
    assert control("reset-counts").json()["api"] == 0
    for wrong in (control("nothing"), control("inject", endpoint="apis", fault={}), control("behaviour", colour="red")):
        assert wrong.status_code == 400
        assert wrong.json()["error"]
