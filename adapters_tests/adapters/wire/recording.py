"""What goes over the wire, byte for byte: one program with each HTTP client, and a server that keeps what it is sent.

It names nothing of dcrauth that its first versions did not have, so that theirs can be recorded as well:
``PYTHONPATH=elsewhere/src python -m adapters_tests.adapters.wire.recording``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socketserver
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from adapters_tests.common.in_thread import InThread
from dcrauth import AdobePass, Clock, DeviceInfo, MemoryStore, Policy, TokenSource

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
DEVICE = DeviceInfo(
    primary_hardware_type="SetTopBox",
    model="Box",
    version="4.1",
    os_name="Android",
    os_version="14",
    connection_type="LAN",
)
API = "/api/v2/REF30/configuration"
BODY = b'{"resources":["one","two"]}'
JSON = {"Content-Type": "application/json"}
Send = Callable[..., int]


class Recorder(InThread):
    """A server that keeps every request as it came, and answers as Adobe does; use it with ``with``."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._clients = self._tokens = 0
        self._known: set[str] = set()
        self._good = ""
        recorder = self

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := self.head():
                    lower = head.lower()
                    _, found, rest = lower.partition(b"content-length: ")
                    body = self.rfile.read(int(rest.partition(b"\r\n")[0])) if found else b""
                    recorder.requests.append(head + b"\r\n" + body)
                    self.wfile.write(recorder.answer(head.split(b" ")[1].decode(), lower, body))

            def head(self) -> bytes:
                lines = []
                while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                    lines.append(line)
                return b"".join(lines)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        super().__init__(Server(("127.0.0.1", 0), Connection))
        self.host = self.url.removeprefix("http://")

    def revoke_token(self) -> None:
        """Refuse the token that there is from now on."""
        self._good = ""

    def forget_clients(self) -> None:
        """Know no client any more, and refuse their tokens."""
        self._known.clear()
        self.revoke_token()

    def answer(self, target: str, head: bytes, body: bytes) -> bytes:
        """Return the answer to a request."""
        path, _, query = target.partition("?")
        if path == "/o/client/register":
            return self._registered()
        if path == "/o/client/token":
            return self._granted(parse_qs(body.decode() or query))
        if self._good and f"authorization: bearer {self._good}\r\n".encode() in head:
            return _http(200, {"status": "fine"})
        return _http(401, {"status": 401, "code": "invalid_access_token_client_application", "action": "application"})

    def _registered(self) -> bytes:
        self._clients += 1
        self._known.add(f"client-{self._clients}")
        return _http(201, {"client_id": f"client-{self._clients}", "client_secret": f"secret/{self._clients}+"})

    def _granted(self, form: dict[str, list[str]]) -> bytes:
        if form["client_id"][0] not in self._known:
            return _http(400, {"error": "invalid_client"})
        self._tokens += 1
        self._good = f"token-{self._tokens}"
        return _http(201, {"access_token": self._good, "token_type": "bearer", "expires_in": 21_600})


def _http(status: int, fields: dict[str, Any]) -> bytes:
    body = json.dumps(fields).encode()
    return b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


@contextmanager
def of_requests(source: TokenSource) -> Iterator[Send]:
    import requests

    import dcrauth.requests

    with requests.Session() as session:
        session.auth = dcrauth.requests.DCRAuth(source)
        session.trust_env = False
        yield lambda method, url, **options: session.request(method, url, timeout=20, **options).status_code


def of_httpx(module: str) -> Any:
    @contextmanager
    def opened(source: TokenSource) -> Iterator[Send]:
        import importlib

        library, ours = importlib.import_module(module), importlib.import_module(f"dcrauth.{module}")
        with library.Client(auth=ours.DCRAuth(source), trust_env=False, timeout=20) as client:
            yield (
                lambda method, url, data=None, **options: (
                    client.request(method, url, content=data, **options).status_code
                )
            )

    return opened


@contextmanager
def of_aiohttp(source: TokenSource) -> Iterator[Send]:
    import aiohttp

    import dcrauth.aiohttp

    with asyncio.Runner() as runner:

        async def opened() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(middlewares=[dcrauth.aiohttp.DCRAuth(source)])

        session = runner.run(opened())

        async def send(method: str, url: str, **options: Any) -> int:
            async with session.request(method, url, **options) as response:
                await response.read()
                return response.status

        yield lambda *given, **options: runner.run(send(*given, **options))
        runner.run(session.close())


def _transport(library: str) -> Any:
    import importlib

    module = importlib.import_module(f"dcrauth.transports.{library}")
    return getattr(module, f"{library.capitalize()}Transport")()


CLIENTS: dict[str, Any] = {
    "requests": of_requests,
    "httpx": of_httpx("httpx"),
    "httpx2": of_httpx("httpx2"),
    "aiohttp": of_aiohttp,
}


class Ahead:
    """A clock that runs with the real one, by some seconds ahead; a pause only puts it forward."""

    def __init__(self) -> None:
        self._by = 0.0
        self.clock = Clock(lambda: time.time() + self._by, lambda: time.monotonic() + self._by, self.sleep)

    def sleep(self, seconds: float) -> None:
        self._by += seconds


def recorded(library: str) -> list[bytes]:
    """Return what a program with *library* sends: cold, warm, refused, with a body, to who has forgotten its client."""
    with Recorder() as server:
        plain = AdobePass(STATEMENT, base_url=server.url)
        full = AdobePass(
            STATEMENT,
            base_url=server.url,
            device_info=DEVICE,
            redirect_uri="https://app.example/back",
            forwarded_for="203.0.113.7",
            token_request="query",
        )
        for provider in (plain, full):
            ahead = Ahead()
            given = {"store": MemoryStore(), "policy": Policy(settling=0.0), "clock": ahead.clock}
            source = TokenSource(provider, transport=_transport(library), **given)
            with CLIENTS[library](source) as send:
                _use(server, send, ahead)
        return [request.replace(server.host.encode(), b"<host>") for request in server.requests]


def _use(server: Recorder, send: Send, ahead: Ahead) -> None:
    def get() -> None:
        ahead.sleep(60)  # no token is too new to be renewed
        assert send("GET", server.url + API) == 200

    get()
    get()
    server.revoke_token()
    get()
    assert send("POST", server.url + API, data=BODY, headers=JSON) == 200
    server.forget_clients()
    get()


def main() -> None:
    """Print what each client sends, as JSON."""
    logging.disable()  # of clients that are replaced, as they are meant to be
    json.dump({library: [each.decode() for each in recorded(library)] for library in CLIENTS}, sys.stdout)


if __name__ == "__main__":
    main()
