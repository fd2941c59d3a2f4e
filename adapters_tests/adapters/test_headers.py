"""The ``Authorization`` that goes out is a plain text, known again by its value; one that says nothing is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests
from requests.adapters import HTTPAdapter

import dcrauth.aiohttp
import dcrauth.httpx
import dcrauth.httpx2
import dcrauth.requests
from adapters_tests.adapters.test_contract import tokens_seen
from adapters_tests.common.clients import WITH_HISTORY, App, Kind
from dcrauth import AdobePass, DeviceInfo, TokenSource
from dcrauth.engine.given_tokens import REMEMBERED
from dcrauth.simulator import Simulator

NOTHING = ("", " ", "Bearer", "Bearer ", "bearer", " Basic  ", "DPoP", "Token ", "Bearer\t")
CALLERS = ("mine", "Bearer mine", "Basic bWluZTptaW5l", "Bearer  mine", "bearers", "Bearer None")


def test_the_header_is_a_plain_text(app: App, kind: Kind, adobe: Simulator, api: str) -> None:
    """What recorders, caches and loggers of the caller's find is a str like any other."""
    response = app.get(api).native
    headers = response.request_info.headers if kind.library == "aiohttp" else response.request.headers
    assert type(headers["Authorization"]) is str
    assert headers["Authorization"] == tokens_seen(adobe)[-1]


@pytest.mark.fault(
    "an adapter of the caller's rebuilds all headers, as signing and tracing ones do",
    "a token is known by its value: its 401 is mended",
)
def test_headers_that_were_rebuilt(source: TokenSource, adobe: Simulator, api: str) -> None:
    """A copy of our header, made of plain text below us, still is ours."""

    class Rebuilding(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **settings: Any) -> requests.Response:
            fields = {name: "".join(value) for name, value in request.headers.items()}
            request.headers = requests.structures.CaseInsensitiveDict(fields)
            return super().send(request, *args, **settings)

    with requests.Session() as session:
        session.auth = dcrauth.requests.DCRAuth(source)
        session.mount("http://", Rebuilding())
        session.get(api, timeout=20)
        adobe.revoke_tokens()
        assert session.get(api, timeout=20).status_code == 200
    assert adobe.counts.token == 2


@contextmanager
def _sender_of_requests(auth: Any, api: str) -> Iterator[Callable[[], int]]:
    with requests.Session() as session:
        session.auth = auth
        request = session.prepare_request(requests.Request("GET", api))
        yield lambda: session.send(request.copy(), timeout=20).status_code


def _sender_of(library: Any) -> Callable[[Any, str], AbstractContextManager[Callable[[], int]]]:
    @contextmanager
    def sender(auth: Any, api: str) -> Iterator[Callable[[], int]]:
        with library.Client(auth=auth, timeout=20) as client:
            request = client.build_request("GET", api)
            yield lambda: client.send(request).status_code

    return sender


SENDERS = [
    (dcrauth.requests.DCRAuth, _sender_of_requests),
    (dcrauth.httpx.DCRAuth, _sender_of(httpx)),
    (dcrauth.httpx2.DCRAuth, _sender_of(httpx2)),
]


@pytest.mark.fault(
    "a request that was made ready is sent again, with the token of then",
    "it is not taken for the caller's: it has the token of now, or its 401 is mended; no token call if there is one",
)
@pytest.mark.parametrize(("auth", "sender"), SENDERS, ids=["requests", "httpx", "httpx2"])
def test_an_older_token_is_still_ours(auth: Any, sender: Any, source: TokenSource, adobe: Simulator, api: str) -> None:
    """One request object, sent before and after several renewals, always succeeds."""
    with sender(auth(source), api) as send:
        assert send() == 200
        for _ in range(REMEMBERED - 1):
            adobe.revoke_tokens()
            source.token(instead_of=source.token())
        assert adobe.counts.token == REMEMBERED
        assert send() == 200
    assert adobe.counts.token == REMEMBERED


def test_the_last_tokens_are_known_again(source: TokenSource, adobe: Simulator) -> None:
    """A source knows its last eight tokens, and has the value of the latest only."""
    tokens = [source.token()]
    for _ in range(REMEMBERED):
        tokens.append(source.token(instead_of=tokens[-1]))
    known = [source.recognised(token.digest) for token in tokens]
    assert known[0] is None
    assert known[-1] is tokens[-1]
    assert [each and (each.value, each.obtained_at) for each in known[1:-1]] == [
        ("", token.obtained_at) for token in tokens[1:-1]
    ]
    assert all(token.value not in str(vars(source)) for token in tokens)


