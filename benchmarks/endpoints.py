"""A token endpoint and a protected API on loopback, in a process of their own and as light as can be.

The simulator has a thread for each connection, which would be the larger part of what is measured at 200 requests a
second. This is one asyncio loop that answers from memory. It takes any client, and notes when each token call came and
was answered; the clock is `time.monotonic`, which is the same one in all processes of a machine.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Self

CONTEXT = multiprocessing.get_context("spawn")
OPEN = "/open"
"""A path that is answered without a look at the token, for a static header."""
GUARDED = "/api"
"""A path that wants a valid token."""


@dataclass
class State:
    """What the endpoints know.

    Parameters:
        life: life of a token, in seconds.
        delay: what the token endpoint takes to answer, in seconds.
        gate: so many refusals are held back until they are complete, so that they come at once.
    """

    life: int
    delay: float
    down: bool = False
    gate: int = 0
    tokens: dict[bytes, float] = field(default_factory=dict)
    calls: list[tuple[float, float]] = field(default_factory=list)
    registrations: int = 0
    refusals: int = 0
    held: list[Connection] = field(default_factory=list)

    def granted(self) -> bytes:
        """Make a token, which lives from now on."""
        token = f"token-{len(self.tokens)}-{time.monotonic_ns()}"
        self.tokens[token.encode()] = time.monotonic() + self.life
        return json.dumps({"access_token": token, "token_type": "bearer", "expires_in": self.life}).encode()

    def accepts(self, head: bytes) -> bool:
        """Whether the request with this *head* carries a token that lives."""
        _, _, rest = head.lower().partition(b"\r\nauthorization: bearer ")
        return self.tokens.get(rest.partition(b"\r\n")[0], 0.0) > time.monotonic()

    def control(self, path: str) -> bytes:
        """Do what *path* asks for; return the counts."""
        name, _, value = path.removeprefix("/control/").partition("/")
        if name in {"down", "up"}:
            self.down = name == "down"
        elif name == "revoke":
            self.tokens.clear()
            self.gate = int(value)
        elif name == "reset":
            self.calls, self.registrations, self.refusals = [], 0, 0
        return json.dumps({"calls": self.calls, "refusals": self.refusals}).encode()


class Connection(asyncio.Protocol):
    """One connection: requests come one after the other, as none of the clients pipelines."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        if found and len(body) >= int(length.partition(b"\r\n")[0] or 0):
            self.buffer = b""
            self.answer(head, head.split(b" ", 2)[1].decode())

    def answer(self, head: bytes, path: str) -> None:
        state = self.state
        if path == OPEN or (path == GUARDED and state.accepts(head)):
            self.send(b"200 OK", b"{}")
        elif path == GUARDED:
            self.refuse()
        elif path == "/o/client/register":
            state.registrations += 1
            self.send(b"201 Created", b'{"client_id":"a","client_secret":"b"}')
        elif path == "/o/client/token":
            self.token(time.monotonic())
        else:
            self.send(b"200 OK", state.control(path))

    def token(self, came: float) -> None:
        """Grant a token after the delay; refuse at once while down."""
        if self.state.down:
            self.state.calls.append((came, came))
            self.send(b"503 Service Unavailable", b"")
            return
        asyncio.get_running_loop().call_later(self.state.delay, self.grant, came)

    def grant(self, came: float) -> None:
        self.state.calls.append((came, time.monotonic()))
        self.send(b"200 OK", self.state.granted())

    def refuse(self) -> None:
        """Answer 401; while the gate is closed, once all are there."""
        state = self.state
        state.refusals += 1
        state.held.append(self)
        if len(state.held) >= state.gate:
            state.gate, ready, state.held = 0, state.held, []
            for each in ready:
                each.send(b"401 Unauthorized", b"")

    def send(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)


def end_with_parent() -> None:
    """End this process when the one that started it has ended, in whatever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def serve(state: State, protocol: type[Connection], port: Any) -> None:
    """Serve until killed, or until nobody is left to do that; tell *port* where."""
    end_with_parent()

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: protocol(state), "127.0.0.1", 0, backlog=2_048)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


class Endpoints:
    """The endpoints, as seen from another process; use it with ``with``.

    Parameters:
        life: life of a token, in seconds.
        delay: what the token endpoint takes to answer, in seconds.
        state: what they know, where that is more than the two.
        protocol: how they answer.
    """

    def __init__(
        self, life: int, delay: float, state: State | None = None, protocol: type[Connection] = Connection
    ) -> None:
        receiver, sender = CONTEXT.Pipe(duplex=False)
        given = (state or State(life, delay), protocol, sender)
        self.process = CONTEXT.Process(target=serve, args=given, daemon=True)
        self.process.start()
        self.url = f"http://127.0.0.1:{receiver.recv()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.process.kill()
        self.process.join()

    def calls(self) -> list[tuple[float, float]]:
        """When each token call came and was answered."""
        return [(came, answered) for came, answered in control(self.url, "counts")["calls"]]


def control(url: str, order: str) -> dict[str, Any]:
    """Give the endpoints an order; return the counts."""
    with urllib.request.urlopen(f"{url}/control/{order}", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
