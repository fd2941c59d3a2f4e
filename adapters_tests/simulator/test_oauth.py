"""The simulated authorization server: documents, registration, management, tokens, the API; called by hand."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc.jwk import ECKey, OKPKey, RSAKey

from adapters_tests.common.clock import ManualClock
from adapters_tests.simulator.oauth_calling import TYPE, Client, call, register, registered, with_key
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import Fault, OAuthBehaviour, OAuthCall, OAuthSimulator, Scenario, Step
from dcrauth.simulator.oauth.known_servers import SERVERS

WEEK = 7 * 86_400.0


@pytest.fixture(scope="module")
def time() -> ManualClock:
    """A clock that goes on from test to test."""
    return ManualClock()


@pytest.fixture(scope="module")
def one(time: ManualClock) -> Iterator[OAuthSimulator]:
    """A running server."""
    with OAuthSimulator(clock=time.wall) as simulator:
        yield simulator


@pytest.fixture
def oauth(one: OAuthSimulator) -> OAuthSimulator:
    """The server, as new."""
    one.reset()
    return one


def behave(oauth: OAuthSimulator, **switches: Any) -> None:
    oauth.behaviour = OAuthBehaviour(**switches)


def error(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status_code, str(answer.json()["error"])


def document(oauth: OAuthSimulator, name: str = "oauth-authorization-server") -> requests.Response:
    return requests.get(f"{oauth.url}/.well-known/{name}", timeout=20, allow_redirects=False)


# Documents


def test_from_a_document_to_the_api(oauth: OAuthSimulator) -> None:
    """What the document names registers a client, grants it a token, and the token opens the API; all is recorded."""
    told = document(oauth).json()
    assert (told["issuer"], told["token_endpoint"]) == (oauth.url, oauth.token_endpoint)
    assert "tls_client_auth" not in told["token_endpoint_auth_methods_supported"]  # it speaks no TLS
    client = registered(oauth, scope="read write")
    token = client.token(scope="read")
    assert call(oauth, token).json() | {"sha256": ""} == {
        "client_id": client.fields["client_id"],
        "scope": "read",
        "audience": [],
        "method": "GET",
        "path": "/api/things",
        "length": 0,
        "sha256": "",
    }
    oauth.calls.assert_endpoints("discovery", "register", "token", "api")
    counts = oauth.counts
    assert (counts.discovery, counts.registered, counts.issued, counts.api, counts.refused) == (1, 1, 1, 1, 0)
    asked = oauth.calls.one("token")
    assert isinstance(asked, OAuthCall)
    assert (asked.authentication, asked.client_id) == ("client_secret_basic", client.fields["client_id"])


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ("usual", {"oauth inserted", "openid appended"}),
        ("inserted", {"oauth inserted", "openid inserted"}),
        ("appended", {"oauth appended", "openid appended"}),
        ("everywhere", {"oauth inserted", "openid inserted", "oauth appended", "openid appended"}),
    ],
    ids=["usual", "inserted", "appended", "everywhere"],
)
def test_documents_of_an_issuer_with_a_path(places: Any, found: set[str]) -> None:
    """An issuer with a path has its documents where RFC 8414 and OpenID Discovery say, or where servers have them."""
    with OAuthSimulator(OAuthBehaviour(document_places=places), base_path="/t1") as oauth:
        root = oauth.url.removesuffix("/t1")
        suffixes = {"oauth": "/.well-known/oauth-authorization-server", "openid": "/.well-known/openid-configuration"}
        urls = {f"{kind} inserted": f"{root}{suffix}/t1" for kind, suffix in suffixes.items()}
        urls |= {f"{kind} appended": f"{oauth.url}{suffix}" for kind, suffix in suffixes.items()}
        assert {name for name, url in urls.items() if requests.get(url, timeout=20).ok} == found
        assert oauth.counts.discovery == 4


@pytest.mark.parametrize("kind", ["empty", "list", "html", "cut", "missing", "redirect"])
def test_documents_that_are_none(oauth: OAuthSimulator, kind: Any) -> None:
    """A document is empty, a list, HTML, cut, missing or elsewhere, as the switch says."""
    behave(oauth, document=kind)
    answer = document(oauth)
    try:
        told = answer.json()
    except ValueError:
        told = "no JSON"
    status, wanted = {"missing": (404, {"error": "not_found"}), "redirect": (302, "no JSON")}.get(kind, (200, told))
    assert (answer.status_code, told) == (status, wanted)
    assert {"empty": told == {}, "list": isinstance(told, list)}.get(kind, not isinstance(told, list) and told)
    if kind == "redirect":
        assert answer.headers["Location"].startswith("https://elsewhere.invalid/")


def test_what_documents_say_can_be_otherwise(oauth: OAuthSimulator) -> None:
    """The issuer, members and places of endpoints are what the switches say; what has moved is gone."""
    behave(oauth, issuer="{url}/", metadata={"scopes_supported": None, "odd": 1}, metadata_leaves_out=("jwks_uri",))
    told = document(oauth, "openid-configuration").json()
    assert (told["issuer"], told["scopes_supported"], told["odd"], "jwks_uri" in told) == (
        f"{oauth.url}/",
        None,
        1,
        False,
    )
    behave(oauth, documents=("openid",), endpoints_below="v2", gone_status=410, registration="absent")
    assert document(oauth).status_code == 404
    told = document(oauth, "openid-configuration").json()
    assert told["token_endpoint"] == f"{oauth.url}/v2/token" == oauth.token_endpoint
    assert "registration_endpoint" not in told
    assert error(requests.post(f"{oauth.url}/token", timeout=20)) == (410, "not_found")
    assert error(register(oauth)) == (404, "not_found")


def test_a_document_of_ten_megabytes(oauth: OAuthSimulator) -> None:
    """A document can be too large for anybody, and right for the rest."""
    behave(oauth, document="huge")
    answer = document(oauth)
    assert len(answer.content) > 10_000_000
    assert answer.json()["issuer"] == oauth.url


# Registration


@pytest.mark.parametrize(
    ("switches", "metadata", "told"),
    [
        ({"registration": "refused"}, {}, (403, "access_denied")),
        ({"initial_token": "required"}, {}, (401, "invalid_token")),
        ({"initial_token": "required", "initial_token_error": "denied"}, {}, (400, "access_denied")),
        ({"statement": "required"}, {}, (400, "invalid_software_statement")),
        ({}, {"software_statement": "eyJ.e30.x"}, (400, "invalid_software_statement")),
        ({}, {"grant_types": ["authorization_code"]}, (400, "invalid_client_metadata")),
        ({}, {"grant_types": None}, (400, "invalid_client_metadata")),
        ({}, {"redirect_uris": "https://one"}, (400, "invalid_client_metadata")),
        ({}, {"token_endpoint_auth_method": "magic"}, (400, "invalid_client_metadata")),
        ({}, {"token_endpoint_auth_method": "private_key_jwt"}, (400, "invalid_client_metadata")),
        ({}, {"token_endpoint_auth_method": "tls_client_auth"}, (400, "invalid_client_metadata")),
        ({"redirect_uris": "empty"}, {"redirect_uris": []}, (400, "invalid_client_metadata")),
        ({"redirect_uris": "required"}, {}, (400, "invalid_redirect_uri")),
        ({"scopes": ("a",)}, {"scope": "a b"}, (400, "invalid_client_metadata")),
    ],
    ids=range(14),
)
def test_registrations_that_are_refused(
    oauth: OAuthSimulator, switches: dict[str, Any], metadata: dict[str, Any], told: tuple[int, str]
) -> None:
    """What a specification, or a switch, forbids is refused with its code; the record says why."""
    behave(oauth, **switches)
    assert error(register(oauth, **metadata)) == told
    assert (oauth.counts.register, oauth.counts.registered) == (1, 0)
    assert oauth.calls.one().why


def test_initial_tokens(oauth: OAuthSimulator, time: ManualClock) -> None:
    """An initial access token is good until it ends or was used; a bad one can be answered without a body."""
    behave(oauth, initial_token="required", initial_token_error="bare")
    brief = oauth.initial_token(uses=1, life=60)
    assert [register(oauth, each).status_code for each in (oauth.initial_access_token, brief, brief)] == [201, 201, 401]
    refused = register(oauth, "no")
    assert (refused.content, 'error="invalid_token"' in refused.headers["WWW-Authenticate"]) == (b"", True)
    late = oauth.initial_token(life=60)
    time.advance(61)
    assert register(oauth, late).status_code == 401
    behave(oauth, initial_token="once")
    assert [register(oauth, oauth.initial_access_token).status_code for _ in range(2)] == [201, 401]


def test_statements(oauth: OAuthSimulator, time: ManualClock) -> None:
    """A statement wins over what is sent beside it, ends, gets too old, and is revoked and reinstated."""
    behave(oauth, statement="required", statement_life=300.0)
    statement = oauth.statement("app", life=600, client_name="Its own")
    found = registered(oauth, client_name="Another", software_statement=statement)
    assert (found.fields["client_name"], found.fields["software_statement"]) == ("Its own", statement)
    oauth.revoke_statement("app")
    assert error(register(oauth, software_statement=statement)) == (400, "unapproved_software_statement")
    assert error(found.ask()) == (400, "unauthorized_client")
    oauth.reinstate_statement("app")
    assert found.ask().ok
    time.advance(301)
    assert error(register(oauth, software_statement=statement)) == (400, "invalid_software_statement")
    behave(oauth)
    time.advance(300)
    assert error(register(oauth, software_statement=statement)) == (400, "invalid_software_statement")


def test_a_second_registration(oauth: OAuthSimulator, time: ManualClock) -> None:
    """It makes a new client, is refused, updates the first or gives it back with a secret that has ended."""
    first = registered(oauth, software_id="app").fields["client_id"]
    assert registered(oauth, software_id="app").fields["client_id"] != first
    behave(oauth, repeats="refused", repeat_error="invalid_client_metadata", secret_life=60.0)
    assert error(register(oauth, software_id="app")) == (400, "invalid_client_metadata")
    only = registered(oauth, software_id="other")
    oauth.behaviour = OAuthBehaviour(repeats="same", secret_life=60.0)
    time.advance(61)
    again = register(oauth, software_id="other")
    assert (again.status_code, again.json()["client_secret"]) == (201, only.fields["client_secret"])
    assert again.json()["client_secret_expires_at"] < time.wall()
    behave(oauth, repeats="updates")
    again = register(oauth, software_id="other", client_name="new")
    assert (again.status_code, again.json()["client_id"]) == (200, only.fields["client_id"])
    assert Client(oauth, again.json()).ask().ok


def test_what_a_registration_is_answered(oauth: OAuthSimulator) -> None:
    """The answer has what is registered, whatever was asked for; members are put in and left out."""
    assert registered(oauth).fields["client_secret_expires_at"] == 0
    behave(
        oauth,
        register_status=200,
        registered_method="client_secret_post",
        scopes=("a", "b"),
        unknown_scopes="dropped",
        registration_answer={"logo_uri": None, "contacts": ""},
        registration_leaves_out=("client_secret_expires_at",),
        management=(),
    )
    answer = register(oauth, token_endpoint_auth_method="none", scope="a x", client_name=None)
    told = answer.json()
    assert (answer.status_code, told["token_endpoint_auth_method"], told["scope"]) == (200, "client_secret_post", "a")
    assert (told["logo_uri"], told["contacts"]) == (None, "")
    assert not {"client_secret_expires_at", "registration_client_uri", "client_name"} & told.keys()
    behave(oauth, unknown_method="client_secret_basic")
    assert registered(oauth, token_endpoint_auth_method="magic").token()
    assert "client_secret" not in registered(oauth, token_endpoint_auth_method="none").fields


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"jwks": {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}}, "a private key in it"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "a private key in it"),
        ({"jwks": {"keys": [{"kty": "RSA", "n": "AAAA", "e": "AQAB"}]}}, "less than 2048 bits"),
        ({"jwks": {"keys": [{"kty": "EC"}]}}, "a key that is none"),
        ({"jwks": {"keys": [1]}}, "a JWK set"),
        ({"jwks": {"keys": []}}, "a JWK set"),
        ({"jwks": 7}, "a JWK set"),
        ({"jwks_uri": "https://one"}, "jwks_uri is not read here"),
    ],
    ids=range(8),
)
def test_keys_that_cannot_be_registered(oauth: OAuthSimulator, keys: dict[str, Any], why: str) -> None:
    """What is no public key of a client is refused in words, a private key above all."""
    answer = register(oauth, token_endpoint_auth_method="private_key_jwt", **keys)
    assert error(answer) == (400, "invalid_client_metadata")
    assert why in answer.json()["error_description"]


# Management


def test_a_client_reads_updates_and_deletes_itself(oauth: OAuthSimulator) -> None:
    """GET gives what is known, PUT takes the place of it all and rotates, DELETE ends client, tokens and secrets."""
    client = registered(oauth, client_name="One", contacts=["a@b"], scope="a")
    token = client.token()
    assert client.manage("GET").json() == client.fields
    fields = {name: value for name, value in client.fields.items() if name != "contacts"}
    changed = Client(oauth, fields).updated(client_name="Two").json()
    assert (changed["client_name"], "contacts" in changed) == ("Two", False)
    assert changed["client_secret"] != client.fields["client_secret"]
    assert error(client.ask()) == (401, "invalid_client")
    assert Client(oauth, changed).ask().ok
    assert client.manage("DELETE").status_code == 204
    assert error(client.manage("GET")) == (401, "invalid_token")
    assert error(call(oauth, token)) == (401, "invalid_token")
    assert (oauth.counts.manage, oauth.counts.updated, oauth.counts.deleted) == (4, 1, 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_id": "another"}, (400, "invalid_request")),
        ({"client_id_issued_at": 1}, (400, "invalid_request")),
        ({"client_secret": "another"}, (400, "invalid_request")),
        ({"grant_types": []}, (400, "invalid_client_metadata")),
    ],
    ids=range(4),
)
def test_updates_that_are_refused(oauth: OAuthSimulator, changes: dict[str, Any], told: tuple[int, str]) -> None:
    """An update keeps to RFC 7592 §2.2, and what it does not change stays as it was."""
    client = registered(oauth)
    assert error(client.updated(**changes)) == told
    assert client.manage("GET").json() == client.fields


def test_rotation(oauth: OAuthSimulator) -> None:
    """Reading rotates token and secret where it is said to; the old ones are refused, or good for a while."""
    behave(oauth, rotates_token="always", rotates_secret="always", secret_overlap=60.0)
    client = registered(oauth)
    new = Client(oauth, client.manage("GET").json())
    assert new.fields["registration_access_token"] != client.fields["registration_access_token"]
    assert error(client.manage("GET")) == (401, "invalid_token")
    assert client.ask().ok
    oauth.advance(60)
    assert error(client.ask()) == (401, "invalid_client")
    assert new.ask().ok


def test_an_answer_that_was_lost(oauth: OAuthSimulator) -> None:
    """A rotating update whose answer is lost has been done; the old token is good until the new one is used."""
    behave(oauth, rotates_token="update", old_token="until the new one")
    client = registered(oauth)
    oauth.inject("manage", Fault(reset=True, after=True))
    with pytest.raises(requests.ConnectionError):
        client.updated()
    assert error(client.ask()) == (401, "invalid_client")
    told = client.manage("GET")
    assert Client(oauth, told.json()).ask().ok
    assert Client(oauth, told.json()).manage("GET").ok
    assert error(client.manage("GET")) == (401, "invalid_token")


def test_what_management_is_offered(oauth: OAuthSimulator) -> None:
    """Verbs that are not offered are 405, or 404 where none is; the URL can be relative or another's."""
    behave(oauth, management=("read", "delete"), management_uri="relative", management_leaves_out=("client_secret",))
    client = registered(oauth)
    uri = client.fields["registration_client_uri"]
    assert uri == f"/register/{client.fields['client_id']}"
    client.fields["registration_client_uri"] = f"{oauth.url}{uri}"
    assert (client.manage("PUT").status_code, client.manage("PUT").headers["Allow"]) == (405, "GET, DELETE")
    assert "client_secret" not in client.manage("GET").json()
    behave(oauth, management=())
    assert client.manage("GET").status_code == 404
    behave(oauth, management_uri="foreign", secret_in_update="refused")
    assert registered(oauth).fields["registration_client_uri"].startswith("https://elsewhere.invalid/register/")
    behave(oauth, secret_in_update="refused")
    client = registered(oauth)
    assert error(client.updated(client_secret=client.fields["client_secret"])) == (403, "access_denied")


