"""The life of a client of an OAuth server, over real sockets: from discovery to its deletion."""

from __future__ import annotations

import asyncio
import email.utils
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

import dcrauth.requests
from adapters_tests.common.clock import ManualClock
from adapters_tests.simulator.oauth_calling import KEY
from adapters_tests.transports.test_transports import TRANSPORTS
from dcrauth import (
    ClientCredentials,
    ClientSecret,
    ClientSecretJWT,
    ConfigurationError,
    CredentialsRejected,
    DCRAuthError,
    MemoryStore,
    MutualTLS,
    OAuthServer,
    Policy,
    PrivateKeyJWT,
    RegistrationRejected,
    Rejected,
    ServerUnavailable,
    StoreUnavailable,
    Throttled,
    TokenSource,
    TokenSources,
    events,
)
from dcrauth.engine.client_proof import prove_client
from dcrauth.engine.endpoint_calls import learn_the_time, skew_told
from dcrauth.engine.instant import Instant
from dcrauth.engine.management_problems import named
from dcrauth.providers.protocol import Problem, Request, Response
from dcrauth.simulator import Fault, OAuthBehaviour, OAuthSimulator
from dcrauth.transports.requests import RequestsTransport

DAY = 86_400.0
SLOW = [pytest.mark.slow]
RARER = [pytest.param(each, marks=SLOW) for each in ("missing", "html", "list", "huge", "redirect")]
MakeSource = Callable[..., TokenSource]
LOST_ON_THE_WAY = [
    Fault(reset=True),
    Fault(status=200, body="<html>"),
    Fault(status=504),
]
OLD = {"spared_for": 0.0, "least_pause": 0.01, "settling": 0.0}


def served_by(oauth: OAuthSimulator, **options: Any) -> OAuthServer:
    """The simulator as a provider."""
    return OAuthServer(oauth.issuer, **{"protects": [oauth.api_url], **options})


def signing(**options: Any) -> PrivateKeyJWT:
    return PrivateKeyJWT(json.dumps(KEY.as_dict(private=True)), **options)


def get(source: TokenSource, url: str) -> requests.Response:
    with requests.Session() as session:
        session.auth = dcrauth.requests.DCRAuth(source)
        return session.get(url, timeout=20)


def scope_of(source: TokenSource, oauth: OAuthSimulator) -> str:
    answer = get(source, oauth.api_url)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["scope"])


def endpoints(oauth: OAuthSimulator) -> list[str]:
    return [call.endpoint for call in oauth.calls]


@pytest.mark.parametrize(
    "transport",
    [pytest.param(each, id=each.__name__, marks=SLOW * (each is not TRANSPORTS[0])) for each in TRANSPORTS],
)
def test_a_whole_life(oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, transport: Any) -> None:
    """A client is found a server for, registered, used, renewed ahead of its end and deleted, with any transport."""
    oauth.behaviour = OAuthBehaviour(secret_life=30 * DAY)
    source = make_source(provider=served_by(oauth, scope="read"), transport=transport())
    assert scope_of(source, oauth) == "read"
    assert endpoints(oauth) == ["discovery", "register", "token", "api"]
    oauth.revoke_tokens()
    assert scope_of(source, oauth) == "read"
    time.advance(26 * DAY)
    assert scope_of(source, oauth) == "read"
    assert (oauth.counts.register, oauth.counts.discovery) == (1, 2)
    assert [call.method for call in oauth.calls.only("manage")] == ["PUT"]
    assert source.forget(unregister=True)
    assert oauth.calls[-1].method == "DELETE"
    assert oauth.clients == ()


@pytest.mark.parametrize("form", ["bare", "foreign", "odd", "none"])
def test_a_401_is_mended_however_it_is_worded(oauth: OAuthSimulator, make_source: MakeSource, form: Any) -> None:
    """A revoked token is renewed and the request sent again, also where the API challenges for another scheme."""
    oauth.behaviour = OAuthBehaviour(challenges=form)
    source = make_source(provider=served_by(oauth))
    for _ in range(2):
        assert get(source, oauth.api_url).status_code == 200
        oauth.revoke_tokens()
    assert (oauth.counts.token, oauth.counts.refused) == (2, 1)


