"""What only aiohttp does: middlewares on every hop, early refusals, jars, timeouts that cancel."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters_tests.adapters.test_contract import tokens_seen
from adapters_tests.servers.odd_server import OddServer
from dcrauth import AdobePass, TokenSource
from dcrauth.adapters.adapter import LARGEST_REFUSAL
from dcrauth.aiohttp import DCRAuth
from dcrauth.simulator import Behaviour, Fault, Simulator

Main = Callable[[aiohttp.ClientSession], Coroutine[Any, Any, None]]


def run(auth: DCRAuth, main: Main, **options: Any) -> None:
    """Run *main* with a session that has *auth* among its middlewares."""

    async def opened() -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(middlewares=[auth], cookie_jar=jar, **options) as session:
            await main(session)

    asyncio.run(opened())


def test_each_hop_is_looked_at_anew(
    adobe: Simulator, foreign: Simulator, make_source: Callable[..., TokenSource], api: str
) -> None:
    """On the way from a protected origin over a foreign one and back, the foreign one alone gets no token."""
    source = make_source(provider=AdobePass(adobe.software_statement, base_url=adobe.url))
    back = Fault(status=302, headers=(("Location", api),))
    foreign.inject("api", back)

    async def main(session: aiohttp.ClientSession) -> None:
        async with session.get(f"{adobe.url}/api/v2/REF30/redirect?to={foreign.url}/away") as response:
            assert response.status == 200

    run(DCRAuth(source), main)
    assert tokens_seen(foreign) == [None]
    assert None not in tokens_seen(adobe)


def test_raise_for_status_sees_the_final_answer(source: TokenSource, adobe: Simulator, api: str) -> None:
    """With raise_for_status on the session, a refusal that was mended raises nothing, nor do our own calls."""

    async def main(session: aiohttp.ClientSession) -> None:
        await (await session.get(api)).read()
        adobe.revoke_tokens()
        await (await session.get(api)).read()

    run(DCRAuth(source), main, raise_for_status=True)
    assert adobe.counts.token == 2


@pytest.mark.fault("the caller's aiohttp session has headers or cookies", "our calls do not use it")
def test_our_calls_do_not_use_the_session(source: TokenSource, adobe: Simulator, api: str) -> None:
    """Registration and token call carry none of the session's headers and cookies, and do not recurse."""

    async def main(session: aiohttp.ClientSession) -> None:
        await (await session.get(api)).read()

    run(DCRAuth(source), main, headers={"X-Api-Key": "canary"}, cookies={"canary": "1"})
    ours = [call for call in adobe.calls if call.path.startswith("/o/")]
    assert len(ours) == 2
    assert not any("x-api-key" in call.headers or "cookie" in call.headers for call in ours)


def test_a_timeout_of_the_caller_harms_nobody(source: TokenSource, adobe: Simulator, api: str) -> None:
    """A caller whose total timeout ends during the renewal leaves it to the others, who get its token."""
    adobe.behaviour = Behaviour(token_delay=0.5)

    async def main(session: aiohttp.ClientSession) -> None:
        async def get(seconds: float) -> int:
            async with session.get(api, timeout=aiohttp.ClientTimeout(total=seconds)) as response:
                return response.status

        results = await asyncio.gather(get(0.1), get(20), return_exceptions=True)
        assert isinstance(results[0], TimeoutError)
        assert results[1] == 200

    run(DCRAuth(source), main)
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


async def _large_stream() -> AsyncIterator[bytes]:
    for _ in range(1000):
        yield b"x" * 8_000


@pytest.mark.parametrize(
    ("body", "status", "lengths"),
    [(lambda: io.BytesIO(b"x" * 8_000_000), 200, [8_000_000]), (_large_stream, 401, [])],
    ids=["file", "async generator"],
)
def test_a_refusal_that_comes_early_is_followed_by_all_or_nothing(
    source: TokenSource, body: Callable[[], Any], status: int, lengths: list[int]
) -> None:
    """A 401 that arrives while a large body is on its way is followed by the whole body or none, never by its rest."""
    received: list[int] = []

    async def main() -> None:
        refusals = iter([True, False])

        async def upload(request: web.Request) -> web.Response:
            if next(refusals):
                return web.Response(status=401)
            received.append(len(await request.read()))
            return web.Response()

        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/upload", upload)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        guarded = TokenSource(
            _protecting(source, url),
            store=source._driver.store,
            transport=source._driver.transport,
            policy=source._policy,
        )
        async with (
            aiohttp.ClientSession(middlewares=[DCRAuth(guarded)]) as session,
            session.post(f"{url}/upload", data=body()) as response,
        ):
            assert response.status == status
        await runner.cleanup()

    asyncio.run(main())
    assert received == lengths


