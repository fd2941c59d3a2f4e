"""The HTTP clients under test behind one blocking face, so that each promise is written once.

An `App` is a program with one session of one library and a ``DCRAuth`` on it. Asynchronous clients run on an event
loop of their own thread, reached through anyio's portal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import anyio.from_thread
import httpx
import httpx2
import requests
from requests.adapters import HTTPAdapter

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.httpx2
import dcrauth.requests

TIMEOUT = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back: as much of it as all libraries have in common."""

    status: int
    content: bytes
    statuses_before: tuple[int, ...]
    native: Any = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Kind:
    """A client: a library and a way to run it."""

    name: str
    library: str
    auth: Callable[..., Any]
    open: Callable[..., AbstractContextManager[App]]
    host_error: type[Exception]
    is_async: bool
    backend: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def connection_error(self) -> type[Exception]:
        """What the library raises where no connection can be made."""
        return CONNECTION_ERRORS[self.library]


CONNECTION_ERRORS: dict[str, type[Exception]] = {
    "requests": requests.ConnectionError,
    "httpx": httpx.ConnectError,
    "httpx2": httpx2.ConnectError,
    "aiohttp": aiohttp.ClientConnectionError,
}


class App:
    """One session with an auth object on it."""

    def __init__(self, send: Callable[..., Answer], send_many: Callable[..., list[Answer]], native: Any) -> None:
        self.send = send
        self.send_many = send_many
        self.native = native

    def get(self, url: str, **options: Any) -> Answer:
        return self.send("GET", url, **options)

    give_up_after: Callable[[float, str], bool]
    """Send a GET and cancel it after so many seconds; return whether it was cancelled. Asynchronous clients only."""


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

        yield App(send, _in_threads(send), session)


def _in_threads(send: Callable[..., Answer]) -> Callable[..., list[Answer]]:
    def send_many(count: int, method: str, url: str, **options: Any) -> list[Answer]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: send(method, url, **options), range(count)))

    return send_many


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

            yield App(send, _in_threads(send), client)

    return opened


def open_httpx_async(module: Any, backend: str) -> Callable[..., AbstractContextManager[App]]:
    @contextmanager
    def opened(auth: Any, *, pool: int = 10, verify: Any = True, cookies: Any = None) -> Iterator[App]:
        client = module.AsyncClient(auth=auth, **_httpx_options(module, pool, verify, cookies))

        async def send(method: str, url: str, *, follow: bool = True, **options: Any) -> Answer:
            return _of_httpx(await client.request(method, url, follow_redirects=follow, **options))

        with _portal(backend, client, send) as app:
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

    with _portal("asyncio", client, send) as app:
        yield app


@contextmanager
def _portal(backend: str, client: Any, send: Callable[..., Any]) -> Iterator[App]:
    async def send_many(count: int, method: str, url: str, **options: Any) -> list[Answer]:
        answers: list[Answer] = []

        async def one() -> None:
            answers.append(await send(method, url, **options))

        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(one)
        return answers

    with (
        anyio.from_thread.start_blocking_portal(backend) as portal,
        portal.wrap_async_context_manager(client) as native,
    ):

        def send_now(*arguments: Any, **options: Any) -> Answer:
            return portal.call(lambda: send(*arguments, **options))

        def send_many_now(*arguments: Any, **options: Any) -> list[Answer]:
            return portal.call(lambda: send_many(*arguments, **options))

        async def give_up_after(seconds: float, url: str) -> bool:
            with anyio.move_on_after(seconds) as scope:
                await send("GET", url)
            return scope.cancelled_caught

        app = App(send_now, send_many_now, native)
        app.give_up_after = lambda seconds, url: portal.call(give_up_after, seconds, url)
        yield app


KINDS = (
    Kind("requests", "requests", dcrauth.requests.DCRAuth, open_requests, requests.RequestException, False),
    Kind("httpx", "httpx", dcrauth.httpx.DCRAuth, open_httpx_sync(httpx), httpx.RequestError, False),
    Kind(
        "httpx-asyncio",
        "httpx",
        dcrauth.httpx.DCRAuth,
        open_httpx_async(httpx, "asyncio"),
        httpx.RequestError,
        True,
        "asyncio",
    ),
    Kind(
        "httpx-trio", "httpx", dcrauth.httpx.DCRAuth, open_httpx_async(httpx, "trio"), httpx.RequestError, True, "trio"
    ),
    Kind("httpx2", "httpx2", dcrauth.httpx2.DCRAuth, open_httpx_sync(httpx2), httpx2.RequestError, False),
    Kind(
        "httpx2-asyncio",
        "httpx2",
        dcrauth.httpx2.DCRAuth,
        open_httpx_async(httpx2, "asyncio"),
        httpx2.RequestError,
        True,
        "asyncio",
    ),
    Kind(
        "httpx2-trio",
        "httpx2",
        dcrauth.httpx2.DCRAuth,
        open_httpx_async(httpx2, "trio"),
        httpx2.RequestError,
        True,
        "trio",
    ),
    Kind("aiohttp", "aiohttp", dcrauth.aiohttp.DCRAuth, open_aiohttp, aiohttp.ClientError, True, "asyncio"),
)

__all__ = ["KINDS", "Answer", "App", "Kind"]