def test_secrets_end(oauth: OAuthSimulator, time: ManualClock) -> None:
    """A secret ends when it is said to, or at an order; an update brings a new one."""
    behave(oauth, secret_life=WEEK)
    client = registered(oauth)
    assert client.fields["client_secret_expires_at"] == int(time.wall() + WEEK)
    time.advance(WEEK)
    assert error(client.ask()) == (401, "invalid_client")
    assert oauth.calls.one("token").why == "The client's secret has ended"
    renewed = Client(oauth, client.updated().json())
    assert renewed.ask().ok
    oauth.expire_secrets()
    assert error(renewed.ask()) == (401, "invalid_client")
    oauth.revoke_registration_tokens()
    assert error(renewed.updated()) == (401, "invalid_token")


# Client authentication


@pytest.mark.parametrize("ids", ["plain", "special"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_methods_of_authentication(oauth: OAuthSimulator, method: str, ids: Any) -> None:
    """Each method gets a token, with ids and secrets that have to be encoded, too; nothing gets none."""
    behave(oauth, client_ids=ids)
    client = registered(oauth, token_endpoint_auth_method=method)
    assert client.ask().ok
    if method != "none":
        assert error(client.send(client_id=client.fields["client_id"])) == (401, "invalid_client")


def test_basic_in_raw_and_in_encoded_form(oauth: OAuthSimulator) -> None:
    """A server that does not decode takes what is not encoded, and the other way round."""
    behave(oauth, client_ids="special")
    client = registered(oauth)
    assert error(client.send(auth=client.basic(encoded=False))) == (401, "invalid_client")
    oauth.behaviour = OAuthBehaviour(basic_encoding="raw")
    assert client.send(auth=client.basic(encoded=False)).ok
    assert error(client.send(auth=client.basic())) == (401, "invalid_client")


def test_a_method_that_was_not_registered(oauth: OAuthSimulator) -> None:
    """Basic and post are alike unless the method is enforced; two at once, or a secret in the URL, are refused."""
    client = registered(oauth)
    pair = {name: client.fields[name] for name in ("client_id", "client_secret")}
    assert client.send(**pair).ok
    assert error(client.send(auth=client.basic(), **pair)) == (400, "invalid_request")
    assert error(client.send(auth=client.basic(), client_id="another")) == (400, "invalid_request")
    in_url = requests.post(oauth.token_endpoint, params=pair, data={"grant_type": "client_credentials"}, timeout=20)
    assert error(in_url) == (400, "invalid_request")
    behave(oauth, enforce_method=True)
    assert error(client.send(**pair)) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("switches", "basic", "status", "challenge"),
    [
        ({}, True, 401, 'Basic realm="clients"'),
        ({}, False, 401, None),
        ({"invalid_client_challenge": "bearer"}, False, 401, 'Bearer error="invalid_client"'),
        ({"invalid_client_status": 400, "invalid_client_challenge": "none"}, True, 400, None),
    ],
    ids=range(4),
)
def test_forms_of_invalid_client(
    oauth: OAuthSimulator, switches: dict[str, Any], basic: bool, status: int, challenge: str | None
) -> None:
    """The status and the challenge of invalid_client are what the server is said to send."""
    behave(oauth, **switches)
    client = Client(oauth, {"client_id": "no", "client_secret": "no"})
    answer = client.send(auth=client.basic()) if basic else client.send(**client.fields)
    assert error(answer) == (status, "invalid_client")
    assert answer.headers.get("WWW-Authenticate") == challenge


@pytest.mark.parametrize("shape", ["nested", "html", "empty"])
def test_shapes_of_errors(oauth: OAuthSimulator, shape: Any) -> None:
    """An error is nested, HTML or empty, with its status."""
    behave(oauth, error_shape=shape)
    answer = register(oauth, grant_types=[])
    assert answer.status_code == 400
    assert {"nested": b'{"error": {', "html": b"<html>", "empty": b""}[shape] in answer.content
    assert answer.content or shape == "empty"


# Assertions


@pytest.mark.parametrize(
    ("switches", "changes", "why"),
    [
        ({}, {}, ""),
        ({}, {"aud": "token"}, ""),
        ({}, {"aud": ["issuer"]}, ""),
        ({"assertion_audience": "issuer"}, {"aud": "token"}, "aud of the assertion is"),
        ({"assertion_audience": "token endpoint"}, {"aud": "issuer"}, "aud of the assertion is"),
        ({"assertion_audience": "issuer alone"}, {"aud": ["issuer"]}, "must be a text"),
        ({}, {"aud": "https://other"}, "aud of the assertion is"),
        ({}, {"iss": "another"}, "iss and sub"),
        ({}, {"exp": None}, "has no exp"),
        ({}, {"jti": None}, "has no jti"),
        ({"assertion_claims": ()}, {"jti": None, "iat": None}, ""),
        ({"assertion_claims": ("iat",)}, {"iat": None}, "has no iat"),
        ({}, {"exp": "soon"}, "must be numbers"),
        ({}, {"exp": 0}, "has ended"),
        ({}, {"exp": 301}, "for longer than 300 s"),
        ({}, {"iat": 1}, "iat of the assertion lies in the future"),
        ({}, {"nbf": 1}, "nbf of the assertion lies in the future"),
        ({"clock_tolerance": 10.0}, {"iat": 10, "nbf": 10}, ""),
        ({}, {"iat": -301}, "too old"),
        ({"clock_skew": -5.0}, {}, "iat of the assertion lies in the future"),
        ({"clock_skew": 61.0}, {}, "has ended"),
    ],
    ids=range(21),
)
def test_claims_of_assertions(
    oauth: OAuthSimulator, switches: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    """An assertion is checked as RFC 7523 §3 says, without tolerance for clocks unless there is some."""
    behave(oauth, **switches)
    client, now = with_key(oauth), int(oauth.clock())
    names = {"token": oauth.token_endpoint, "issuer": oauth.issuer}
    changes = {name: now + value if type(value) is int else value for name, value in changes.items()}
    if "aud" in changes:
        aud = changes["aud"]
        changes["aud"] = [names[each] for each in aud] if isinstance(aud, list) else names.get(aud, aud)
    answer = client.asserted(**changes)
    asked = oauth.calls.one("token")
    assert answer.ok is not bool(why), answer.text
    assert why in asked.why
    if why:
        assert error(answer) == (401, "invalid_client")


def test_an_assertion_is_good_once(oauth: OAuthSimulator) -> None:
    """A jti that was used is refused; one of an assertion that was refused otherwise is not used up."""
    client = with_key(oauth)
    assert [client.asserted(jti="one").status_code for _ in range(2)] == [200, 401]
    assert client.asserted(jti="two", exp=1).status_code == 401
    assert client.asserted(jti="two").ok
    behave(oauth, jti="ignored")
    assert client.asserted(jti="one").ok
    told = [each.assertion["jti"] for each in oauth.calls.only("token") if isinstance(each, OAuthCall)]
    assert told == ["one", "one", "two", "two", "one"]


def test_keys_of_assertions(oauth: OAuthSimulator) -> None:
    """Another key, an algorithm that is not taken, and another method than was registered are refused."""
    client = with_key(oauth)
    other = ECKey.generate_key("P-256", {"kid": "one"})
    stranger = ECKey.generate_key("P-256", {"kid": "two"})
    assert [client.asserted(key=key).status_code for key in (other, stranger)] == [401, 401]
    assert "no key 'two'" in oauth.calls.only("token")[-1].why
    behave(oauth, signing_algorithms=("RS256",))
    assert error(client.asserted()) == (401, "invalid_client")
    assert "alg" in oauth.calls.only("token")[-1].why
    behave(oauth)
    secret = registered(oauth)
    assert error(secret.asserted()) == (401, "invalid_client")


def test_a_wrong_clock_shows_in_the_date(oauth: OAuthSimulator) -> None:
    """The Date of each answer, a failure's too, is the server's own time, which is ahead by so much."""
    behave(oauth, clock_skew=600.0)
    oauth.inject("discovery", Fault(status=503))
    for _ in range(2):
        said = parsedate_to_datetime(document(oauth).headers["Date"]).timestamp()
        assert said == int(oauth.clock() + 600)


def test_a_certificate_is_a_client(tmp_path: Path) -> None:
    """Over TLS, a client with the registered subject gets a token, bound to its certificate if it is to be."""
    trusted, one, two = (tmp_path / name for name in ("authority.pem", "one.pem", "two.pem"))
    with OAuthSimulator(tls=True) as oauth:
        trusted.write_bytes(oauth.authority or b"")
        one.write_bytes(oauth.client_certificate("one"))
        two.write_bytes(oauth.client_certificate("two"))
        with requests.Session() as session:
            session.verify, session.trust_env = str(trusted), False
            told = session.get(f"{oauth.url}/.well-known/oauth-authorization-server", timeout=20).json()
            aliases = told["mtls_endpoint_aliases"]
            body = {
                "grant_types": ["client_credentials"],
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "one",
                "tls_client_certificate_bound_access_tokens": True,
            }
            client_id = session.post(aliases["registration_endpoint"], json=body, timeout=20).json()["client_id"]
            form = {"grant_type": "client_credentials", "client_id": client_id}

            def token(certificate: Path | None) -> requests.Response:
                cert = None if certificate is None else str(certificate)
                return session.post(aliases["token_endpoint"], data=form, cert=cert, timeout=20)

            assert [token(each).status_code for each in (None, two, one)] == [401, 401, 200]
            headers = {"Authorization": f"Bearer {token(one).json()['access_token']}"}
            urls = [session.get(oauth.api_url, headers=headers, cert=cert, timeout=20) for cert in (str(one), str(two))]
            assert [each.status_code for each in urls] == [200, 401]


@pytest.mark.parametrize(
    ("kind", "parameter", "alg"),
    [
        ("EC", "P-384", "ES384"),
        ("EC", "P-521", "ES512"),
        ("RSA", 2048, "RS256"),
        ("RSA", 2048, "PS256"),
        ("OKP", "Ed25519", "EdDSA"),
    ],
    ids=str,
)
def test_signatures(oauth: OAuthSimulator, kind: str, parameter: Any, alg: str) -> None:
    """Each kind of key signs, those too that joserfc warns of; what was changed afterwards is refused."""
    key = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}[kind].generate_key(parameter)
    keys = {"keys": [key.as_dict(private=False)]}
    client = registered(oauth, token_endpoint_auth_method="private_key_jwt", jwks=keys)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        good = client.assertion(key, alg)
    head, claims, signature = good.split(".")
    form = {"client_assertion_type": TYPE}
    changed = f"{head}.{claims}.{signature[::-1]}"
    assert [client.send(client_assertion=each, **form).status_code for each in (changed, good)] == [401, 200]
    other = with_key(oauth)
    assert error(other.send(client_assertion=other.assertion(ECKey.generate_key("P-384"), "ES384"), **form)) == (
        401,
        "invalid_client",
    )


def test_a_short_secret_signs(oauth: OAuthSimulator) -> None:
    """A secret is as good for client_secret_jwt as it was made, however short."""
    oauth.add_client("me", method="client_secret_jwt", secret="mine")
    client = Client(
        oauth, {"client_id": "me", "client_secret": "mine", "token_endpoint_auth_method": "client_secret_jwt"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        good = client.assertion()
    assert error(client.send(client_assertion_type=TYPE, client_assertion=f"{good}x")) == (401, "invalid_client")
    assert client.send(client_assertion_type=TYPE, client_assertion=good).ok


# Tokens


def test_scopes_resources_and_audiences(oauth: OAuthSimulator) -> None:
    """One client gets tokens for several scopes, resources and audiences; what there is not is refused or dropped."""
    behave(oauth, scopes=("a", "b"), resources=("https://one", "https://two", "api://x"), most_resources=1)
    client = registered(oauth, scope="a")
    assert client.ask(scope="a").json()["scope"] == "a" == client.ask().json()["scope"]
    assert error(client.ask(scope="b")) == (400, "invalid_scope")
    assert call(oauth, client.token(resource="https://one", audience="api://x")).json()["audience"] == [
        "https://one",
        "api://x",
    ]
    assert error(client.ask(resource=["https://one", "https://two"])) == (400, "invalid_target")
    assert error(client.ask(resource="https://three")) == (400, "invalid_target")
    oauth.behaviour = OAuthBehaviour(unknown_scopes="dropped", token_scope="different", scopes=("a", "b"))
    assert "scope" not in client.ask(scope="a").json()
    assert client.ask(scope="a b").json()["scope"] == "a"
    oauth.behaviour = OAuthBehaviour(token_scope="never")
    assert "scope" not in client.ask().json()


def test_token_requests_that_are_refused(oauth: OAuthSimulator) -> None:
    """Another grant, a parameter that comes twice, and another body than a form are refused."""
    client = registered(oauth)
    assert error(client.send(auth=client.basic(), grant_type="password")) == (400, "unsupported_grant_type")
    assert error(client.send(auth=client.basic(), scope=["a", "b"])) == (400, "invalid_request")
    sent = requests.post(
        oauth.token_endpoint, json={"grant_type": "client_credentials"}, auth=client.basic(), timeout=20
    )
    assert error(sent) == (400, "invalid_request")
    assert requests.get(oauth.token_endpoint, timeout=20).status_code == 405


def test_answers_of_the_token_endpoint(oauth: OAuthSimulator) -> None:
    """Status, life, kind and members of the answer are what the switches say."""
    behave(
        oauth,
        token_status=201,
        expires_in="60",
        token_life=5.0,
        token_kind="jwt",
        token_answer={"token_type": "bearer", "ext": None},
        token_leaves_out=("scope",),
    )
    client = registered(oauth, scope="a")
    answer = client.ask()
    told = answer.json()
    assert (answer.status_code, told["expires_in"], told["token_type"], told["ext"]) == (201, "60", "bearer", None)
    assert "scope" not in told
    assert told["access_token"].count(".") == 2
    assert call(oauth, told["access_token"]).ok
    oauth.advance(5)
    assert error(call(oauth, told["access_token"])) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("server", "form", "told"),
    [
        ("auth0", {}, (403, "access_denied")),
        ("auth0", {"audience": "https://api"}, None),
        ("azure", {"scope": "api://x"}, (400, "invalid_scope")),
        ("azure", {"scope": "api://x/.default api://y/.default"}, (400, "invalid_scope")),
        ("azure", {"scope": "api://x/.default"}, None),
    ],
    ids=range(5),
)
def test_servers_that_want_more(
    oauth: OAuthSimulator, server: str, form: dict[str, str], told: tuple[int, str] | None
) -> None:
    """Auth0 wants an audience, Azure one scope of its own form; both have clients that are given alone."""
    oauth.behave_like(server)
    given = oauth.add_client("me", secret="mine", scope="")
    assert error(register(oauth)) == (404, "not_found")
    answer = Client(oauth, {"client_id": "me", "client_secret": "mine"}).send(
        client_id="me", client_secret="mine", **form
    )
    assert (None if answer.ok else error(answer)) == told
    assert oauth.client("me") is given
    assert given.token is None


def test_every_known_server_can_be_had(oauth: OAuthSimulator) -> None:
    """What is told of each server is a setting that can be, and the page of the documentation names it."""
    page = (Path(__file__).parents[2] / "docs/simulator.md").read_text()
    for server in SERVERS:
        oauth.behave_like(server)
        assert document(oauth, "openid-configuration").ok
        assert f"`{server}`" in page


# The API


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("rfc6750", 'Bearer realm="simulator", error="invalid_token", error_description='),
        ("bare", "Bearer"),
        ("no code", 'Bearer realm="simulator"'),
        ("several", 'Basic realm="a, b", Negotiate abc==, Bearer realm="simulator", error="invalid_token"'),
        ("lines", 'DPoP algs="ES256", error="invalid_request", Bearer realm="simulator", error="invalid_token"'),
        ("odd", 'bearer Error=invalid_token , ERROR_DESCRIPTION = "say \\"hi, there\\""'),
        ("foreign", 'Basic realm="elsewhere"'),
        ("none", ""),
    ],
    ids=range(8),
)
def test_challenges(oauth: OAuthSimulator, form: Any, found: str) -> None:
    """A token that is not good is 401, with the challenge of RFC 6750 or one that servers send instead."""
    behave(oauth, challenges=form)
    answer = call(oauth, "no")
    assert error(answer) == (401, "invalid_token")
    assert answer.headers.get("WWW-Authenticate", "").startswith(found)
    assert oauth.counts.refused == 1


