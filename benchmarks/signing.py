"""What a request costs beside the same one with a static header, with a token in hand and no network for the API."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from peer_clients import Contestant, Place

URL = "/films"


def stub(library: str, token_url: str) -> Any:
    """Return a transport of *library* that answers at once, but for calls of the token endpoint, which it lets go."""
    if library == "requests":
        return _requests_stub(token_url)
    module = importlib.import_module(library)

    class Stub(module.BaseTransport):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            self._network = module.HTTPTransport()

        def handle_request(self, request: Any) -> Any:
            if str(request.url) == token_url:
                return self._network.handle_request(request)
            return module.Response(200)

        def close(self) -> None:
            self._network.close()

    return Stub()


def _requests_stub(token_url: str) -> Any:
    import requests

    class Stub(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *given: Any, **named: Any) -> Any:
            if request.url == token_url:
                return super().send(request, *given, **named)
            response = requests.Response()
            response.status_code, response.request, response.url = 200, request, request.url
            response._content = b""
            return response

    return Stub()


def costs(
    where: Place, contestants: Iterable[Contestant], static: Iterable[Contestant], rounds: int, calls: int
) -> dict[str, float]:
    """Return the microseconds by which a request of each is above one with a static header on the same HTTP client.

    All take turns in one process, and the best round of each counts.
    """
    contestants, static = list(contestants), list(static)
    with ExitStack() as stack:
        clients = {}
        for each in [*static, *contestants]:
            folder = os.path.join(where.folder, each.name.replace("*", ""))
            os.mkdir(folder)
            place = dataclasses.replace(where, folder=folder, transport=stub(each.http, where.token_url))
            clients[each.name] = stack.enter_context(each.opened(place))
        best = best_of(clients, where.api_url + URL, rounds, calls)
    base = {each.http: best[each.name] for each in static}
    return {each.name: best[each.name] - base[each.http] for each in contestants}


def best_of(clients: dict[str, Any], url: str, rounds: int, calls: int) -> dict[str, float]:
    """Return the microseconds of a request of each of *clients*, in its best round."""
    best = dict.fromkeys(clients, float("inf"))
    for client in clients.values():
        client.get(url)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, client in clients.items():
                start = time.perf_counter()
                for _ in range(calls):
                    client.get(url)
                best[name] = min(best[name], (time.perf_counter() - start) / calls * 1e6)
    finally:
        gc.enable()
    return best
