"""How much of a 401 is read, and that whoever gets it finds all of it, in whichever way it is read."""

from __future__ import annotations

import gzip
import random
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import anyio
import pytest

from adapters_tests.adapters.bodies import BODIES
from adapters_tests.common.clients import WITH_HISTORY, Kind
from adapters_tests.servers.odd_server import OddServer
from dcrauth import AdobePass, TokenSource
from dcrauth.adapters.adapter import LARGEST_REFUSAL
from dcrauth.simulator import Simulator

USER = b'{"status":401,"code":"authentication_session_missing","action":"authentication"}\n'
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"
GRANTED = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


def chunked(body: bytes) -> bytes:
    """The header fields that announce chunks, and *body* in chunks of 10 000 bytes (RFC 9112 §7.1)."""
    parts = [body[at : at + 10_000] for at in range(0, len(body), 10_000)]
    text = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"Transfer-Encoding: chunked\r\n\r\n" + text + b"0\r\n\r\n"


FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "length": lambda body: b"Content-Length: %d\r\n\r\n" % len(body) + body,
    "chunks": chunked,
    "end of connection": lambda body: b"\r\n" + body,
    "compressed chunks": lambda body: b"Content-Encoding: gzip\r\n" + chunked(gzip.compress(body, 0)),
}

NOISE = random.Random(1).randbytes(1_000_000) * 32
"""More than sockets hold on its way."""

BOMB = b"Content-Encoding: gzip\r\n" + chunked(gzip.compress(bytes(40_000_000)))
"""Less than is read of a refusal, as it is."""


class Api(OddServer):
    """A protected API that gives one answer after the other, and from then on the last.

    Parameters:
        answers: what it sends.
    """

    def __init__(self, *answers: bytes) -> None:
        super().__init__(self._give)
        self.sent = 0
        self.answers(*answers)

    def answers(self, *answers: bytes) -> None:
        """Give these from now on."""
        self._left = list(answers)

    def _give(self, connection: socket.socket) -> None:
        answer = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        for at in range(0, len(answer), 10_000):
            self.sent += connection.send(answer[at : at + 10_000])


@pytest.fixture
def source_for(make_source: Callable[..., TokenSource], adobe: Simulator) -> Callable[[Api], TokenSource]:
    """Make a token source that protects a given API."""
    return lambda api: make_source(provider=AdobePass(adobe.software_statement, base_url=adobe.url, protects=[api.url]))


def _streamed_by_requests(auth: Any, url: str) -> Iterator[bytes]:
    import requests

    readers: list[Callable[[requests.Response], bytes]] = [
        lambda response: response.content,
        lambda response: b"".join(response.iter_content(7)),
        lambda response: b"".join(line + b"\n" for line in response.iter_lines()),
        lambda response: _unpacked(response.raw.read(), response),
        lambda response: response.raw.read(decode_content=True),
        lambda response: _unpacked(b"".join(response.raw.stream(9, decode_content=False)), response),
    ]
    with requests.Session() as session:
        session.auth = auth
        for read in readers:
            with session.get(url, stream=True, timeout=20) as response:
                assert response.status_code == 401
                yield read(response)


def _streamed_by_httpx(kind: Kind, auth: Any, url: str) -> Iterator[bytes]:
    readers: list[Callable[[Any], bytes]] = [
        lambda response: response.read(),
        lambda response: b"".join(response.iter_bytes(7)),
        lambda response: _unpacked(b"".join(response.iter_raw()), response),
    ]
    with _library(kind).Client(auth=auth, timeout=20) as client:
        for read in readers:
            with client.stream("GET", url) as response:
                assert response.status_code == 401
                yield read(response)


def _streamed_by_async_httpx(kind: Kind, auth: Any, url: str) -> list[bytes]:
    async def main() -> list[bytes]:
        async with _library(kind).AsyncClient(auth=auth, timeout=20) as client:
            async with client.stream("GET", url) as response:
                assert response.status_code == 401
                whole = await response.aread()
            async with client.stream("GET", url) as response:
                parts = await _joined(response.aiter_bytes(7))
            async with client.stream("GET", url) as response:
                return [whole, parts, _unpacked(await _joined(response.aiter_raw()), response)]

    return anyio.run(main, backend=kind.backend)