def test_a_restart_needs_no_registration_and_no_discovery(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Another process finds client, token and endpoints in the store."""
    store = MemoryStore()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    oauth.expire_tokens()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    assert (oauth.counts.discovery, oauth.counts.register, oauth.counts.token) == (1, 1, 2)


def test_a_cold_crowd_makes_one_call_of_each(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """However many ask at once, the issuer is asked, the client registered and a token fetched once, for each scope."""
    oauth.behaviour = OAuthBehaviour(register_delay=0.02, token_delay=0.02)
    store, server = MemoryStore(), served_by(oauth, scope="read write")
    sources = [make_source(provider=server.for_scope(scope), store=store) for scope in ("read", "write")]
    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(lambda number: sources[number % 2].token().value, range(40)))
    assert len(tokens) == 2
    assert (oauth.counts.register, oauth.counts.token) == (1, 2)


def test_two_scopes_are_two_tokens_of_one_client(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Each scope has its own token, in whatever order it is given, and all belong to one client."""
    store, server = MemoryStore(), served_by(oauth, scope="read write")
    for scope in ("read", "write", "read write", "write read"):
        found = scope_of(make_source(provider=server.for_scope(scope), store=store), oauth)
        assert sorted(found.split()) == sorted(scope.split())
    assert (oauth.counts.register, oauth.counts.token) == (1, 3)
    assert len(oauth.clients) == 1


def test_to_forget_a_client_is_to_forget_all_its_tokens(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """No token of another scope outlives the client, nor what was found out about the server."""
    store, server = MemoryStore(), served_by(oauth, scope="read write")
    sources = [make_source(provider=server.for_scope(scope), store=store) for scope in ("read", "write")]
    other = make_source(provider=server.for_scope("read"), store=store, instance="another")
    for source in (*sources, other):
        source.token()
    kept = len(list(store.keys()))
    assert sources[0].forget()
    left = list(store.keys())
    assert len([key for key in left if ".token" in key]) == 1
    assert len(left) < kept
    assert other.token()


def test_sources_for_one_scope_take_no_other(oauth: OAuthSimulator) -> None:
    """An instance of another scope, or of another client, would get the tokens of these."""
    server = served_by(oauth, scope="read write")
    sources = TokenSources(server.for_scope("read"), store=MemoryStore())
    assert sources.get("one", provider=server.for_scope("read"))
    for other in (server.for_scope("write"), served_by(oauth, client=ClientCredentials("mine", "secret"))):
        with pytest.raises(ConfigurationError, match="make one TokenSources for each"):
            sources.get("two", provider=other)


@pytest.mark.parametrize("token_scope", ["always", "different", "never"])
def test_scopes_that_were_not_granted_cost_no_further_calls(
    oauth: OAuthSimulator, make_source: MakeSource, token_scope: str
) -> None:
    """A token is found again by what was asked for, whatever the server says that it has granted."""
    oauth.behaviour = OAuthBehaviour(scopes=("a",), unknown_scopes="dropped", token_scope=token_scope)
    source = make_source(provider=served_by(oauth, scope="b a"))
    for _ in range(20):
        assert scope_of(source, oauth) == "a"
    assert oauth.counts.token == 1


@pytest.mark.parametrize("audience", [{"resource": "https://a.example"}, {"audience": "https://a.example"}], ids=str)
def test_a_token_is_for_what_it_was_asked_for(
    oauth: OAuthSimulator, make_source: MakeSource, audience: dict[str, Any]
) -> None:
    """Resources and audiences are told to the server, and bring tokens of their own."""
    store, other = MemoryStore(), served_by(oauth, **dict.fromkeys(audience, "https://b.example"))
    oauth.protect("/api/a", audience="https://a.example")
    url = f"{oauth.api_url}/a"
    assert get(make_source(provider=other, store=store), url).status_code == 401
    assert get(make_source(provider=served_by(oauth, **audience), store=store), url).status_code == 200
    assert oauth.counts.register == 1


def test_scopes_that_the_registration_did_not_grant_are_not_asked_for(
    oauth: OAuthSimulator, make_source: MakeSource
) -> None:
    """A client that was granted less than it asked for gets tokens, of what it was granted."""
    oauth.behaviour = OAuthBehaviour(scopes=("read",), unknown_scopes="dropped", registration_answer={"scope": "read"})
    source = make_source(provider=served_by(oauth, scope="read write"))
    assert scope_of(source, oauth) == "read"
    assert "write" not in str(oauth.calls.only("token")[-1])


@pytest.mark.parametrize(
    ("answered", "by", "kind", "calls"),
    [
        ("client_secret_basic", "private_key_jwt", CredentialsRejected, True),
        ("private_key_jwt", "client_secret_basic", ConfigurationError, False),
    ],
)
def test_a_client_that_was_registered_for_another_method(
    oauth: OAuthSimulator, make_source: MakeSource, answered: str, by: str, kind: type[DCRAuthError], calls: bool
) -> None:
    """The error names the method that the server has answered and ours; no other client is registered."""
    method = answered if calls else ""
    answer = {"token_endpoint_auth_method": answered}
    oauth.behaviour = OAuthBehaviour(registered_method=method, enforce_method=True, registration_answer=answer)
    proves = signing() if by == "private_key_jwt" else ClientSecret()
    source = make_source(provider=served_by(oauth, client_authentication=proves), policy=Policy(settling=0.0))
    with pytest.raises(kind, match=f"registered the client for {answered}, and its client_authentication is {by}"):
        source.token()
    assert (oauth.counts.register, len(oauth.clients), oauth.counts.token > 0) == (1, 1, calls)


def test_an_insufficient_scope_is_passed_on(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """No other token would help against a 403, and none is fetched."""
    oauth.protect("/api/a", scope="write")
    source = make_source(provider=served_by(oauth, scope="read"))
    assert get(source, f"{oauth.api_url}/a").status_code == 403
    assert oauth.counts.token == 1


@pytest.mark.parametrize(
    ("like", "secret_life"),
    [
        pytest.param("oidc-provider", None, marks=pytest.mark.slow),
        ("django-oauth-toolkit", None),
        pytest.param("hydra", None, marks=pytest.mark.slow),
        pytest.param("keycloak", 30 * DAY, marks=pytest.mark.slow),
        ("curity", 30 * DAY),
        pytest.param("canaille", 30 * DAY, marks=pytest.mark.slow),
    ],
)
def test_known_servers(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, like: str, secret_life: float | None
) -> None:
    """What servers do in their own ways is no obstacle; a secret is renewed ahead of its end, and used on."""
    oauth.behave_like(like, secret_life=secret_life, initial_token="required", initial_token_error="challenge")
    server = served_by(oauth, initial_access_token=lambda: oauth.initial_token(uses=1))
    source = make_source(provider=server)
    scope_of(source, oauth)
    for _ in range(3):
        time.advance(26 * DAY)
        scope_of(source, oauth)
    assert oauth.counts.register == 1


def test_a_secret_that_ended_while_nobody_was_there(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """After its end the secret is renewed as well, and nothing is registered for that."""
    oauth.behaviour = OAuthBehaviour(secret_life=DAY)
    store = MemoryStore()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    time.advance(30 * DAY)
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    assert oauth.counts.register == 1
    assert [call.method for call in oauth.calls.only("manage")] == ["PUT"]


def test_a_secret_that_was_changed_elsewhere(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A client whose secret is no longer good is given another one by its server, and stays the same client."""
    happened: list[events.Event] = []
    source = make_source(provider=served_by(oauth), on_event=happened.append)
    scope_of(source, oauth)
    oauth.rotate_secrets()
    oauth.revoke_tokens()
    scope_of(source, oauth)
    source.flush_events()
    assert oauth.counts.register == 1
    assert any(isinstance(each, events.CredentialsUpdated) for each in happened)


@pytest.mark.parametrize("management", [(), ("read", "delete"), ("read", "update", "delete")], ids=len)
def test_a_secret_that_nobody_tells(
    oauth: OAuthSimulator, make_source: MakeSource, management: tuple[Any, ...]
) -> None:
    """Where the server does not tell the secret, the client is registered anew, and no other one after that."""
    leaves_out = ("client_secret",)
    oauth.behaviour = OAuthBehaviour(
        management=management, management_leaves_out=leaves_out, rotates_token="always", rotates_secret="never"
    )
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.rotate_secrets()
    oauth.revoke_tokens()
    scope_of(source, oauth)
    assert oauth.counts.register == 2


@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(status=403, body="<html>blocked</html>"), Fault(status=200, body="<html>log in</html>")],
    ids=lambda fault: str(fault.status),
)
def test_nothing_is_registered_while_the_server_cannot_say_more(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, fault: Fault
) -> None:
    """A refused client may have another secret by now: without an answer to that question it is kept."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.rotate_secrets()
    oauth.expire_tokens()
    time.advance(2 * 3600)
    oauth.inject("manage", fault, times=1 + (fault.status == 403))  # after which the client is read instead
    with pytest.raises(ServerUnavailable, match="may have been renewed") as raised:
        source.token()
    assert f"({oauth.registration_endpoint}/… answered: HTTP {fault.status}" in str(raised.value)
    time.advance(3600)
    scope_of(source, oauth)
    assert oauth.counts.register == 1


@pytest.mark.parametrize("rotates_token", ["never", "update"])
def test_a_client_whose_secret_is_told_again_is_kept(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, rotates_token: Any
) -> None:
    """A server whose nodes disagree, one of which knows the client by the very secret that others refuse, has it."""
    oauth.behaviour = OAuthBehaviour(rotates_secret="never", rotates_token=rotates_token)
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_tokens()
    time.advance(2 * 3600)
    oauth.inject("token", Fault(status=401, body='{"error": "invalid_client"}'), times=2)
    with pytest.raises(ServerUnavailable, match="may have been renewed"):
        source.token()
    time.advance(3600)
    scope_of(source, oauth)
    assert oauth.counts.register == 1


def test_a_client_that_is_denied_where_it_is_managed(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A server that answers 400 and ``access_denied`` there, as Authlib does, has the client no more either."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.revoke_tokens()
    oauth.inject("manage", Fault(status=400, body='{"error": "access_denied"}'), times=None)
    scope_of(source, oauth)
    assert oauth.counts.register == 2


def test_a_client_that_the_server_has_forgotten(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """It is registered anew, once."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.revoke_tokens()
    scope_of(source, oauth)
    assert oauth.counts.register == 2


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(signing, id="key"),
        pytest.param(ClientSecretJWT, id="secret", marks=pytest.mark.slow),
        pytest.param(lambda: signing(audience="token_endpoint"), id="endpoint", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("ahead", [pytest.param(1.0, marks=pytest.mark.slow), 9.0, 20.0, 600.0, -600.0])
def test_a_clock_that_is_wrong(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, ahead: float, by: Callable[[], Any]
) -> None:
    """Some seconds do not matter; more are learnt from the server's Date, and the second attempt succeeds."""
    store = MemoryStore()
    scope_of(make_source(provider=served_by(oauth, client_authentication=by()), store=store), oauth)
    oauth.behaviour = OAuthBehaviour(clock_skew=-ahead)
    time.advance(2 * 3600)
    scope_of(make_source(provider=served_by(oauth, client_authentication=by()), store=store), oauth)
    assert oauth.counts.register == 1
    assert oauth.counts.token == (2 if abs(ahead) < 10 else 3)
    assertions = [call.assertion["jti"] for call in oauth.calls.only("token")]
    assert len(set(assertions)) == len(assertions)


def test_a_client_that_signs_is_condemned_by_nobody(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A wrong audience is answered with invalid_client: the client is kept, and the error says what may be wrong."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint")
    source = make_source(provider=served_by(oauth, client_authentication=signing()))
    with pytest.raises(CredentialsRejected, match="wrong audience") as caught:
        source.token()
    assert "the client was kept" in caught.value.message
    assert oauth.counts.register == 1
    assert [call.method for call in oauth.calls.only("manage")] == ["GET"]


def test_a_client_that_signs_and_is_gone(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where the server says so when it is asked, the client is registered anew."""
    source = make_source(provider=served_by(oauth, client_authentication=signing()))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.revoke_tokens()
    scope_of(source, oauth)
    assert oauth.counts.register == 2


def test_what_a_question_brings_is_stored(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A server may answer even the question after a client with another token to manage it: that one is used next."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint", rotates_token="always")
    store = MemoryStore()
    for _ in range(3):
        source = make_source(provider=served_by(oauth, client_authentication=signing()), store=store)
        with pytest.raises(CredentialsRejected, match="wrong audience"):
            source.token()
    assert [call.reply.status for call in oauth.calls.only("manage")] == [200] * 3
    assert oauth.counts.register == 1


@pytest.mark.parametrize("rotates", ["never", "update", "always"])
def test_a_lost_answer_to_an_update_loses_no_client(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, rotates: str
) -> None:
    """The former token is tried again; only if that is refused as well as the secret, another client is registered."""
    oauth.behaviour = OAuthBehaviour(secret_life=30 * DAY, rotates_token=rotates)
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    time.advance(26 * DAY)
    oauth.inject("manage", Fault(reset=True, after=True))
    scope_of(source, oauth)
    assert oauth.counts.register == (1 if rotates == "never" else 2)


def test_a_given_client_is_neither_registered_nor_stored(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Plain client credentials: nothing but a token call, and the token is shared by the id of the client."""
    store = MemoryStore()
    oauth.add_client("mine", secret="very-secret")
    for instance in ("one", "two"):
        server = OAuthServer(
            token_endpoint=oauth.token_endpoint,
            client=ClientCredentials(client_id="mine", client_secret="very-secret"),
            protects=[oauth.api_url],
        )
        scope_of(make_source(provider=server, store=store, instance=instance), oauth)
    assert endpoints(oauth) == ["token", "api", "api"]
    assert not any("credentials" in key or b"very-secret" in (store.get(key) or b"") for key in store.keys())


def test_a_secret_from_a_vault_is_used_at_once(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A function is asked again when the server refuses what it gave."""
    oauth.add_client("mine", secret="first")
    vault = ["first"]
    server = served_by(oauth, client=lambda: ClientCredentials("mine", vault[-1]), application="mine")
    source = make_source(provider=server)
    scope_of(source, oauth)
    fresh = oauth.rotate_secret("mine")
    oauth.revoke_tokens()

    def rotated() -> ClientCredentials:
        return ClientCredentials("mine", vault.pop() if len(vault) > 1 else str(fresh))

    vault.append("first")
    server = served_by(oauth, client=rotated, application="mine")
    scope_of(make_source(provider=server), oauth)
    assert [call.reply.status for call in oauth.calls.only("token")] == [200, 401, 200]
    assert oauth.counts.register == 0


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (ClientCredentials("mine", None), "client has no client_secret: give it"),
        (ClientCredentials("mine", ""), "client must have a client_id and a client_secret"),
        (ClientCredentials("", "very-secret"), "client must have a client_id and a client_secret"),
        (ClientCredentials("mine", "very-secret\n"), "client must have a client_id and a client_secret"),
        (("mine", "very-secret"), "has returned a tuple: it must be ClientCredentials"),
    ],
    ids=["None", "empty", "no id", "a line", "a pair"],
)
def test_what_a_vault_gives_is_looked_at(
    returned: Any, told: str, oauth: OAuthSimulator, make_source: MakeSource
) -> None:
    """What can be no client is an error that says so, and is not sent: the server would say that it knows it not."""
    source = make_source(provider=served_by(oauth, client=lambda: returned, application="mine"))
    with pytest.raises(DCRAuthError, match=told) as caught:
        source.token()
    assert "very-secret" not in str(caught.value)
    assert not isinstance(caught.value, CredentialsRejected)
    assert oauth.counts.token == 0


def test_a_given_client_that_is_refused(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """It is an error: nothing is registered in its place."""
    oauth.add_client("mine", secret="right")
    with pytest.raises(CredentialsRejected):
        make_source(provider=served_by(oauth, client=ClientCredentials("mine", "wrong"))).token()
    assert oauth.counts.register == 0


def test_a_vault_may_follow_the_server(oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock) -> None:
    """After a refusal the same client is not tried again for five minutes; another secret is, some seconds later."""
    oauth.add_client("mine", secret="right")
    vault = ["wrong"]
    server = served_by(oauth, client=lambda: ClientCredentials("mine", vault[-1]), application="mine")
    source = make_source(provider=server)
    for seconds, calls in ((0, 2), (11, 2), (200, 2), (100, 4)):
        time.advance(seconds)
        with pytest.raises(CredentialsRejected) as raised:
            source.token()
        assert raised.value.retry_at == pytest.approx(time.wall() + 10, abs=5)
        assert oauth.counts.token == calls
    vault.append("right")
    time.advance(11)
    assert source.token().value
    assert oauth.counts.token == 5


def test_a_given_client_that_is_refused_is_asked_for_twice(oauth: OAuthSimulator) -> None:
    """With the usual pauses as well, in which a renewal is parked, the second refusal is told and the last call."""
    oauth.add_client("mine", secret="right")
    source = TokenSource(served_by(oauth, client=ClientCredentials("mine", "wrong")), store=MemoryStore())
    with pytest.raises(CredentialsRejected):
        source.token()
    assert oauth.counts.token == 2


class _TroubledOnce(MemoryStore):
    """Something happens as the next client is to replace another one."""

    happens: Callable[[str], object] | None = None

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        if self.happens is not None and key.endswith(".credentials"):
            happens, self.happens = self.happens, None
            happens(key)
        return super().replace(key, value, expected=expected)


def _full(_: str) -> None:
    raise StoreUnavailable("The disk is full")


def test_a_new_secret_that_no_store_has_taken_is_stored_later(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """The server has told it once, and takes the former one no longer: it stays in memory until the store is well."""
    oauth.behaviour = OAuthBehaviour(secret_life=30 * DAY)
    store = _TroubledOnce()
    source = make_source(provider=served_by(oauth), store=store)
    scope_of(source, oauth)
    time.advance(26 * DAY)
    store.happens = _full
    with suppress(StoreUnavailable):
        scope_of(source, oauth)
    assert store.happens is None
    time.advance(2 * DAY)
    scope_of(source, oauth)
    oauth.expire_tokens()
    assert scope_of(make_source(provider=served_by(oauth), store=store), oauth) is not None
    assert (oauth.counts.manage, oauth.counts.register) == (1, 1)


def test_what_a_question_brings_and_no_store_has_taken_is_stored_later(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """The token that the store has is good no longer: the server is not asked with it, and the client is not gone."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint", rotates_token="always")
    store = _TroubledOnce()
    source = make_source(provider=served_by(oauth, client_authentication=signing()), store=store)
    store.happens = _full
    for told in (StoreUnavailable, CredentialsRejected, CredentialsRejected):
        with pytest.raises(told):
            source.token()
        time.advance(3600)
    assert [call.reply.status for call in oauth.calls.only("manage")] == [200, 200]
    assert oauth.counts.register == 1


def test_a_new_secret_outlives_a_store_that_had_lost_the_client(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """The client is put back, and what was answered is stored next time: nothing is registered in between."""
    store = _TroubledOnce()
    source = make_source(provider=served_by(oauth), store=store)
    scope_of(source, oauth)
    oauth.rotate_secrets()
    oauth.expire_tokens()
    time.advance(2 * 3600)
    store.happens = store.delete
    with pytest.raises(StoreUnavailable, match="stored next time"):
        source.token()
    time.advance(3600)
    scope_of(source, oauth)
    assert (oauth.counts.manage, oauth.counts.register) == (1, 1)


def test_a_server_that_wants_fewer_calls_is_not_asked_about_a_client(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """For as long as it has told, not even a refusal of the client leads to a question."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.rotate_secrets()
    oauth.expire_tokens()
    time.advance(2 * 3600)
    oauth.inject("manage", Fault(status=429, headers={"Retry-After": "1800"}))
    for _ in range(2):
        with pytest.raises(ServerUnavailable, match="may have been renewed"):
            source.token()
        time.advance(600)
    assert oauth.counts.manage == 1
    time.advance(1800)
    scope_of(source, oauth)
    assert (oauth.counts.manage, oauth.counts.register) == (2, 1)


def test_a_secret_has_ended_by_the_servers_clock(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """A clock that is ahead ends no secret: a client that signs with it is kept, as it would be at any other time."""
    oauth.behaviour = OAuthBehaviour(secret_life=DAY, management=())
    store = MemoryStore()
    by = ClientSecretJWT(audience="https://another.example")
    with pytest.raises(CredentialsRejected):
        make_source(provider=served_by(oauth, client_authentication=by), store=store).token()
    oauth.behaviour = OAuthBehaviour(secret_life=DAY, management=(), clock_skew=-7200)
    time.advance(DAY + 3600)
    with pytest.raises(CredentialsRejected, match=r"720[01] s ahead"):
        make_source(provider=served_by(oauth, client_authentication=by), store=store).token()
    assert oauth.counts.register == 1


def test_an_assertion_is_not_sent_again_by_a_transport(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where a kept connection turns out dead, the call may have been answered: the next attempt signs anew."""
    source = make_source(provider=served_by(oauth, client_authentication=signing()))
    scope_of(source, oauth)
    oauth.revoke_tokens()
    oauth.inject("token", Fault(reset=True, after=True))
    scope_of(source, oauth)
    assertions = [call.assertion["jti"] for call in oauth.calls.only("token")]
    assert len(set(assertions)) == len(assertions) == 3


@pytest.mark.parametrize(("age", "skew"), [("3600", None), ("0", 3600.0), ("", 3600.0), ("x", 3600.0), ("-5", 3600.0)])
def test_an_answer_from_a_cache_tells_no_time(age: str, skew: float | None) -> None:
    """Metadata that a cache has kept have the ``Date`` of the moment when they were made (RFC 9111 §5.1)."""
    date = email.utils.formatdate(1_000_000.0, usegmt=True)
    response = Response(200, {"date": date, "age": age}, b"")
    assert skew_told(response, 1_003_600.0, 1_003_601.0) == skew


@pytest.mark.parametrize(("date", "skew"), [(-1.0, 6.0), (-8.0, 13.0), (3.0, 0.0), (14.0, 0.0), (40.0, -20.0)])
def test_the_time_that_an_answer_takes_is_no_skew(date: float, skew: float, oauth: OAuthSimulator) -> None:
    """The server has written its Date between call and answer: what lies there says nothing of this machine's clock."""
    begun = 1e9
    context = TokenSource(served_by(oauth), store=MemoryStore())._context(None)
    answer = Response(200, {"date": email.utils.formatdate(begun + date)}, b"")
    learn_the_time(context, answer, Instant(begun + 5.0, 5.0), Instant(begun + 20.0, 20.0))
    assert context.memory.skew == skew


def test_an_update_that_renews_nothing_is_not_repeated_at_each_renewal(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """A server that keeps the secret is asked again after a part of what is left, and keeps one copy of the client."""
    oauth.behaviour = OAuthBehaviour(secret_life=30 * DAY, rotates_secret="never")
    store = MemoryStore()
    source = make_source(provider=served_by(oauth), store=store)
    scope_of(source, oauth)
    time.advance(26 * DAY)
    for _ in range(5):
        time.advance(2 * 3600)
        scope_of(source, oauth)
    assert (oauth.counts.manage, oauth.counts.token) == (1, 6)
    assert not any(".replaced-" in key for key in store.keys())
    time.advance(DAY)
    scope_of(source, oauth)
    assert oauth.counts.manage == 2


class RestartedStore(MemoryStore):
    """Another store object over the same records, so that nothing is known in memory of what they hold."""

    def __init__(self, before: MemoryStore) -> None:
        super().__init__()
        self._records = before._records


@pytest.mark.parametrize("fault", LOST_ON_THE_WAY, ids=["reset", "cut", "gateway"])
def test_a_refusal_after_an_unanswered_question_condemns_nobody(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, fault: Fault
) -> None:
    """The lost answer may have had another token to manage the client: a refusal of the old one says nothing."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint", rotates_token="always")
    store = MemoryStore()
    oauth.inject("manage", fault)
    for _ in range(3):  # each time in a process that knows nothing but what is in the store
        with pytest.raises((CredentialsRejected, ServerUnavailable)):
            make_source(provider=served_by(oauth, client_authentication=signing()), store=RestartedStore(store)).token()
        oauth.revoke_registration_tokens()  # as the server does that has told another one
        time.advance(3600)
    assert [call.reply and call.reply.status for call in oauth.calls.only("manage")][1:] == [401, 401]
    assert oauth.counts.register == 1


def test_a_client_that_is_gone_is_replaced_though_an_answer_was_lost(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """A question that nobody has answered is open for a day; a refusal after that is believed, in the same process."""
    source = make_source(provider=served_by(oauth, client_authentication=signing()))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.inject("manage", Fault(reset=True))
    for _ in range(3):
        time.advance(7 * 3600)
        with pytest.raises((CredentialsRejected, ServerUnavailable)):
            source.token()
    time.advance(11 * 3600)
    scope_of(source, oauth)
    assert oauth.counts.register == 2


def test_a_question_that_was_answered_is_open_no_longer(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """After a lost answer the next one clears the matter: the client is replaced when it is refused after that."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint")
    source = make_source(provider=served_by(oauth, client_authentication=signing()))
    oauth.inject("manage", Fault(reset=True))
    for _ in range(2):
        with pytest.raises((CredentialsRejected, ServerUnavailable)):
            source.token()
        time.advance(3600)
    oauth.revoke_clients()
    oauth.behaviour = OAuthBehaviour()
    scope_of(source, oauth)
    assert [call.reply and call.reply.status for call in oauth.calls.only("manage")] == [None, 200, 401]
    assert oauth.counts.register == 2


class _TakingNoNote(MemoryStore):
    """It fails when it is to be noted that a client is asked about."""

    def put(self, key: str, value: bytes) -> None:
        if key.endswith(".asked"):
            raise StoreUnavailable("The disk is full")
        super().put(key, value)


def test_a_question_that_cannot_be_noted_is_not_asked(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Its answer could be lost, and nobody would know."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint")
    with pytest.raises(StoreUnavailable):
        make_source(provider=served_by(oauth, client_authentication=signing()), store=_TakingNoNote()).token()
    assert oauth.counts.manage == 0


def test_a_client_with_an_open_question_is_not_taken_for_deleted(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """An update whose answer was lost may have renewed both the secret and the token: refusals of these say nothing."""
    oauth.behaviour = OAuthBehaviour(secret_life=30 * DAY, rotates_token="always")
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    time.advance(26 * DAY)
    oauth.inject("manage", Fault(reset=True, after=True))
    oauth.inject("token", Fault(status=503), times=9)
    with suppress(DCRAuthError):
        source.token()
    oauth.clear_faults()
    with pytest.raises(ServerUnavailable, match="does not prove that the client is gone"):
        source.forget(unregister=True)
    assert len(oauth.clients) == 1


def test_the_client_of_an_instance_is_deleted_there(oauth: OAuthSimulator, time: ManualClock) -> None:
    """What forgets one of many instances can have the server delete its client first, as a source of its own can."""
    sources = TokenSources(served_by(oauth), store=MemoryStore(), clock=time.clock)
    for instance in ("one", "two", "three"):
        sources.get(instance).token()
    assert sources.forget("one", unregister=True)
    assert asyncio.run(sources.forget_async("two", unregister=True))
    assert len(oauth.clients) == 1
    assert sources.forget("three")
    assert len(oauth.clients) == 1


@pytest.mark.parametrize(
    ("client_id", "told"),
    [("4", "http://host:40404/v4/clients/…"), ("client-with-a-long-id", "http://host:40404/v4/clients/…")],
)
def test_a_client_id_is_left_out_of_the_place_where_it_is_managed(client_id: str, told: str) -> None:
    """The id is no part of a message, and a short one leaves host, status and the rest as they are."""
    client = ClientCredentials(client_id, "secret")
    call = Request(f"http://host:40404/v4/clients/{client_id}", {}, b"", f"http://host:40404/v4/clients/{client_id}")
    assert named(Problem("HTTP 404", 404), call, client).reason == f"{told} answered: HTTP 404"


def test_a_second_registration_that_is_refused_is_not_sent(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where the server refuses a second one, a registration without an answer is the last one, and that is said."""
    oauth.behaviour = OAuthBehaviour(repeats="refused")
    oauth.inject("register", Fault(reset=True, after=True))
    source = make_source(provider=served_by(oauth, repeats="refused"))
    with pytest.raises(RegistrationRejected, match="may have been carried out"):
        source.token()
    with pytest.raises(RegistrationRejected):
        source.token()
    assert oauth.counts.register == 1


@pytest.mark.parametrize(("status", "registrations"), [(502, 1), (504, 1), (503, 2), (500, 2)])
def test_a_gateway_without_an_answer_is_no_answer(
    status: int, registrations: int, oauth: OAuthSimulator, make_source: MakeSource
) -> None:
    """What a gateway has not seen the answer to may have been carried out; a server that says no itself has not."""
    oauth.behaviour = OAuthBehaviour(repeats="refused")
    oauth.inject("register", Fault(status=status))
    source = make_source(provider=served_by(oauth, repeats="refused"))
    with suppress(DCRAuthError):
        source.token()
    assert oauth.counts.register == registrations


def test_a_second_registration_makes_a_new_client_otherwise(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where it does no harm, a registration without an answer is sent again."""
    oauth.inject("register", Fault(reset=True, after=True))
    scope_of(make_source(provider=served_by(oauth)), oauth)
    assert oauth.counts.register == 2


def test_endpoints_that_have_moved(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The issuer is asked again, and the client is the same."""
    store = MemoryStore()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    oauth.behaviour = OAuthBehaviour(endpoints_below="new", gone_status=410)
    oauth.revoke_tokens()
    for _ in range(2):
        scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    assert (oauth.counts.discovery, oauth.counts.register) == (2, 1)


def test_an_endpoint_that_answers_with_a_redirect(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """It is not followed: the issuer says where the endpoint is, within the same renewal."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_tokens()
    oauth.inject("token", Fault(status=308))
    scope_of(source, oauth)
    assert endpoints(oauth)[4:] == ["api", "token", "discovery", "token", "api"]


def test_an_endpoint_that_was_left_to_a_server_without_clients(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where the former endpoint knows no client any more, the issuer is asked before another one is registered."""
    source = make_source(provider=served_by(oauth), policy=Policy(**OLD))
    scope_of(source, oauth)
    oauth.inject(urlsplit(oauth.token_endpoint).path, Fault(status=401, body='{"error": "invalid_client"}'), times=99)
    oauth.behaviour = OAuthBehaviour(endpoints_below="new")
    oauth.revoke_tokens()
    scope_of(source, oauth)
    assert (oauth.counts.register, oauth.counts.discovery) == (1, 2)


def test_a_client_that_is_gone_is_asked_about_once(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The issuer is asked once where the endpoints are before a client that is refused is replaced."""
    source = make_source(provider=served_by(oauth), policy=Policy(**OLD))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.revoke_tokens()
    scope_of(source, oauth)
    assert (oauth.counts.register, oauth.counts.discovery) == (2, 2)


def test_an_endpoint_that_does_not_answer(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The issuer is asked whether it has moved before it is called again; a client is not registered for that."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_tokens()
    oauth.inject("token", Fault(reset=True), times=2)  # the first of them over a connection that was kept
    scope_of(source, oauth)
    assert endpoints(oauth)[4:] == ["api", "token", "token", "discovery", "token", "api"]
    assert oauth.counts.register == 1


@pytest.mark.slow
def test_an_issuer_that_is_down_stops_no_program_that_knows_the_endpoints(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """With what is in the store, renewals go on, in a new process too."""
    store = MemoryStore()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    oauth.behaviour = OAuthBehaviour(document="missing")
    for _ in range(24):
        time.advance(3600)
        scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    assert oauth.counts.register == 1


@pytest.mark.parametrize("document", ["empty", "cut", *RARER])
def test_a_bad_document_is_not_kept(oauth: OAuthSimulator, make_source: MakeSource, document: str) -> None:
    """It is one clear error, nothing is registered, and with a good one the next request succeeds."""
    oauth.behaviour = OAuthBehaviour(document=document)
    store = MemoryStore()
    source = make_source(provider=served_by(oauth), store=store)
    with pytest.raises(ServerUnavailable, match="more than 1048576 bytes" if document == "huge" else None):
        source.token()
    assert oauth.counts.register == 0
    oauth.behaviour = OAuthBehaviour()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)


def test_the_wrong_issuer(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """An issuer that differs by a slash is a refusal that shows both, and leaves no note that others would heed."""
    store = MemoryStore()
    server = OAuthServer(f"{oauth.issuer}/", protects=[oauth.api_url])
    with pytest.raises(Rejected, match="they differ by a slash") as caught:
        make_source(provider=server, store=store).token()
    assert not isinstance(caught.value, RegistrationRejected)
    assert not list(store.keys())
    assert oauth.counts.register == 0


@pytest.mark.parametrize("what", ["issuer", "registration"])
def test_a_fault_in_a_document_is_told_of_one_place(what: str, oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The text names the document that is wrong, and no other one as if that had answered it."""
    oauth.behaviour = OAuthBehaviour(metadata_leaves_out=("registration_endpoint",) * (what == "registration"))
    server = OAuthServer(oauth.issuer + "/" * (what == "issuer"), protects=[oauth.api_url])
    with pytest.raises(Rejected) as caught:
        make_source(provider=server).token()
    assert caught.value.message.startswith("http://")
    assert "answered: http" not in caught.value.message


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=400, body=b'{"error": "invalid_request"}'),
        Fault(status=400, body=b'{"error": "unapproved_software_statement"}'),
    ],
    ids=["404", "invalid_request", "unapproved"],
)
def test_advice_is_for_any_server(fault: Fault, oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """What is said of arguments of Adobe Pass is said to be of these, since no other server has them."""
    oauth.inject("register", fault, 3)
    with pytest.raises(DCRAuthError) as caught:
        make_source(provider=served_by(oauth)).token()
    told, _, of_adobe = caught.value.message.partition("with Adobe Pass")
    for word in ("base_url", "environment", "token_request", "device", "Dashboard"):
        assert word not in told
    assert of_adobe or fault.status != 404


def test_no_registration(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A server without a registration endpoint is a refusal that says what to do, and the same one in each process."""
    oauth.behaviour = OAuthBehaviour(metadata_leaves_out=("registration_endpoint",))
    store = MemoryStore()
    for _ in range(2):
        with pytest.raises(Rejected, match=r"give that, or client=ClientCredentials") as caught:
            make_source(provider=served_by(oauth), store=store).token()
        assert "there is no such endpoint" not in str(caught.value)
        assert not isinstance(caught.value, RegistrationRejected)


def test_a_registration_that_is_opened_later(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """What a server without one has said is no word against a registration for any process that comes later."""
    oauth.behaviour = OAuthBehaviour(metadata_leaves_out=("registration_endpoint",))
    store = MemoryStore()
    with pytest.raises(Rejected):
        make_source(provider=served_by(oauth), store=store).token()
    oauth.behaviour = OAuthBehaviour()
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)


@pytest.mark.parametrize("how", ["challenge", "bare", "denied"])
def test_an_initial_token_that_is_refused(oauth: OAuthSimulator, make_source: MakeSource, how: str) -> None:
    """It is the last word, whatever form it has; another token is another attempt."""
    oauth.behaviour = OAuthBehaviour(initial_token="required", initial_token_error=how)
    store = MemoryStore()
    source = make_source(provider=served_by(oauth, initial_access_token="not-a-good-one"), store=store)
    for _ in range(3):
        with pytest.raises(RegistrationRejected):
            source.token()
    assert oauth.counts.register == 1
    good = served_by(oauth, initial_access_token=oauth.initial_access_token)
    scope_of(make_source(provider=good, store=store), oauth)


def test_a_statement_that_is_made_at_need(oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock) -> None:
    """A statement of five minutes is made when it is shown, and never again for a client that is there."""
    oauth.behaviour = OAuthBehaviour(statement="required", statement_life=300)
    made: list[str] = []

    def statement() -> str:
        made.append(oauth.statement(life=300))
        return made[-1]

    server = served_by(oauth, software_statement=statement)
    time.advance(DAY)
    source = make_source(provider=server)
    scope_of(source, oauth)
    oauth.revoke_tokens()
    scope_of(source, oauth)
    assert len(made) == 1


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_method_that_the_server_wants(oauth: OAuthSimulator, make_source: MakeSource, method: str) -> None:
    """A server that has one method only, and ids that Basic has to encode, is used by that method."""
    oauth.behaviour = OAuthBehaviour(methods=(method,), enforce_method=True, client_ids="special")
    scope_of(make_source(provider=served_by(oauth)), oauth)
    assert [call.authentication for call in oauth.calls.only("token")] == [method]


def test_a_certificate(time: ManualClock, make_source: MakeSource, tmp_path: Path) -> None:
    """A client that proves itself by its certificate has no secret, and is kept as any other client."""
    with OAuthSimulator(tls=True, clock=time.wall) as oauth:
        certificate, authority = tmp_path / "client.pem", tmp_path / "authority.pem"
        certificate.write_bytes(oauth.client_certificate("client.example"))
        authority.write_bytes(oauth.authority)
        by = MutualTLS(metadata={"tls_client_auth_san_dns": "client.example"})
        transport = RequestsTransport(client_certificate=certificate, ca_bundle=authority)
        store = MemoryStore()
        for _ in range(2):
            server = served_by(oauth, client_authentication=by)
            assert make_source(provider=server, transport=transport, store=store).token()
            time.advance(2 * 3600)
        assert (oauth.counts.register, oauth.counts.token) == (1, 2)
        assert oauth.clients[0].secret is None


def test_a_management_url_of_another_origin(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The token that manages a client goes to its server and nowhere else: then there is nothing to manage it by."""
    oauth.behaviour = OAuthBehaviour(management_uri="foreign")
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    with pytest.raises(ConfigurationError, match="the server has named no URL"):
        source.forget(unregister=True)
    scope_of(source, oauth)
    assert oauth.counts.manage == 0


def test_a_server_that_does_not_decode(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The exception for servers that take id and secret as they are."""
    oauth.behaviour = OAuthBehaviour(basic_encoding="raw", client_ids="special")
    server = served_by(oauth, client_authentication=ClientSecret(raw_basic=True))
    scope_of(make_source(provider=server), oauth)


def test_a_client_that_cannot_be_deleted_stays(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where the server does not delete it, nothing is forgotten; one that it does not know any more is."""
    oauth.behaviour = OAuthBehaviour(management=("read", "update"))
    store = MemoryStore()
    source = make_source(provider=served_by(oauth), store=store)
    scope_of(source, oauth)
    with pytest.raises((Rejected, ServerUnavailable)):
        source.forget(unregister=True)
    scope_of(make_source(provider=served_by(oauth), store=store), oauth)
    assert oauth.counts.register == 1
    oauth.behaviour = OAuthBehaviour()
    oauth.revoke_clients()
    assert source.forget(unregister=True)


@pytest.mark.parametrize(
    ("fault", "kind", "advice"),
    [
        (Fault(status=405), Rejected, "the server does not offer that for this client: ask whoever runs the server"),
        (Fault(status=403), Rejected, "the server does not let this client be deleted: ask whoever runs the server"),
        (Fault(status=400, body=b'{"error": "invalid_request"}'), Rejected, "ask whoever runs the server"),
        (Fault(status=429), Throttled, "try again later"),
        (Fault(status=503), ServerUnavailable, "try again later"),
        (Fault(reset=True), ServerUnavailable, "try again later"),
    ],
    ids=range(6),
)
def test_a_deletion_that_failed_says_where_and_what_to_do(
    fault: Fault, kind: type[DCRAuthError], advice: str, oauth: OAuthSimulator, make_source: MakeSource
) -> None:
    """The error names the endpoint without the client id in it, and what to do; the client is there afterwards."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.inject("manage", fault)
    with pytest.raises(kind) as raised:
        source.forget(unregister=True)
    text = str(raised.value)
    assert text.startswith(f"Nothing was deleted, neither there nor here: {oauth.registration_endpoint}/…")
    assert advice in text
    assert oauth.clients[0].client_id not in text
    scope_of(source, oauth)
    assert oauth.counts.register == 1


FOREIGN = [
    Fault(status=401, headers={"WWW-Authenticate": 'Basic realm="corporate proxy"'}, body="<html>log in</html>"),
    Fault(status=401, headers={"WWW-Authenticate": "Negotiate"}),
    Fault(status=401, body='{"error": "Unauthorized"}'),
    Fault(status=401),
]
OF_THE_SERVER = [
    Fault(status=401, headers={"WWW-Authenticate": 'Bearer realm="clients"'}),
    Fault(status=401, headers={"WWW-Authenticate": 'Basic realm="a", Bearer error="invalid_token"'}),
    Fault(status=401, body='{"error": "invalid_token"}'),
    Fault(status=401, body='{"error": "invalid_client"}'),
]


@pytest.mark.parametrize("fault", FOREIGN, ids=range(4))
@pytest.mark.parametrize("by", [ClientSecret, signing], ids=["secret", "key"])
def test_a_login_page_condemns_no_client(
    oauth: OAuthSimulator, make_source: MakeSource, fault: Fault, by: Callable[[], Any]
) -> None:
    """A 401 that is not the server's own, where the client is managed, says nothing of the client."""
    source = make_source(provider=served_by(oauth, client_authentication=by()))
    scope_of(source, oauth)
    oauth.expire_tokens()
    oauth.inject("token", Fault(status=401, body='{"error": "invalid_client"}'), times=2)
    oauth.inject("manage", fault)
    with pytest.raises((CredentialsRejected, ServerUnavailable), match="HTTP 401"):
        source.token(instead_of=source.token())
    assert oauth.counts.register == 1


@pytest.mark.parametrize("fault", OF_THE_SERVER, ids=range(4))
def test_a_refusal_by_the_server_itself_is_believed(
    oauth: OAuthSimulator, make_source: MakeSource, fault: Fault
) -> None:
    """A challenge for another token, or a code of OAuth, is the server's word on the client, whatever else is there."""
    source = make_source(provider=served_by(oauth, client_authentication=signing()))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.revoke_tokens()
    oauth.inject("manage", fault)
    scope_of(source, oauth)
    assert oauth.counts.register == 2


@pytest.mark.parametrize("fault", FOREIGN, ids=range(4))
def test_a_login_page_deletes_no_client(oauth: OAuthSimulator, make_source: MakeSource, fault: Fault) -> None:
    """Nothing is deleted for it, and the client is not even tried."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.inject("manage", fault)
    with pytest.raises(ServerUnavailable, match="does not prove that the client is gone"):
        source.forget(unregister=True)
    assert oauth.counts.token == 1
    assert source.forget(unregister=True)


def test_a_client_whose_registration_token_was_revoked_is_not_taken_for_deleted(
    oauth: OAuthSimulator, make_source: MakeSource
) -> None:
    """It gets tokens, so that it is there: the error says that for good, and nothing is deleted here either."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_registration_tokens()
    with pytest.raises(Rejected, match="Nothing was deleted"):
        source.forget(unregister=True)
    scope_of(source, oauth)
    assert (oauth.counts.register, len(oauth.clients)) == (1, 1)


def test_a_clock_that_is_wrong_deletes_no_client(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """The first refusal of a client that signs may be about the time, which its second attempt knows."""
    store = MemoryStore()
    scope_of(make_source(provider=served_by(oauth, client_authentication=signing()), store=store), oauth)
    oauth.revoke_registration_tokens()
    oauth.inject("manage", Fault(status=401, body='{"error": "invalid_token"}', headers={"Date": ""}))
    oauth.behaviour = OAuthBehaviour(clock_skew=-600.0)
    time.advance(2 * 3600)
    source = make_source(provider=served_by(oauth, client_authentication=signing()), store=store)
    with pytest.raises(Rejected, match="Nothing was deleted"):
        source.forget(unregister=True)
    assert len(oauth.clients) == 1


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429)], ids=["busy", "throttled"])
def test_a_client_that_cannot_be_tried_is_not_taken_for_deleted(
    oauth: OAuthSimulator, make_source: MakeSource, fault: Fault
) -> None:
    """Where the token call says nothing of the client either, nothing is deleted."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.revoke_registration_tokens()
    oauth.inject("token", fault)
    with pytest.raises(ServerUnavailable, match="does not prove that the client is gone"):
        source.forget(unregister=True)


def test_a_deletion_whose_answer_was_lost_is_found_out(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """The second one is refused, and so is the client: then it is gone, and forgotten here as well."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.inject("manage", Fault(reset=True, after=True))
    with pytest.raises(ServerUnavailable, match="Nothing was deleted"):
        source.forget(unregister=True)
    assert oauth.clients == ()
    assert source.forget(unregister=True)
    assert source.status().client_id is None


def test_a_new_client_is_not_taken_for_deleted(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """A part of the server may not know it yet, and refuse it and what manages it."""
    source = make_source(provider=served_by(oauth), policy=Policy(**{**OLD, "settling": 600.0}))
    scope_of(source, oauth)
    oauth.inject("manage", Fault(status=401, body='{"error": "invalid_token"}'))
    oauth.inject("token", Fault(status=401, body='{"error": "invalid_client"}'), times=2)
    with pytest.raises(ServerUnavailable, match="does not prove that the client is gone"):
        source.forget(unregister=True)


def test_a_question_that_failed_is_told(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """Where a client that signs is refused, and cannot be asked about, the error says which endpoint said what."""
    oauth.behaviour = OAuthBehaviour(assertion_audience="token endpoint")
    oauth.inject("manage", Fault(status=503))
    with pytest.raises(CredentialsRejected) as raised:
        make_source(provider=served_by(oauth, client_authentication=signing())).token()
    told = f"Whether it knows the client could not be read ({oauth.registration_endpoint}/… answered: HTTP 503"
    assert told in str(raised.value)


def test_never_means_never(oauth: OAuthSimulator, make_source: MakeSource) -> None:
    """With ``reregister="never"`` a client that is gone is an error."""
    source = make_source(provider=served_by(oauth), policy=Policy(reregister="never", **OLD))
    scope_of(source, oauth)
    oauth.revoke_clients()
    oauth.revoke_tokens()
    with pytest.raises(CredentialsRejected):
        get(source, oauth.api_url)
    assert oauth.counts.register == 1


@pytest.mark.parametrize("is_told_before", [False, True])
def test_a_deletion_that_came_too_early_says_when_to_try_again(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock, is_told_before: bool
) -> None:
    """The moment that the server has told is in the error, also where no call was made for that reason."""
    source = make_source(provider=served_by(oauth))
    scope_of(source, oauth)
    oauth.inject("manage", Fault(status=429, headers={"Retry-After": "100"}))
    for _ in range(1 + is_told_before):
        with pytest.raises(Throttled) as caught:
            source.forget(unregister=True)
    assert caught.value.retry_at is not None
    assert 100.0 <= caught.value.retry_at - time.wall() <= 130.0
    assert oauth.counts.manage == 1


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_a_client_that_signs_is_proved_though_the_clock_is_wrong(
    oauth: OAuthSimulator, time: ManualClock, ahead: float
) -> None:
    """The first answer tells the time, and the second assertion is dated by that."""
    by = signing()
    source = TokenSource(served_by(oauth, client_authentication=by), store=MemoryStore())
    client_id = source.token() and source.status().client_id
    oauth.behaviour = OAuthBehaviour(clock_skew=-ahead)
    before = oauth.counts.token
    client = ClientCredentials(str(client_id), None)
    assert prove_client(served_by(oauth, client_authentication=by), client) > 0.0
    assert oauth.counts.token == before + 2


def test_a_client_that_signs_and_is_not_proved(oauth: OAuthSimulator) -> None:
    """The error names all that may be wrong; a secret that is wrong is wrong, and is not tried again."""
    with pytest.raises(CredentialsRejected, match="a wrong audience, or a wrong clock"):
        prove_client(served_by(oauth, client_authentication=signing()), ClientCredentials("nobody", None))
    assert oauth.counts.token == 2
    with pytest.raises(CredentialsRejected) as caught:
        prove_client(served_by(oauth), ClientCredentials("nobody", "secret"))
    assert "audience" not in caught.value.message
    assert oauth.counts.token == 3


def test_a_secret_that_ends_before_its_token_is_renewed_ahead_of_its_end(
    oauth: OAuthSimulator, make_source: MakeSource, time: ManualClock
) -> None:
    """A long life of the token puts off no look at the client; a vain one is not repeated at each request."""
    oauth.behaviour = OAuthBehaviour(secret_life=DAY, expires_in=int(30 * DAY), rotates_secret="never")
    source = make_source(provider=served_by(oauth))
    first = source.token()
    due_at = source.status().due_at
    assert due_at is not None
    assert due_at - time.wall() == pytest.approx(0.8 * DAY, abs=60.0)
    time.advance(0.85 * DAY)
    source.token(instead_of=first)
    for _ in range(5):
        source.token()
    assert (oauth.counts.manage, oauth.counts.token) == (1, 2)