def test_without_a_token_there_is_no_code(oauth: OAuthSimulator) -> None:
    """A call without a token is told the scheme, and no error (RFC 6750 §3.1)."""
    answer = call(oauth, None)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="simulator"'


def test_what_an_api_asks_for(oauth: OAuthSimulator) -> None:
    """A token without the scope is 403 insufficient_scope that names it, one for another audience is 401."""
    oauth.protect("/api/reports*", scope="read write", audience="https://api")
    oauth.route("GET", "/api/reports/own", {"own": True})
    client = registered(oauth)
    less, right, other = (
        client.token(scope=scope, resource=resource)
        for scope, resource in (("read", "https://api"), ("read write", "https://api"), ("read write", "https://other"))
    )
    answer = call(oauth, less, "/api/reports/1")
    assert error(answer) == (403, "insufficient_scope")
    assert answer.headers["WWW-Authenticate"].endswith('scope="read write"')
    assert call(oauth, right, "/api/reports/1").ok
    assert error(call(oauth, other, "/api/reports/1")) == (401, "invalid_token")
    odd = client.token(scope="read write", resource="https://ünknown\r\nX: y")
    assert error(call(oauth, odd, "/api/reports/1")) == (401, "invalid_token")
    assert call(oauth, less).ok
    assert error(call(oauth, less, "/api/reports/own")) == (403, "insufficient_scope")
    assert call(oauth, right, "/api/reports/own").json() == {"own": True}
    assert call(oauth, right, "/apis").status_code == 404


