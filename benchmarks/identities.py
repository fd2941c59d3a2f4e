"""Many identities in one process: by hand, and with dcrauth.

Each identity is a device with an address of its own. *By hand* is what a programmer writes for the occasion: one pooled
aiohttp session, the two POSTs, up to three attempts, and dictionaries for what came of it, in memory only.
"""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from contestants import STATEMENT
from dcrauth import AdobePass, DeviceInfo, MemoryStore, Policy, TokenSource, TokenSources
from fleet_endpoints import SLOW_ADDRESS
from stores import CONTESTANTS

BY_HAND = "by hand"
DEFAULT = "default"
"""Whatever transport is used where none is given."""
KINDS = ("aiohttp", "requests", "httpx")
_TRANSPORTS = {"aiohttp": "AiohttpTransport", "requests": "RequestsTransport", "httpx": "HttpxTransport"}
SLOW = -1
"""The number of a device whose address is a slow one."""


@dataclass(frozen=True)
class Fleet:
    """What a contestant is given.

    Parameters:
        url: of the endpoints.
        count: how many identities there are.
        kind: `BY_HAND`, or the transport of ours.
        store: the name of the store, or "" for one in memory.
        folder: where it is.
        timeout: the longest wait of a caller, in seconds.
    """

    url: str
    count: int
    kind: str
    store: str = ""
    folder: str = ""
    timeout: float = 3_600.0


class Contestant(Protocol):
    """Gives out tokens."""

    async def token(self, number: int) -> str:
        """Return the token of one identity."""
        ...


def address(number: int) -> str:
    """Return the address of a device."""
    return SLOW_ADDRESS if number == SLOW else f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


INFO = DeviceInfo(
    primary_hardware_type="SetTopBox",
    model="Streamer 4",
    version="4.1",
    os_name="Android",
    os_version="14",
    connection_type="WiFi",
    connection_ip="203.0.113.7",
    connection_port=54321,
)


class ByHand:
    """Two POSTs on a pooled session; who asks while they are under way waits for them.

    Parameters:
        session: of aiohttp.
        url: of the endpoints.
    """

    def __init__(self, session: Any, url: str) -> None:
        self.session = session
        self._url = url
        self._flights: dict[int, asyncio.Task[str]] = {}
        self.clients: dict[int, dict[str, Any]] = {}
        self.tokens: dict[int, dict[str, Any]] = {}

    async def token(self, number: int) -> str:
        """Return the token in hand, or fetch one."""
        if number in self.tokens:
            return str(self.tokens[number]["access_token"])
        flight = self._flights.get(number)
        if flight is None:
            flight = self._flights[number] = asyncio.create_task(self._fetched(number))
            flight.add_done_callback(lambda _: self._flights.pop(number))
        return await asyncio.shield(flight)

    async def _fetched(self, number: int) -> str:
        if number not in self.clients:
            self.clients[number] = await self._post(number, "register", json={"software_statement": STATEMENT})
        client = self.clients[number]
        form = {"grant_type": "client_credentials"} | {name: client[name] for name in ("client_id", "client_secret")}
        self.tokens[number] = await self._post(number, "token", data=form)
        return str(self.tokens[number]["access_token"])

    async def _post(self, number: int, what: str, **body: Any) -> dict[str, Any]:
        for attempt in range(3):
            try:
                return await self._posted(number, what, **body)
            except Exception:
                if attempt == 2:
                    raise
                await asyncio.sleep(random.uniform(0, 2**attempt))
        raise AssertionError

    async def _posted(self, number: int, what: str, **body: Any) -> dict[str, Any]:
        headers = {"X-Device-Info": INFO.header, "X-Forwarded-For": address(number)}
        async with self.session.post(f"{self._url}/o/client/{what}", headers=headers, **body) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found


class Ours:
    """A source for each identity.

    Parameters:
        fleet: how many, where, and how.
        store: theirs.
    """

    def __init__(self, fleet: Fleet, store: Any) -> None:
        self.provider = AdobePass(STATEMENT, base_url=fleet.url)
        self.store = store
        policy = replace(Policy(), timeout=fleet.timeout)
        most = fleet.count + 1_000
        self._sources = TokenSources(
            self.provider, store=store, transport=transport(fleet.kind), policy=policy, most=most
        )

    def source(self, number: int) -> TokenSource:
        """Return the source of one identity."""
        provider = self.provider.for_device(INFO, forwarded_for=address(number))
        return self._sources.get(instance(number), provider)

    async def token(self, number: int) -> str:
        """Return the token of one identity."""
        return (await self.source(number).token_async()).value


def instance(number: int) -> str:
    """Return the name of a device."""
    return f"device-{number}"


def transport(kind: str) -> Any:
    """Return a transport of that kind; None for `DEFAULT`."""
    if kind == DEFAULT:
        return None
    return getattr(importlib.import_module(f"dcrauth.transports.{kind}"), _TRANSPORTS[kind])()


def store_of(fleet: Fleet) -> Any:
    """Open the store of a fleet."""
    return CONTESTANTS[fleet.store](Path(fleet.folder)).open() if fleet.store else MemoryStore()


@asynccontextmanager
async def session_by_hand() -> AsyncIterator[Any]:
    """Open a session with aiohttp's own pool; what waits for a connection may do so as long as ours may."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session


@asynccontextmanager
async def opened(fleet: Fleet) -> AsyncIterator[Contestant]:
    """Yield the contestant for *fleet*."""
    if fleet.kind != BY_HAND:
        yield Ours(fleet, store_of(fleet))
        return
    async with session_by_hand() as session:
        yield ByHand(session, fleet.url)
