"""`OAuthServer` at authorization servers that nobody here wrote: the life of a client, from discovery to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters_tests.servers.oauth_servers import RunningServer
from dcrauth import (
    ClientCredentials,
    ClientSecret,
    ClientSecretJWT,
    CredentialsRejected,
    FileStore,
    MemoryStore,
    OAuthServer,
    Policy,
    PrivateKeyJWT,
    TokenSource,
    events,
)
from dcrauth._internal.confidential import replaced
from dcrauth.engine.records import StoredCredentials, read_credentials, write_credentials
from dcrauth.httpx import DCRAuth

if "DCRAUTH_SERVERS" not in os.environ:
    pytest.skip("other people's servers are started by tox run -e servers", allow_module_level=True)

AT_ONCE = Policy(settling=0.0, spared_for=0.001)
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
"""
METHODS: dict[str, Callable[[], Any]] = {
    "client_secret_basic": lambda: ClientSecret("basic"),
    "client_secret_post": lambda: ClientSecret("post"),
    "client_secret_jwt": ClientSecretJWT,
    "private_key_jwt": lambda: PrivateKeyJWT(KEY),
}


def provider(server: RunningServer, method: str = "client_secret_basic", **settings: Any) -> OAuthServer:
    """Return the server as a provider; by its issuer where that leads anywhere."""
    traits = server.traits
    endpoints = {"registration_endpoint": server.registration_endpoint, "token_endpoint": server.token_endpoint}
    where: dict[str, Any] = {"issuer": server.issuer} if traits.is_discovered else endpoints
    given: dict[str, Any] = {
        "scope": " ".join(traits.scopes),
        "client_metadata": {"client_name": "Test", **traits.metadata},
        "client_authentication": METHODS[method](),
        "initial_access_token": server.initial_access_token if traits.initial_token != "no" else None,
    }
    return OAuthServer(**where, protects=[server.api_url], **{**given, **settings})


def stored(store: FileStore, key: str) -> ClientCredentials:
    """Return the credentials that are stored under *key*."""
    found = read_credentials(key, store.get(key) or b"")
    assert isinstance(found, StoredCredentials)
    return found.credentials


def about_to_end(store: FileStore, key: str) -> ClientCredentials:
    """Have the stored client believe that its secret ends in a minute, which none of these servers says; return it."""
    present, now = stored(store, key), time.time()
    metadata = {**present.metadata, "client_secret_expires_at": int(now) + 60}
    ending = write_credentials(key, replaced(present, registered_at=now - 3600, metadata=metadata), 2)
    assert store.replace(key, ending.data, expected=store.get(key) or b"")
    return ending.credentials


def opens(server: RunningServer, source: TokenSource) -> str:
    """Call the API with a token of *source*; return the client that the API sees."""
    with httpx.Client(auth=DCRAuth(source), timeout=20, trust_env=False) as client:
        answer = client.get(server.api_url)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["client_id"])


@pytest.mark.parametrize("method", METHODS)
def test_from_discovery_to_a_restart(server: RunningServer, method: str, tmp_path: Path) -> None:
    """A client is registered once and gets tokens by each method; a 401 is mended, and a restart registers nothing."""
    if method not in server.traits.methods:
        pytest.skip(f"{server.name} has no {method}")
    heard: list[events.Event] = []
    source = TokenSource(provider(server, method), store=FileStore(tmp_path), policy=AT_ONCE, on_event=heard.append)
    client = opens(server, source)
    server.revoke_token(source.token().value)
    assert opens(server, source) == client
    restarted = TokenSource(provider(server, method), store=FileStore(tmp_path), policy=AT_ONCE, on_event=heard.append)
    assert opens(server, restarted) == client
    source.flush_events()
    restarted.flush_events()
    assert [type(each) for each in heard].count(events.Registered) == 1


def test_two_scopes_are_one_client(server: RunningServer, tmp_path: Path) -> None:
    """A token for another scope is another token of the same client."""
    both = provider(server)
    first, second = server.traits.scopes
    sources = [TokenSource(both.for_scope(each), store=FileStore(tmp_path)) for each in (first, second)]
    assert len({opens(server, each) for each in sources}) == 1
    assert len({each.token().value for each in sources}) == 2


