"""What the adapters for httpx and httpx2 have in common, which is all but the library's own classes.

The client runs the flow once around a request and all of its redirects. The token is obtained beside the client, never
by yielding a request of ours: that would go through the caller's transport, hooks and cookies, without a timeout.
"""

import importlib
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from operator import itemgetter
from typing import Any, ClassVar

from dcrauth.adapters.adapter import Adapter
from dcrauth.adapters.httpx_refusal import Refusal
from dcrauth.credentials import AccessToken

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})

_lowered_name = itemgetter(1)


def with_sibling(library: Any, name: str) -> tuple[Any, ...]:
    """Return *library*, and the one called *name* if that is installed as well.

    Then other packages choose between the two: code that made a client of the one may make one of the other once
    some dependency has brought that.
    """
    try:
        return library, importlib.import_module(name)
    except Exception:  # what may not even be used is in nobody's way, whatever is wrong with it
        return (library,)


def auth_of(libraries: tuple[Any, ...]) -> type:
    """Return a base class that makes the clients of all *libraries* take an object for an authentication flow."""
    return type("Auth", tuple(each.Auth for each in libraries), {})


class HttpxFlow(Adapter):
    """The authentication flow of httpx, for blocking clients and for asyncio and trio."""

    requires_request_body = False
    requires_response_body = False
    _libraries: ClassVar[tuple[Any, ...]]

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Run around one request of a blocking client."""
        if not self._takes(request):
            yield request
            return
        source = self._source or self._picked(request)
        token = source.fresh() or self._token(source, request)
        rewind = self._rewind_of(request)
        self._sign(request, source, token)
        response = yield request
        if response.status_code != 401 or not self._carried(response, token):
            return
        refusal = Refusal(self._library_of(request), response)
        if not self._asks_for_renewal(source, token, response, refusal.read()):
            return
        fresh = self._token(source, request, instead_of=token)
        if fresh != token and self._repeats(response) and rewind():
            refusal.close()
            source.retried()
            yield self._again(request, response, fresh)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Run around one request of an asynchronous client."""
        if not self._takes(request):
            yield request
            return
        source = self._source or self._picked(request)
        token = source.fresh() or await self._token_async(source, request)
        rewind = self._rewind_of(request)
        self._sign(request, source, token)
        response = yield request
        if response.status_code != 401 or not self._carried(response, token):
            return
        refusal = Refusal(self._library_of(request), response)
        if not self._asks_for_renewal(source, token, response, await refusal.aread()):
            return
        fresh = await self._token_async(source, request, instead_of=token)
        if fresh != token and self._repeats(response) and rewind():
            await refusal.aclose()
            source.retried()
            yield self._again(request, response, fresh)

    def _takes(self, request: Any) -> bool:
        url = request.url
        host = url.raw_host.decode()  # as it goes on the wire, where "host" has been decoded
        known = (url.scheme, host, url.port) in self._spelled or self._protects(url.scheme, host, url.port)
        return known and not (_is_signed(request) and self._is_callers(request))

    def _named_by(self, request: Any) -> str | bytes | None:
        # As in `_is_signed`, and as there, no variable holds a value.
        try:
            at = list(map(_lowered_name, request.headers._list)).index(self._instance_field)
            return request.headers._list[at][2]  # type: ignore[no-any-return]
        except ValueError:
            return None
        except AttributeError:
            return super()._named_by(request)

    def _library_of(self, request: Any) -> Any:
        """Return the library whose client runs the flow."""
        return next(each for each in self._libraries if isinstance(request, each.Request))

    def _carried(self, response: Any, token: AccessToken) -> bool:
        """Whether the request that was refused, after all redirects, went to a protected origin and had our token."""
        # Nothing here is named after the header: programs log the variables of a function that is interrupted.
        url, headers = response.request.url, response.request.headers
        same = headers.get("Authorization") == token.authorization
        return same and self._protects(url.scheme, url.raw_host.decode(), url.port)

    def _repeats(self, response: Any) -> bool:
        """Whether starting over is harmless: a redirect means that the first request has been carried out already."""
        return not response.history or response.history[0].request.method in _REPEATABLE

    def _again(self, request: Any, response: Any, token: AccessToken) -> Any:
        # Always the first request: that of the last redirect may belong to another origin.
        # The refusal stays in the history; the request there is another one, so that it keeps the old token.
        response.request = self._copy(response.request)
        request.headers["Authorization"] = token.authorization
        if response.cookies:
            self._carry_cookies(request, response)
        return request

    def _copy(self, request: Any) -> Any:
        library = self._library_of(request)
        copied = library.Request(
            request.method, request.url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        if isinstance(request.stream, library.ByteStream):
            copied.read()  # a body in memory can be looked at
        return copied

    def _carry_cookies(self, request: Any, response: Any) -> None:
        """Give *request* the cookies that *response* has set; the client has done its part before the flow began."""
        probe = self._library_of(request).Request(request.method, request.url)
        response.cookies.set_cookie_header(probe)
        pairs = [*_pairs(request.headers.get("Cookie")), *_pairs(probe.headers.get("Cookie"))]
        if pairs:
            request.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in dict(pairs).items())

    def _rewind_of(self, request: Any) -> Callable[[], bool]:
        """Note where the body begins; return what takes it back there and says whether that can be relied on."""
        try:
            request.content  # noqa: B018  # raises unless the body is in memory
        except self._library_of(request).RequestNotRead:
            return _rewind_of_stream(request.stream)
        return _nothing_to_do


def _is_signed(request: Any) -> bool:
    # httpx decodes all header fields before it answers "in", which costs as much as all the rest that is done here;
    # its own list has the names in lower case.
    try:
        return b"authorization" in map(_lowered_name, request.headers._list)
    except AttributeError:
        return "Authorization" in request.headers


def _nothing_to_do() -> bool:
    return True


def _not_possible() -> bool:
    return False


def _rewind_of_stream(stream: Any) -> Callable[[], bool]:
    fields = getattr(stream, "fields", None)
    if fields is not None:
        # A multipart stream takes its files back to their start by itself, each time it is sent.
        return _nothing_to_do if all(_is_seekable(getattr(each, "file", b"")) for each in fields) else _not_possible
    file = getattr(stream, "_stream", None)
    if inspect.iscoroutinefunction(getattr(file, "tell", None)):
        return _not_possible  # a file of anyio or trio, which would have to be awaited
    try:
        position = file.tell()  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return _not_possible

    def rewind() -> bool:
        try:
            return bool(file.seek(position) == position)  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            return False

    return rewind


def _is_seekable(file: Any) -> bool:
    if isinstance(file, bytes | str):
        return True
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):
        return False


def _pairs(cookies: str | None) -> list[tuple[str, str]]:
    split = (each.strip().partition("=") for each in (cookies or "").split(";") if each.strip())
    return [(name, value) for name, _, value in split]
