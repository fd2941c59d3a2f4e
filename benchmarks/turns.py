"""Auth objects that sign requests in turns in one process: the best of many short rounds of each counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

ROUNDS, CALLS = 60, 500
Contestants = dict[str, Callable[[Any], Any]]
"""What signs a request that has not been signed yet, by its name."""


def sync_flow(auth: Any, response: Any) -> Callable[[Any], Any]:
    """Return what does with the flow of *auth* what a client does with it, when nothing is refused."""

    def drive(request: Any) -> None:
        response.request = request
        flow = auth.sync_auth_flow(request)
        try:
            next(flow)
            try:
                flow.send(response)
            except StopIteration:
                pass
        finally:
            flow.close()

    return drive


def time_sync(contestants: Contestants, fresh: Callable[[], Any], rounds: int = ROUNDS) -> dict[str, float]:
    """Return microseconds per request for each contestant: the best round of each, taken in turns."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, sign in contestants.items():
            made = [fresh() for _ in range(CALLS)]
            start = time.perf_counter()
            for request in made:
                sign(request)
            best[name] = min(best[name], (time.perf_counter() - start) / CALLS * 1e6)
    return best


async def time_middlewares(
    contestants: Contestants, url: str, headers: Mapping[str, str], rounds: int = ROUNDS
) -> dict[str, float]:
    """The same for aiohttp's middlewares, in front of a handler that answers at once."""
    import aiohttp
    from multidict import CIMultiDict

    response = mock.Mock(status=200)

    async def handler(request: Any) -> Any:
        return response

    best = dict.fromkeys(contestants, float("inf"))
    at, given, loop = aiohttp.client.URL(url), CIMultiDict(headers), asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        for _ in range(rounds):
            for name, middleware in contestants.items():
                made = [
                    aiohttp.ClientRequest("GET", at, headers=given, loop=loop, session=session) for _ in range(CALLS)
                ]
                start = time.perf_counter()
                for request in made:
                    await middleware(request, handler)
                best[name] = min(best[name], (time.perf_counter() - start) / CALLS * 1e6)
    return best
