"""What only requests does: its hooks, its redirects, its netrc, its pickles."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from adapters_tests.adapters.test_contract import tokens_seen
from dcrauth import ConfigurationError, DCRAuthError, TokenSource
from dcrauth.requests import DCRAuth
from dcrauth.simulator import Behaviour, Fault, Simulator


@pytest.fixture
def auth(source: TokenSource) -> DCRAuth:
    """The auth object."""
    return DCRAuth(source)


@pytest.fixture
def session(auth: DCRAuth) -> Iterator[requests.Session]:
    """A session with the auth object on it."""
    with requests.Session() as opened:
        opened.auth = auth
        yield opened


@pytest.fixture
def api(adobe: Simulator, session: requests.Session) -> str:
    """A protected API whose token is in hand and then revoked."""
    url = f"{adobe.url}/api/v2/REF30/configuration"
    assert session.get(url, timeout=20).status_code == 200
    adobe.revoke_tokens()
    return url


def test_elapsed_is_measured(session: requests.Session, api: str) -> None:
    """The response to the second attempt has an elapsed time of its own, which requests sets for first ones only."""
    assert session.get(api, timeout=20).elapsed > timedelta(0)


def test_history_holds_the_refusal(session: requests.Session, api: str) -> None:
    """The refused response is in the history, readable, with the request as it was sent."""
    response = session.get(api, timeout=20)
    (refusal,) = response.history
    assert refusal.status_code == 401
    assert refusal.json()["status"] == 401
    assert response.request is not refusal.request


def test_hooks_of_the_session_see_the_final_response(session: requests.Session, adobe: Simulator, api: str) -> None:
    """Neither a hook of the call nor one of the session sees the 401 that was mended."""
    seen: list[int] = []
    session.get(api, timeout=20, hooks={"response": lambda response, **_: response.raise_for_status()})
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    adobe.revoke_tokens()
    session.get(api, timeout=20)
    assert seen == [200]


def test_the_next_request_of_a_redirect_has_the_new_token(
    session: requests.Session, adobe: Simulator, api: str
) -> None:
    """Without following redirects, response.next carries the renewed token, not the refused one."""
    url = f"{adobe.url}/api/v2/REF30/redirect?status=302&to={api}"
    response = session.get(url, timeout=20, allow_redirects=False)
    assert response.next is not None
    assert session.send(response.next, timeout=20).status_code == 200
    assert adobe.counts.token == 2


def test_settings_of_the_call_hold_for_the_second_attempt(session: requests.Session, api: str) -> None:
    """Timeout, TLS settings, proxies and streaming are the same for both attempts."""
    seen: list[dict[str, Any]] = []

    class Noting(HTTPAdapter):
        def send(self, *args: Any, **settings: Any) -> Any:
            seen.append(settings)
            return super().send(*args, **settings)

    session.mount("http://", Noting())
    session.get(api, timeout=(3, 7), stream=True).close()
    first, second = seen
    assert first == second
    assert second["timeout"] == (3, 7)
    assert second["stream"] is True


def test_a_streamed_answer_is_left_unread(session: requests.Session, adobe: Simulator, api: str) -> None:
    """With stream=True the final answer's body is still on the wire after a renewal."""
    with session.get(api, timeout=20, stream=True) as response:
        assert response.status_code == 200
        assert response.raw.read(10)


def test_the_connection_is_used_again(session: requests.Session, adobe: Simulator, api: str) -> None:
    """A refusal that was read to its end gives its connection back: the second attempt opens no other one."""
    ports: list[int] = []

    class Noting(HTTPAdapter):
        def send(self, request: Any, *args: Any, **settings: Any) -> Any:
            response = super().send(request, *args, **settings)
            ports.append(response.raw.connection.sock.getsockname()[1] if response.raw.connection else 0)
            return response

    session.mount("http://", Noting())
    session.get(api, timeout=20, stream=True).close()
    assert len(ports) == 2
    assert ports[0] == ports[1] != 0


