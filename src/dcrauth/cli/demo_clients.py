"""The clients of ``dcrauth demo``: each HTTP library, with as many calls at once as it is good for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import httpx2
import requests

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.httpx2
import dcrauth.requests
from dcrauth.engine.source import TokenSource

THREADS, TASKS = 64, 500

UNANSWERED = (requests.RequestException, httpx.HTTPError, httpx2.HTTPError, aiohttp.ClientError, TimeoutError)
"""What the libraries raise when an API does not answer."""

Get = Callable[[TokenSource, str, int], list[int]]


def with_requests(source: TokenSource, url: str, times: int) -> list[int]:
    """Get *url* so many times at once with requests; return the statuses."""
    with requests.Session() as session:
        session.auth = dcrauth.requests.DCRAuth(source)
        return _in_threads(lambda: session.get(url, timeout=30).status_code, times)


def with_httpx(source: TokenSource, url: str, times: int) -> list[int]:
    """The same with httpx."""
    with httpx.Client(auth=dcrauth.httpx.DCRAuth(source), timeout=30) as client:
        return _in_threads(lambda: client.get(url).status_code, times)


def with_async_httpx(source: TokenSource, url: str, times: int) -> list[int]:
    """The same with httpx, asynchronously."""

    async def main() -> list[int]:
        async with httpx.AsyncClient(auth=dcrauth.httpx.DCRAuth(source), timeout=30) as client:
            return [answer.status_code for answer in await asyncio.gather(*(client.get(url) for _ in range(times)))]

    return asyncio.run(main())


def with_httpx2(source: TokenSource, url: str, times: int) -> list[int]:
    """The same with httpx2, asynchronously."""

    async def main() -> list[int]:
        async with httpx2.AsyncClient(auth=dcrauth.httpx2.DCRAuth(source), timeout=30) as client:
            return [answer.status_code for answer in await asyncio.gather(*(client.get(url) for _ in range(times)))]

    return asyncio.run(main())


def with_aiohttp(source: TokenSource, url: str, times: int) -> list[int]:
    """The same with aiohttp."""

    async def main() -> list[int]:
        async with aiohttp.ClientSession(middlewares=[dcrauth.aiohttp.DCRAuth(source)]) as session:

            async def get() -> int:
                async with session.get(url) as answer:
                    return answer.status

            return await asyncio.gather(*(get() for _ in range(times)))

    return asyncio.run(main())


def _in_threads(get: Callable[[], int], times: int) -> list[int]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: get(), range(times)))


CLIENTS: dict[str, tuple[Get, int]] = {
    "requests": (with_requests, THREADS),
    "httpx": (with_httpx, THREADS),
    "httpx (async)": (with_async_httpx, TASKS),
    "httpx2 (async)": (with_httpx2, TASKS),
    "aiohttp": (with_aiohttp, TASKS),
}
