"""What a cold start costs when many ask at once: registrations, token calls, and time.

The simulator takes 0.5 s for each of its two calls. 64 threads, 1 000 asyncio tasks and 16 processes on one FileStore
each start with nothing but their modules. The wall time is put beside that of one caller alone, which pays the two
calls and its own start-up. The peers start cold too; they cannot register, so they are given a client. Run:

    python benchmarks/cold.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import requests

from dcrauth import AdobePass, FileStore, MemoryStore, TokenSource
from dcrauth.simulator import Behaviour, Simulator
from dcrauth.transports.requests import RequestsTransport
from machine import described

DELAY = 0.5
THREADS, TASKS, PROCESSES = 64, 1_000, 16
BEHAVIOUR = Behaviour(register_delay=DELAY, token_delay=DELAY)


def source(adobe: Simulator, store: Any = None) -> TokenSource:
    provider = AdobePass(adobe.software_statement, base_url=adobe.url)
    return TokenSource(provider, store=store or MemoryStore(), transport=RequestsTransport())


def in_threads(count: int, work: Callable[[], Any]) -> float:
    """Do *work* in so many threads at once; return the seconds until all are done."""
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: None, range(count)))
        start = time.perf_counter()
        list(pool.map(lambda _: work(), range(count)))
        return time.perf_counter() - start


def threads(adobe: Simulator, count: int) -> float:
    """So many threads, all in need of a token."""
    made = source(adobe)
    return in_threads(count, made.token)


def tasks(adobe: Simulator, count: int) -> float:
    """So many asyncio tasks, all in need of a token."""
    made = source(adobe)

    async def main() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(made.token_async() for _ in range(count)))
        return time.perf_counter() - start

    return asyncio.run(main())


def processes(adobe: Simulator, count: int) -> float:
    """So many processes with one store, all in need of a token; they have started up before the clock starts."""
    context = multiprocessing.get_context("spawn")
    barrier, ends = context.Barrier(count + 1), context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        given = (adobe.software_statement, adobe.url, folder, barrier, ends)
        workers = [context.Process(target=_process, args=given) for _ in range(count)]
        for worker in workers:
            worker.start()
        barrier.wait(120)
        start = time.monotonic()
        last = max(ends.get(timeout=120) for _ in workers)
        for worker in workers:
            worker.join()
    return last - start


def _process(statement: str, url: str, folder: str, barrier: Any, ends: Any) -> None:
    provider = AdobePass(statement, base_url=url)
    made = TokenSource(provider, store=FileStore(folder), transport=RequestsTransport())
    barrier.wait(120)
    made.token()
    ends.put(time.monotonic())


class AnyToken(BaseHTTPRequestHandler):
    """A token endpoint for the peers, which authenticate in their own ways: it grants anything, and counts."""

    calls = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        time.sleep(DELAY)
        body = b'{"access_token":"t","token_type":"bearer","expires_in":21600}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def peer_requests_auth(url: str) -> float:
    import requests_auth

    auth = requests_auth.OAuth2ClientCredentials(url, client_id="a", client_secret="b")
    requests_auth.OAuth2.token_cache.clear()
    return in_threads(THREADS, lambda: auth(requests.Request("GET", url).prepare()))


def peer_requests_oauth2client(url: str) -> float:
    from requests_oauth2client import OAuth2Client, OAuth2ClientCredentialsAuth

    made = OAuth2Client(url, ("a", "b"), testing=True)
    auth = OAuth2ClientCredentialsAuth(made)
    return in_threads(THREADS, lambda: auth(requests.Request("GET", url).prepare()))


def peer_httpx_auth(url: str) -> float:
    import httpx_auth

    auth = httpx_auth.OAuth2ClientCredentials(url, client_id="a", client_secret="b")
    httpx_auth.OAuth2.token_cache.clear()
    return in_threads(THREADS, lambda: next(auth.sync_auth_flow(httpx.Request("GET", url))))


def row(name: str, adobe: Simulator, run: Callable[[], float], alone: float | None) -> float:
    """Run one line of the table and print it."""
    adobe.reset_counts()
    seconds = run()
    counts = adobe.counts
    beside = f"{seconds / alone:12.2f}" if alone else f"{'':>12}"
    print(f"{name:<44}{counts.register:>10}{counts.token:>8}{seconds:10.2f}{beside}")
    return seconds


def main() -> None:
    """Measure and print everything."""
    warnings.simplefilter("ignore")
    print(described("dcrauth", "requests", "httpx", "aiohttp", "requests-auth", "httpx-auth", "requests-oauth2client"))
    print(f"\n{'':<44}{'register':>10}{'token':>8}{'seconds':>10}{'× alone':>12}")
    with Simulator(BEHAVIOUR) as adobe:
        alone = row("dcrauth, 1 thread", adobe, lambda: threads(adobe, 1), None)
        row(f"dcrauth, {THREADS} threads", adobe, lambda: threads(adobe, THREADS), alone)
        alone = row("dcrauth, 1 task", adobe, lambda: tasks(adobe, 1), None)
        row(f"dcrauth, {TASKS} tasks", adobe, lambda: tasks(adobe, TASKS), alone)
        alone = row("dcrauth, 1 process, FileStore", adobe, lambda: processes(adobe, 1), None)
        row(f"dcrauth, {PROCESSES} processes, one FileStore", adobe, lambda: processes(adobe, PROCESSES), alone)
    peers = {
        "requests-auth": peer_requests_auth,
        "requests-oauth2client": peer_requests_oauth2client,
        "httpx-auth": peer_httpx_auth,
    }
    for name, run in peers.items():
        peer_row(f"{name}, {THREADS} threads", run)


def peer_row(name: str, run: Callable[[str], float]) -> None:
    """Run one peer against an endpoint of its own and print its line."""
    AnyToken.calls = 0
    ThreadingHTTPServer.request_queue_size = 256
    server = ThreadingHTTPServer(("127.0.0.1", 0), AnyToken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seconds = run(f"http://127.0.0.1:{server.server_port}/token")
    server.shutdown()
    print(f"{name:<44}{'–':>10}{AnyToken.calls:>8}{seconds:10.2f}")


if __name__ == "__main__":
    main()
