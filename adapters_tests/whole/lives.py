"""Programs with a life of their own, each run in a process by a test: they fork, end, are interrupted, go astray.

A program talks to its test in lines: what it has to say on stdout, and "go" on stdin when the test is ready.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import ssl
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import aiohttp
import httpx
import httpx2
import requests
import trio

from adapters_tests.common.clients import KINDS, TIMEOUT, Kind
from dcrauth import AdobePass, DCRAuthError, FileStore, Policy, Store, TokenSource
from dcrauth._internal import fork as forks
from dcrauth.providers.protocol import Request, Response
from dcrauth.stores import _database
from dcrauth.stores.sqlite import SQLiteStore
from dcrauth.transports import Transport
from dcrauth.transports.requests import RequestsTransport

MODULES: dict[str, Any] = {"httpx": httpx, "httpx2": httpx2}
KIND = {kind.name: kind for kind in KINDS}
LIFE = 30
"""Seconds after which a process ends itself, whatever it waits for."""


def get(kind: Kind, auth: Any, url: str) -> int:
    """Send one request with a new client, in a new event loop or run, and return the status."""
    if kind.library == "requests":
        return requests.get(url, auth=auth, timeout=TIMEOUT).status_code
    if kind.is_async:
        run: Callable[..., int] = trio.run if kind.backend == "trio" else _run_asyncio
        return run(get_async, kind, auth, url)
    with MODULES[kind.library].Client(auth=auth, timeout=TIMEOUT, trust_env=False) as client:
        status: int = client.get(url).status_code
        return status


def _run_asyncio(act: Callable[..., Any], *given: Any) -> Any:
    return asyncio.run(act(*given))


async def get_async(kind: Kind, auth: Any, url: str) -> int:
    """Send one request with a new client, and return the status."""
    async with session(kind, auth) as send:
        return await send(url)


class session:  # noqa: N801  # used as a function
    """An asynchronous client that sends one request at a time.

    Parameters:
        kind: which client.
        auth: what authorizes its requests.
        connections: the most that it opens.
    """

    def __init__(self, kind: Kind, auth: Any, *, connections: int = 1) -> None:
        self._kind, self._auth, self._most = kind, auth, connections

    async def __aenter__(self) -> Callable[[str], Any]:
        if self._kind.library == "aiohttp":
            connector = aiohttp.TCPConnector(limit=self._most)
            self._client: Any = aiohttp.ClientSession(middlewares=[self._auth], connector=connector)
            return self._get_aiohttp
        module = MODULES[self._kind.library]
        limits = module.Limits(max_connections=self._most)
        self._client = module.AsyncClient(auth=self._auth, timeout=TIMEOUT, trust_env=False, limits=limits)
        return self._get_httpx

    async def __aexit__(self, *reason: object) -> None:
        await (self._client.close() if self._kind.library == "aiohttp" else self._client.aclose())

    async def _get_aiohttp(self, url: str) -> int:
        async with self._client.get(url) as response:
            await response.read()
            status: int = response.status
            return status

    async def _get_httpx(self, url: str) -> int:
        return int((await self._client.get(url)).status_code)


class Watched:
    """A transport that says when a call is about to be sent.

    Parameters:
        transport: what sends it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.entered = threading.Event()

    def send(self, request: Request) -> Response:
        self.entered.set()
        return self._transport.send(request)


class Program:
    """A program with one client and one auth object.

    Parameters:
        kind: which client.
        url: where the simulator is.
        statement: the software statement.
        store: where its store is; an SQLite file if the name ends so.
    """

    def __init__(self, kind: str, url: str, statement: str, store: str) -> None:
        self.kind = KIND[kind]
        self.api = f"{url}/api/v2/REF30/configuration"
        self.path = store
        self.store: Store = SQLiteStore(store) if store.endswith(".db") else FileStore(store)
        self.transport = Watched(self.kind.auth._own_transport())
        provider, policy = AdobePass(statement, base_url=url), Policy(spared_for=0.0, least_pause=0.01)
        self.source = TokenSource(provider, store=self.store, transport=self.transport, policy=policy)
        self.auth = self.kind.auth(self.source)

    def get(self) -> int:
        return get(self.kind, self.auth, self.api)

    def say(self, *words: object) -> None:
        """Report something to the test, in one write that no other process's words can get into."""
        os.write(1, (" ".join(map(str, words)) + "\n").encode())

    def hear(self) -> None:
        """Wait for the test."""
        assert sys.stdin.readline() == "go\n"

    def forked(self, work: Callable[[], object]) -> int:
        """Do *work* in a child process and return its pid."""
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of Python 3.12: to fork with threads is what it is for
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.alarm(LIFE)
                work()
                status = 0
            finally:
                os._exit(status)
        return pid

    def ends_well(self, pid: int) -> bool:
        """Whether a child process has ended as it should."""
        return os.waitpid(pid, 0)[1] == 0

    def in_thread(self) -> threading.Thread:
        """Send a request in a thread that the process need not wait for."""

        def work() -> None:
            with contextlib.suppress(DCRAuthError):
                self.get()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


