"""What a request costs with the dcrauth that is on the path, as JSON: microseconds, beside a static header.

`versions.py` runs it with one version and another; it names nothing of dcrauth that its first versions did not have.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import requests

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.httpx2
import dcrauth.requests
from dcrauth import AdobePass, MemoryStore, TokenSource
from turns import sync_flow, time_middlewares, time_sync

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
URL = "https://sp.auth.adobe.com/api/v2/REF30/configuration"
ROUNDS = 40


class Server:
    """A transport that answers at once."""

    def send(self, request: Any) -> Any:
        if request.endpoint.endswith("register"):
            return SimpleNamespace(status=201, headers={}, body=b'{"client_id":"a","client_secret":"b"}')
        return SimpleNamespace(status=201, headers={}, body=b'{"access_token":"token","expires_in":21600}')


def source() -> TokenSource:
    """A token source with a token in hand."""
    made = TokenSource(AdobePass(STATEMENT), store=MemoryStore(), transport=Server())
    made.token()
    return made


def static(request: Any) -> Any:
    request.headers["Authorization"] = "Bearer token"
    return request


async def static_middleware(request: Any, handler: Any) -> Any:
    return await handler(static(request))


def of_httpx(module: Any, ours: Any) -> dict[str, float]:
    """Time a client of httpx's kind."""
    client = module.Client()
    auths = {"static": static, "dcrauth": sync_flow(ours(source()), module.Response(200))}
    return time_sync(auths, lambda: client.build_request("GET", URL), ROUNDS)


def main() -> None:
    """Time all clients and print what was found."""
    gc.disable()
    prepared = requests.Request("GET", URL, headers=requests.utils.default_headers())
    middlewares = {"static": static_middleware, "dcrauth": dcrauth.aiohttp.DCRAuth(source())}
    found = {
        "requests": time_sync(
            {"static": static, "dcrauth": dcrauth.requests.DCRAuth(source())}, prepared.prepare, ROUNDS
        ),
        "httpx": of_httpx(httpx, dcrauth.httpx.DCRAuth),
        "httpx2": of_httpx(httpx2, dcrauth.httpx2.DCRAuth),
        "aiohttp": asyncio.run(time_middlewares(middlewares, URL, {}, ROUNDS)),
    }
    json.dump({"of": dcrauth.__file__, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
