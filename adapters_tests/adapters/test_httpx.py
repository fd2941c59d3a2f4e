"""What only httpx and httpx2 do: flows around redirects, transports of the caller's, hooks, streams."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dcrauth.httpx
import dcrauth.httpx2
from adapters_tests.adapters.test_contract import tokens_seen
from dcrauth import TokenSource
from dcrauth.simulator import Fault, Simulator

PAIRS = [(httpx, dcrauth.httpx.DCRAuth), (httpx2, dcrauth.httpx2.DCRAuth)]


@pytest.fixture(params=PAIRS, ids=["httpx", "httpx2"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Each library with its auth class."""
    found: tuple[Any, Any] = request.param
    return found


@pytest.fixture
def client(pair: tuple[Any, Any], source: TokenSource) -> Iterator[Any]:
    """A client of each library."""
    library, auth = pair
    with library.Client(auth=auth(source), timeout=20, follow_redirects=True) as opened:
        yield opened


@pytest.fixture
def api(client: Any, adobe: Simulator) -> str:
    """A protected API whose token is in hand and then revoked."""
    url = f"{adobe.url}/api/v2/REF30/configuration"
    assert client.get(url).status_code == 200
    adobe.revoke_tokens()
    return url


@pytest.mark.fault(
    "the caller's httpx client has a transport of its own, such as a cache",
    "our calls do not go through it",
)
def test_a_callers_transport_never_sees_our_calls(pair: tuple[Any, Any], source: TokenSource, adobe: Simulator) -> None:
    """Registration and token call do not go through the client: a mock transport sees the user's requests only."""
    library, auth = pair
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(request.url.path)
        return library.Response(200)

    with library.Client(auth=auth(source), transport=library.MockTransport(answer)) as client:
        client.get(f"{adobe.url}/api/v2/REF30/configuration")
    assert seen == ["/api/v2/REF30/configuration"]
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


def test_history_holds_the_refusal_and_no_token_call(client: Any, api: str) -> None:
    """The history of a mended response is its 401; no answer of ours, with tokens in it, is reachable from there."""
    response = client.get(api)
    assert [each.status_code for each in response.history] == [401]


def test_a_redirected_post_is_not_carried_out_twice(client: Any, adobe: Simulator, api: str) -> None:
    """When the target of a redirect refuses, the first request is not started over, as it has been carried out."""
    assert client.get(api).status_code == 200
    adobe.inject("api", Fault(status=303, headers=(("Location", "/api/v2/REF30/echo"),)))
    adobe.inject("api", Fault(status=401))
    response = client.post(f"{adobe.url}/api/v2/REF30/redirect")
    assert response.status_code == 401
    assert [call.method for call in adobe.calls if call.path.startswith("/api/")][-2:] == ["POST", "GET"]
    assert adobe.counts.token == 3
    assert client.get(api).status_code == 200


def test_a_redirected_get_starts_over(client: Any, adobe: Simulator, api: str) -> None:
    """A GET whose redirect was refused is started over with the new token, which is harmless."""
    assert client.get(api).status_code == 200
    adobe.inject("api", Fault(status=302, headers=(("Location", "/api/v2/REF30/profiles"),)))
    adobe.inject("api", Fault(status=401))
    assert client.get(api).status_code == 200
    assert adobe.counts.token == 3


def test_streaming_answers_stay_streams(client: Any, api: str) -> None:
    """The final answer of a streamed request is not read ahead."""
    with client.stream("GET", api) as response:
        assert response.status_code == 200
        assert not response.is_stream_consumed
        assert response.read()


