"""The two DCR endpoints of a server with many clients: each registration is another client, each call takes a while.

What the endpoints of the other benchmarks answer at once takes as long as a server some hops away. They answer only so
many calls in a second; those that come faster wait for their turn. They can be down in two ways: answer 503 at once, or
not at all. Calls for a device with one address are slow.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from endpoints import Connection, Endpoints, State, control

SLOW_ADDRESS = "198.51.100.1"
LIFE = 21_600
_UUID = "6fedbfd4-0000-4000-8000-{:012d}"
_TOKEN = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{{:08d}}{'x' * 584}"
"""As long as those of Adobe are."""


@dataclass
class Server(State):
    """What the endpoints know.

    Parameters:
        capacity: how many calls they answer in a second.
        slow: seconds that a call for the device at `SLOW_ADDRESS` takes.
        silent: whether calls are not answered at all.
    """

    capacity: float = 1e9
    slow: float = 0.0
    silent: bool = False
    connections: int = 0
    came: list[float] = field(default_factory=list)
    free_at: float = 0.0

    def turn(self, head: bytes) -> float:
        """Return after how many seconds the call with this *head* is answered."""
        now = time.monotonic()
        self.free_at = max(now, self.free_at) + 1 / self.capacity
        slow = f"\r\nx-forwarded-for: {SLOW_ADDRESS}\r\n".encode() in head.lower() + b"\r\n"
        return (self.slow if slow else self.delay) + self.free_at - 1 / self.capacity - now

    def control(self, path: str) -> bytes:
        """Do what *path* asks for; return the counts."""
        order = path.removeprefix("/control/")
        if order in {"up", "down", "silent"}:
            self.down, self.silent = order == "down", order == "silent"
        if order == "reset":
            self.came, self.registrations, self.tokens, self.connections = [], 0, {}, 0
        counts = {"registrations": self.registrations, "tokens": len(self.tokens), "connections": self.connections}
        return json.dumps(counts | {"came": self.came}).encode()


class ServerConnection(Connection):
    """One connection to them."""

    state: Server

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.state.connections += 1

    def answer(self, head: bytes, path: str) -> None:
        state = self.state
        if path.startswith("/control/"):
            self.send(b"200 OK", state.control(path))
            return
        state.came.append(time.monotonic())
        if state.down:
            self.send(b"503 Service Unavailable", b"")
        elif not state.silent:
            act = self.register if path == "/o/client/register" else self.grant_token
            asyncio.get_running_loop().call_later(state.turn(head), act)

    def register(self) -> None:
        state = self.state
        state.registrations += 1
        client = _UUID.format(state.registrations)
        fields = {"client_id": client, "client_secret": client, "client_id_issued_at": 1700725699585}
        fields |= {"redirect_uris": [], "grant_types": ["client_credentials"], "scopes": ["api:client:v2"]}
        self.send(b"201 Created", json.dumps(fields).encode())

    def grant_token(self) -> None:
        state = self.state
        token = _TOKEN.format(len(state.tokens))
        state.tokens[token.encode()] = time.monotonic() + state.life
        fields = {"access_token": token, "token_type": "bearer", "expires_in": state.life}
        self.send(b"201 Created", json.dumps(fields).encode())


def servers(delay: float, capacity: float = 1e9, slow: float = 0.0) -> Endpoints:
    """Return such endpoints, in a process of their own; use them with ``with``."""
    return Endpoints(LIFE, delay, Server(LIFE, delay, capacity=capacity, slow=slow), ServerConnection)


def counts(url: str) -> dict[str, int]:
    """Return the registrations, tokens, connections and calls since the last reset."""
    found = control(url, "counts")
    return {**found, "calls": len(found.pop("came"))}


def calls_between(url: str, begin: float, end: float) -> tuple[int, int]:
    """Return how many calls came between two moments of `time.monotonic`, and how many in the busiest second."""
    came = [each - begin for each in control(url, "counts")["came"] if begin <= each < end]
    return len(came), max(Counter(map(int, came)).values(), default=0)