WORKERS = 4


def preload(program: Program) -> None:
    """Send a first request, fork workers as a pre-forking server does, and let all of them send some at once."""
    program.say(program.get())
    program.hear()
    workers = [program.forked(lambda: program.say(*{program.get() for _ in range(3)})) for _ in range(WORKERS)]
    program.say(*{program.ends_well(worker) for worker in workers})
    program.say(program.get())


def preload_client(program: Program) -> None:
    """The same with a blocking client that the workers inherit; no connection is open when they are forked."""
    with program.kind.open(program.auth) as app:
        program.say(app.get(program.api, headers={"Connection": "close"}).status)
        program.hear()

        def work() -> None:
            program.say(*{answer.status for answer in app.send_many(3, "GET", program.api)})

        workers = [program.forked(work) for _ in range(WORKERS)]
        program.say(*{program.ends_well(worker) for worker in workers})
        program.say(app.get(program.api).status)


def fork_in_renewal(program: Program) -> None:
    """Fork in the middle of a renewal; parent and child each send a request."""
    leader = program.in_thread()
    assert program.transport.entered.wait(LIFE)
    child = program.forked(lambda: program.say(program.get()))
    program.say(program.ends_well(child))
    leader.join(LIFE)
    program.say(program.get())


@contextlib.contextmanager
def contexts_made_by(
    program: Program, make: Callable[[Callable[[], ssl.SSLContext]], ssl.SSLContext]
) -> Iterator[None]:
    """Have the TLS contexts of all transports made by *make*, which is given how."""
    kind = program.kind.auth._own_transport
    original = kind._new_context
    kind._new_context = lambda self, own: make(lambda: original(self, own))
    try:
        yield
    finally:
        kind._new_context = original