def test_a_multipart_upload_of_a_pipe_is_not_sent_again(client: Any, adobe: Simulator, api: str) -> None:
    """A multipart body with a file that cannot seek is not sent a second time."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.left = [b"hello"]

        def read(self, size: int = -1) -> bytes:
            return self.left.pop() if self.left else b""

        def seekable(self) -> bool:
            return False

    response = client.post(f"{adobe.url}/api/v2/REF30/echo", files={"file": ("a", Pipe())})
    assert response.status_code == 401
    (call,) = [call for call in adobe.calls if call.path.endswith("echo")]
    assert b"hello" in call.body


def test_a_raising_event_hook_is_the_callers_choice(
    pair: tuple[Any, Any], source: TokenSource, adobe: Simulator
) -> None:
    """An event hook that raises for a 401 runs before the flow: the error is the caller's, and the next call works."""
    library, auth = pair
    hooks = {"response": [lambda response: response.raise_for_status()]}
    api = f"{adobe.url}/api/v2/REF30/configuration"
    with library.Client(auth=auth(source), event_hooks=hooks) as client:
        client.get(api)
        adobe.revoke_tokens()
        with pytest.raises(library.HTTPStatusError):
            client.get(api)
    with library.Client(auth=auth(source)) as client:
        assert client.get(api).status_code == 200


def test_the_event_loop_is_not_blocked(pair: tuple[Any, Any], source: TokenSource, adobe: Simulator) -> None:
    """While a token is fetched, other tasks of the loop go on."""
    library, auth = pair
    ticks = 0

    async def main() -> None:
        nonlocal ticks

        async def tick() -> None:
            nonlocal ticks
            while adobe.counts.issued == 0:
                await asyncio.sleep(0.001)
                ticks += 1

        adobe.inject("token", Fault(delay=0.3, body=None))
        async with library.AsyncClient(auth=auth(source)) as client:
            await asyncio.gather(client.get(f"{adobe.url}/api/v2/REF30/configuration"), tick())

    asyncio.run(main())
    assert ticks > 10


def test_a_file_that_is_read_by_awaiting_is_not_sent_again(
    pair: tuple[Any, Any], source: TokenSource, adobe: Simulator, tmp_path: Path
) -> None:
    """A file of anyio is uploaded once; as it cannot be rewound without awaiting, its 401 is handed over."""
    library, auth = pair
    path = tmp_path / "upload"
    path.write_bytes(b"hello")

    async def upload(client: Any) -> int:
        async with await anyio.open_file(path, "rb") as file:
            return int((await client.post(f"{adobe.url}/api/v2/REF30/echo", content=file)).status_code)

    async def main() -> list[int]:
        async with library.AsyncClient(auth=auth(source), timeout=20) as client:
            good = await upload(client)
            adobe.revoke_tokens()
            return [good, await upload(client)]

    assert asyncio.run(main()) == [200, 401]
    assert [call.body for call in adobe.calls if call.path.endswith("echo")] == [b"hello", b"hello"]


@pytest.mark.parametrize("other", ["requests", "httpx", "httpx2", "aiohttp"])
def test_the_wrong_library_is_an_error(other: str, source: TokenSource, adobe: Simulator) -> None:
    """The auth class of one library does not go with the client of another one: an error, at once."""
    import aiohttp
    import requests

    import dcrauth.aiohttp
    import dcrauth.requests

    url = f"{adobe.url}/api/v2/REF30/configuration"

    async def with_aiohttp(auth: Any) -> None:
        async with aiohttp.ClientSession(middlewares=[auth]) as session:
            await session.get(url)

    attempts: dict[str, Callable[[Any], Any]] = {
        "requests": lambda auth: requests.get(url, auth=auth, timeout=20),
        "httpx": lambda auth: httpx.get(url, auth=auth),
        "httpx2": lambda auth: httpx2.get(url, auth=auth),
        "aiohttp": lambda auth: asyncio.run(with_aiohttp(auth)),
    }
    classes: dict[str, Any] = {
        "requests": dcrauth.requests.DCRAuth,
        "httpx": dcrauth.httpx.DCRAuth,
        "httpx2": dcrauth.httpx2.DCRAuth,
        "aiohttp": dcrauth.aiohttp.DCRAuth,
    }
    for name, make in classes.items():
        if {name, other} not in ({other}, {"httpx", "httpx2"}):  # these two are one to the packages that choose
            with pytest.raises((TypeError, dcrauth.ConfigurationError)):
                attempts[other](make(source))
    assert adobe.counts.api == 0


