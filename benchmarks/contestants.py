"""Who runs in the benchmarks under load: each attached to its HTTP client as its documentation says.

A contestant that blocks is a function that returns what makes one request and returns its status; the others are
asynchronous context managers that give the same to await. All get the same early margin, because their own (Authlib
60 s, google-auth 225 s, httpx-auth 30 s) is longer than the tokens of a short benchmark live.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from dcrauth import AdobePass, MemoryStore, Policy, TokenSource
from endpoints import GUARDED, OPEN

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
Get = Callable[[], int]
GetAsync = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Setting:
    """What a contestant is given.

    Parameters:
        url: of the endpoints.
        early: how many seconds before expiry the peers shall renew.
        policy: ours.
        connections: how many there may be at once.
        due_by: take a token that is due within so many seconds of its life; None for any.
    """

    url: str
    early: float
    policy: Policy
    connections: int = 256
    due_by: float | None = None

    @property
    def token_url(self) -> str:
        return f"{self.url}/o/client/token"


def source(setting: Setting, transport: Any) -> TokenSource:
    """Ours, with a token in hand; drawn again until it is due early, if that is wanted."""
    while True:
        provider = AdobePass(STATEMENT, base_url=setting.url)
        made = TokenSource(provider, store=MemoryStore(), transport=transport, policy=setting.policy)
        made.token()
        held = made._held
        assert held is not None
        if setting.due_by is None or held.due.wall - held.obtained.wall <= setting.due_by:
            return made


def _session(session: Any, setting: Setting) -> Any:
    import requests

    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=setting.connections))
    return session


def _getter(session: Any, url: str) -> Get:
    def get() -> int:
        return int(session.get(url).status_code)

    return get


def beside_a_bare_call(setting: Setting, contestant: Any) -> Any:
    """*contestant*, while a thread beside it makes a token call as often as ours would, with the standard library."""
    at = urlsplit(setting.token_url)

    def call() -> None:
        connection = http.client.HTTPConnection(at.netloc)
        connection.request("POST", at.path, b"grant_type=client_credentials&client_id=a&client_secret=b")
        json.load(connection.getresponse())
        connection.close()

    def keep_calling() -> None:
        while True:
            time.sleep(4 * setting.early)  # *early* is a fifth of a life, and this the rest of it
            call()

    threading.Thread(target=keep_calling, daemon=True).start()
    return contestant(setting)


def requests_static(setting: Setting) -> Get:
    import requests

    session = _session(requests.Session(), setting)
    session.headers["Authorization"] = "Bearer static"
    return _getter(session, setting.url + OPEN)


def requests_dcrauth(setting: Setting) -> Get:
    import requests

    import dcrauth.requests
    from dcrauth.transports.requests import RequestsTransport

    session = _session(requests.Session(), setting)
    session.auth = dcrauth.requests.DCRAuth(source(setting, RequestsTransport()))
    return _getter(session, setting.url + GUARDED)


def requests_authlib(setting: Setting) -> Get:
    from authlib.integrations.requests_client import OAuth2Session

    # It renews only if it was told the grant type here as well.
    given = {"token_endpoint": setting.token_url, "grant_type": "client_credentials", "leeway": setting.early}
    session = _session(OAuth2Session("a", "b", **given), setting)
    session.fetch_token()
    return _getter(session, setting.url + GUARDED)


def requests_google(setting: Setting, non_blocking: bool = False) -> Get:
    """google-auth, which has no plain client credentials grant: the token call is ours, all else is its own."""
    from google.auth import _helpers, credentials, exceptions
    from google.auth.transport.requests import AuthorizedSession

    class ClientCredentials(credentials.Credentials):
        def refresh(self, request: Any) -> None:
            answer = request(
                setting.token_url,
                method="POST",
                body=b"grant_type=client_credentials&client_id=a&client_secret=b",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            if answer.status != 200:
                raise exceptions.RefreshError(f"HTTP {answer.status}")
            fields = json.loads(answer.data)
            self.token = fields["access_token"]
            self.expiry = _helpers.utcnow() + dt.timedelta(seconds=fields["expires_in"])

    _helpers.REFRESH_THRESHOLD = dt.timedelta(seconds=setting.early)
    made = ClientCredentials()
    if non_blocking:
        made.with_non_blocking_refresh()
    return _getter(_session(AuthorizedSession(made), setting), setting.url + GUARDED)


def requests_google_non_blocking(setting: Setting) -> Get:
    return requests_google(setting, non_blocking=True)


def httpx_peer(setting: Setting) -> Get:
    import httpx
    import httpx_auth

    auth = httpx_auth.OAuth2ClientCredentials(setting.token_url, "a", "b", early_expiry=setting.early)
    limits = httpx.Limits(max_connections=setting.connections)
    return _getter(httpx.Client(auth=auth, limits=limits, timeout=60), setting.url + GUARDED)


@asynccontextmanager
async def _httpx(module: Any, auth: Any, url: str, **settings: Any) -> AsyncIterator[GetAsync]:
    limits = module.Limits(max_connections=None)
    async with module.AsyncClient(auth=auth, limits=limits, timeout=60, **settings) as client:

        async def get() -> int:
            return int((await client.get(url)).status_code)

        yield get


def httpx_static(setting: Setting) -> Any:
    import httpx

    return _httpx(httpx, None, setting.url + OPEN, headers={"Authorization": "Bearer static"})


def httpx_dcrauth(setting: Setting) -> Any:
    import httpx

    import dcrauth.httpx
    from dcrauth.transports.httpx import HttpxTransport

    return _httpx(httpx, dcrauth.httpx.DCRAuth(source(setting, HttpxTransport())), setting.url + GUARDED)


def httpx_peer_async(setting: Setting) -> Any:
    import httpx
    import httpx_auth

    auth = httpx_auth.OAuth2ClientCredentials(setting.token_url, "a", "b", early_expiry=setting.early)
    return _httpx(httpx, auth, setting.url + GUARDED)


def httpx2_static(setting: Setting) -> Any:
    import httpx2

    return _httpx(httpx2, None, setting.url + OPEN, headers={"Authorization": "Bearer static"})


def httpx2_dcrauth(setting: Setting) -> Any:
    import httpx2

    import dcrauth.httpx2
    from dcrauth.transports.httpx2 import Httpx2Transport

    return _httpx(httpx2, dcrauth.httpx2.DCRAuth(source(setting, Httpx2Transport())), setting.url + GUARDED)


@asynccontextmanager
async def httpx2_authlib(setting: Setting) -> AsyncIterator[GetAsync]:
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    given = {"token_endpoint": setting.token_url, "grant_type": "client_credentials", "leeway": setting.early}
    limits = httpx2.Limits(max_connections=None)
    async with AsyncOAuth2Client("a", "b", limits=limits, timeout=60, **given) as client:
        await client.fetch_token()

        async def get() -> int:
            return int((await client.get(setting.url + GUARDED)).status_code)

        yield get


@asynccontextmanager
async def _aiohttp(url: str, **settings: Any) -> AsyncIterator[GetAsync]:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), **settings) as session:

        async def get() -> int:
            async with session.get(url) as answer:
                await answer.read()
                return answer.status

        yield get


def aiohttp_static(setting: Setting) -> Any:
    return _aiohttp(setting.url + OPEN, headers={"Authorization": "Bearer static"})


def aiohttp_dcrauth(setting: Setting) -> Any:
    import dcrauth.aiohttp
    from dcrauth.transports.aiohttp import AiohttpTransport

    auth = dcrauth.aiohttp.DCRAuth(source(setting, AiohttpTransport()))
    return _aiohttp(setting.url + GUARDED, middlewares=[auth])


BLOCKING: dict[str, Callable[[Setting], Get]] = {
    "requests: static header": requests_static,
    "requests: static header, bare call": partial(beside_a_bare_call, contestant=requests_static),
    "requests: dcrauth": requests_dcrauth,
    "requests: Authlib": requests_authlib,
    "requests: google-auth": requests_google,
    "requests: google-auth, non-blocking": requests_google_non_blocking,
    "httpx, threads: httpx-auth": httpx_peer,
}
ASYNC: dict[str, Callable[[Setting], Any]] = {
    "httpx, asyncio: static header": httpx_static,
    "httpx, asyncio: static header, bare call": partial(beside_a_bare_call, contestant=httpx_static),
    "httpx, asyncio: dcrauth": httpx_dcrauth,
    "httpx, asyncio: httpx-auth": httpx_peer_async,
    "httpx2, asyncio: static header": httpx2_static,
    "httpx2, asyncio: static header, bare call": partial(beside_a_bare_call, contestant=httpx2_static),
    "httpx2, asyncio: dcrauth": httpx2_dcrauth,
    "httpx2, asyncio: Authlib": httpx2_authlib,
    "aiohttp: static header": aiohttp_static,
    "aiohttp: static header, bare call": partial(beside_a_bare_call, contestant=aiohttp_static),
    "aiohttp: dcrauth": aiohttp_dcrauth,
}
