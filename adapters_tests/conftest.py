"""Fixtures: a simulator, a provider that points at it, and a clock that can be set."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters_tests.common.clients import KINDS, App, Kind
from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.other_process import OtherProcess
from adapters_tests.servers.redis_server import RedisServer
from dcrauth import AdobePass, MemoryStore, TokenSource
from dcrauth.simulator import Behaviour, OAuthSimulator, Simulator


def pytest_collection_finish() -> None:
    """Leave thousands of tests, which stay to the end, out of what the garbage collector looks through each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def time() -> ManualClock:
    """A clock to put forward; the simulator and the token sources of a test share it."""
    return ManualClock()


@pytest.fixture
def adobe(time: ManualClock) -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator(Behaviour(), clock=time.wall) as simulator:
        yield simulator


@pytest.fixture
def foreign(time: ManualClock) -> Iterator[Simulator]:
    """A second origin, which must never see anything of ours."""
    with Simulator(Behaviour(), clock=time.wall) as simulator:
        yield simulator


@pytest.fixture
def oauth(time: ManualClock) -> Iterator[OAuthSimulator]:
    """A running authorization server."""
    with OAuthSimulator(clock=time.wall) as simulator:
        yield simulator


@pytest.fixture
def provider(adobe: Simulator) -> AdobePass:
    """Adobe Pass as the simulator plays it."""
    return AdobePass(adobe.software_statement, base_url=adobe.url)


@pytest.fixture
def make_source(provider: AdobePass, time: ManualClock) -> Callable[..., TokenSource]:
    """Make token sources that share the clock of the test, each as one of another process."""

    def make(**settings: Any) -> TokenSource:
        settings["store"] = OtherProcess(settings.get("store") or MemoryStore())
        settings.setdefault("policy", EAGER)
        return TokenSource(settings.pop("provider", provider), clock=time.clock, **settings)

    return make


@pytest.fixture
def source(make_source: Callable[..., TokenSource]) -> TokenSource:
    """A token source with an empty memory store."""
    return make_source()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis server, for all tests that want one; each uses a prefix of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis"), journal=True) as server:
        yield server


LEFT_OUT = {"httpx2-asyncio", "httpx2-trio"}
"""Clients that the quick path leaves out: all that they have of their own beside those of httpx are names."""


@pytest.fixture(
    params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind.name in LEFT_OUT)) for kind in KINDS], ids=str
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the clients."""
    found: Kind = request.param
    return found


@pytest.fixture
def app(kind: Kind, source: TokenSource) -> Iterator[App]:
    """A session of each client with a token source attached."""
    with kind.open(kind.auth(source)) as opened:
        yield opened


@pytest.fixture
def api(adobe: Simulator) -> str:
    """A protected API."""
    return f"{adobe.url}/api/v2/REF30/configuration"