def test_tokens_clients_and_secrets_go(oauth: OAuthSimulator) -> None:
    """One token or all are revoked or expired, a client or all are deleted, secrets rotate, and each shows."""
    client, other = registered(oauth), registered(oauth)
    first, second = client.token(), client.token()
    oauth.revoke_token(first)
    assert [call(oauth, each).status_code for each in (first, second)] == [401, 200]
    oauth.expire_tokens()
    assert call(oauth, second).status_code == 401
    token = client.token()
    oauth.revoke_tokens()
    assert call(oauth, token).status_code == 401
    client.fields["client_secret"] = oauth.rotate_secret(client.fields["client_id"])
    token = client.token()
    oauth.rotate_secrets()
    assert [each.ask().status_code for each in (client, other)] == [401, 401]
    oauth.delete_client(client.fields["client_id"])
    assert call(oauth, token).status_code == 401
    assert [each.client_id for each in oauth.clients] == [other.fields["client_id"]]
    oauth.revoke_clients()
    assert oauth.clients == ()


def test_at_a_call(oauth: OAuthSimulator) -> None:
    """A scenario revokes tokens, deletes clients and rotates secrets before a call of that number."""
    client = registered(oauth)
    token = client.token()
    oauth.play(
        Scenario(
            "life",
            (
                Step(endpoint="api", do="revoke-tokens", first_call=2),
                Step(endpoint="token", do="rotate-secrets", first_call=2),
                Step(endpoint="discovery", fault=Fault(status=503), first_call=1, last_call=1),
                Step(endpoint="manage", do="revoke-clients"),
            ),
        )
    )
    assert [call(oauth, token).status_code for _ in range(2)] == [200, 401]
    assert [client.ask().status_code for _ in range(2)] == [200, 401]
    assert [document(oauth).status_code for _ in range(2)] == [503, 200]
    assert client.manage("GET").status_code == 401
    assert oauth.clients == ()


