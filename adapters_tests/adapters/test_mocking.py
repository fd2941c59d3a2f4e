"""The tests of applications: what mocks HTTP for them mocks our two calls as well, and refuses in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import requests_mock
import respx
import vcr
from aioresponses import aioresponses
from requests.adapters import BaseAdapter
from vcr.errors import CannotOverwriteExistingCassetteException

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.requests
from adapters_tests.adapters.mocks import MOCKS, Mock, Seen
from adapters_tests.common.clients import KINDS, App
from adapters_tests.common.clock import EAGER, ManualClock
from dcrauth import AdobePass, DCRAuthError, MemoryStore, ServerUnavailable, TokenSource
from dcrauth.providers.protocol import Request, Response
from dcrauth.simulator import Counts, Simulator
from dcrauth.transports.aiohttp import AiohttpTransport

ALL = [(mock, client) for mock, (_, clients) in MOCKS.items() for client in clients]
MENDING = [(mock, client) for mock, client in ALL if mock != "requests-mock"]
KIND = {kind.name: kind for kind in KINDS}
expects_refusals = pytest.mark.httpx_mock(assert_all_requests_were_expected=False)


@pytest.fixture(params=ALL, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The names of a mock and of a client that it is for."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def mock(pair: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Mock]:
    """Each of the mocks, switched on."""
    with MOCKS[pair[0]][0](request) as opened:
        yield opened


@pytest.fixture
def mocked_app(pair: tuple[str, str], mock: Mock, provider: AdobePass) -> Iterator[App]:
    """An application as it is tested: nothing about dcrauth is said but what it says itself."""
    kind = KIND[pair[1]]
    with kind.open(kind.auth(provider, store=MemoryStore(), policy=EAGER)) as opened:
        yield opened


def test_a_mock_answers_registration_and_token_call_too(
    mocked_app: App, mock: Mock, provider: AdobePass, adobe: Simulator, api: str
) -> None:
    """What is mocked for the library is mocked for dcrauth as well: nothing goes out to the real server."""
    mock.adobe(provider)
    mock.answer("GET", api, 200, {"mocked": True})
    assert mocked_app.get(api).json == {"mocked": True}
    assert mock.seen() == [
        Seen("POST", provider.register_url, None),
        Seen("POST", provider.token_url, None),
        Seen("GET", api, "Bearer first"),
    ]
    assert adobe.counts == Counts()


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_an_answer_may_be_in_memory(
    library: Any, provider: AdobePass, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transport of httpx that is patched by hand may answer with what is not a stream."""
    granted = {"access_token": "first", "token_type": "bearer", "expires_in": 3600}
    answers = [{"client_id": "id", "client_secret": "secret"}, granted, {"mocked": True}]
    monkeypatch.setattr(library.HTTPTransport, "handle_request", lambda *_: library.Response(200, json=answers.pop(0)))
    kind = KIND[library.__name__]
    with kind.open(kind.auth(provider, store=MemoryStore())) as app:
        assert app.get(api).json == {"mocked": True}


@pytest.mark.parametrize("pair", MENDING, ids="-".join)
def test_a_401_of_a_mock_is_mended(
    mocked_app: App, mock: Mock, provider: AdobePass, adobe: Simulator, api: str
) -> None:
    """A mock that answers 401 and then 200 sees two requests, the second with another token."""
    mock.adobe(provider)
    mock.answer("GET", api, 401, {})
    mock.answer("GET", api, 200, {})
    answer = mocked_app.get(api)
    assert (answer.statuses_before, answer.status) == ((401,), 200)
    assert [seen.authorization for seen in mock.seen() if seen.method == "GET"][1:] == ["Bearer second"]
    assert adobe.counts == Counts()


@pytest.mark.parametrize("pair", [("requests-mock", "requests")], ids=["requests-mock"])
def test_requests_mock_holds_up_what_would_mend_its_401(mock: Mock, provider: AdobePass, api: str) -> None:
    """requests-mock has a lock around each request, so a renewal waits for the request that waits for it."""
    mock.adobe(provider)
    mock.answer("GET", api, 401, {})
    session = requests.Session()
    session.auth = dcrauth.requests.DCRAuth(provider, store=MemoryStore(), policy=replace(EAGER, timeout=0.3))
    with session, pytest.raises(ServerUnavailable, match=r"within 0\.3 s"):
        session.get(api)


