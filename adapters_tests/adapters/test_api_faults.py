"""A protected API that refuses in every way, and sessions with habits of their own, on every client."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from adapters_tests.adapters.test_contract import tokens_seen
from adapters_tests.common.clients import KINDS, App, Kind
from adapters_tests.common.clock import ManualClock
from dcrauth import AdobePass, MemoryStore, Policy, ServerUnavailable, TokenSource
from dcrauth.simulator import Behaviour, Fault, Simulator

Make = Callable[..., TokenSource]


@pytest.mark.slow
@pytest.mark.fault(
    "the token is refused to hundreds of requests at once", "one token call, and each request is sent twice at most"
)
def test_hundreds_of_refusals_at_once(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """A refused token is renewed once for all, whether a thousand tasks carry it or a hundred threads, twice."""
    # With a thousand tasks, httpx itself needs seconds to share out its pool.
    tasks = 1000 if kind.library == "aiohttp" else 300
    count, rounds = (tasks, 1) if kind.is_async else (100, 2)
    with kind.open(kind.auth(source), pool=20) as app:
        for _ in range(rounds):
            assert app.get(api).status == 200
            before = adobe.counts
            adobe.behaviour = Behaviour(token_delay=0.2)
            adobe.revoke_tokens()
            assert {answer.status for answer in app.send_many(count, "GET", api)} == {200}
            assert adobe.counts.token == before.token + 1
            assert adobe.counts.api - before.api - count == adobe.counts.refused - before.refused <= count


@pytest.mark.fault(
    "the API refuses every token",
    "each request is sent twice at most, its caller gets the 401; no loop, and one renewal in ten seconds",
)
def test_a_server_that_refuses_every_token(
    kind: Kind, make_source: Make, adobe: Simulator, api: str, time: ManualClock
) -> None:
    """A server that is never content costs no more than one renewal per ten seconds."""
    with kind.open(kind.auth(make_source(policy=Policy()))) as app:
        assert app.get(api).status == 200
        adobe.behaviour = Behaviour(refuse_every_token=True)
        time.advance(20)
        assert [app.get(api).status for _ in range(10)] == [401] * 10
    assert (adobe.counts.token, adobe.counts.api) == (2, 12)


@pytest.mark.fault(
    "the API refuses every token, and processes come and go",
    "one renewal in ten seconds, over all processes that share a store",
)
def test_a_server_that_refuses_every_token_of_every_process(
    make_source: Make, adobe: Simulator, api: str, time: ManualClock
) -> None:
    """What a token was granted for is known to the next process, so that it does not ask for one as well."""
    kind, store = KINDS[0], MemoryStore()
    adobe.behaviour = Behaviour(refuse_every_token=True)
    for rounds in (1, 2, 3):
        for _ in range(30):
            with kind.open(kind.auth(make_source(policy=Policy(), store=store))) as app:
                assert [app.get(api).status for _ in range(2)] == [401] * 2
        assert adobe.counts.token == 1 + rounds
        time.advance(11)
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "tokens are revoked over and over, and the API blames their client for it",
    "each is replaced at once; the client stays",
)
def test_revoked_tokens_condemn_no_client(
    kind: Kind, make_source: Make, adobe: Simulator, api: str, time: ManualClock
) -> None:
    """A token that is revoked alone, however soon and however often, is no reason to register anew."""
    adobe.behaviour = Behaviour(refusals="v2")
    with kind.open(kind.auth(make_source(policy=Policy()))) as app:
        assert app.get(api).status == 200
        for seconds in (1, 3_600, 11, 5_000, 20_000, 15):
            time.advance(seconds)
            adobe.revoke_tokens()
            assert app.get(api).status == 200
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "a redirect leads to another origin, which answers 401",
    "the other origin sees no token, and its 401 renews none",
)
def test_a_401_from_another_origin(app: App, adobe: Simulator, foreign: Simulator, api: str) -> None:
    """What a stranger refuses is no verdict on our token."""
    assert app.get(api).status == 200
    for status in (302, 307):
        assert app.get(f"{adobe.url}/api/v2/REF30/redirect?status={status}&to={foreign.url}/api").status in {401, 404}
        foreign.inject("api", Fault(status=401, headers=(("WWW-Authenticate", 'Bearer error="invalid_token"'),)))
    assert set(tokens_seen(foreign)) == {None}
    assert (adobe.counts.token, adobe.counts.register) == (1, 1)
    assert foreign.counts.token == 0


@pytest.mark.fault("the API answers 403, as the token lacks a scope", "the caller gets the 403; no token call")
def test_a_token_without_the_scope(app: App, adobe: Simulator, api: str) -> None:
    """Another token would have the same scopes."""
    challenge = ("WWW-Authenticate", 'Bearer error="insufficient_scope", scope="api:client:v2"')
    adobe.inject("api", Fault(status=403, body=b"scope", headers=(challenge,)))
    answer = app.get(api)
    assert (answer.status, answer.content) == (403, b"scope")
    assert (adobe.counts.token, adobe.counts.api) == (1, 1)


@pytest.mark.fault("a 401 has several challenges, or damaged ones", "it is renewed once and sent again, as for any 401")
@pytest.mark.parametrize(
    "challenges",
    [
        ('Bearer realm="a"', 'Basic realm="b"'),
        ("Bearer", "Bearer", "Bearer"),
        ('Bearer realm="unfinished', "=,=,", " "),
        ("x" * 7000,),
    ],
    ids=["two", "three", "damaged", "long"],
)
def test_several_challenges(app: App, adobe: Simulator, api: str, challenges: tuple[str, ...]) -> None:
    """No header of a refusal makes a request fail."""
    assert app.get(api).status == 200
    adobe.inject("api", Fault(status=401, headers=tuple(("WWW-Authenticate", each) for each in challenges)))
    assert app.get(api).status == 200
    assert (adobe.counts.token, adobe.counts.api) == (2, 3)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc file with a password for the server's host."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login canary password canary\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


@pytest.mark.fault(
    "a netrc file has a password for the host",
    "our calls never carry it; a request has our token, before and after a renewal",
)
@pytest.mark.usefixtures("netrc")
def test_a_netrc_file(app: App, adobe: Simulator, api: str) -> None:
    """A password for the same host is not for the same purpose."""
    assert app.get(api).status == 200
    adobe.revoke_tokens()
    assert app.get(api).status == 200
    sent = [call.headers.get("authorization", "") for call in adobe.calls]
    assert not any(each.startswith("Basic") for each in sent)


@pytest.mark.fault(
    "the caller's session does not verify certificates",
    "our calls do: `ServerUnavailable`, and no secret is sent to a server that is not the right one",
)
def test_a_session_that_verifies_nothing(kind: Kind, make_source: Make, adobe: Simulator) -> None:
    """A careless session does not make our calls careless."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Simulator(ssl_context=context) as impostor:
        provider = AdobePass(adobe.software_statement, base_url=impostor.url)
        source = make_source(provider=provider, transport=kind.auth._own_transport())
        with kind.open(kind.auth(source), verify=False) as app:
            with pytest.raises(kind.host_error, match="certificate verify failed") as caught:
                app.get(f"{impostor.url}/api/v2/REF30/configuration")
            assert isinstance(caught.value, ServerUnavailable)
        assert impostor.calls == ()


