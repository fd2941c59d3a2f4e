"""The table of mocking libraries in docs/testing.md: each row, with `FakeAuth` and beside the simulator."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import freezegun
import pytest
import requests
import requests_mock
import responses
import respx
import time_machine
import vcr
from aioresponses import aioresponses

import dcrauth.requests
from adapters_tests.common.clients import KINDS
from dcrauth import AdobePass, MemoryStore, TokenSource
from dcrauth.simulator import Simulator
from dcrauth.testing import FakeAuth, ManualClock

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
CLIENTS = {kind.name: kind for kind in KINDS}
URL = "https://api.example/profiles"
CASSETTE = """
interactions:
- request: {body: null, headers: {}, method: GET, uri: 'https://api.example/profiles'}
  response: {body: {string: '{}'}, headers: {}, status: {code: 200, message: OK}}
version: 1
"""

Fixtures = pytest.FixtureRequest


@contextmanager
def _responses(_: Fixtures) -> Iterator[None]:
    with responses.RequestsMock() as mock:
        mock.get(URL, json={})
        yield


@contextmanager
def _requests_mock(_: Fixtures) -> Iterator[None]:
    with requests_mock.Mocker() as mock:
        mock.get(URL, json={})
        yield


@contextmanager
def _respx(_: Fixtures) -> Iterator[None]:
    with respx.mock() as mock:
        mock.get(URL).respond(json={})
        yield


@contextmanager
def _pytest_httpx(request: Fixtures) -> Iterator[None]:
    request.getfixturevalue("httpx_mock").add_response(url=URL, json={}, is_reusable=True)
    yield


@contextmanager
def _vcrpy(request: Fixtures) -> Iterator[None]:
    cassette = request.getfixturevalue("tmp_path") / "cassette.yaml"
    cassette.write_text(CASSETTE)
    with vcr.use_cassette(str(cassette), record_mode="none", allow_playback_repeats=True):
        yield


FAKED: dict[str, tuple[Callable[[Fixtures], AbstractContextManager[None]], tuple[str, ...]]] = {
    "responses": (_responses, ("requests",)),
    "requests-mock": (_requests_mock, ("requests",)),
    "respx": (_respx, ("httpx", "httpx-asyncio", "httpx-trio")),
    "pytest-httpx": (_pytest_httpx, ("httpx", "httpx-asyncio")),
    "vcrpy": (_vcrpy, ("requests", "httpx")),
}
"""Mocks of one URL, with the clients that each is for; of aiohttp, vcrpy plays what the middlewares never see."""


@pytest.mark.parametrize(("mock", "client"), [(mock, client) for mock in FAKED for client in FAKED[mock][1]])
def test_a_mock_answers_and_the_token_is_made_up(mock: str, client: str, request: Fixtures) -> None:
    """With FakeAuth nothing but the application's own request has to be mocked, also where that is refused first."""
    auth = FakeAuth()
    with FAKED[mock][0](request), CLIENTS[client].open(auth) as app:
        assert app.get(URL).status == 200
        auth.refuse()
        assert app.get(URL).status == 200
    assert [call.token for call in auth.calls] == ["test", "test", "test-2"]


@contextmanager
def _responses_passes(url: str, _: Fixtures) -> Iterator[None]:
    with responses.RequestsMock() as mock:
        mock.add_passthru(url)
        yield


def _requests_mock_passes(url: str, _: Fixtures) -> Any:
    return requests_mock.Mocker(real_http=True)


@contextmanager
def _respx_passes(url: str, _: Fixtures) -> Iterator[None]:
    with respx.mock() as mock:
        mock.route(host=urlsplit(url).hostname).pass_through()
        yield


@contextmanager
def _pytest_httpx_passes(url: str, request: Fixtures) -> Iterator[None]:
    request.applymarker(pytest.mark.httpx_mock(should_mock=lambda request: request.url.host != urlsplit(url).hostname))
    request.getfixturevalue("httpx_mock")
    yield


def _vcrpy_passes(url: str, _: Fixtures) -> Any:
    return vcr.use_cassette("no/such/cassette.yaml", record_mode="none", ignore_localhost=True)


def _aioresponses_passes(url: str, _: Fixtures) -> Any:
    return aioresponses(passthrough=[url])


PASSING: dict[str, tuple[Callable[[str, Fixtures], AbstractContextManager[Any]], tuple[str, ...]]] = {
    "responses": (_responses_passes, ("requests",)),
    "requests-mock": (_requests_mock_passes, ("requests",)),
    "respx": (_respx_passes, ("httpx", "httpx-asyncio", "httpx-trio")),
    "pytest-httpx": (_pytest_httpx_passes, ("httpx", "httpx-asyncio")),
    "vcrpy": (_vcrpy_passes, ("requests", "httpx", "aiohttp")),
    "aioresponses": (_aioresponses_passes, ("aiohttp",)),
}
"""Mocks that let the simulator be reached, with the clients that each is for."""


@pytest.mark.parametrize(("mock", "client"), [(mock, client) for mock in PASSING for client in PASSING[mock][1]])
def test_the_simulator_is_reached_past_a_mock(
    mock: str, client: str, adobe: Simulator, provider: AdobePass, api: str, request: Fixtures
) -> None:
    """As the table says it, registration, token call and request all reach the simulator while the mock is on."""
    kind = CLIENTS[client]
    with PASSING[mock][0](adobe.url, request), kind.open(kind.auth(provider, store=MemoryStore())) as app:
        assert app.get(api).status == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 1)


def test_aioresponses_itself_fails_with_the_aiohttp_of_today() -> None:
    """What the table says of aioresponses is so; once this fails, that row is to be written anew."""

    async def main() -> None:
        with aioresponses() as mock:
            mock.get(URL, payload={})
            async with aiohttp.ClientSession(middlewares=[FakeAuth()]) as session:
                await session.get(URL)

    if tuple(map(int, aiohttp.__version__.split(".")[:2])) < (3, 14):
        asyncio.run(main())
    else:
        with pytest.raises(TypeError, match="stream_writer"):
            asyncio.run(main())


@contextmanager
def _time_machine() -> Iterator[Callable[[float], object]]:
    with time_machine.travel(dt.datetime.now(dt.UTC), tick=False) as traveller:
        yield traveller.shift


@contextmanager
def _freezegun() -> Iterator[Callable[[float], object]]:
    with freezegun.freeze_time(dt.datetime.now(dt.UTC)) as frozen:
        yield frozen.tick


MOVED = {"time-machine": _time_machine, "freezegun": _freezegun}


@pytest.mark.parametrize("library", MOVED)
def test_moving_the_clock_expires_the_token(library: str) -> None:
    """With the plugin's clock both libraries move the age of a token, in the simulator and in a token source."""
    clock = ManualClock()
    with MOVED[library]() as move, Simulator(clock=clock.wall) as adobe, requests.Session() as session, clock.in_use():
        source = TokenSource(AdobePass(adobe.software_statement, base_url=adobe.url), store=MemoryStore())
        session.auth = dcrauth.requests.DCRAuth(source)
        api = f"{adobe.url}/api/v2/REF30/configuration"
        assert session.get(api).status_code == 200
        move(7 * 3600.0)
        assert session.get(api).status_code == 200
        assert (adobe.counts.token, adobe.counts.refused) == (2, 0)


def test_every_row_of_the_table_is_run() -> None:
    """The table names the libraries that are tested here, and no others."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Mocking libraries\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| ([\w-]+)[,| ]", section, re.MULTILINE)) - {"library", "---"}
    assert rows == {*FAKED, *PASSING, *MOVED, "pytest-socket"}
