"""Nothing that is called on an event loop blocks it, in asyncio and in trio: constructors, tokens, stores, clients."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from blockbuster import BlockingError

from adapters_tests.common.clients import KINDS, Kind
from adapters_tests.common.clock import EAGER
from adapters_tests.common.loop_guard import noting_what_blocks
from adapters_tests.conftest import LEFT_OUT
from adapters_tests.servers.redis_server import RedisServer
from dcrauth import (
    AdobePass,
    DeviceInfo,
    EncryptedStore,
    FileStore,
    MemoryStore,
    RedisStore,
    SQLiteStore,
    Store,
    TokenSource,
    TokenSources,
    Unavailable,
    open_store,
)
from dcrauth.simulator import Fault, Simulator

BACKENDS = ("asyncio", "trio")
SLOW = pytest.mark.slow
ASYNCHRONOUS = [pytest.param(each, marks=[SLOW] * (each.name in LEFT_OUT)) for each in KINDS if each.is_async]


@pytest.fixture
def blocked() -> Iterator[list[str]]:
    """What has blocked a loop in the test; nothing may have."""
    with noting_what_blocks() as noted:
        yield noted
    assert noted == []


@pytest.fixture(
    params=[pytest.param("memory", marks=SLOW), "file", "sqlite", pytest.param("encrypted", marks=SLOW), "redis"]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each store, opened before any loop runs, and never used."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return RedisStore(server.url, prefix=f"{tmp_path.name}:")
    makers: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "file": lambda: FileStore(tmp_path / "files"),
        "sqlite": lambda: SQLiteStore(tmp_path / "records.db"),
        "encrypted": lambda: EncryptedStore(FileStore(tmp_path / "files"), keys=[bytes(32)]),
    }
    return makers[request.param]()


def run(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    """Run *main* on a loop of its own."""
    return anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_guard_sees_what_blocks(backend: str, tmp_path: Path) -> None:
    """Of calls on a loop those are noted that come from the package in question, and those of other threads are not."""
    (tmp_path / "file").touch()

    async def main() -> None:
        for block in (lambda: time.sleep(0), (tmp_path / "file").read_bytes, lambda: FileStore(tmp_path)):
            await anyio.to_thread.run_sync(block)
            with pytest.raises(BlockingError):
                block()

    with noting_what_blocks("adapters_tests") as noted:
        run(backend, main)
    assert len(noted) == 3
    assert "time.sleep" in noted[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_source_never_blocks(backend: str, store: Store, adobe: Simulator, blocked: list[str]) -> None:
    """Made on a loop, with a store that was never used: from the first token to its end, and a second life."""

    async def main() -> None:
        source = TokenSource(AdobePass(adobe.software_statement, base_url=adobe.url), store=store, policy=EAGER)
        assert not await source.restore_async()
        first = await source.token_async()
        assert await source.token_async() == first
        adobe.revoke_tokens()
        assert source.refused(first, source.provider.verdict(401, {}, b""))
        assert await source.token_async(instead_of=first) != first
        assert source.status().client_id
        adobe.inject("token", Fault(status=503), times=None)
        source._begin_anew()
        other = TokenSource(source.provider, store=store, instance="other", policy=EAGER)
        with pytest.raises(Unavailable):
            await other.token_async()
        adobe.clear_faults()
        assert await source.forget_async()
        assert source.status().expires_at is None
        assert await source.token_async()

    run(backend, main)
    assert adobe.counts.registered == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_sources_of_many_never_block(backend: str, store: Store, adobe: Simulator, blocked: list[str]) -> None:
    """Made on a loop: each instance gets its source and token there, is let go of, and forgotten."""

    async def main() -> None:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)
        sources = TokenSources(provider, store=store, most=1, registrations_per_hour=100)
        for name in ("one", "two", "one"):
            assert await sources.get(name).token_async()
        assert await sources.forget_async("two")

    run(backend, main)
    assert adobe.counts.registered == 2


@pytest.mark.parametrize("kind", ASYNCHRONOUS, ids=str)
def test_a_client_never_blocks(kind: Kind, tmp_path: Path, adobe: Simulator, api: str, blocked: list[str]) -> None:
    """A client that is asynchronous: the first request, one whose token is refused, one that fails."""
    provider = AdobePass(adobe.software_statement, base_url=adobe.url)
    source = TokenSource(provider, store=FileStore(tmp_path), transport=kind.auth._own_transport(), policy=EAGER)

    with kind.open(kind.auth(source)) as app:
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        assert app.get(api).status == 200
        adobe.inject("token", Fault(status=503), times=None)
        adobe.revoke_tokens()
        with pytest.raises(kind.host_error):
            app.get(api)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_reads_files_can_be_made_beside_the_loop(
    backend: str, tmp_path: Path, adobe: Simulator, blocked: list[str]
) -> None:
    """Constructors that are given paths read them: on a thread they hold nobody up, as the documentation says."""
    (tmp_path / "statement.txt").write_text(adobe.software_statement)

    def make() -> TokenSource:
        provider = AdobePass(tmp_path / "statement.txt", base_url=adobe.url, device_info=DeviceInfo.detect())
        return TokenSource(provider, store=open_store(f"sqlite:{tmp_path}/records.db"))

    async def main() -> None:
        source = await anyio.to_thread.run_sync(make)
        assert await source.token_async()

    run(backend, main)


@pytest.mark.parametrize("backend", BACKENDS)
def test_making_what_reads_no_file_blocks_nothing(
    backend: str, adobe: Simulator, redis_server: RedisServer, blocked: list[str]
) -> None:
    """A provider from text, stores in memory and on a server, and auth objects are made on a loop."""

    async def main() -> None:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url, device_identifier="device-42")
        for store in (MemoryStore(), RedisStore(redis_server.url), open_store(redis_server.url)):
            for kind in KINDS:
                kind.auth(provider, store=store, on_event=lambda _: None)
                kind.auth(TokenSources(AdobePass(adobe.software_statement, base_url=adobe.url), store=store))

    run(backend, main)
