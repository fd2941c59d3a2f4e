"""The adapter for aiohttp: ``ClientSession(middlewares=[DCRAuth(provider)])``.

aiohttp runs a client middleware on every hop of a redirect, after it has dropped the header for a foreign origin; so
each hop is looked at as if it were the first.
"""

import asyncio
import sys
from contextvars import ContextVar
from typing import Any, NamedTuple, Self

try:
    import aiohttp
    from aiohttp import (
        ClientHandlerType,
        ClientPayloadError,
        ClientRequest,
        ClientResponse,
        MultipartWriter,
        StreamReader,
    )
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.http_exceptions import ContentEncodingError
    from aiohttp.payload import AsyncIterablePayload
    from yarl import URL
except ImportError as missing:
    raise ImportError("dcrauth.aiohttp needs aiohttp; run: pip install dcrauth[aiohttp]") from missing

from dcrauth.adapters.adapter import LARGEST_REFUSAL, Adapter
from dcrauth.credentials import AccessToken
from dcrauth.engine.source import TokenSource
from dcrauth.transports.aiohttp import AiohttpTransport

__all__ = ["DCRAuth"]


class _Sent(NamedTuple):
    """What tells one request of the caller's to one URL from others, also when aiohttp starts it over.

    Parameters:
        traces: a list that aiohttp makes for each, and hands to all the attempts and hops of it.
        url: where it went.
    """

    traces: Any
    url: URL

    @classmethod
    def of(cls, request: ClientRequest) -> Self:
        """Return what *request* is told by."""
        return cls(getattr(request, "_traces", None), request.url)

    def is_also(self, other: "_Sent") -> bool:
        """Whether *other* is about the same request."""
        return self.traces is not None and self.traces is other.traces and self.url == other.url


_sent_twice: ContextVar[_Sent | None] = ContextVar("dcrauth.aiohttp.sent_twice", default=None)
"""What a task has sent a second time last."""


class DCRAuth(Adapter):
    """Authorizes the requests of an `aiohttp.ClientSession`, as one of its ``middlewares``."""

    _host_errors = (aiohttp.ClientError,)
    _connection_errors = (aiohttp.ClientConnectionError,)
    _own_transport = AiohttpTransport

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Run around one hop of a request."""
        url = request.url
        # The host as it goes on the wire: "url.host" has been decoded, and fails for some.
        if not self._protects(url.scheme, url.raw_host, url.port) or (
            request.headers.get("Authorization") is not None and self._is_callers(request)
        ):
            return await handler(request)
        source = self._source or self._picked(request)
        token = source.fresh() or await self._token_async(source, request)
        self._sign(request, source, token)
        response = await handler(request)
        if response.status != 401:
            return response
        return await self._refused(request, handler, response, source, token)

    async def _refused(
        self,
        request: ClientRequest,
        handler: ClientHandlerType,
        response: ClientResponse,
        source: TokenSource,
        token: AccessToken,
    ) -> ClientResponse:
        """Renew the token that *response* refuses and send *request* once more, if its body can be sent again."""
        try:
            fresh = await self._another(request, response, source, token)
        except BaseException:
            response.close()
            raise
        if fresh is None:
            return response
        response.close()
        source.retried()
        _carry_cookies(request, response)
        request.headers = request.headers.copy()  # the refusal shows the other ones, with the old token
        request.headers["Authorization"] = fresh.authorization
        _sent_twice.set(_Sent.of(request))
        return await handler(request)

    async def _another(
        self, request: ClientRequest, response: ClientResponse, source: TokenSource, refused: AccessToken
    ) -> AccessToken | None:
        """Return the token to send *request* with once more, if that is to be done."""
        if not self._asks_for_renewal(source, refused, response, await _said(response)):
            return None
        fresh = await self._token_async(source, request, instead_of=refused)
        if fresh == refused or _is_used_up(request.body) or _was_sent_twice(request):
            return None
        # An early refusal may find the request's body still on its way.
        await request.close()
        return None if _is_used_up(request.body) else fresh


def _was_sent_twice(request: ClientRequest) -> bool:
    """Whether *request* was sent twice before, and aiohttp has started it over, as it does when a connection breaks."""
    last = _sent_twice.get()
    return last is not None and last.is_also(_Sent.of(request))


async def _said(response: ClientResponse) -> bytes:
    """Return what a 401 says, or nothing if that is long; the caller still finds all of it unread."""
    if response.content.at_eof():
        return await response.read()  # what another middleware has read before, or nothing
    if (response.content_length or 0) > LARGEST_REFUSAL:
        return b""
    begun = bytearray()
    try:
        while len(begun) <= LARGEST_REFUSAL and (part := await response.content.readany()):
            begun += part
    except ClientPayloadError as reason:
        if isinstance(reason.__cause__, ContentEncodingError):
            return b""  # not in the encoding that it claims to be in: whoever reads it gets the same error
        raise
    response.content = _Resumed(bytes(begun), response.content)
    return bytes(begun) if len(begun) <= LARGEST_REFUSAL else b""


class _Resumed(StreamReader):
    """The body of an answer whose beginning was read before: that comes first, and then the rest of it."""

    def __init__(self, begun: bytes, rest: StreamReader) -> None:
        loop = asyncio.get_running_loop()
        # Without a limit of its own: what holds the server back is that the rest is read piece by piece.
        super().__init__(BaseProtocol(loop), sys.maxsize, loop=loop)
        self._rest = rest
        self.feed_data(begun)

    async def _wait(self, func_name: str) -> None:  # noqa: ARG002  # the name is the base class's
        """Get more, for whichever method has nothing left to give."""
        part = await self._rest.readany()
        if part:
            self.feed_data(part)
        else:
            self.feed_eof()


def _is_used_up(body: Any) -> bool:
    """Whether *body* may be gone: aiohttp would send an empty one or the rest of it in its place, without a word."""
    # Older releases notice a stream's end only, and let a multipart body not speak for its parts.
    if isinstance(body, AsyncIterablePayload) or getattr(body, "consumed", False):
        return True
    return isinstance(body, MultipartWriter) and any(_is_used_up(part) for part, *_ in body)


def _carry_cookies(request: ClientRequest, response: ClientResponse) -> None:
    """Keep the cookies of a response that the session will not see, and give them to the next request."""
    if response.cookies:
        session: Any = request.session
        session.cookie_jar.update_cookies(response.cookies, response.url)
        request.update_cookies(session.cookie_jar.filter_cookies(request.url))