@pytest.mark.fault(
    "the caller's session has cookies and hooks",
    "our calls carry no cookie and no hook sees them; those of the requests work as ever",
)
def test_a_session_with_cookies_and_hooks(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """What is for the caller's requests is for them only."""
    seen: list[str] = []
    with kind.open(kind.auth(source), cookies={"mine": "canary"}) as app:
        _hook(kind, app, seen)
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        assert app.get(api).status == 200
    assert seen
    assert not [url for url in seen if "/o/client/" in url]
    cookies = {call.endpoint: call.headers.get("cookie") for call in adobe.calls}
    assert cookies == {"register": None, "token": None, "api": "mine=canary"}


def _hook(kind: Kind, app: App, seen: list[str]) -> None:
    """Have every request of a session noted, in the library's own way."""

    def note(response: Any, *_: Any, **__: Any) -> None:
        seen.append(str(response.url))

    async def note_later(response: Any) -> None:
        note(response)

    async def note_trace(session: Any, context: Any, parameters: Any) -> None:
        seen.append(str(parameters.url))

    if kind.library in {"requests", "niquests"}:
        app.native.hooks["response"].append(note)
    elif kind.library == "aiohttp":
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(note_trace)
        trace.freeze()
        app.native.trace_configs.append(trace)
    else:
        app.native.event_hooks = {"response": [note_later if kind.is_async else note]}
