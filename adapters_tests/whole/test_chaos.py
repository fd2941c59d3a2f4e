"""Every adapter on connections that break: a call succeeds or fails as documented, and the next one succeeds."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from adapters_tests.common.clients import KINDS, TIMEOUT, Answer, App, Kind
from adapters_tests.common.clock import ManualClock
from adapters_tests.servers.chaos import (
    Bandwidth,
    ChaosProxy,
    Drip,
    Garbage,
    HalfClose,
    Latency,
    Reset,
    Toxic,
    Truncation,
)
from adapters_tests.whole.test_secrets import everything_about
from dcrauth import AdobePass, DCRAuthError, Policy, TokenSource
from dcrauth.providers.protocol import Request, Response
from dcrauth.simulator import Simulator

QUICK = Policy(attempts=2, spared_for=0.0, least_pause=0.01, probe_after=60.0)
HASTE = 0.15

PASSING: dict[str, Toxic] = {
    "latency and jitter": Latency(seconds=0.01, jitter=0.02),
    "bandwidth": Bandwidth(rate=20_000),
    "slow drip": Drip(seconds=0.0001),
}
BREAKING: dict[str, Toxic] = {
    "reset at once": Reset(),
    "reset in the body": Reset(after=280),
    "reset of the request": Reset(direction="request", after=60),
    "truncated at once": Truncation(),
    "truncated head": Truncation(after=30),
    "truncated body": Truncation(after=280),
    "half-closed answer": HalfClose(after=280),
    "half-closed request": HalfClose(direction="request", after=60),
    "garbage": Garbage(),
    "garbage in the head": Garbage(after=12, length=40),
    "garbage for the server": Garbage(direction="request", length=12),
}
ENDLESS: dict[str, Toxic] = {
    "stall": Latency(seconds=10),
    "endless drip": Drip(seconds=HASTE / 3, after=280),
}
"""What ends by a timeout only. On a busy machine that may come before anything has passed the proxy."""
TOXICS = PASSING | BREAKING | ENDLESS


class Moody:
    """A transport that is in haste until it is told to be patient."""

    def __init__(self, kind: Kind, *, hasty: bool) -> None:
        own = kind.auth._own_transport
        self._patient = own(proxy="")
        self._hasty = own(proxy="", read_timeout=HASTE, total_timeout=2 * HASTE)
        self.hasty = hasty

    def send(self, request: Request) -> Response:
        return (self._hasty if self.hasty else self._patient).send(request)


@pytest.fixture
def proxy(adobe: Simulator) -> Iterator[ChaosProxy]:
    """A proxy in front of the simulator."""
    with ChaosProxy(adobe.url) as running:
        yield running


def attempt(kind: Kind, app: App, url: str, seconds: float) -> Answer | Exception:
    """Send a request; return its answer, or its error, which is one that users of the library know."""
    timeout: Any = aiohttp.ClientTimeout(total=seconds) if kind.library == "aiohttp" else seconds
    try:
        return app.get(url, timeout=timeout)
    except (kind.host_error, TimeoutError) as error:
        return error


def assert_clean(found: Answer | Exception, adobe: Simulator) -> None:
    """Fail if an error shows a secret, whether or not it has arrived."""
    registry = adobe._registry
    clients = {text for client in registry._clients.values() for text in (client.client_id, client.client_secret)}
    text = everything_about(found) if isinstance(found, DCRAuthError) else f"{found} {found!r}"
    assert not any(secret in text for secret in {adobe.software_statement, *registry._grants, *clients})


def clients_used(adobe: Simulator) -> set[str]:
    """The client ids that the token endpoint has seen."""
    bodies = [parse_qs(call.body.decode("latin-1")) for call in adobe.calls if call.path == "/o/client/token"]
    return {body["client_id"][0] for body in bodies if "client_secret" in body}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOXICS)
def test_the_way_to_the_token_endpoint_breaks(
    kind: Kind,
    name: str,
    proxy: ChaosProxy,
    adobe: Simulator,
    make_source: Callable[..., TokenSource],
    time: ManualClock,
) -> None:
    """Our two calls on a bad connection: a token or a clear error; afterwards a token; never two clients in use."""
    transport = Moody(kind, hasty=name in ENDLESS)
    provider = AdobePass(adobe.software_statement, base_url=proxy.url, protects=[adobe.url])
    source = make_source(provider=provider, policy=QUICK, transport=transport)
    api = f"{adobe.url}/api/v2/REF30/configuration"
    with kind.open(kind.auth(source), verify=False) as app:
        proxy.toxics = (TOXICS[name],)
        found = attempt(kind, app, api, TIMEOUT)
        assert_clean(found, adobe)
        assert proxy.strikes or name in ENDLESS
        assert isinstance(found, Answer) if name in PASSING else isinstance(found, Answer | DCRAuthError)
        assert not isinstance(found, Answer) or found.status == 200
        proxy.calm()
        transport.hasty = False
        time.advance(QUICK.longest_pause)
        assert app.get(api).status == 200
    assert len(clients_used(adobe)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PASSING, *BREAKING, "stall"])
def test_the_way_to_the_api_breaks(
    kind: Kind, name: str, proxy: ChaosProxy, adobe: Simulator, make_source: Callable[..., TokenSource]
) -> None:
    """A refusal on a bad connection: an answer or the library's own error; the next request succeeds; one client."""
    provider = AdobePass(adobe.software_statement, base_url=adobe.url, protects=[proxy.url])
    source = make_source(provider=provider, policy=QUICK, transport=Moody(kind, hasty=False))
    direct, api = (f"{url}/api/v2/REF30/configuration" for url in (adobe.url, proxy.url))
    with kind.open(kind.auth(source), verify=False) as app:
        assert app.get(direct).status == 200
        adobe.revoke_tokens()
        proxy.toxics = (TOXICS[name],)
        found = attempt(kind, app, api, HASTE if name in ENDLESS else TIMEOUT)
        assert_clean(found, adobe)
        assert proxy.strikes or name in ENDLESS
        assert isinstance(found, Answer) or not (name in PASSING or isinstance(found, DCRAuthError))
        assert not isinstance(found, Answer) or found.status == 200 or 400 <= found.status < 500
        proxy.calm()
        # A server that has seen half a request closes its connection a moment after it has answered.
        proxy.hang_up()
        assert app.get(api).status == 200
    assert adobe.counts.register == 1
    assert adobe.counts.token <= 3