def test_the_throttle(oauth: OAuthSimulator) -> None:
    """Eleven calls at once are let through, the others answered 429 with what Retry-After is to say."""
    behave(oauth, throttle="bucket", retry_after="7")
    answers = [document(oauth) for _ in range(12)]
    assert [each.status_code for each in answers] == [200] * 11 + [429]
    assert answers[-1].headers["Retry-After"] == "7"
    oauth.advance(1)
    assert document(oauth).ok


def test_a_reset_makes_everything_new(oauth: OAuthSimulator) -> None:
    """Clients, tokens, protections, counts and switches are gone, at the same URL."""
    url, initial = oauth.url, oauth.initial_access_token
    registered(oauth)
    oauth.protect("/*", scope="x")
    behave(oauth, registration="refused")
    oauth.reset()
    assert (oauth.url, oauth.clients, oauth.calls, oauth.behaviour) == (url, (), (), OAuthBehaviour())
    assert oauth.initial_access_token != initial
    assert call(oauth, registered(oauth).token()).ok


def test_secrets_are_masked(oauth: OAuthSimulator) -> None:
    """What the controls show of calls and state has no secret in it."""
    behave(oauth, initial_token="required")
    client = registered(oauth, oauth.initial_access_token)
    token = client.token()
    call(oauth, token)
    client.manage("GET")
    secrets = [client.fields[name] for name in ("client_secret", "registration_access_token")]
    told = "".join(
        requests.get(f"{oauth.url}/control/{name}", timeout=20).text for name in ("calls", "state", "clients")
    )
    assert client.fields["client_id"] in told
    assert not [each for each in (*secrets, token, oauth.initial_access_token) if each in told]
    assert not [each for each in (*secrets, token) if each in repr(oauth.calls) + repr(oauth.clients)]


