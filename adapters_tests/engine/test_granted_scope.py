"""What scope a token was granted: kept beside it, and told where it is less than was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from adapters_tests.common.clock import ManualClock
from dcrauth import AccessToken, ClientCredentials, MemoryStore, OAuthServer, TokenSource, events
from dcrauth.engine.records import read_token, write_token
from dcrauth.simulator import Fault, OAuthBehaviour, OAuthSimulator

MakeSource = Callable[..., TokenSource]


def asking(oauth: OAuthSimulator, scope: str = "read write", **options: Any) -> OAuthServer:
    """Return the simulator as a provider, with a client that is given."""
    return OAuthServer(
        token_endpoint=f"{oauth.url}/token",
        protects=[oauth.api_url],
        scope=scope,
        client=ClientCredentials("me", "secret"),
        **options,
    )


def answered(oauth: OAuthSimulator, **fields: object) -> None:
    """Have the next token call answered with these fields beside a token."""
    body = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600, **fields}
    oauth.inject("token", Fault(status=200, body=json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("scope", "granted", "missing"),
    [
        pytest.param("write read", "read write", None, id="permuted"),
        pytest.param("read", "read", "write", id="narrowed"),
        pytest.param("read write admin", "admin read write", None, id="widened"),
        pytest.param("", "read write", None, id="empty"),
        pytest.param(None, "read write", None, id="null"),
        pytest.param(["write", "read", "read"], "read write", None, id="a list"),
        pytest.param(7, "read write", None, id="no scope"),
        pytest.param("read\nwrite", "read write", None, id="two lines"),
    ],
)
def test_what_was_granted_is_told(
    oauth: OAuthSimulator, make_source: MakeSource, scope: object, granted: str, missing: str | None
) -> None:
    """What a token was granted is kept in its record and told by `status`; an event says what of it is missing."""
    heard: list[events.Event] = []
    store = MemoryStore()
    source = make_source(provider=asking(oauth), store=store, on_event=heard.append)
    assert source.status().scope is None
    answered(oauth, scope=scope)
    for _ in range(100):
        source.token()
    source.flush_events()
    assert (source.status().scope, oauth.counts.token) == (granted, 1)
    told = [each for each in heard if isinstance(each, events.ScopeReduced)]
    assert [(each.granted, each.missing) for each in told] == ([] if missing is None else [(granted, missing)])
    peer = make_source(provider=asking(oauth, "write read write"), store=store)
    peer.token()
    assert (peer.status().scope, oauth.counts.token) == (granted, 1)


@pytest.mark.parametrize("said", [None, "read"])
def test_what_a_registration_did_not_grant_is_missing(
    oauth: OAuthSimulator, make_source: MakeSource, said: str | None
) -> None:
    """What was not asked for, since the registration grants it not, is no part of what a token was granted."""
    oauth.behaviour = OAuthBehaviour(registration_answer={"scope": "read"})
    heard: list[events.Event] = []
    server = OAuthServer(oauth.issuer, protects=[oauth.api_url], scope="read write")
    source = make_source(provider=server, on_event=heard.append)
    answered(oauth, scope=said)
    source.token()
    source.flush_events()
    assert source.status().scope == "read"
    told = [each for each in heard if isinstance(each, events.ScopeReduced)]
    assert [(each.granted, each.missing) for each in told] == [("read", "write")]


def test_no_scope_is_no_less(oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock) -> None:
    """Where none was asked for nothing is missing; where ``/.default`` was, whatever is granted is that."""
    heard: list[events.Event] = []
    for scope in ("", "api://films/.default"):
        source = make_source(provider=asking(oauth, scope), store=MemoryStore(), on_event=heard.append)
        answered(oauth, scope="read")
        source.token()
        assert source.status().scope == "read"
        source.flush_events()
    assert not any(isinstance(each, events.ScopeReduced) for each in heard)
    source = make_source(provider=asking(oauth, ""), store=MemoryStore())
    answered(oauth)
    source.token()
    assert source.status().scope is None


def test_records_of_tokens_of_all_versions() -> None:
    """A record without a scope is read as ever; one with a scope can be read by the version before."""
    key = f"{'0' * 64}.token"
    plain, scoped = AccessToken("t", 1.0, 2.0), AccessToken("t", 1.0, 2.0, scope="read")
    assert (read_token(key, write_token(key, plain)), read_token(key, write_token(key, scoped))) == (plain, scoped)
    old, new = (json.loads(write_token(key, each)) for each in (plain, scoped))
    assert old["payload"] == {"value": "t", "obtained_at": 1.0, "expires_at": 2.0}
    assert new["payload"] == {**old["payload"], "scope": "read"}
    assert new["schema"] == 1
