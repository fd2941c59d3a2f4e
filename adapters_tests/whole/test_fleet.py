"""Many identities in one process, on real sockets: how many threads, calls and files they take, and who waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from adapters_tests.common.world import STATEMENT
from adapters_tests.servers.fleet_server import Answer, Call, FleetServer
from dcrauth import AdobePass, Clock, MemoryStore, Store, TokenSource
from dcrauth.engine.ready import most_at_one_endpoint, most_with_one_store
from dcrauth.engine.workers import MOST
from dcrauth.transports.requests import RequestsTransport

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
OURS = {"dcrauth-worker", "dcrauth-starter", "dcrauth-events"}
AT_ONE_STORE = most_with_one_store(most_at_one_endpoint(MOST))
HANGS: Answer = (0, {}, b"")
BUSY: Answer = (429, {"Retry-After": "300"}, b"")


def fleet(server: FleetServer, store: Store, names: range, **settings: object) -> list[TokenSource]:
    """Cold token sources of so many devices, each behind an address of its own, with one transport for all."""
    transport = RequestsTransport()
    return [
        TokenSource(
            AdobePass(STATEMENT, base_url=server.url, forwarded_for=f"192.0.{name // 256}.{name % 256}"),
            store=store,
            instance=f"device-{name}",
            transport=transport,
            **settings,  # type: ignore[arg-type]
        )
        for name in names
    ]


@contextmanager
def peak_of_workers() -> Iterator[list[int]]:
    """The most threads of the engine at one moment: workers, their starter, and who tells listeners."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            names = [thread.name for thread in threading.enumerate()]
            peak[0] = max(
                peak[0], sum(name in {"dcrauth-worker", "dcrauth-starter", "dcrauth-events"} for name in names)
            )

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()


def eventually(holds: object) -> None:
    end = monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert monotonic() < end
        sleep(0.01)


@pytest.mark.fault(
    "two thousand identities of one process ask for their first tokens at once, on an event loop",
    "one registration and one token call each, on 64 threads at the most, none of which the loop starts",
)
def test_two_thousand_identities_at_once() -> None:
    """However many identities renew at once, there are as many threads as there may be, and each call is made once."""
    started: list[str] = []
    start, here = threading.Thread.start, threading.get_ident()

    def watched(thread: threading.Thread) -> None:
        if threading.get_ident() == here:
            started.append(thread.name)
        start(thread)

    async def main(sources: list[TokenSource]) -> int:
        threading.Thread.start = watched  # type: ignore[method-assign]
        try:
            return len({token.value for token in await asyncio.gather(*(source.token_async() for source in sources))})
        finally:
            threading.Thread.start = start  # type: ignore[method-assign]

    with FleetServer() as server, peak_of_workers() as peak:
        assert asyncio.run(main(fleet(server, MemoryStore(), range(2_000)))) == 2_000
        assert (server.calls["register"], server.calls["token"], len(server.clients)) == (2_000, 2_000, 2_000)
    assert peak[0] <= MOST + 5
    assert started == []


@pytest.mark.fault(
    "a thousand threads ask at once, each for the first token of an identity of its own",
    "a thousand registrations, not one more",
)
def test_a_thread_for_each_identity() -> None:
    """A thousand callers of a thousand cold identities make a thousand registrations."""
    with FleetServer() as server, ThreadPoolExecutor(1_000) as callers:
        sources = fleet(server, MemoryStore(), range(1_000))
        assert len({each.value for each in callers.map(lambda source: source.token(), sources)}) == 1_000
        assert server.calls == {"register": 1_000, "token": 1_000}


THROTTLED = """
import resource, sys, threading
from concurrent.futures import ThreadPoolExecutor

resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, 1_024))
threading.stack_size(256 * 1_024)
sys.setrecursionlimit(500)

from adapters_tests.servers.fleet_server import FleetServer
from adapters_tests.whole.test_fleet import BUSY, eventually, fleet
from dcrauth import FileStore, Policy
from dcrauth.engine.workers import WORKERS

def decide(call):
    return None if call.endpoint == "register" or call.address == "192.0.7.208" else BUSY

with FleetServer(decide) as server:
    store = FileStore(sys.argv[1])
    sources = fleet(server, store, range(1_000), policy=Policy(timeout=900.0))
    for source in sources:
        source._token_or_flight(None)
    eventually(lambda: len(WORKERS.state.parked) == 1_000 and not WORKERS.is_busy)
    (last,) = fleet(server, store, range(2_000, 2_001))
    print(len(last.token().value) > 0, len(WORKERS.state.parked), server.calls["token"])
"""