class Echo:
    """A server that sends back what it gets, and notes it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self._stopped = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: list[bytes] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stopped.set()
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                self._connected(self._listener.accept()[0])

    def _connected(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # it breaks: that is what it is for
            connection.settimeout(10)
            while chunk := connection.recv(65_536):
                self.received.append(chunk)
                connection.sendall(chunk)
        self.ended.set()


TEXT = bytes(range(256)) * 8


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A server that sends back what it gets."""
    with Echo() as server:
        yield server


def talk(proxy: ChaosProxy, *, finish: bool = True) -> tuple[bytes, str]:
    """Send TEXT through *proxy*; return what comes back, and how it ended."""
    parts = urlsplit(proxy.url)
    found = b""
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        connection.sendall(TEXT)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        try:
            while chunk := connection.recv(65_536):
                found += chunk
        except ConnectionResetError:
            return found, "reset"
    return found, "end"


@pytest.mark.parametrize("direction", ["request", "answer"])
@pytest.mark.parametrize(
    ("toxic", "length", "ending"),
    [
        (Latency, 2048, "end"),
        (Bandwidth, 2048, "end"),
        (Drip, 2048, "end"),
        (Garbage, 2048, "end"),
        (Reset, 0, "reset"),
        (Truncation, 100, "end"),
        (HalfClose, 100, "end"),
    ],
)
def test_each_toxic_does_what_it_says(echo: Echo, direction: Any, toxic: Any, length: int, ending: str) -> None:
    """Bytes are late, few, wrong or missing, and the connection ends the way that the toxic's name says."""
    settings = {
        Latency: {"seconds": 0.01, "jitter": 0.01},
        Bandwidth: {"rate": 50_000},
        Drip: {"seconds": 0.0001},
        Garbage: {"after": 10, "length": 100},
        Reset: {"after": 0},
    }.get(toxic, {"after": 100})
    with ChaosProxy(echo.url, seed=5) as proxy:
        proxy.toxics = (toxic(direction=direction, **settings),)
        found, ended = talk(proxy)
        assert proxy.strikes
    if (toxic, direction) == (Truncation, "request"):
        # The way back is cut as well, before or after the server has answered.
        assert TEXT[:100].startswith(found)
        return
    assert (len(found), ended) == (length, ending)
    if toxic is Garbage:
        assert (found[:10], found[110:]) == (TEXT[:10], TEXT[110:])
        assert found[10:110] != TEXT[10:110]
    else:
        assert found == TEXT[:length]


