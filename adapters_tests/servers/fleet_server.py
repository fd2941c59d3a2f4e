"""A server on loopback for many identities at once: one thread, one event loop, any number of connections."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

PATIENCE = 20.0


@dataclass(frozen=True)
class Call:
    """A call of one of the two endpoints.

    Parameters:
        endpoint: "register" or "token".
        address: the forwarded address, if there is one.
        client: the client id in it, if there is one.
    """

    endpoint: str
    address: str
    client: str


Answer = tuple[int, dict[str, str], bytes]
Deciding = Callable[[Call], Answer | None]


def usual(_: Call) -> None:
    """Have every call answered as a server does that is well."""


class FleetServer:
    """Registers everybody, and grants tokens.

    Parameters:
        decide: returns another answer to a call; an answer of status 0 is none, for as long as the server lives.

    Attributes:
        delay: seconds before each answer.
    """

    delay = 0.0

    def __init__(self, decide: Deciding = usual) -> None:
        self.decide = decide
        self.calls: Counter[str] = Counter()
        self.clients: set[str] = set()
        self.connections = self.held = 0
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(PATIENCE)
        return self

    def __exit__(self, *reason: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0, backlog=1_024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._begun.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (call := await _read(reader)) is not None:
                await self._answer(call, writer)
        except (OSError, asyncio.CancelledError):
            """The client is gone, or the test is over."""
        finally:
            writer.close()

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        if call.endpoint == "calls":  # the program that is tested wants to know
            count = f"{self.calls.total()}"
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(count)}\r\n\r\n{count}".encode())
            return
        self.calls[call.endpoint] += 1
        status, headers, body = self.decide(call) or self._usual(call)
        if not status:
            self.held += 1
            await self._end.wait()
            return
        await asyncio.sleep(self.delay)
        fields = {"Content-Type": "application/json", "Content-Length": f"{len(body)}"} | headers
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    def _usual(self, call: Call) -> Answer:
        number = self.calls.total()
        if call.endpoint == "register":
            self.clients.add(f"client-{number}")
            return 201, {}, json.dumps({"client_id": f"client-{number}", "client_secret": "secret"}).encode()
        fields = {"access_token": f"token-{number}", "token_type": "bearer", "expires_in": 3600}
        return 201, {}, json.dumps(fields).encode()


async def _read(reader: asyncio.StreamReader) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = (await reader.readexactly(int(fields.get("content-length", "0")))).decode()
    client = body.partition("client_id=")[2].partition("&")[0]
    return Call(head[0].split()[1].rpartition("/")[2], fields.get("x-forwarded-for", ""), client)
