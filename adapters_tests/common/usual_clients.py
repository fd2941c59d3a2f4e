"""The clients that can be installed side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import aiohttp
import httpx
import httpx2
import requests
from requests.adapters import HTTPAdapter

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.httpx2
import dcrauth.requests
from adapters_tests.common.faces import TIMEOUT, Answer, App, Kind, in_portal, in_threads


def _of_requests(response: requests.Response) -> Answer:
    return Answer(response.status_code, response.content, tuple(r.status_code for r in response.history), response)


@contextmanager
def open_requests(
    auth: Any, *, pool: int = 10, verify: Any = True, cookies: Mapping[str, str] | None = None
) -> Iterator[App]:
    with requests.Session() as session:
        session.auth = auth
        session.cookies.update(cookies or {})
        adapter = HTTPAdapter(pool_connections=pool, pool_maxsize=pool, pool_block=True)
        session.mount("http://", adapter)
        session.mount("https://", adapter)

        def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
            options = {"timeout": TIMEOUT, "verify": verify} | options
            return _of_requests(session.request(method, url, allow_redirects=follow, **options))

        yield App(send, in_threads(send), session)


def _of_httpx(response: Any) -> Answer:
    return Answer(response.status_code, response.content, tuple(r.status_code for r in response.history), response)


def _httpx_options(module: Any, pool: int, verify: Any, cookies: Any) -> dict[str, Any]:
    limits = module.Limits(max_connections=pool, max_keepalive_connections=pool)
    return {"limits": limits, "verify": verify, "cookies": cookies, "timeout": TIMEOUT, "trust_env": False}


def open_httpx_sync(module: Any) -> Callable[..., AbstractContextManager[App]]:
    @contextmanager
    def opened(auth: Any, *, pool: int = 10, verify: Any = True, cookies: Any = None) -> Iterator[App]:
        with module.Client(auth=auth, **_httpx_options(module, pool, verify, cookies)) as client:

            def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
                return _of_httpx(client.request(method, url, follow_redirects=follow, **options))

            yield App(send, in_threads(send), client)

    return opened


def open_httpx_async(module: Any, backend: str) -> Callable[..., AbstractContextManager[App]]:
    @contextmanager
    def opened(auth: Any, *, pool: int = 10, verify: Any = True, cookies: Any = None) -> Iterator[App]:
        client = module.AsyncClient(auth=auth, **_httpx_options(module, pool, verify, cookies))

        async def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
            return _of_httpx(await client.request(method, url, follow_redirects=follow, **options))

        with in_portal(backend, client, send) as app:
            yield app

    return opened


@contextmanager
def open_aiohttp(auth: Any, *, pool: int = 10, verify: Any = True, cookies: Any = None) -> Iterator[App]:
    class Client:
        async def __aenter__(self) -> Any:
            self.session = aiohttp.ClientSession(
                middlewares=[auth],
                connector=aiohttp.TCPConnector(limit=pool, ssl=verify),
                cookie_jar=aiohttp.CookieJar(unsafe=True),
                cookies=cookies,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            )
            return await self.session.__aenter__()

        async def __aexit__(self, *reason: object) -> None:
            await self.session.__aexit__(*reason)

    client = Client()

    async def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
        async with client.session.request(method, url, allow_redirects=follow, **options) as response:
            content = await response.read()
            return Answer(response.status, content, tuple(r.status for r in response.history), response)

    with in_portal("asyncio", client, send) as app:
        yield app


_REQUESTS = ("requests", dcrauth.requests.DCRAuth)
_HTTPX = ("httpx", dcrauth.httpx.DCRAuth)
_HTTPX2 = ("httpx2", dcrauth.httpx2.DCRAuth)
_AIOHTTP = ("aiohttp", dcrauth.aiohttp.DCRAuth)
_ERRORS: dict[str, tuple[type[Exception], type[Exception]]] = {
    "requests": (requests.RequestException, requests.ConnectionError),
    "httpx": (httpx.RequestError, httpx.ConnectError),
    "httpx2": (httpx2.RequestError, httpx2.ConnectError),
    "aiohttp": (aiohttp.ClientError, aiohttp.ClientConnectionError),
}

KINDS = (
    Kind("requests", *_REQUESTS, open_requests, *_ERRORS["requests"], False),
    Kind("httpx", *_HTTPX, open_httpx_sync(httpx), *_ERRORS["httpx"], False),
    Kind("httpx-asyncio", *_HTTPX, open_httpx_async(httpx, "asyncio"), *_ERRORS["httpx"], True, "asyncio"),
    Kind("httpx-trio", *_HTTPX, open_httpx_async(httpx, "trio"), *_ERRORS["httpx"], True, "trio"),
    Kind("httpx2", *_HTTPX2, open_httpx_sync(httpx2), *_ERRORS["httpx2"], False),
    Kind("httpx2-asyncio", *_HTTPX2, open_httpx_async(httpx2, "asyncio"), *_ERRORS["httpx2"], True, "asyncio"),
    Kind("httpx2-trio", *_HTTPX2, open_httpx_async(httpx2, "trio"), *_ERRORS["httpx2"], True, "trio"),
    Kind("aiohttp", *_AIOHTTP, open_aiohttp, *_ERRORS["aiohttp"], True, "asyncio"),
)