def fork_beside_a_context(program: Program) -> None:
    """Fork while a renewal makes a TLS context; the child says whether it was finished by then."""
    making, forking, made = threading.Event(), threading.Event(), threading.Event()

    def make_late(make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        making.set()
        assert forking.wait(LIFE)
        context = make()
        made.set()
        return context

    with contexts_made_by(program, make_late):
        leader = program.in_thread()
        assert making.wait(LIFE)
    os.register_at_fork(before=forking.set)
    child = program.forked(lambda: program.say(made.is_set(), program.get()))
    program.say(program.ends_well(child))
    leader.join(LIFE)


def fork_beside_a_stuck_context(program: Program) -> None:
    """Fork while a TLS context is never finished; each side makes another one and sends a request."""
    forks._PATIENCE = 0.2
    making, end = threading.Event(), threading.Event()

    def make_never(make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        making.set()
        assert end.wait(LIFE)
        return make()

    def use_it() -> None:
        forks._SHORT_PATIENCE = 2 * LIFE
        another = threading.Thread(target=program.kind.auth._own_transport().tls_context)
        another.start()
        another.join()
        program.say(program.get())

    with contexts_made_by(program, make_never):
        stuck = threading.Thread(target=program.kind.auth._own_transport().tls_context)
        stuck.start()
        assert making.wait(LIFE)
    program.say(program.get())
    child = program.forked(use_it)
    program.say(program.ends_well(child))
    use_it()
    end.set()
    stuck.join(LIFE)


def fork_beside_a_fork(program: Program) -> None:
    """Fork while another thread does, be interrupted in waiting, and wait once more in vain."""
    program.say(program.get())
    with another_fork() as end:
        interrupting_turns(end)
        child = program.forked(lambda: program.say(len(_database._inherited), program.get()))
    program.say(program.ends_well(child))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFE)
    forks._LONGEST = 0.2
    with another_fork():
        child = program.forked(lambda: program.say(program.get()))
    program.say(program.ends_well(child))
    program.say(program.get())


def context_beside_a_fork(program: Program) -> None:
    """Begin to make a TLS context while another thread forks."""
    forks._SHORT_PATIENCE = LIFE

    def make_and_say(make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        program.say("a context is made")
        return make()

    with contexts_made_by(program, make_and_say), another_fork() as end:
        maker = threading.Thread(target=program.kind.auth._own_transport().tls_context)
        maker.start()
        maker.join(0.3)
        program.say("the fork is over")
        end.set()
        maker.join(LIFE)


@contextlib.contextmanager
def another_fork() -> Iterator[threading.Event]:
    """Have another thread in the middle of a fork, until the event that is yielded or the end."""
    begun, end = threading.Event(), threading.Event()

    def fork() -> None:
        with forks._forks.turn:
            begun.set()
            assert end.wait(LIFE)

    thread = threading.Thread(target=fork)
    thread.start()
    assert begun.wait(LIFE)
    try:
        yield end
    finally:
        end.set()
        thread.join(LIFE)


def interrupting_turns(end: threading.Event) -> None:
    """Interrupt the main thread once it has stood still for a while, waiting for its turn to fork, and set *end*."""
    before: list[object] = []

    def interrupt(_number: int, frame: FrameType | None) -> None:
        assert frame is not None
        place = frame.f_code, frame.f_lasti
        if frame.f_code is forks._has_its_turn.__code__ and before == [place]:
            end.set()
            raise KeyboardInterrupt
        before[:] = [place]
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)


def fork_beside_makers(program: Program) -> None:
    """Fork while other threads make objects that have to know of forks."""
    end = threading.Event()

    def make() -> None:
        kept: list[Store] = []
        while not end.is_set():
            kept.append(SQLiteStore(f"{program.path}.db"))
            del kept[:-100]

    sys.setswitchinterval(1e-6)
    makers = [threading.Thread(target=make) for _ in range(3)]
    for maker in makers:
        maker.start()
    children = [program.forked(lambda: None) for _ in range(60)]
    end.set()
    program.say(*{program.ends_well(child) for child in children})


def fork_and_die(program: Program) -> None:
    """Fork in the middle of a renewal, and be killed: the child goes on alone."""
    program.in_thread()
    program.hear()
    parent = os.getpid()

    def outlive() -> None:
        os.kill(parent, signal.SIGKILL)
        program.say(program.get(), program.get())

    program.forked(outlive)
    signal.pause()


def exit_in_renewal(program: Program) -> None:
    """Come to the end of the program in the middle of a renewal."""
    program.in_thread()
    assert program.transport.entered.wait(LIFE)


def exit_in_silence(program: Program) -> None:
    """Come to the end of the program while the server is silent; the timeouts are short."""
    silent = RequestsTransport(read_timeout=0.5, total_timeout=0.5)
    program.transport = Watched(silent)
    object.__setattr__(program.source._driver, "transport", program.transport)
    exit_in_renewal(program)


def request_at_exit(program: Program) -> None:
    """Send the first request of all when the interpreter is about to end, as a farewell."""
    atexit.register(lambda: program.say(program.get(), program.get()))


def daemonize(program: Program) -> None:
    """Send a request, become a service by forking twice, and send another one from there."""
    program.say(program.get())
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.alarm(LIFE)
    program.say(program.get())
    program.hear()
    program.say(program.get())


def interrupted(program: Program) -> None:
    """Wait for a renewal in the main thread, be interrupted, and go on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever starts the tests may have it ignored
    try:
        program.get()
    except KeyboardInterrupt:
        program.say("interrupted")
    program.say(program.get())


LIVES: dict[str, Callable[[Program], None]] = {
    life.__name__: life
    for life in (
        preload,
        preload_client,
        fork_in_renewal,
        fork_beside_a_context,
        fork_beside_a_stuck_context,
        fork_beside_a_fork,
        context_beside_a_fork,
        fork_beside_makers,
        fork_and_die,
        exit_in_renewal,
        exit_in_silence,
        request_at_exit,
        daemonize,
        interrupted,
    )
}


if __name__ == "__main__":
    signal.alarm(LIFE)
    logging.disable()
    LIVES[sys.argv[1]](Program(*sys.argv[2:]))