def test_requests_mock_lets_through_what_it_is_told_to(provider: AdobePass, adobe: Simulator, api: str) -> None:
    """With ``real_http`` all three calls reach the server."""
    with requests.Session() as session, requests_mock.Mocker(real_http=True):
        session.auth = dcrauth.requests.DCRAuth(provider, store=MemoryStore())
        assert session.get(api).status_code == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 1)


def _respx_refuses() -> Any:
    return respx.mock()


def _requests_mock_refuses() -> Any:
    return requests_mock.Mocker()


def _vcr_refuses() -> Any:
    return vcr.use_cassette("no/such/cassette.yaml", record_mode="none")


def _pytest_fails() -> Any:
    router = respx.mock(assert_all_called=False)
    router.route().mock(side_effect=lambda _: pytest.fail("no call is expected"))
    return router


def _a_callback_asserts() -> Any:
    router = respx.mock(assert_all_called=False)
    router.route().mock(side_effect=_assert_get)
    return router


def _assert_get(request: httpx.Request) -> httpx.Response:
    assert request.method == "GET", "only GET is expected"
    return httpx.Response(200)


REFUSALS = [
    (_respx_refuses, "httpx", AssertionError, "not mocked"),
    (_respx_refuses, "httpx-asyncio", AssertionError, "not mocked"),
    (_respx_refuses, "httpx-trio", AssertionError, "not mocked"),
    (_pytest_fails, "httpx", pytest.fail.Exception, "no call is expected"),
    (_a_callback_asserts, "httpx", AssertionError, "only GET is expected"),
    (_requests_mock_refuses, "requests", requests_mock.NoMockAddress, "No mock address"),
    (_vcr_refuses, "requests", CannotOverwriteExistingCassetteException, "Can't play back"),
    (_vcr_refuses, "httpx", CannotOverwriteExistingCassetteException, "Can't play back"),
]


@pytest.mark.fault(
    "a test does not mock, or forbids, registration and token call",
    "the mock's own error, as it is, and without another attempt",
)
@pytest.mark.parametrize(
    ("refuses", "client", "error", "words"), REFUSALS, ids=[f"{each[0].__name__[1:]}-{each[1]}" for each in REFUSALS]
)
def test_a_refusal_is_passed_on_as_it_is(
    refuses: Any, client: str, error: Any, words: str, provider: AdobePass, adobe: Simulator, api: str
) -> None:
    """A mock's refusal of a call that a test does not expect reaches the test in its own class and words."""
    kind = KIND[client]
    with kind.open(kind.auth(provider, store=MemoryStore())) as app:
        with refuses(), pytest.raises(error, match=words):
            app.get(api)
        assert adobe.counts == Counts()


def test_a_refusal_does_not_last(provider: AdobePass, api: str) -> None:
    """After a mock's refusal the next request, perhaps of the next test, makes its calls at once."""
    with httpx.Client(auth=dcrauth.httpx.DCRAuth(provider, store=MemoryStore())) as client, respx.mock() as mock:
        mock.post(provider.register_url).respond(201, json={"client_id": "id", "client_secret": "secret"})
        with pytest.raises(AssertionError, match="not mocked"):
            client.get(api)
        granted = {"access_token": "first", "token_type": "bearer", "expires_in": 3600}
        mock.post(provider.token_url).respond(201, json=granted)
        mock.get(api).respond(200)
        assert client.get(api).status_code == 200


class Transport:
    """A transport that fails as it is told to, or answers."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.sent = 0

    def send(self, request: Request) -> Response:
        """Fail, or answer."""
        self.sent += 1
        if self.failure is not None:
            raise self.failure
        if request.url.endswith("/register"):
            return Response(201, {}, b'{"client_id": "id", "client_secret": "secret"}')
        return Response(201, {}, b'{"access_token": "canned", "token_type": "bearer", "expires_in": 3600}')


def test_an_assertion_is_not_repeated_at_once(provider: AdobePass, time: ManualClock) -> None:
    """An assertion may be one of a transport in production: it is told, and what it stops is not called each time."""
    transport = Transport(AssertionError("the answer is not what I expect"))
    source = TokenSource(provider, store=MemoryStore(), transport=transport, clock=time.clock)
    with pytest.raises(AssertionError, match="not what I expect"):
        source.token()
    with pytest.raises(DCRAuthError, match=r"AssertionError in adapters_tests\.adapters\.test_mocking"):
        source.token()
    assert transport.sent == 1
    time.advance(2)
    with pytest.raises(AssertionError, match="not what I expect"):
        source.token()


def test_a_token_that_lives_is_served_in_spite_of_a_refusal(provider: AdobePass, time: ManualClock) -> None:
    """A refusal ends a renewal and nothing else: who has a token that lives goes on with it."""
    transport = Transport()
    source = TokenSource(provider, store=MemoryStore(), transport=transport, clock=time.clock)
    token = source.token()
    transport.failure = AssertionError("no more calls are expected")
    time.advance(3590)
    assert source.token() == token


@expects_refusals
@pytest.mark.parametrize(("name", "client"), [("responses", "requests"), ("pytest-httpx", "httpx")])
def test_a_mock_that_poses_as_the_network_is_named(
    name: str, client: str, provider: AdobePass, adobe: Simulator, api: str, request: pytest.FixtureRequest
) -> None:
    """A mock that refuses by the library's error for a lost connection is treated as one, and told from one."""
    kind = KIND[client]
    raised_by = name.replace("-", "_")
    with (
        MOCKS[name][0](request),
        kind.open(kind.auth(provider, store=MemoryStore(), policy=EAGER)) as app,
        pytest.raises(kind.connection_error, match=rf"could not be called: \w+ \(raised by {raised_by}\)"),
    ):
        app.get(api)
    assert adobe.counts == Counts()