def _streamed_by_aiohttp(auth: Any, url: str) -> list[bytes]:
    async def main() -> list[bytes]:
        found = []
        async with aiohttp.ClientSession(middlewares=[auth]) as session:
            readers: list[Callable[[aiohttp.ClientResponse], Any]] = [
                lambda response: response.read(),
                lambda response: _joined(response.content.iter_chunked(7)),
                lambda response: _joined(response.content.iter_any()),
                lambda response: _joined(response.content),
                lambda response: response.content.readexactly(len(USER)),
                lambda response: response.content.readuntil(b"}\n"),
            ]
            for read in readers:
                async with session.get(url) as response:
                    assert response.status == 401
                    found.append(await read(response))
        return found

    return anyio.run(main)


def _streamed_by_niquests(auth: Any, url: str) -> Iterator[bytes]:
    import niquests

    readers: list[Callable[[Any], bytes]] = [
        lambda response: response.content,
        lambda response: b"".join(response.iter_content(7)),
        lambda response: b"".join(line + b"\n" for line in response.iter_lines()),
        lambda response: _unpacked(response.raw.read(decode_content=False), response),
        lambda response: response.raw.read(decode_content=True),
        lambda response: _unpacked(b"".join(response.iter_raw(9)), response),
        lambda response: _unpacked(b"".join(response.raw.stream(9, decode_content=False)), response),
    ]
    with niquests.Session() as session:
        session.auth = auth
        for read in readers:
            with session.get(url, stream=True, timeout=20) as response:
                assert response.status_code == 401
                yield read(response)


def _streamed_by_async_niquests(auth: Any, url: str) -> list[bytes]:
    async def content(response: Any) -> bytes:
        return await response.content

    async def parts(response: Any) -> bytes:
        return await _joined(await response.iter_content(7))

    async def raw_parts(response: Any) -> bytes:
        return _unpacked(await _joined(await response.iter_raw(9)), response)

    async def main() -> list[bytes]:
        import niquests

        found = []
        async with niquests.AsyncSession() as session:
            session.auth = auth
            for read in (content, parts, raw_parts):
                response = await session.get(url, stream=True, timeout=20)
                assert response.status_code == 401
                found.append(await read(response))
                await response.close()
        return found

    return anyio.run(main)


async def _joined(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


def _unpacked(body: bytes, response: Any) -> bytes:
    return gzip.decompress(body) if response.headers.get("Content-Encoding") else body


def _library(kind: Kind) -> Any:
    return __import__(kind.library)


def _streamed(kind: Kind, auth: Any, url: str) -> list[bytes]:
    """What a caller finds who streams the answer, in each way that the library has for it."""
    if kind.library == "requests":
        return list(_streamed_by_requests(auth, url))
    if kind.library == "aiohttp":
        return _streamed_by_aiohttp(auth, url)
    if kind.library == "niquests":
        return _streamed_by_async_niquests(auth, url) if kind.is_async else list(_streamed_by_niquests(auth, url))
    return _streamed_by_async_httpx(kind, auth, url) if kind.is_async else list(_streamed_by_httpx(kind, auth, url))


@pytest.mark.fault(
    "the caller streams the answer, and a 401 says, in chunks or compressed, that the end user has to log in",
    "it is read to see that, no token call is made, and the caller can read all of it in each of the library's ways",
)
def test_a_streamed_refusal_is_read_and_still_there(
    kind: Kind, source_for: Callable[[Api], TokenSource], adobe: Simulator
) -> None:
    """However a short 401 is framed, it is understood; it is sent once, and nothing of it is missing for its reader."""
    found: list[bytes] = []
    with Api() as api:
        auth = kind.auth(source_for(api))
        for framed in FRAMINGS.values():
            api.answers(REFUSED + framed(USER))
            found += _streamed(kind, auth, api.url)
        assert len(api.received) == len(found) >= 3 * len(FRAMINGS)
    assert set(found) == {USER}
    assert adobe.counts.token == 1


@pytest.mark.fault(
    "a 401 is endless, or has hundreds of megabytes",
    "64 KiB of it are read and dropped, and the request is sent once more; who gets it in the end gets all of it",
)
# What httpx does under trio whenever a body is not read to its end.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_of_a_long_refusal_little_is_read(
    kind: Kind, source_for: Callable[[Api], TokenSource], adobe: Simulator
) -> None:
    """Of a 401, however long it says that it is, no more is taken in than fits into the sockets on its way."""
    with Api() as api, kind.open(kind.auth(source_for(api)), pool=1) as app:
        for framed in FRAMINGS.values():
            api.answers(REFUSED + framed(NOISE), GRANTED)
            answer = app.get(api.url)
            assert (answer.status, answer.content) == (200, b"{}")
    assert len(api.received) == 2 * len(FRAMINGS)
    assert api.sent < len(NOISE) * len(FRAMINGS) / 2
    assert adobe.counts.token == 1 + len(FRAMINGS)


