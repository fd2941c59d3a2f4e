"""Authorization servers that nobody here wrote: discovery, registration, tokens, management; called by hand.

They run in the tox environment ``servers`` alone, which has them installed; what is missing there is skipped with the
reason. The contract of a provider is for them too: it takes the fixture `server`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from adapters_tests.servers.oauth_servers import RunningServer, is_discovered

if "DCRAUTH_SERVERS" not in os.environ:
    pytest.skip("other people's servers are started by tox run -e servers", allow_module_level=True)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client for calls by hand."""
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def register(http: httpx.Client, server: RunningServer, **metadata: Any) -> dict[str, Any]:
    """Register for client_credentials; return what is answered, and what was asked for where that says nothing."""
    body = {"client_name": "Test", "grant_types": ["client_credentials"], "scope": " ".join(server.traits.scopes)}
    answer = http.post(
        server.registration_endpoint,
        json={**body, **server.traits.metadata, **metadata},
        headers=bearer(server.initial_access_token()),
    )
    assert answer.status_code == 201, answer.text
    return metadata | answer.json()


def ask(http: httpx.Client, server: RunningServer, client: dict[str, Any], scope: str = "") -> httpx.Response:
    """Ask for a token, in the way that was registered."""
    pair = client["client_id"], client["client_secret"]
    form = {"grant_type": "client_credentials", "scope": scope or server.traits.scopes[0]}
    endpoint = server.token_endpoint
    if client.get("token_endpoint_auth_method", "client_secret_basic") == "client_secret_post":
        return http.post(endpoint, data={**form, "client_id": pair[0], "client_secret": pair[1]})
    return http.post(endpoint, data=form, auth=pair)


def token_of(http: httpx.Client, server: RunningServer, client: dict[str, Any], scope: str = "") -> str:
    answer = ask(http, server, client, scope)
    assert answer.is_success, answer.text
    return str(answer.json()["access_token"])


def status(http: httpx.Client, server: RunningServer, token: str | None) -> int:
    """Call the API; return the status."""
    return http.get(server.api_url, headers=bearer(token)).status_code


def test_discovery(server: RunningServer) -> None:
    """What is known of its document's place is so."""
    assert is_discovered(server) is server.traits.is_discovered


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_from_discovery_to_a_revoked_token(server: RunningServer, http: httpx.Client, method: str) -> None:
    """A document leads to a registration, that to a token, the token opens the API, and once revoked is 401."""
    if method not in server.traits.methods:
        pytest.skip(f"{server.name} has no {method}")
    client = register(http, server, token_endpoint_auth_method=method)
    token = token_of(http, server, client)
    answer = http.get(server.api_url, headers=bearer(token))
    assert (answer.status_code, answer.json()["client_id"]) == (200, client["client_id"])
    server.revoke_token(token)
    refused = http.get(server.api_url, headers=bearer(token))
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert status(http, server, token_of(http, server, client)) == 200
    assert status(http, server, None) == 401


@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
def test_assertions(server: RunningServer, http: httpx.Client, method: str) -> None:
    """A client that signs gets a token, once for each assertion."""
    if method not in server.traits.methods:
        pytest.skip(f"{server.name} has no {method}")
    key = ECKey.generate_key("P-256", {"kid": "one"})
    keys = {"jwks": {"keys": [key.as_dict(private=False)]}} if method == "private_key_jwt" else {}
    client = register(http, server, token_endpoint_auth_method=method, **keys)
    client_id, now = client["client_id"], int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": server.issuer, "iat": now, "exp": now + 60, "jti": "one"}
    signing = (key, "ES256") if keys else (OctKey.import_key(client["client_secret"]), "HS256")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode({"alg": signing[1]}, claims, signing[0]),
    }
    endpoint = server.token_endpoint
    first, second = (http.post(endpoint, data=form) for _ in range(2))
    assert status(http, server, first.json()["access_token"]) == 200
    assert second.json()["error"] == "invalid_client"


def test_a_deleted_client(server: RunningServer, http: httpx.Client) -> None:
    """A client that the server has forgotten is invalid_client, and its token no good."""
    client = register(http, server)
    token = token_of(http, server, client)
    server.delete_client(client["client_id"])
    answer = ask(http, server, client)
    assert (answer.status_code in {400, 401}, answer.json()["error"]) == (True, "invalid_client")
    assert status(http, server, token) == 401


def test_two_scopes(server: RunningServer, http: httpx.Client) -> None:
    """One client has tokens of two scopes, which are two tokens."""
    client = register(http, server)
    tokens = [token_of(http, server, client, scope) for scope in server.traits.scopes]
    scopes = [http.get(server.api_url, headers=bearer(token)).json()["scope"] for token in tokens]
    assert scopes == [*server.traits.scopes]


def test_management(server: RunningServer, http: httpx.Client) -> None:
    """What there is of RFC 7592 does what is known of it; what there is not is refused."""
    client, offered = register(http, server), server.traits.management
    uri, headers = client["registration_client_uri"], bearer(client["registration_access_token"])
    read = http.get(uri, headers=headers)
    assert read.is_success is ("read" in offered), read.text
    if not offered:
        return
    assert read.json()["client_id"] == client["client_id"]
    assert ("client_secret" in read.json()) is server.traits.tells_secret
    hidden = {"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
    body = {name: value for name, value in client.items() if name not in {*hidden, "client_secret"}}
    update = http.put(uri, headers=headers, json=body | {"client_name": "Other"})
    assert update.is_success is ("update" in offered), update.text
    if update.is_success:
        is_new = update.json().get("client_secret") not in {None, client["client_secret"]}
        assert is_new is server.traits.rotates_secret
    new = update.json().get("registration_access_token") if update.is_success else None
    assert (new not in {None, client["registration_access_token"]}) is server.traits.rotates_token
    headers = bearer(new or client["registration_access_token"])
    assert http.delete(uri, headers=headers).status_code == 204
    assert ask(http, server, client).json()["error"] == "invalid_client"


def test_without_an_initial_token(server: RunningServer, http: httpx.Client) -> None:
    """Where a registration needs an initial access token, one without is refused."""
    body = {"grant_types": ["client_credentials"], **server.traits.metadata}
    answer = http.post(server.registration_endpoint, json=body)
    assert answer.is_success is (server.traits.initial_token == "no"), answer.text


def test_software_statements(server: RunningServer, http: httpx.Client) -> None:
    """A server that reads statements believes its own, and refuses junk; the others do not look."""
    if not server.traits.reads_statements:
        assert register(http, server, software_statement="e30.e30.x")["client_id"]
        return
    told = register(http, server, software_statement=server.software_statement("Stated"))
    assert told["client_name"] == "Stated"
    answer = http.post(
        server.registration_endpoint,
        json={"grant_types": ["client_credentials"], "software_statement": "eyJhbGciOiJSUzI1NiJ9.e30.eA"},
        headers=bearer(server.initial_access_token()),
    )
    assert answer.json()["error"] == "invalid_software_statement"