@pytest.mark.fault(
    "requests puts a password of the netrc file on a redirected request",
    "it wins there, and its 401 renews nothing",
)
def test_netrc_is_never_ours(
    session: requests.Session, adobe: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A netrc entry for the host reaches neither our two calls nor the first hop; where it wins, nothing is renewed."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api = f"{adobe.url}/api/v2/REF30/configuration"
    assert session.get(api, timeout=20).status_code == 200
    assert [call.headers.get("authorization") for call in adobe.calls if call.path.startswith("/o/")] == [None, None]
    response = session.get(f"{adobe.url}/api/v2/REF30/redirect?status=302&to={api}", timeout=20)
    assert response.status_code == 401
    last = tokens_seen(adobe)[-1]
    assert last is not None
    assert last.startswith("Basic ")
    assert adobe.counts.token == 1


def test_a_request_prepared_twice_is_sent_at_most_twice(
    session: requests.Session, auth: DCRAuth, adobe: Simulator, api: str
) -> None:
    """Signing a prepared request again renews its header and does not hook it a second time."""
    request = session.prepare_request(requests.Request("GET", api))
    request.prepare_auth(auth)
    assert request.hooks["response"].count(auth.answered) == 1
    adobe.reset_counts()
    adobe.behaviour = Behaviour(refuse_every_token=True)
    assert session.send(request, timeout=20).status_code == 401
    assert adobe.counts.api == 2


def test_an_adapter_without_a_connection_gets_its_401(session: requests.Session, adobe: Simulator, api: str) -> None:
    """A transport adapter that is no HTTPAdapter cannot send again: the token is renewed and the 401 handed over."""

    class Canned(BaseAdapter):
        def send(self, request: Any, **settings: Any) -> requests.Response:
            response = requests.Response()
            response.status_code, response.request, response.raw = 401, request, io.BytesIO(b"")
            response.url = request.url
            return response

        def close(self) -> None:
            """Nothing to close."""

    session.mount("http://", Canned())
    assert session.get(api, timeout=20).status_code == 401
    session.mount("http://", HTTPAdapter())
    assert session.get(api, timeout=20).status_code == 200
    assert adobe.counts.token == 2


@pytest.mark.parametrize("damage", ["closed", "liar"])
def test_a_file_that_cannot_be_rewound_is_not_sent_again(
    session: requests.Session, adobe: Simulator, api: str, damage: str
) -> None:
    """A file that was closed meanwhile, or that cannot seek after all, is not sent again; the 401 is handed over."""

    class Difficult(io.BytesIO):
        def seek(self, position: int, whence: int = 0) -> int:
            if damage == "liar" and whence == 0 and adobe.counts.refused:
                raise RuntimeError("a seek of its own making")
            return super().seek(position, whence)

    body = Difficult(b"hello")
    if damage == "closed":
        original = session.get_adapter(api).send
        session.get_adapter(api).send = lambda *a, **k: (original(*a, **k), body.close())[0]  # type: ignore[method-assign]
    response = session.post(f"{adobe.url}/api/v2/REF30/echo", data=body, timeout=20)
    assert response.status_code == 401
    assert [call.body for call in adobe.calls if call.path.endswith("echo")] == [b"hello"]


def test_a_cookie_header_of_the_callers_survives(session: requests.Session, adobe: Simulator, api: str) -> None:
    """A Cookie header written by hand, without a jar, is sent with both attempts."""
    assert session.get(api, headers={"Cookie": "mine=1"}, timeout=20).status_code == 200
    cookies = [call.headers.get("cookie") for call in adobe.calls if call.path.startswith("/api/")]
    assert cookies == [None, "mine=1", "mine=1"]


def test_the_hook_does_not_act_for_a_token_of_the_callers(
    session: requests.Session, adobe: Simulator, api: str
) -> None:
    """A header that the caller puts on a prepared request afterwards is the caller's, and so is its 401."""
    request = session.prepare_request(requests.Request("GET", api))
    request.headers["Authorization"] = "Bearer mine"
    adobe.reset_counts()
    assert session.send(request, timeout=20).status_code == 401
    assert (adobe.counts.api, adobe.counts.token) == (1, 0)


def test_a_failed_renewal_frees_the_connection(session: requests.Session, adobe: Simulator, api: str) -> None:
    """When the renewal after a 401 fails, the connection of the refused request is back in its pool."""
    session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
    adobe.inject("token", Fault(status=503), times=None)
    errors = []
    for _ in range(3):
        with pytest.raises(DCRAuthError) as caught:
            session.get(api, timeout=5)
        errors.append(caught)  # keeps the tracebacks alive, and all that they refer to
    assert len(errors) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_renewal_frees_the_connection_of_a_large_refusal(
    session: requests.Session, adobe: Simulator, api: str, stream: bool
) -> None:
    """The same holds for a refusal that was not read, of a request that cannot be sent again."""
    session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
    adobe.inject("api", Fault(status=401, body=b"m" * 70_000), times=2)
    adobe.inject("token", Fault(status=503), times=None)
    errors = []
    for _ in range(2):
        with pytest.raises(DCRAuthError) as caught:
            session.post(api, data=(part for part in [b"a"]), stream=stream, timeout=5)
        errors.append(caught)
    adobe.clear_faults()
    assert len(errors) == 2


def test_responses_can_be_pickled(session: requests.Session, api: str) -> None:
    """A response is pickled together with its request and its hooks, as caches and process pools do."""
    response = session.get(api, timeout=20)
    assert pickle.loads(pickle.dumps(response)).json() == response.json()  # noqa: S301  # our own bytes


def test_it_works_for_a_single_call(auth: DCRAuth, adobe: Simulator) -> None:
    """auth= of one call is enough."""
    assert requests.get(f"{adobe.url}/api/v2/REF30/profiles", auth=auth, timeout=20).status_code == 200


def test_it_serves_urls_in_any_spelling(session: requests.Session, adobe: Simulator) -> None:
    """User information, upper case or an empty path do not hide that a URL belongs to a protected origin."""
    port = adobe.url.rpartition(":")[2]
    url = f"HTTP://someone:else@127.0.0.1:{port}/api/v2/REF30/configuration"
    assert session.get(url, timeout=20).status_code == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.evil.example/", "http://evil.example/?http://127.0.0.1", "http://127.0.0.1:1/"]
)
def test_lookalikes_are_foreign(session: requests.Session, url: str) -> None:
    """A host that only resembles a protected one, or another port, gets no token."""
    request = session.prepare_request(requests.Request("GET", url))
    assert "Authorization" not in request.headers
    assert request.hooks["response"] == []