# Many at once


def together(count: int, call: Callable[[int], requests.Response]) -> list[int]:
    """Have so many calls made at once; return their statuses, in order."""
    start = threading.Barrier(count)

    def made(number: int) -> int:
        start.wait(20)
        return call(number).status_code

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(made, range(count)))


def test_what_is_good_once_is_good_once(oauth: OAuthSimulator) -> None:
    """Of many at once, one uses the initial token, one registers the software, one assertion and one old token work."""
    behave(oauth, initial_token="once")
    assert together(8, lambda _: register(oauth, oauth.initial_access_token)) == [201] + [401] * 7
    behave(oauth, repeats="refused", rotates_token="always")
    assert together(8, lambda _: register(oauth, software_id="app")) == [201] + [400] * 7
    signing = with_key(oauth)
    form = {"client_assertion_type": TYPE, "client_assertion": signing.assertion()}
    assert together(8, lambda _: signing.send(**form)) == [200] + [401] * 7
    client = registered(oauth, software_id="other")
    assert together(8, lambda _: client.manage("GET")) == [200] + [401] * 7


# Bad input


@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"Authorization": "Basic \xff"}},
        {"headers": {"Authorization": "Basic e30="}},
        {"headers": {"Authorization": "Basic /w=="}},
        {"headers": {"Authorization": "Bearer"}},
        {"data": b"\xff\xfe=\x00&&=&grant_type"},
        {"data": {"client_assertion": "a.b.c.d", "client_id": "x"}},
        {"data": {"client_assertion": "eyJhbGciOiB7fX0.W10.", "client_assertion_type": TYPE}},
        {"data": {"client_assertion": "", "client_secret": ""}},
        {"data": "a" * 1_000_000},
    ],
    ids=range(9),
)
def test_whatever_is_sent_is_answered(oauth: OAuthSimulator, sent: dict[str, Any]) -> None:
    """What is no call of a client is refused, at every endpoint, and no connection breaks."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = {**sent, "headers": {**kind, **sent.get("headers", {})}}
    for url in (oauth.token_endpoint, oauth.registration_endpoint, f"{oauth.registration_endpoint}/x", oauth.api_url):
        assert requests.post(url, timeout=20, **sent).status_code in {400, 401, 405}


@pytest.mark.parametrize(
    "changes",
    [{"aud": {}}, {"aud": [{}]}, {"exp": float("nan")}, {"exp": True}, {"iat": float("inf")}, {"jti": {}, "sub": []}],
    ids=range(6),
)
def test_claims_of_odd_types(oauth: OAuthSimulator, changes: dict[str, Any]) -> None:
    """A claim of a type that it cannot have is refused, and no connection breaks."""
    assert error(with_key(oauth).asserted(**changes)) == (401, "invalid_client")


@pytest.mark.parametrize("claims", [{"exp": "soon"}, {"iat": None}, {"scope": 1}, {"grant_types": "x"}], ids=range(4))
def test_statements_of_odd_types(oauth: OAuthSimulator, claims: dict[str, Any]) -> None:
    """A statement that was signed with claims of a wrong type is refused, and no connection breaks."""
    assert register(oauth, software_statement=oauth.statement(**claims)).status_code == 400


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda _: OAuthBehaviour(registration="closed"),
            "registration of OAuthBehaviour is 'closed', and must be \"open\"",
        ),  # type: ignore[arg-type]
        (lambda _: OAuthBehaviour(methods=("magic",)), "methods has 'magic'; there is client_secret_basic"),
        (lambda _: OAuthBehaviour(signing_algorithms=("none",)), "signing_algorithms has 'none'; there is RS256"),
        (lambda _: OAuthBehaviour(registered_method="magic"), "registered_method has 'magic'"),
        (lambda _: OAuthBehaviour(invalid_client="a\r\nb"), "printable ASCII without quotes"),
        (lambda oauth: oauth.protect("/api", scope='a"b'), "printable ASCII without quotes"),
        (lambda _: OAuthBehaviour(endpoints_below="a/b"), "endpoints_below is one segment of a path, not 'a/b'"),
        (lambda _: OAuthBehaviour(documents=("saml",)), "entry 1 of documents of OAuthBehaviour is 'saml'"),  # type: ignore[arg-type]
        (lambda _: OAuthBehaviour.like("nobody"), "There is no server called 'nobody'; there is auth0, azure"),
        (lambda _: OAuthBehaviour.like("azure", odd=1), "OAuthBehaviour: "),
        (lambda _: OAuthSimulator(behaviour=1), "behaviour must be a OAuthBehaviour"),  # type: ignore[arg-type]
        (lambda _: OAuthSimulator(base_path="x"), "'x' is no base path"),
        (lambda _: OAuthSimulator(host="192.0.2.1"), "it is for this machine alone"),
        (lambda oauth: oauth.protect("x"), "'x' is no path to protect"),
        (lambda oauth: oauth.add_client(method="magic"), "method is 'magic'; there is"),
        (lambda oauth: oauth.client_certificate(), "need OAuthSimulator(tls=True)"),
        (lambda oauth: oauth.delete_client("x"), "there is no client 'x'"),
        (lambda oauth: oauth.revoke_token("x"), "there is no such token"),
        (lambda oauth: oauth.initial_token(uses=0), "uses must be at least 1"),
        (lambda oauth: oauth.inject("login", Fault()), 'it must be "discovery", "register", "token", "manage"'),
        (
            lambda oauth: oauth.play(Scenario("x", (Step(do="expire-profiles"),))),
            "This simulator has nothing called 'expire-profiles' to do; it has expire-tokens",
        ),
    ],
    ids=range(21),
)
def test_a_wrong_setting_is_a_sentence(oauth: OAuthSimulator, make: Any, told: str) -> None:
    """Whatever is set to what it cannot be is told in one sentence."""
    with pytest.raises(ConfigurationError) as caught:
        make(oauth)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bodies_that_are_none(oauth: OAuthSimulator) -> None:
    """A registration that is no JSON, no object, or does not say that it is JSON is refused."""
    url = oauth.registration_endpoint
    for body, kind in (("{", "application/json"), ("[]", "application/json"), ("{}", "text/plain")):
        answer = requests.post(url, data=body, headers={"Content-Type": kind}, timeout=20)
        assert error(answer) == (400, "invalid_client_metadata")
    assert requests.get(url, timeout=20).status_code == 405