def test_a_long_refusal_is_handed_over_whole(
    kind: Kind, source_for: Callable[[Api], TokenSource], adobe: Simulator
) -> None:
    """A 401 of more than is looked at, to a request that cannot be sent again, reaches the caller complete."""
    stream = next(body for body in BODIES if body.name == ("async generator" if kind.is_async else "generator"))
    body = NOISE[: 4 * LARGEST_REFUSAL + 1]
    with Api() as api, kind.open(kind.auth(source_for(api)), pool=1) as app:
        for framed in FRAMINGS.values():
            api.answers(REFUSED + framed(body))
            answer = app.send("POST", api.url, **stream.make(kind))
            assert (answer.status, len(answer.content)) == (401, len(body))
            assert answer.content == body
    assert len(api.received) == len(FRAMINGS)
    assert adobe.counts.token == 1 + len(FRAMINGS)


# aiohttp unpacks before anybody reads; late versions of it do so in parts.
@pytest.mark.parametrize("kind", WITH_HISTORY, ids=lambda kind: kind.name)
def test_a_refusal_that_unpacks_to_much_is_not_unpacked(
    kind: Kind, source_for: Callable[[Api], TokenSource], adobe: Simulator
) -> None:
    """A few bytes that unpack to many megabytes do not become those, and the request is sent once more."""
    with Api(REFUSED + BOMB, GRANTED) as api, kind.open(kind.auth(source_for(api))) as app:
        assert app.get(f"{adobe.url}/api/v2/REF30/configuration").status == 200
        tracemalloc.start()
        try:
            assert app.get(api.url).status == 200
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(BOMB) < LARGEST_REFUSAL
    assert peak < 10_000_000
    assert adobe.counts.token == 2


@pytest.mark.fault("a 401 is not in the encoding that it claims to be in", "it is renewed once and sent again")
def test_a_refusal_in_the_wrong_encoding(
    kind: Kind, source_for: Callable[[Api], TokenSource], adobe: Simulator
) -> None:
    """What cannot be unpacked says nothing about the end user."""
    with Api() as api, kind.open(kind.auth(source_for(api))) as app:
        for encoding in (b"gzip", b"deflate", b"utf-8"):
            api.answers(REFUSED + b"Content-Encoding: " + encoding + b"\r\n" + chunked(b"Unauthorized"), GRANTED)
            assert app.get(api.url).status == 200
    assert adobe.counts.token == 4


@pytest.mark.parametrize("kind", WITH_HISTORY, ids=lambda kind: kind.name)
def test_the_history_has_what_a_refusal_said(kind: Kind, source_for: Callable[[Api], TokenSource]) -> None:
    """The 401 that was mended can be read in the history, if it is short."""
    with Api(REFUSED + chunked(b"no"), GRANTED) as api, kind.open(kind.auth(source_for(api))) as app:
        (refusal,) = app.get(api.url).native.history
        assert refusal.content == b"no"


@pytest.mark.fault(
    "a 401 breaks off in the middle", "an error of the HTTP library, as for any answer, that tells the request"
)
def test_a_refusal_that_breaks_off(kind: Kind, source_for: Callable[[Api], TokenSource]) -> None:
    """The library's own error comes out, and knows its request; the next request succeeds."""
    broken = REFUSED + b"Transfer-Encoding: chunked\r\n\r\n10\r\nUnau"
    with Api(broken, GRANTED) as api, kind.open(kind.auth(source_for(api)), pool=1) as app:
        with pytest.raises(kind.host_error) as caught:
            app.get(api.url)
        assert app.get(api.url).status == 200
    if kind.library.startswith("httpx"):
        assert caught.value.request.url == api.url
