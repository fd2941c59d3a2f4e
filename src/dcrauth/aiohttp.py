"""The adapter for aiohttp: ``ClientSession(middlewares=[DCRAuth(provider)])``.

aiohttp runs a client middleware on every hop of a redirect, after it has dropped the header for a foreign origin; so
each hop is looked at as if it were the first.
"""

from typing import Any

try:
    import aiohttp
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, MultipartWriter
    from aiohttp.payload import AsyncIterablePayload
except ImportError as missing:
    raise ImportError("dcrauth.aiohttp needs aiohttp; run: pip install dcrauth[aiohttp]") from missing

from dcrauth._adapter import LARGEST_REFUSAL, Attachment
from dcrauth.credentials import AccessToken, BearerHeader
from dcrauth.transports.aiohttp import AiohttpTransport

__all__ = ["DCRAuth"]


class DCRAuth(Attachment):
    """Authorizes the requests of an `aiohttp.ClientSession`, as one of its ``middlewares``."""

    _host_errors = (aiohttp.ClientError,)
    _connection_errors = (aiohttp.ClientConnectionError,)
    _own_transport = AiohttpTransport

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Run around one hop of a request."""
        url, present = request.url, request.headers.get("Authorization")
        if not self._protects(url.scheme, url.host, url.port) or (
            present is not None and not isinstance(present, BearerHeader)
        ):
            return await handler(request)
        token = self._source.fresh() or await self._token_async()
        self._sign(request.headers, token)
        response = await handler(request)
        if response.status != 401:
            return response
        return await self._refused(request, handler, response, token)

    async def _refused(
        self, request: ClientRequest, handler: ClientHandlerType, response: ClientResponse, token: AccessToken
    ) -> ClientResponse:
        """Renew the token that *response* refuses and send *request* once more, if its body can be sent again."""
        try:
            fresh = await self._another(request, response, token)
        except BaseException:
            response.close()
            raise
        if fresh is None:
            return response
        response.close()
        self._source.retried()
        _carry_cookies(request, response)
        request.headers["Authorization"] = fresh.authorization
        return await handler(request)

    async def _another(
        self, request: ClientRequest, response: ClientResponse, refused: AccessToken
    ) -> AccessToken | None:
        """Return the token to send *request* with once more, if that is to be done."""
        if not self._asks_for_renewal(refused, await _body(response)):
            return None
        fresh = await self._token_async(instead_of=refused)
        if fresh == refused or _is_used_up(request.body):
            return None
        # An early refusal may find the request's body still on its way.
        await request.close()
        return None if _is_used_up(request.body) else fresh


async def _body(response: ClientResponse) -> bytes:
    """Read a 401 to its end, which frees its connection; leave it alone if it is large."""
    length = response.content_length
    return await response.read() if length is None or length <= LARGEST_REFUSAL else b""


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