class Canned(BaseAdapter):
    """An adapter as one mounts it on a session in tests."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """Answer with the token."""
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, str(request.url)
        response._content = request.headers["Authorization"].encode()
        return response

    def close(self) -> None:
        """Do nothing."""


def _with_mounted_adapter(auth: Any, api: str) -> bytes:
    with requests.Session() as session:
        session.auth = auth(dcrauth.requests)
        session.mount("http://", Canned())
        return session.get(api).content


def _with_mock_of_one_session(auth: Any, api: str) -> bytes:
    with requests.Session() as session, requests_mock.Mocker(session=session) as mock:
        session.auth = auth(dcrauth.requests)
        mock.get(api, text=lambda request, _: request.headers["Authorization"])
        return session.get(api).content


def _with_mock_transport(auth: Any, api: str) -> bytes:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=request.headers["Authorization"]))
    with httpx.Client(transport=transport, auth=auth(dcrauth.httpx)) as client:
        return client.get(api).content


def _with_asgi_transport(auth: Any, api: str) -> bytes:
    async def application(scope: Any, _: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": dict(scope["headers"])[b"authorization"]})

    async def main() -> bytes:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, auth=auth(dcrauth.httpx)) as client:
            return (await client.get(api)).content

    return asyncio.run(main())


@pytest.mark.parametrize(
    "get",
    [_with_mounted_adapter, _with_mock_of_one_session, _with_mock_transport, _with_asgi_transport],
    ids=lambda get: get.__name__[1:],
)
def test_what_belongs_to_one_client_sees_its_requests_only(
    get: Any, provider: AdobePass, adobe: Simulator, api: str
) -> None:
    """What stands in for the network beneath one client has no part in our calls: a transport can."""
    assert get(lambda module: module.DCRAuth(provider, store=MemoryStore()), api).startswith(b"Bearer ")
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 0)
    adobe.reset_counts()
    auth = get(lambda module: module.DCRAuth(provider, store=MemoryStore(), transport=Transport()), api)
    assert (auth, adobe.counts) == (b"Bearer canned", Counts())


def test_aioresponses_leaves_no_request_to_authorize(provider: AdobePass, adobe: Simulator, api: str) -> None:
    """All that a session does is aioresponses' then, its middlewares too: there is nothing to see or to mock."""

    async def main() -> list[tuple[str, str]]:
        auth = dcrauth.aiohttp.DCRAuth(provider, store=MemoryStore())
        with aioresponses() as mock:
            mock.get(api, exception=aiohttp.ClientConnectionError("mocked"))
            async with aiohttp.ClientSession(middlewares=[auth]) as session:
                with pytest.raises(aiohttp.ClientConnectionError, match="mocked"):
                    await session.get(api)
            return [(method, str(url)) for method, url in mock.requests]

    assert asyncio.run(main()) == [("GET", api)]
    assert adobe.counts == Counts()


def test_aioresponses_mocks_the_calls_of_a_token_source(provider: AdobePass, adobe: Simulator) -> None:
    """What a token source sends with aiohttp is mocked all the same."""
    source = TokenSource(provider, store=MemoryStore(), transport=AiohttpTransport(), policy=EAGER)
    with aioresponses() as mock, pytest.raises(ServerUnavailable, match=r"\(raised by aioresponses\)"):
        source.token()
    assert {str(url) for _, url in mock.requests} == {provider.register_url}
    assert adobe.counts == Counts()