def test_a_given_client_is_not_registered(server: RunningServer, tmp_path: Path) -> None:
    """Credentials of a client that is there get tokens, and nothing of them is stored."""
    registered = TokenSource(provider(server), store=MemoryStore())
    client_id = opens(server, registered)
    pair = registered._memory.client.credentials  # type: ignore[union-attr]
    where = {"issuer": server.issuer} if server.traits.is_discovered else {"token_endpoint": server.token_endpoint}
    given = OAuthServer(
        **where,
        protects=[server.api_url],
        scope=" ".join(server.traits.scopes),
        client=ClientCredentials(client_id, pair.client_secret),
        client_authentication=ClientSecret("basic"),
    )
    with closing(FileStore(tmp_path)) as store:
        assert opens(server, TokenSource(given, store=store)) == client_id
        assert not [key for key in store.keys() if key.endswith(".credentials")]


def test_a_client_that_was_deleted(server: RunningServer, tmp_path: Path) -> None:
    """Another one takes the place of a client that the server has deleted, once, and a second loss on a day is told."""
    if "delete" not in server.traits.management:
        pytest.skip(f"{server.name} has no way to delete a client that works")
    heard: list[events.Event] = []
    source = TokenSource(provider(server), store=FileStore(tmp_path), policy=AT_ONCE, on_event=heard.append)
    client = opens(server, source)
    server.delete_client(client)
    server.revoke_token(source.token().value)
    successor = opens(server, source)
    assert successor != client
    source.flush_events()
    assert [type(each) for each in heard].count(events.CredentialsReplaced) == 1
    server.delete_client(successor)
    fresh = TokenSource(provider(server).for_scope(server.traits.scopes[1]), store=FileStore(tmp_path), policy=AT_ONCE)
    with pytest.raises(CredentialsRejected):
        fresh.token()


def test_a_client_is_updated_there(server: RunningServer, tmp_path: Path) -> None:
    """Ahead of its secret's end a client is updated: the answer is stored and used, the former pair kept aside."""
    if "update" not in server.traits.management:
        pytest.skip(f"{server.name} has no way to update a client that works")
    store = FileStore(tmp_path)
    source = TokenSource(provider(server), store=store, policy=AT_ONCE)
    client = opens(server, source)
    identity = source._identity
    former = about_to_end(store, identity.credentials)
    heard: list[events.Event] = []
    first, second = server.traits.scopes
    after = TokenSource(provider(server).for_scope(first), store=store, policy=AT_ONCE, on_event=heard.append)
    assert opens(server, after) == client
    after.flush_events()
    # What shows no secret says nothing of its end either: its rotated token is stored, and the secret is ending still.
    is_told = server.traits.tells_secret
    told = [type(each) for each in heard if not isinstance(each, events.TokenRenewed)]
    assert told == [events.CredentialsUpdated if is_told else events.CredentialsEnding]
    present = stored(store, identity.credentials)
    tokens = [each.metadata["registration_access_token"] for each in (former, present)]
    assert (tokens[0] != tokens[1]) == server.traits.rotates_token
    assert (former.client_secret != present.client_secret) == server.traits.rotates_secret
    assert [each for each in store.keys() if "replaced" in each] == [identity.replaced(2)] * is_told
    assert not is_told or stored(store, identity.replaced(2)) == former
    assert opens(server, TokenSource(provider(server).for_scope(second), store=store, policy=AT_ONCE)) == client
    assert after.forget(unregister=True), "the token that was stored manages the client"


def test_a_client_is_deleted_there(server: RunningServer, tmp_path: Path) -> None:
    """`forget(unregister=True)` deletes the client at the server, and then here."""
    if "delete" not in server.traits.management:
        pytest.skip(f"{server.name} has no way to delete a client that works")
    source = TokenSource(provider(server), store=FileStore(tmp_path), policy=AT_ONCE)
    client = opens(server, source)
    assert source.forget(unregister=True)
    assert opens(server, source) != client
