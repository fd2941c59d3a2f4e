"""A 401 in httpx or httpx2: looked into as far as is needed, and left as if nobody had."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from dcrauth.adapters.adapter import LARGEST_REFUSAL, UNPACKED_AT_ONCE, is_long, short


class Refusal:
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