@pytest.mark.fault(
    "a thousand identities are told to wait (429), in a process that may open 1 024 files, with a `FileStore`",
    "they wait without a thread, a lock or a file, and the next identity has its token at once",
)
def test_a_thousand_identities_in_a_throttle(tmp_path: Path) -> None:
    """Who comes while a thousand renewals are parked is served at once, and none of those is lost or called again."""
    program = [sys.executable, "-c", THROTTLED, str(tmp_path / "store")]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout.split(), done.stderr) == (["True", "1000", "1001"], "")


STORED = """
import asyncio, resource, sys

resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, 1_024))

from adapters_tests.common.world import STATEMENT
from adapters_tests.servers.fleet_server import FleetServer
from dcrauth import AdobePass, TokenSources
from dcrauth import open_store
from dcrauth.transports.aiohttp import AiohttpTransport

async def main(sources):
    return await asyncio.gather(*(sources.get(f"device-{number}").token_async() for number in range(2_000)))

with FleetServer() as server:
    provider = AdobePass(STATEMENT, base_url=server.url)
    sources = TokenSources(provider, store=open_store(sys.argv[1]), transport=AiohttpTransport())
    tokens = asyncio.run(main(sources))
    print(len({token.value for token in tokens}), server.calls["register"], server.calls["token"])
"""


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="what the disk bears is tried on one Python")
@pytest.mark.parametrize("kind", ["file", "sqlite"])
@pytest.mark.fault(
    "two thousand identities of a `TokenSources` ask at once, with a store on disk and 1 024 files to open",
    "each has its token, after one registration and one token call",
)
def test_two_thousand_identities_in_a_store_on_disk(kind: str, tmp_path: Path) -> None:
    """No identity fails for want of a file, a lock or a connection, and each is registered once."""
    program = [sys.executable, "-c", STORED, f"{kind}:{tmp_path / 'store'}"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE, check=False)
    assert (done.stdout.split(), done.stderr) == (["2000"] * 3, "")


@pytest.mark.fault(
    "five hundred identities renew at a server that hangs, and one at another server",
    "that one has its token at once: no server has the last eighth of the workers",
)
def test_a_server_that_hangs_delays_no_other() -> None:
    """A renewal elsewhere is done while all that one server may have of the workers waits for it."""

    def decide(call: Call) -> Answer | None:
        return HANGS if call.endpoint == "token" else None

    with FleetServer(decide) as hanging, FleetServer() as well:
        for source in fleet(hanging, MemoryStore(), range(500), clock=Clock(wall=lambda: Clock().wall())):
            source._token_or_flight(None)
        eventually(lambda: hanging.held == AT_ONE_STORE)
        (source,) = fleet(well, MemoryStore(), range(1))
        assert source.token().value
        assert hanging.held == AT_ONE_STORE


def test_a_caller_overtakes_a_thousand_renewals_in_the_background() -> None:
    """A renewal that somebody waits for is done before a thousand that nobody waits for and that were asked first."""
    order: list[str] = []

    def decide(call: Call) -> Answer | None:
        order.append(call.address)
        return None

    due = Clock(wall=lambda: Clock().wall() + 3_600 - 100)
    with FleetServer() as server, ThreadPoolExecutor(100) as callers:
        store = MemoryStore()
        background = fleet(server, store, range(1_000))
        list(callers.map(lambda source: source.token(), background))
        (waiting,) = fleet(server, store, range(1_000, 1_001))
        waiting.token()
        server.decide = decide
        for source in background:
            _set(source, due)
            source.token()
        assert waiting.token(instead_of=waiting.fresh()).value
        place = order.index("192.0.3.232")
        assert place < 1_000 - MOST
        eventually(lambda: len(order) == 1_001)


def _set(source: TokenSource, clock: Clock) -> None:
    source._clock, source._wall, source._monotonic = clock, clock.wall, clock.monotonic
