"""What an auth object costs per request, with a valid token in hand: ours, a static header, and the peers.

Only the auth object runs: a prepared request goes in, and a stub stands for the transport. All contestants of one HTTP
library are timed in turns in the same process, and the best of many short rounds counts, so that what else goes on
on the machine hits all of them alike. Run:

    python benchmarks/hotpath.py
"""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import requests

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.httpx2
import dcrauth.requests
from dcrauth import AdobePass, MemoryStore, TokenSource, TokenSources
from dcrauth.providers.protocol import Request, Response
from machine import described
from turns import Contestants, sync_flow, time_middlewares, time_sync

URL = "https://sp.auth.adobe.com/api/v2/REF30/configuration"
STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJleHAiOjQwMDAwMDAwMDB9.c2ln"
DEVICE = {"AP-Device-Identifier": "fingerprint ZGV2aWNlLTQy"}
"""What each request has, so that the sources of many devices know whose it is."""


class Server:
    """A transport that answers at once."""

    def send(self, request: Request) -> Response:
        if request.endpoint.endswith("register"):
            return Response(201, {}, b'{"client_id":"a","client_secret":"b"}')
        return Response(201, {}, f'{{"access_token":"{JWT}","expires_in":21600}}'.encode())


def source() -> TokenSource:
    """A token source with a token in hand."""
    made = TokenSource(AdobePass(STATEMENT), store=MemoryStore(), transport=Server())
    made.token()
    return made


def sources() -> TokenSources:
    """The sources of many devices, with a token in hand for the one that the requests name."""
    made = TokenSources(AdobePass(STATEMENT), store=MemoryStore(), transport=Server())
    for device in ("device-41", "device-42", "device-43"):
        made.get(device).token()
    return made


def requests_contestants() -> Contestants:
    class Static(requests.auth.AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {JWT}"
            return request

    ours = dcrauth.requests.DCRAuth
    return {
        "static header": Static(),
        "dcrauth": ours(source()),
        "dcrauth, of many": ours(sources()),
    } | requests_peers()


def requests_peers() -> Contestants:
    import requests_auth
    from requests_auth._oauth2.tokens import TokenMemoryCache
    from requests_oauth2client import BearerToken, OAuth2Client, OAuth2ClientCredentialsAuth

    peer = requests_auth.OAuth2ClientCredentials("https://example.com/token", client_id="a", client_secret="b")
    cache: TokenMemoryCache = requests_auth.OAuth2.token_cache
    cache._add_access_token(peer.state, JWT, 4_000_000_000 - time.time())
    client = OAuth2Client("https://example.com/token", ("a", "b"))
    other = OAuth2ClientCredentialsAuth(client, token=BearerToken(JWT, expires_in=20_000))
    return {"requests-auth": peer, "requests-oauth2client": other}


def httpx_contestants(module: Any, ours: Any, peers: Contestants) -> Contestants:
    class Static(module.Auth):  # type: ignore[misc]
        def auth_flow(self, request: Any) -> Iterator[Any]:
            request.headers["Authorization"] = f"Bearer {JWT}"
            yield request

    auths = {"static header": Static(), "dcrauth": ours(source()), "dcrauth, of many": ours(sources())} | peers
    return {name: sync_flow(auth, module.Response(200)) for name, auth in auths.items()}


def httpx_peers() -> Contestants:
    import httpx_auth

    peer = httpx_auth.OAuth2ClientCredentials("https://example.com/token", client_id="a", client_secret="b")
    httpx_auth.OAuth2.token_cache._add_access_token(peer.state, JWT, 4_000_000_000 - time.time())
    return {"httpx-auth": peer}


async def time_aiohttp() -> dict[str, float]:
    """The same for aiohttp's middlewares, in front of a handler that answers at once."""

    async def static(request: Any, handler: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {JWT}"
        return await handler(request)

    contestants: Contestants = {
        "static header": static,
        "dcrauth": dcrauth.aiohttp.DCRAuth(source()),
        "dcrauth, of many": dcrauth.aiohttp.DCRAuth(sources()),
        **await aiohttp_peers(),
    }
    return await time_middlewares(contestants, URL, DEVICE)


async def aiohttp_peers() -> Contestants:
    from aiohttp_oauth2_client.grant.client_credentials import ClientCredentialsGrant
    from aiohttp_oauth2_client.middleware import OAuth2Middleware
    from aiohttp_oauth2_client.models.token import Token

    grant = ClientCredentialsGrant(token_url="https://example.com/token", client_id="a", client_secret="b")
    grant.token = Token(access_token=JWT, expires_in=20_000, token_type="bearer")
    return {"aiohttp-oauth2-client": OAuth2Middleware(grant)}


def show(library: str, times: dict[str, float]) -> None:
    """Print one table."""
    static = times["static header"]
    print(f"\n{library:<24}{'µs/request':>12}{'above static':>14}{'ratio':>8}")
    for name, took in sorted(times.items(), key=lambda item: item[1]):
        print(f"  {name:<22}{took:12.2f}{took - static:14.2f}{took / static:8.1f}")


def main() -> None:
    """Measure all libraries and print a table for each."""
    warnings.simplefilter("ignore")
    print(described("dcrauth", "requests", "httpx", "httpx2", "aiohttp", "httpx-auth", "requests-auth"))
    print(described("requests-oauth2client", "aiohttp-oauth2-client").splitlines()[1])
    gc.disable()
    prepared = requests.Request("GET", URL, headers={**requests.utils.default_headers(), **DEVICE})
    show("requests", time_sync(requests_contestants(), prepared.prepare))
    show(
        "httpx",
        time_sync(
            httpx_contestants(httpx, dcrauth.httpx.DCRAuth, httpx_peers()),
            lambda: httpx.Client.build_request(CLIENT, "GET", URL, headers=DEVICE),
        ),
    )
    show(
        "httpx2",
        time_sync(
            httpx_contestants(httpx2, dcrauth.httpx2.DCRAuth, {}),
            lambda: httpx2.Client.build_request(CLIENT2, "GET", URL, headers=DEVICE),
        ),
    )
    show("aiohttp", asyncio.run(time_aiohttp()))


CLIENT, CLIENT2 = httpx.Client(), httpx2.Client()

if __name__ == "__main__":
    main()
