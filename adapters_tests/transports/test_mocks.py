"""What mocks HTTP for a test catches calls of a transport that has a real connection already."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
import vcr
from aioresponses import aioresponses

from adapters_tests.adapters.mocks import MOCKS
from adapters_tests.transports.kept_server import BODY, KeptServer, token_call
from dcrauth import ServerUnavailable
from dcrauth.transports.aiohttp import AiohttpTransport
from dcrauth.transports.httpx import HttpxTransport
from dcrauth.transports.requests import RequestsTransport

KIND = {"requests": RequestsTransport, "httpx": HttpxTransport}


@pytest.mark.fault(
    "a test switches a mock on after the transport has made real calls", "no call goes over the connection that is kept"
)
@pytest.mark.parametrize("name", MOCKS)
def test_a_mock_that_comes_later_catches_all(name: str, request: pytest.FixtureRequest) -> None:
    """A call before, two in the mock, and one after it: the server sees the first and the last."""
    lasts = name == "pytest-httpx"  # to the end of the test
    opened, clients = MOCKS[name]
    with KeptServer() as server:
        transport, call = KIND[clients[0]](), token_call(server.url)
        assert transport.send(call).body == BODY
        with opened(request) as mock:
            mock.answer("POST", call.url, 201, {})
            assert [transport.send(call).body for _ in range(2)] == [b"{}"] * 2
        assert transport.send(call).body == (b"{}" if lasts else BODY)
        assert len(server.received) == 2 - lasts
        transport.close()


def test_what_a_mock_raises_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that a mock loses is not the one that is kept: the mock is called once."""
    asked: list[object] = []

    def lose(*given: Any, **_: Any) -> Any:
        asked.append(given)
        raise httpx.ReadError("lost") from ConnectionResetError()

    with KeptServer() as server:
        transport = HttpxTransport()
        transport.send(token_call(server.url))
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lose)
        with pytest.raises(ServerUnavailable):
            transport.send(token_call(server.url))
        assert len(asked) == 1
        monkeypatch.undo()
        transport.close()


@pytest.mark.parametrize("kind", [RequestsTransport, HttpxTransport, AiohttpTransport], ids=lambda kind: kind.__name__)
def test_a_recorder_that_comes_later_records_and_plays(kind: Any, tmp_path: Path) -> None:
    """Vcrpy records and plays the calls of a transport that has a connection, which is used again after it."""
    recorder = vcr.VCR(cassette_library_dir=str(tmp_path))
    with KeptServer() as server:
        transport, call = kind(), token_call(server.url)
        transport.send(call)
        for mode in ("once", "none"):
            with recorder.use_cassette("cassette.yaml", record_mode=mode):
                assert transport.send(call).body == BODY
        assert transport.send(call).body == BODY
        assert len(server.received) == 3
        transport.close()


def test_aioresponses_that_comes_later_catches_all() -> None:
    """A session that is there already is mocked as well."""
    with KeptServer() as server:
        transport, call = AiohttpTransport(), token_call(server.url)
        transport.send(call)
        with aioresponses() as mock, pytest.raises(ServerUnavailable, match=r"\(raised by aioresponses\)"):
            transport.send(call)
        assert len(mock.requests) == 1
        assert transport.send(call).body == BODY
        assert len(server.received) == 2
        transport.close()


@pytest.mark.parametrize("kind", [RequestsTransport, HttpxTransport, AiohttpTransport], ids=lambda kind: kind.__name__)
def test_a_blocked_network_stops_what_has_a_connection(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test has put something in the place of ``socket.socket``, as pytest-socket does, no call gets out."""

    class Blocked(socket.socket):
        def __new__(cls, *_: Any, **__: Any) -> Any:
            raise OSError("blocked")

    with KeptServer() as server:
        transport, call = kind(), token_call(server.url)
        transport.send(call)
        monkeypatch.setattr(socket, "socket", Blocked)
        with pytest.raises(ServerUnavailable):
            transport.send(call)
        monkeypatch.undo()
        assert transport.send(call).body == BODY
        assert len(server.received) == 2
        transport.close()
