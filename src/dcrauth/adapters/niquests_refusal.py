"""What a 401 says, for the adapter for niquests: so much of it is read, and the caller still finds all of it unread."""

# pyright: reportMissingImports=false

import io
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import niquests
from niquests.packages.urllib3 import HTTPResponse
from niquests.packages.urllib3.exceptions import DecodeError, HTTPError

from dcrauth.adapters.adapter import LARGEST_REFUSAL, UNPACKED_AT_ONCE, is_long, short

_AT_MOST = LARGEST_REFUSAL + 1

_Parts: TypeAlias = tuple[list[bytes], bool, Any]
"""Parts of a body, whether they are the last ones, and the trailers."""


def said(response: Any) -> bytes | None:
    """Return what a 401 says, or None if that is long or cannot be unpacked.

    What is short is read to its end, which frees its connection.

    Raises:
        niquests.RequestException: it breaks off.
    """
    if not _is_unread(response):
        return response.content or b""
    if is_long(response.headers.get("Content-Length", "")):
        return None
    try:
        begun = response.raw.read(_AT_MOST, decode_content=False) or b""
    except (HTTPError, OSError) as reason:
        raise niquests.ConnectionError(reason, request=response.request) from reason
    _put_back(response.raw, begun, _again(response.raw._fp, begun))
    return _understood(response, begun)


async def said_async(response: Any) -> bytes | None:
    """Return what `said` does, in an asynchronous session."""
    if not _is_unread(response):
        return await response.content or b""
    if is_long(response.headers.get("Content-Length", "")):
        return None
    try:
        begun = await response.raw.read(_AT_MOST, decode_content=False) or b""
    except (HTTPError, OSError) as reason:
        raise niquests.ConnectionError(reason, request=response.request) from reason
    _put_back(response.raw, begun, _again_async(response.raw._fp, begun))
    return _understood(response, begun)


def _is_unread(response: Any) -> bool:
    """Whether nobody has read the answer before, and it comes from a connection."""
    return response._content is False and hasattr(getattr(response.raw, "_fp", None), "from_promise")


def _put_back(raw: Any, begun: bytes, body: Callable[[int | None, object], Any]) -> None:
    """Let *raw*, of which *begun* has been read, give *body*; there is no public way to have it begin anew."""
    read = raw._fp
    raw._fp = type(read)(
        read.method,
        read.status,
        read.version,
        read.reason,
        read.msg,
        body,
        stream_id=read._stream_id,
        stream_abort=read._stream_abort,
    )
    if raw.length_remaining is not None:
        raw.length_remaining += len(begun)


def _again(read: Any, begun: bytes) -> Callable[[int | None, object], _Parts]:
    """Return what gives *begun*, and after that the rest of what is *read*."""
    waiting = [begun]

    def parts(size: int | None, _: object) -> _Parts:
        found = [waiting.pop()] if waiting else []
        if not read.closed and (size is None or not found):
            found.append(read.read(size))
        return list(filter(None, found)), read.closed, read.trailers

    return parts


def _again_async(read: Any, begun: bytes) -> Callable[[int | None, object], Awaitable[_Parts]]:
    waiting = [begun]

    async def parts(size: int | None, _: object) -> _Parts:
        found = [waiting.pop()] if waiting else []
        if not read.closed and (size is None or not found):
            found.append(await read.read(size))
        return list(filter(None, found)), read.closed, read.trailers

    return parts


def _understood(response: Any, begun: bytes) -> bytes | None:
    """Return what a refusal says that has *begun* so; None if it is long, or not in the encoding that it claims."""
    if len(begun) > LARGEST_REFUSAL:
        return None
    encoding = {"content-encoding": response.headers.get("content-encoding", "")}
    packed = HTTPResponse(io.BytesIO(begun), headers=encoding, preload_content=False)
    try:
        return short(packed.stream(UNPACKED_AT_ONCE, decode_content=True))
    except DecodeError:
        return None
