"""What the adapters for httpx and httpx2 have in common, which is all but the library's own classes.

The client runs the flow once around a request and all of its redirects. The token is obtained beside the client, never
by yielding a request of ours: that would go through the caller's transport, hooks and cookies, without a timeout.
"""

import importlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar

from dcrauth.adapters.adapter import LARGEST_REFUSAL, UNPACKED_AT_ONCE, Adapter, is_long, short
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
        refusal = _Refusal(self._library_of(request), response)
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
        refusal = _Refusal(self._library_of(request), response)
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


class _Refusal:
    """A 401, of which so much is read that one sees what it says; the caller still finds all of it unread.

    Parameters:
        library: httpx or httpx2.
        response: the answer.
    """

    def __init__(self, library: Any, response: Any) -> None:
        self._library = library
        self._response = response
        self._stream = response.stream
        self._begun: list[bytes] = []
        self._left = not response.is_closed and not response.is_stream_consumed
        self._content: bytes | None = None

    def read(self) -> bytes:
        """Return what the answer says, or nothing if that is long; what is short frees its connection."""
        if self._may_be_short():
            rest = iter(self._stream)
            with self._errors():
                while not self._is_long() and (part := next(rest, None)) is not None:
                    self._begun.append(part)
            if not self._is_long():
                self._stream.close()
            self._resume(rest if self._is_long() else None)
        return self._said()

    async def aread(self) -> bytes:
        """Do what `read` does."""
        if self._may_be_short():
            rest = aiter(self._stream)
            with self._errors():
                while not self._is_long() and (part := await anext(rest, None)) is not None:
                    self._begun.append(part)
            if not self._is_long():
                await self._stream.aclose()
            self._resume(rest if self._is_long() else None)
        return self._said()

    def close(self) -> None:
        """Drop what is not short: the client would read all of it before it sends a request once more."""
        if self._left:
            self._stream.close()
        self._drop()

    async def aclose(self) -> None:
        """Do what `close` does."""
        if self._left:
            await self._stream.aclose()
        self._drop()

    def _drop(self) -> None:
        if self._content is None:
            self._begun = []
            self._resume(None)

    def _may_be_short(self) -> bool:
        return self._left and not is_long(self._response.headers.get("Content-Length", ""))

    def _is_long(self) -> bool:
        return sum(map(len, self._begun)) > LARGEST_REFUSAL

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Name the request that an error is about, as the library does where it reads."""
        try:
            yield
        except self._library.RequestError as error:
            error.request = self._response.request
            raise

    def _resume(self, rest: Any) -> None:
        """Have the body begin anew: with what was read of it, and then the *rest*, if there is more."""
        self._left = rest is not None
        self._response.stream = _body_class(self._library)(self._stream, self._begun, rest)

    def _said(self) -> bytes:
        try:
            self._content = self._response.content  # which somebody has read before
        except self._library.ResponseNotRead:
            self._content = None if self._left else self._decoded()
        return self._content or b""

    def _decoded(self) -> bytes | None:
        """Return the content, or None if it is long, or not in the encoding that it claims to be in."""
        undecoded = b"".join(self._begun)
        pieces = [undecoded[at : at + UNPACKED_AT_ONCE] for at in range(0, len(undecoded), UNPACKED_AT_ONCE)]
        stream = _body_class(self._library)(None, pieces, None)
        try:
            return short(self._library.Response(401, headers=self._response.headers, stream=stream).iter_bytes())
        except self._library.DecodingError:
            return None


@cache
def _body_class(library: Any) -> Any:
    return type("Body", (_Body, library.SyncByteStream, library.AsyncByteStream), {})


class _Body:
    """A body whose beginning was read before: that comes first, and then the rest of it.

    Parameters:
        stream: the client's own, which has to be closed as long as there is a rest.
        begun: the beginning.
        rest: an iterator over the rest; None if there is no more.
    """

    def __init__(self, stream: Any, begun: list[bytes], rest: Any) -> None:
        self._stream = stream
        self._begun = begun
        self._rest = rest

    @property
    def elapsed(self) -> Any:
        """What httpx2 asks a stream for."""
        return getattr(self._stream, "elapsed", None)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._begun
        yield from self._rest or ()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._begun:
            yield part
        if self._rest is not None:
            async for part in self._rest:
                yield part

    def close(self) -> None:
        if self._rest is not None:
            self._rest = None
            self._stream.close()

    async def aclose(self) -> None:
        if self._rest is not None:
            self._rest = None
            await self._stream.aclose()


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
