"""Every kind of request body, for every client that takes it.

A `Body` is made anew for each request: what to pass to the client, and the bytes that a server has to receive. Those
that can be taken back to their beginning are *replayable*.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from adapters_tests.common.clients import KINDS, Kind

PART = b"0123456789abcdef" * 64
FIELDS = {"mvpd": "Cablevision", "domainName": "adobe.com"}


@dataclass(frozen=True)
class Body:
    """How to make one kind of body.

    Parameters:
        name: the kind.
        make: returns the options for the client's call.
        expected: the bytes to be received; None where the client adds a boundary of its own, which is then constant.
        replayable: whether it can be sent a second time.
    """

    name: str
    make: Callable[[Kind], dict[str, Any]]
    expected: bytes | None
    replayable: bool
    takes: Callable[[Kind], bool] = lambda kind: True


def _raw(kind: Kind, value: Any) -> dict[str, Any]:
    return {"content" if kind.library.startswith("httpx") else "data": value}


def _json(kind: Kind) -> dict[str, Any]:
    return {"json": FIELDS}


def _form(kind: Kind) -> dict[str, Any]:
    return {"data": FIELDS}


def _multipart(kind: Kind) -> dict[str, Any]:
    file = io.BytesIO(PART)
    if kind.library == "aiohttp":
        form = aiohttp.FormData()
        form.add_field("file", file, filename="a.bin")
        return {"data": form}
    return {"files": {"file": ("a.bin", file)}}


def _file_at_offset(kind: Kind) -> dict[str, Any]:
    file = io.BytesIO(b"skipped" + PART)
    file.seek(7)
    return _raw(kind, file)


def _disk_file(kind: Kind) -> dict[str, Any]:
    file = os.fdopen(os.memfd_create("body"), "w+b")
    file.write(PART)
    file.seek(0)
    return _raw(kind, file)


def _generator(kind: Kind) -> dict[str, Any]:
    def parts() -> Iterator[bytes]:
        yield PART
        yield PART

    return _raw(kind, parts())


def _async_generator(kind: Kind) -> dict[str, Any]:
    async def parts() -> AsyncIterator[bytes]:
        yield PART
        yield PART

    return _raw(kind, parts())


def _pipe(kind: Kind) -> dict[str, Any]:
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(PART)

    threading.Thread(target=write).start()
    return _raw(kind, os.fdopen(reader, "rb"))


def _is_sync(kind: Kind) -> bool:
    return not kind.is_async


def _reads_files(kind: Kind) -> bool:
    return kind.library in {"requests", "aiohttp", "niquests"} or not kind.is_async


def _reads_files_from_where_they_are(kind: Kind) -> bool:
    # httpx 0.28 announces the size of the whole file (none, for a pipe) and sends the rest of it, with or without auth.
    return _reads_files(kind) and kind.library != "httpx"


BODIES = (
    Body("none", lambda kind: {}, b"", True),
    Body("bytes", lambda kind: _raw(kind, PART), PART, True),
    Body("str", lambda kind: _raw(kind, PART.decode()), PART, True),
    Body("json", _json, None, True),
    Body("form", _form, urlencode(FIELDS).encode(), True),
    Body("multipart", _multipart, None, True),
    Body("file", _disk_file, PART, True, _reads_files),
    Body("file at an offset", _file_at_offset, PART, True, _reads_files_from_where_they_are),
    Body("generator", _generator, PART * 2, False, _is_sync),
    Body("async generator", _async_generator, PART * 2, False, lambda kind: kind.is_async),
    Body("pipe", _pipe, PART, False, _reads_files_from_where_they_are),
)

CASES = [(kind, body) for kind in KINDS for body in BODIES if body.takes(kind)]


def json_body() -> bytes:
    """The JSON body as a value, however the client spaces it."""
    return json.dumps(FIELDS).encode()