@pytest.mark.fault(
    "a mended response is cached, pickled or kept, with its history",
    "the refused request there has the refused token; the live one is only where a header of the caller's would be",
)
@pytest.mark.parametrize("kind", WITH_HISTORY, ids=lambda kind: kind.name)
def test_the_history_keeps_no_live_token(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """The 401 in the history has a request of its own, as it was sent."""
    with kind.open(kind.auth(source)) as app:
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        response = app.send("POST", f"{adobe.url}/api/v2/REF30/echo", data={"a": "b"}).native
    (refusal,) = response.history
    _, refused, live = tokens_seen(adobe)
    assert refusal.request.headers["Authorization"] == refused
    assert response.request.headers["Authorization"] == live != refused
    if kind.library != "requests":
        assert refusal.request.content == response.request.content == b"a=b"
    else:
        assert refusal.request.body == response.request.body == "a=b"


def test_a_refusal_shows_the_token_that_it_refuses(source: TokenSource, adobe: Simulator, api: str) -> None:
    """A middleware of aiohttp's that keeps a refused response does not get hold of the new token by it."""
    kept: list[aiohttp.ClientResponse] = []

    async def keep(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        kept.append(await handler(request))
        return kept[-1]

    async def main() -> None:
        async with aiohttp.ClientSession(middlewares=[dcrauth.aiohttp.DCRAuth(source), keep]) as session:
            for _ in range(2):
                async with session.get(api) as response:
                    assert response.status == 200
                adobe.revoke_tokens()

    anyio.run(main)
    assert [response.request_info.headers["Authorization"] for response in kept] == tokens_seen(adobe)


@pytest.mark.fault(
    "`Authorization` is set to nothing: an empty text, or a scheme with nothing behind it",
    "it counts as not set: the token is put there, and its 401 is mended",
)
def test_an_authorization_that_says_nothing_is_none(kind: Kind, app: App, adobe: Simulator, api: str) -> None:
    """As clients do that were generated from a description in which the header is a required parameter."""
    for nothing in NOTHING:
        if kind.library != "requests" or not nothing.startswith(" "):  # which requests refuses to send
            assert app.get(api, headers={"Authorization": nothing}).status == 200
    adobe.revoke_tokens()
    assert app.get(api, headers={"authorization": "Bearer"}).status == 200
    assert all(token is not None and token.startswith("Bearer ey") for token in tokens_seen(adobe))
    assert adobe.counts.token == 2


def test_an_authorization_in_bytes_is_read_as_text(source: TokenSource, adobe: Simulator, api: str) -> None:
    """With requests a value may be bytes: what says nothing is none, and the rest is the caller's."""
    with requests.Session() as session:
        session.auth = dcrauth.requests.DCRAuth(source)
        for nothing in (b"", b"Bearer", b"Bearer "):
            assert session.get(api, headers={"Authorization": nothing}, timeout=20).status_code == 200
        assert session.get(api, headers={"Authorization": b"Bearer m\xfcne"}, timeout=20).status_code == 401
    assert tokens_seen(adobe)[-1] == "Bearer m\xfcne"
    assert adobe.counts.token == 1


def test_an_authorization_that_says_something_is_the_callers(app: App, adobe: Simulator, api: str) -> None:
    """A key without a scheme, or anything behind one, is sent as it is, and its 401 is the caller's."""
    for value in CALLERS:
        assert app.get(api, headers={"Authorization": value}).status == 401
    assert tokens_seen(adobe) == list(CALLERS)
    assert (adobe.counts.token, adobe.counts.register) == (0, 0)


def test_device_headers_that_say_nothing_are_none(
    kind: Kind, make_source: Callable[..., TokenSource], provider: AdobePass, adobe: Simulator, api: str
) -> None:
    """An empty device header is filled in, as if the caller had not set it."""
    device = DeviceInfo(model="m", version="1", os_name="Linux", os_version="6", connection_type="LAN")
    with kind.open(kind.auth(make_source(provider=provider.for_device(device)))) as app:
        assert app.get(api, headers={"X-Device-Info": ""}).status == 200
    assert adobe.calls[-1].headers["x-device-info"] == device.header
