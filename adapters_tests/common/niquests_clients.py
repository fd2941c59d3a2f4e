"""The clients of niquests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import niquests

import dcrauth.niquests
from adapters_tests.common.faces import TIMEOUT, Answer, App, Kind, in_portal, in_threads


def _of(response: niquests.Response) -> Answer:
    before = tuple(each.status_code or 0 for each in response.history)
    return Answer(response.status_code or 0, response.content or b"", before, response)


@contextmanager
def open_blocking(
    auth: Any, *, pool: int = 10, verify: Any = True, cookies: Mapping[str, str] | None = None
) -> Iterator[App]:
    with niquests.Session(pool_connections=pool, pool_maxsize=pool) as session:
        session.auth = auth
        session.cookies.update(cookies or {})

        def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
            options = {"timeout": TIMEOUT, "verify": verify} | options
            return _of(session.request(method, url, allow_redirects=follow, **options))

        yield App(send, in_threads(send), session)


@contextmanager
def open_asyncio(
    auth: Any, *, pool: int = 10, verify: Any = True, cookies: Mapping[str, str] | None = None
) -> Iterator[App]:
    session = niquests.AsyncSession(pool_connections=pool, pool_maxsize=pool)
    session.auth = auth
    session.cookies.update(cookies or {})

    async def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
        options = {"timeout": TIMEOUT, "verify": verify} | options
        return _of(await session.request(method, url, allow_redirects=follow, **options))

    with in_portal("asyncio", session, send) as app:
        yield app


_ERRORS = (niquests.RequestException, niquests.ConnectionError)

KINDS = (
    Kind("niquests", "niquests", dcrauth.niquests.DCRAuth, open_blocking, *_ERRORS, False),
    Kind("niquests-asyncio", "niquests", dcrauth.niquests.DCRAuth, open_asyncio, *_ERRORS, True, "asyncio"),
)