def test_a_half_closed_answer_leaves_the_request_open(echo: Echo) -> None:
    """The client sees the end of the answer while the server still takes in what the client sends."""
    with ChaosProxy(echo.url) as proxy:
        proxy.toxics = (HalfClose(after=100),)
        parts = urlsplit(proxy.url)
        with socket.create_connection((parts.hostname, parts.port), 10) as connection:
            connection.sendall(TEXT)
            while connection.recv(65_536):
                """Up to its end."""
            connection.sendall(b"more")
            connection.shutdown(socket.SHUT_WR)
            assert echo.ended.wait(10)
    assert b"".join(echo.received) == TEXT + b"more"


def test_the_same_seed_does_the_same(echo: Echo) -> None:
    """What happens to the n-th connection depends on the seed and on n alone."""

    def outcomes(seed: int) -> list[tuple[bytes, str]]:
        with ChaosProxy(echo.url, seed=seed) as proxy:
            proxy.toxics = (Garbage(after=5, length=5, share=0.5), Truncation(after=50, share=0.3))
            return [talk(proxy) for _ in range(12)]

    first = outcomes(1)
    assert first == outcomes(1) != outcomes(2)
    assert {len(found) for found, _ in first} == {50, len(TEXT)}
    assert len({found[:10] for found, _ in first}) > 3


def test_toxics_add_up(echo: Echo) -> None:
    """Several toxics of one direction work on each other's outcome, in order."""
    with ChaosProxy(echo.url) as proxy:
        proxy.toxics = (Drip(seconds=0.0001), Garbage(length=3), Truncation(after=7))
        found, ended = talk(proxy)
    assert (found[3:], ended) == (TEXT[3:7], "end")


def test_calm_ends_what_is_going_on(echo: Echo) -> None:
    """A connection that is being held back goes on at once when all toxics are taken away."""
    with ChaosProxy(echo.url) as proxy:
        proxy.toxics = (Latency(seconds=60),)
        threading.Timer(0.1, proxy.calm).start()
        assert talk(proxy) == (TEXT, "end")


def test_it_stops_with_connections_open(echo: Echo) -> None:
    """At its end the proxy closes what clients have left open, and none of its threads stays behind."""
    before = set(threading.enumerate())
    with ChaosProxy(echo.url) as proxy:
        parts = urlsplit(proxy.url)
        connection = socket.create_connection((parts.hostname, parts.port), 10)
        connection.sendall(b"hello")
        assert connection.recv(5) == b"hello"
    with connection:
        assert connection.recv(1) == b""
    assert not {thread for thread in threading.enumerate() if thread.name == "chaos"} - before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port), 10)


def test_a_server_that_is_away() -> None:
    """Where nothing listens behind the proxy, the client sees its connection end, and the proxy still stops."""
    with ChaosProxy("http://127.0.0.1:1") as proxy:
        assert talk(proxy, finish=False)[0] == b""


@pytest.mark.fault("the token endpoint's answer drips, head and all", "the call ends when its total timeout is over")
@pytest.mark.parametrize("name", ["requests", "httpx", "httpx2", "aiohttp"])
def test_a_head_that_drips_is_given_up(name: str, proxy: ChaosProxy, adobe: Simulator) -> None:
    """A transport's total timeout holds for the whole answer, however slowly its first line drips in."""
    kind = next(kind for kind in KINDS if kind.name == name)
    transport = kind.auth._own_transport(proxy="", read_timeout=5.0, total_timeout=0.3)
    request = AdobePass(adobe.software_statement, base_url=proxy.url).registration_request()
    given_up = threading.Event()

    def call() -> None:
        with contextlib.suppress(DCRAuthError):
            transport.send(request)
        given_up.set()

    proxy.toxics = (Drip(seconds=0.1),)
    caller = threading.Thread(target=call)
    caller.start()
    in_time = given_up.wait(10)  # the head alone would take longer
    proxy.calm()
    caller.join(10)
    assert in_time