class _Sluggish(io.RawIOBase):
    """A file on a slow disk: the second part of it takes its time, unless somebody begins to read it anew.

    Parameters:
        content: what is in it.
    """

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self._parts = 0
        self._anew = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        self._parts += 1
        if self._parts == 2:
            self._anew.wait(0.5)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._anew.set()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _refuse_slowly(connection: socket.socket) -> None:
    """Begin to refuse an upload at once, at such length that nobody waits for the end, and go on to read it, slowly."""
    with connection, contextlib.suppress(OSError):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\nNo" % (LARGEST_REFUSAL + 1))
        while connection.recv(65_536):
            time.sleep(0.001)


def _take(connection: socket.socket, length: int) -> bytes:
    """Read an upload whole and accept it."""
    connection.settimeout(20)
    with connection, connection.makefile("rb") as file:
        while file.readline().strip():
            """A header field."""
        body = file.read(length)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return body


def _refuse_then_take(listener: socket.socket, length: int) -> bytes:
    """Refuse a first upload and accept a second one; return what came with that."""
    first, _ = listener.accept()
    refusing = threading.Thread(target=_refuse_slowly, args=(first,))
    refusing.start()
    second, _ = listener.accept()
    body = _take(second, length)
    refusing.join(20)
    return body


def test_a_slow_upload_is_not_mixed_with_its_second_attempt(source: TokenSource) -> None:
    """An upload that is refused while a thread still reads its file arrives whole when it is sent again."""
    content = b"".join(number.to_bytes(4, "big") for number in range(1_000_000))
    length = {"Content-Length": str(len(content))}

    async def upload(listener: socket.socket) -> bytes:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        guarded = TokenSource(
            _protecting(source, url),
            store=source._driver.store,
            transport=source._driver.transport,
            policy=source._policy,
        )
        taken = asyncio.get_running_loop().run_in_executor(None, _refuse_then_take, listener, len(content))
        async with (
            aiohttp.ClientSession(middlewares=[DCRAuth(guarded)]) as session,
            session.post(f"{url}/upload", data=_Sluggish(content), headers=length) as response,
        ):
            assert response.status == 200
        return await taken

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        assert asyncio.run(upload(listener)) == content


def _protecting(source: TokenSource, url: str) -> AdobePass:
    adobe = source.provider
    assert isinstance(adobe, AdobePass)
    base = adobe.token_url.removesuffix("/o/client/token")
    return AdobePass(adobe._statement, base_url=base, protects=[url])


def test_an_async_generator_is_never_sent_empty(source: TokenSource, adobe: Simulator, api: str) -> None:
    """Aiohttp sends an empty body in the place of one that is used up, without a word: so it is not sent again."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"hello"

    async def main(session: aiohttp.ClientSession) -> None:
        await (await session.get(api)).read()
        adobe.revoke_tokens()
        async with session.post(f"{adobe.url}/api/v2/REF30/echo", data=parts()) as response:
            assert response.status == 401

    run(DCRAuth(source), main)
    assert [call.body for call in adobe.calls if call.path.endswith("echo")] == [b"hello"]


def test_a_multipart_stream_is_never_sent_empty(source: TokenSource, adobe: Simulator, api: str) -> None:
    """The same for a multipart body with a stream as one of its parts."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"hello"

    async def main(session: aiohttp.ClientSession) -> None:
        await (await session.get(api)).read()
        adobe.revoke_tokens()
        with aiohttp.MultipartWriter() as writer:
            writer.append(parts())
        async with session.post(f"{adobe.url}/api/v2/REF30/echo", data=writer) as response:
            assert response.status == 401

    run(DCRAuth(source), main)
    (call,) = [call for call in adobe.calls if call.path.endswith("echo")]
    assert b"hello" in call.body