def test_the_wrong_library_is_an_error(auth: DCRAuth, adobe: Simulator) -> None:
    """Attached to a client of another library it raises instead of letting requests go without a token."""
    import aiohttp
    import httpx
    import httpx2

    for client in (httpx.Client, httpx2.Client):
        with client(auth=auth) as opened, pytest.raises(ConfigurationError, match="requests"):
            opened.get(f"{adobe.url}/api/v2/REF30/configuration")

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession(middlewares=[auth]) as session:  # type: ignore[list-item]
            await session.get(f"{adobe.url}/api/v2/REF30/configuration")

    with pytest.raises(TypeError):
        _run(with_aiohttp)
    assert adobe.calls == ()


def _run(main: Callable[[], Any]) -> None:
    import asyncio

    asyncio.run(main())


def test_a_session_that_strips_nothing_does_not_get_a_new_token_abroad(
    auth: DCRAuth, adobe: Simulator, foreign: Simulator
) -> None:
    """Where the caller's session keeps headers on foreign redirects, a 401 from there renews and sends nothing."""

    class Careless(requests.Session):
        def should_strip_auth(self, old_url: str, new_url: str) -> bool:
            return False

    with Careless() as session:
        session.auth = auth
        url = f"{adobe.url}/api/v2/REF30/redirect?status=302&to={foreign.url}/api/v2/REF30/echo"
        assert session.get(url, timeout=20).status_code == 401
    assert (len(foreign.calls), adobe.counts.token) == (1, 1)


@pytest.mark.fault(
    "the caller's session has an adapter that answers everything from a cache", "our calls do not go through it"
)
def test_an_adapter_of_the_callers_never_sees_our_calls(auth: DCRAuth, adobe: Simulator) -> None:
    """An old answer is never taken for a registration or a token."""

    class Cache(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            answer = requests.Response()
            answer.status_code, answer.request, answer._content = 200, request, b"cached"
            return answer

    with requests.Session() as session:
        session.auth = auth
        session.mount("http://", Cache())
        assert session.get(f"{adobe.url}/api/v2/REF30/configuration", timeout=20).content == b"cached"
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 0)