def test_an_upgrade_to_https_is_another_origin(pair: tuple[Any, Any], make_source: Any, adobe: Simulator) -> None:
    """Httpx itself keeps the header from http to https of one host; a 401 from there renews and repeats nothing."""
    library, auth = pair
    source = make_source(
        provider=dcrauth.AdobePass(adobe.software_statement, base_url=adobe.url, protects=["http://127.0.0.1"])
    )
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(str(request.url))
        upgrade = {"Location": "https://127.0.0.1/"}
        return library.Response(302, headers=upgrade) if request.url.scheme == "http" else library.Response(401)

    transport = library.MockTransport(answer)
    with library.Client(auth=auth(source), transport=transport, follow_redirects=True) as client:
        assert client.get("http://127.0.0.1/").status_code == 401
    assert seen == ["http://127.0.0.1/", "https://127.0.0.1/"]
    assert adobe.counts.token == 1


def test_a_hop_without_our_token_is_not_ours(
    pair: tuple[Any, Any], make_source: Any, adobe: Simulator, foreign: Simulator
) -> None:
    """The client drops the header on the way to another origin, protected or not; a 401 from there is the caller's."""
    library, auth = pair
    source = make_source(
        provider=dcrauth.AdobePass(adobe.software_statement, base_url=adobe.url, protects=[foreign.url])
    )
    with library.Client(auth=auth(source), follow_redirects=True) as client:
        url = f"{adobe.url}/api/v2/REF30/redirect?status=302&to={foreign.url}/api/v2/REF30/echo"
        assert client.get(url).status_code == 401
    assert tokens_seen(foreign) == [None]
    assert (adobe.counts.token, adobe.counts.api) == (1, 1)


class Refuser:
    """A protected API that answers as it is told, without any I/O."""

    def __init__(self, library: Any, answers: list[int]) -> None:
        self.library, self.answers = library, answers
        self.sent: list[str | None] = []

    def __call__(self, request: Any) -> Any:
        self.sent.append(request.headers.get("Authorization"))
        status = self.answers.pop(0) if self.answers else 200
        return self.library.Response(status, request=request)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(st.sampled_from([200, 401, 403, 500]), max_size=6), body=st.booleans())
def test_the_flow_sends_at_most_twice(pair: tuple[Any, Any], make_source: Any, answers: list[int], body: bool) -> None:
    """Driven by hand over random answers, the flow never yields a third request, and a second one only after a 401."""
    library, auth = pair
    refuser = Refuser(library, list(answers))
    content = (part for part in [b"once"]) if body else b"bytes"
    request = library.Request("POST", "http://127.0.0.1:1/api", content=content)
    flow = auth(_LOCAL).sync_auth_flow(request)
    response = refuser(next(flow))
    try:
        response = refuser(flow.send(response))
        with pytest.raises(StopIteration):
            flow.send(response)
    except StopIteration:
        """It was content with one."""
    expected = 2 if answers[:1] == [401] and not body else 1
    assert len(refuser.sent) == expected
    assert len(set(refuser.sent)) == expected


def _local() -> TokenSource:
    """A token source for the flow alone, with an answer for every call."""
    from adapters_tests.common.world import STATEMENT, World
    from dcrauth import AdobePass, MemoryStore, Policy

    world = World()
    adobe = AdobePass(STATEMENT, protects=["http://127.0.0.1:1"])

    class Direct:
        def send(self, request: Any) -> Any:
            return world.answer(request)

    return TokenSource(adobe, store=MemoryStore(), transport=Direct(), policy=Policy(spared_for=0))


_LOCAL = _local()


def test_tokens_are_seen_once_each(client: Any, adobe: Simulator, api: str) -> None:
    """The header of the second attempt takes the place of the first one; there are never two."""
    client.get(api)
    assert all(token is not None and token.count("Bearer") == 1 for token in tokens_seen(adobe))