def test_one_instance_in_two_runs_of_asyncio(source: TokenSource, adobe: Simulator, api: str) -> None:
    """An instance made outside of any loop serves one asyncio.run after the other."""
    auth = DCRAuth(source)

    async def main(session: aiohttp.ClientSession) -> None:
        answers = await asyncio.gather(*(session.get(api) for _ in range(5)))
        assert {answer.status for answer in answers} == {200}
        for answer in answers:
            answer.release()

    run(auth, main)
    adobe.revoke_tokens()
    run(auth, main)
    assert adobe.counts.token == 2


def test_websockets_are_authorized() -> None:
    """ws:// and http:// of one host and port are one origin, so that a websocket handshake carries the token."""
    from dcrauth.providers.origins import origin_of

    assert origin_of("ws://127.0.0.1:80/x") == origin_of("http://127.0.0.1")
    assert origin_of("wss://127.0.0.1/x") == origin_of("https://127.0.0.1:443")


def test_an_instance_can_be_replaced_for_one_call(source: TokenSource, adobe: Simulator, api: str) -> None:
    """middlewares=() of a call switches the session's off, as always in aiohttp: the request goes without a token."""

    async def main(session: aiohttp.ClientSession) -> None:
        async with session.get(api, middlewares=()) as response:
            assert response.status == 401

    run(DCRAuth(source), main)
    assert tokens_seen(adobe) == [None]


@pytest.mark.fault(
    "aiohttp is told to read the netrc file (`trust_env`), and it has a password for the host",
    "it stays on the request, like any header of the caller's, and renews nothing; our calls do not carry it",
)
def test_a_netrc_file_that_the_session_reads(
    source: TokenSource, adobe: Simulator, api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the session has chosen to send is not written over, and is not on our calls."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async def main(session: aiohttp.ClientSession) -> None:
        async with session.get(api) as response:
            assert response.status == 401
        await source.token_async()

    run(DCRAuth(source), main, trust_env=True)
    sent = [call.headers.get("authorization", "None").split()[0] for call in adobe.calls]
    assert sent == ["Basic", "None", "None"]


@pytest.mark.fault(
    "the connection breaks while aiohttp sends a request for the second time, and aiohttp starts over by itself",
    "three sends: two of ours and one of aiohttp's; a 401 to the last one renews the token and is handed over",
)
@pytest.mark.parametrize(
    ("answers", "status", "tokens"),
    [
        (["refuse", "break", "refuse", "grant"], 401, 3),
        (["refuse", "break", "grant", "grant"], 200, 2),
        (["break", "refuse", "grant", "grant"], 200, 2),
    ],
)
def test_a_request_that_aiohttp_starts_over(
    answers: list[str], status: int, tokens: int, make_source: Callable[..., TokenSource], adobe: Simulator
) -> None:
    """A request of the caller's is sent at most twice by us, however often aiohttp runs the middleware for it."""
    texts = {
        "refuse": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
        "grant": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        "break": b"",
    }
    left = [texts[answer] for answer in answers]
    with OddServer(lambda connection: connection.sendall(left.pop(0))) as server:
        source = make_source(provider=AdobePass(adobe.software_statement, base_url=adobe.url, protects=[server.url]))

        async def main(session: aiohttp.ClientSession) -> None:
            async with session.get(server.url) as response:
                assert response.status == status
            left[:] = [texts["refuse"], texts["grant"]]
            async with session.get(server.url) as response:  # the next request of the same task is another one
                assert response.status == 200

        run(DCRAuth(source), main)
        assert len(server.received) == 3 + 2
    assert adobe.counts.token == tokens + 1


def test_a_middleware_of_the_callers_that_repeats(source: TokenSource, adobe: Simulator, api: str) -> None:
    """Where one of the caller's middlewares runs ours again for one request, it is that which sends a third time."""
    adobe.behaviour = Behaviour(refuse_every_token=True)

    async def again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        (await handler(request)).close()
        return await handler(request)

    async def main() -> None:
        async with (
            aiohttp.ClientSession(middlewares=[again, DCRAuth(source)]) as session,
            session.get(api) as response,
        ):
            assert response.status == 401

    asyncio.run(main())
    assert adobe.counts.api == 3
