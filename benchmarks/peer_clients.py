"""Who runs in `peers.py`: clients with plain client credentials, each set up as its documentation says.

Each is a context manager that is given a `Place` and yields its HTTP client, which is called by ``get(url)`` alone.
Where a library brings along what keeps tokens for other processes, it is used for these.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

CLIENT, SECRET = "me", "the-secret-of-the-client"
SETTINGS: dict[str, Any] = {"timeout": 60, "follow_redirects": True}
"""Of the clients of httpx's kind: what requests does by itself, and time for those who wait for each other."""


@dataclass(frozen=True)
class Place:
    """What a client is given.

    Parameters:
        issuer: of the authorization server.
        token_url: its token endpoint.
        api_url: the API that tokens are for.
        folder: where tokens may be kept.
        early: how many seconds before expiry the peers shall renew, whose own margins are longer than the tokens of a
            short benchmark live; None for theirs.
        shares: whether other processes are given the same folder.
        has_client: whether there is a client; else it has to be registered.
    """

    issuer: str
    token_url: str
    api_url: str
    folder: str
    early: int | None = None
    shares: bool = False
    has_client: bool = True

    @property
    def margin(self) -> dict[str, int]:
        """The margin of those that call it *leeway*."""
        return {} if self.early is None else {"leeway": self.early}


@dataclass(frozen=True)
class Contestant:
    """A library, on an HTTP client.

    Parameters:
        name: of both, for the table.
        http: the HTTP client's module.
        modules: what is imported before a clock starts.
        opened: sets it up.
        registers: whether it can do without a client, by registering one.
        fetches_first: whether the application has to fetch the first token.
    """

    name: str
    http: str
    modules: tuple[str, ...]
    opened: Callable[[Place], AbstractContextManager[Any]]
    registers: bool = False
    fetches_first: bool = False


def _server(place: Place) -> Any:
    from dcrauth import ClientCredentials, OAuthServer

    client = ClientCredentials(CLIENT, SECRET) if place.has_client else None
    return OAuthServer(place.issuer, protects=[place.api_url], client=client)


def _session(session: Any) -> Any:
    from requests.adapters import HTTPAdapter

    session.mount("http://", HTTPAdapter(pool_maxsize=64))
    return session


@contextmanager
def requests_dcrauth(place: Place) -> Iterator[Any]:
    import requests

    import dcrauth.requests
    from dcrauth import FileStore

    with _session(requests.Session()) as session:
        session.auth = dcrauth.requests.DCRAuth(_server(place), store=FileStore(place.folder))
        yield session


@contextmanager
def httpx_dcrauth(place: Place) -> Iterator[Any]:
    import httpx

    import dcrauth.httpx
    from dcrauth import FileStore

    auth = dcrauth.httpx.DCRAuth(_server(place), store=FileStore(place.folder))
    with httpx.Client(auth=auth, **SETTINGS) as client:
        yield client


@contextmanager
def httpx2_dcrauth(place: Place) -> Iterator[Any]:
    import httpx2

    import dcrauth.httpx2
    from dcrauth import FileStore

    auth = dcrauth.httpx2.DCRAuth(_server(place), store=FileStore(place.folder))
    with httpx2.Client(auth=auth, **SETTINGS) as client:
        yield client


@contextmanager
def httpx_auth_peer(place: Place) -> Iterator[Any]:
    import httpx
    import httpx_auth

    if place.shares:  # its documentation has this for tokens that are to outlive a process
        httpx_auth.OAuth2.token_cache = httpx_auth.JsonTokenFileCache(os.path.join(place.folder, "tokens.json"))
    else:
        httpx_auth.OAuth2.token_cache.clear()
    given = {} if place.early is None else {"early_expiry": place.early}
    auth = httpx_auth.OAuth2ClientCredentials(place.token_url, client_id=CLIENT, client_secret=SECRET, **given)
    with httpx.Client(auth=auth, **SETTINGS) as client:
        yield client


@contextmanager
def requests_oauth2client_peer(place: Place) -> Iterator[Any]:
    import requests
    from requests_oauth2client import OAuth2Client, OAuth2ClientCredentialsAuth

    # It takes a token endpoint without TLS only if it is told that this is a test.
    client = OAuth2Client(place.token_url, client_id=CLIENT, client_secret=SECRET, testing=True)
    with _session(requests.Session()) as session:
        session.auth = OAuth2ClientCredentialsAuth(client, **place.margin)
        yield session


@contextmanager
def authlib_peer(place: Place) -> Iterator[Any]:
    from authlib.integrations.httpx_client import OAuth2Client

    # It renews only if it was told the grant type here as well.
    given = {"token_endpoint": place.token_url, "grant_type": "client_credentials", **place.margin}
    with OAuth2Client(CLIENT, SECRET, **given, **SETTINGS) as client:
        client.fetch_token()
        yield client


def _with_static_header(request: Any) -> Any:
    """Sign a request of any of the HTTP clients."""
    request.headers["Authorization"] = "Bearer static"
    return request


@contextmanager
def requests_static(place: Place) -> Iterator[Any]:
    import requests

    with _session(requests.Session()) as session:
        session.auth = _with_static_header
        yield session


def _static(module: str) -> Callable[[Place], AbstractContextManager[Any]]:
    @contextmanager
    def opened(place: Place) -> Iterator[Any]:
        client = importlib.import_module(module).Client
        with client(auth=_with_static_header, **SETTINGS) as found:
            yield found

    return opened


DCRAUTH = [
    Contestant("**dcrauth**, requests", "requests", ("dcrauth.requests",), requests_dcrauth, registers=True),
    Contestant("**dcrauth**, httpx", "httpx", ("dcrauth.httpx",), httpx_dcrauth, registers=True),
    Contestant("**dcrauth**, httpx2", "httpx2", ("dcrauth.httpx2",), httpx2_dcrauth, registers=True),
]
PEERS = [
    Contestant("httpx-auth, httpx", "httpx", ("httpx_auth",), httpx_auth_peer),
    Contestant("requests-oauth2client, requests", "requests", ("requests_oauth2client",), requests_oauth2client_peer),
    Contestant(
        "Authlib `OAuth2Client`, httpx2",
        "httpx2",
        ("authlib.integrations.httpx_client",),
        authlib_peer,
        fetches_first=True,
    ),
]
STATIC = [
    Contestant(f"static header, {library}", library, (library,), opened)
    for library, opened in (
        ("requests", requests_static),
        ("httpx", _static("httpx")),
        ("httpx2", _static("httpx2")),
    )
]
