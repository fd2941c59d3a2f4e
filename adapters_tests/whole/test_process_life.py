"""Process life: forks, ends, interrupts, closed loops and clocks that jump harm nobody, and the next request works."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import importlib.util
import itertools
import multiprocessing
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import requests
import trio

from adapters_tests.adapters.test_contract import HeldBack
from adapters_tests.common.clients import KINDS, Kind
from adapters_tests.common.clock import ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.interrupts import interrupts
from adapters_tests.stores.failing_disk import KINDS as DISK_CALLS
from adapters_tests.stores.failing_disk import FailingDisk
from adapters_tests.whole.lives import KIND, LIFE, MODULES, get, get_async, session
from dcrauth import AccessToken, AdobePass, Clock, DCRAuthError, FileStore, MemoryStore, Policy, TokenSource
from dcrauth.simulator import Behaviour, Fault, Simulator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

all_kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
blocking_kinds = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if not kind.is_async], ids=lambda kind: kind.name
)
asynchronous_kinds = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.is_async], ids=lambda kind: kind.name
)
libraries = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if not kind.is_async or kind.library == "aiohttp"], ids=lambda kind: kind.library
)
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork")


def api_of(adobe: Simulator) -> str:
    """A protected API."""
    return f"{adobe.url}/api/v2/REF30/configuration"


def later(kind: Kind, adobe: Simulator, store: Path) -> Any:
    """The auth object of a program that is started later, with the same store."""
    return kind.auth(AdobePass(adobe.software_statement, base_url=adobe.url), store=FileStore(store))


class Life:
    """A program of adapters_tests.whole.lives that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def hears(self) -> None:
        """Let the program go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def says(self) -> str:
        """Wait for the next line of the program; "" when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def rest(self) -> list[str]:
        """Wait for the end of the program and its children, and return what they have said."""
        out, err = self._process.communicate(timeout=LIFE)
        assert err == ""
        return out.splitlines()

    @property
    def status(self) -> int:
        return self._process.wait(LIFE)


@contextmanager
def living(life: str, kind: Kind, adobe: Simulator, store: Path) -> Iterator[Life]:
    """Run a program until it ends, at the latest with the test."""
    program = ["adapters_tests.whole.gevent_life"] if life == "gevent" else ["adapters_tests.whole.lives", life]
    given = [kind.name, adobe.url, adobe.software_statement, str(store)]
    quiet = "ignore:This process:DeprecationWarning"  # forking while threads run is what many of them are about
    command, pipe = [sys.executable, "-W", quiet, "-m", *program, *given], subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    with process:
        try:
            yield Life(process)
        finally:
            process.kill()


# Forks.


@needs_fork
@pytest.mark.fault(
    "a server loads the application, which sends a request, and forks its workers",
    "they use the same client and renew its token together",
)
@all_kinds
def test_workers_share_what_was_loaded_before_the_fork(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """Workers that are forked after a first request register nothing, and renew a refused token once for all."""
    with living("preload", kind, adobe, tmp_path / "store") as program:
        assert program.says() == "200"
        adobe.revoke_tokens()
        program.hears()
        assert program.rest() == ["200"] * 4 + ["True", "200"]
    assert (adobe.counts.register, adobe.counts.token) == (1, 2)


@needs_fork
@pytest.mark.fault(
    "a process forks while its client is idle", "the children use the client that they inherit, each for itself"
)
@blocking_kinds
def test_workers_inherit_a_client(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """A blocking client with its auth object goes on in every worker."""
    with living("preload_client", kind, adobe, tmp_path / "store") as program:
        assert program.says() == "200"
        adobe.revoke_tokens()
        program.hears()
        assert program.rest() == ["200"] * 4 + ["True", "200"]
    assert (adobe.counts.register, adobe.counts.token) == (1, 2)


@needs_fork
@pytest.mark.fault(
    "a process forks in the middle of a renewal",
    "the child does not wait for a thread that it has not got, and uses what its parent has stored",
)
@all_kinds
def test_a_fork_in_the_middle_of_a_renewal(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """A child that is forked during the registration waits for its parent's lock, and registers nothing."""
    adobe.behaviour = Behaviour(register_delay=0.3)
    with living("fork_in_renewal", kind, adobe, tmp_path / "store") as program:
        assert program.rest() == ["200", "True", "200"]
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


@needs_fork
@pytest.mark.fault(
    "a process forks while a renewal makes a TLS context",
    "the fork comes after that: locks of OpenSSL that are taken at a fork are never released in the child",
)
@libraries
def test_a_fork_waits_for_a_context(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """No fork comes in the middle of the making of a TLS context."""
    with living("fork_beside_a_context", kind, adobe, tmp_path / "store") as program:
        assert program.rest() == ["True 200", "True"]


@needs_fork
@pytest.mark.fault(
    "a certificate file cannot be read to its end, as on a file system that hangs",
    "other renewals go on, and forks wait for it for a few seconds only",
)
@libraries
def test_what_is_stuck_stops_nobody_else(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """A TLS context that is never finished stops neither other token sources nor forks."""
    with living("fork_beside_a_stuck_context", kind, adobe, tmp_path / "store") as program:
        assert program.rest() == ["200", "200", "True", "200"]


@needs_fork
@pytest.mark.fault(
    "a fork is interrupted while it waits for one in another thread, or waits for it too long",
    "it waits on after an interrupt, and for 30 s at most; the child uses no connection of its parent",
)
def test_a_fork_beside_a_fork(adobe: Simulator, tmp_path: Path) -> None:
    """Forks in two threads do without each other when they have to, and nothing stays locked or open."""
    with living("fork_beside_a_fork", KINDS[0], adobe, tmp_path / "records.db") as program:
        assert program.rest() == ["200", "0 200", "True", "200", "True", "200"]


@needs_fork
def test_a_context_waits_for_a_fork(adobe: Simulator, tmp_path: Path) -> None:
    """No TLS context is begun in the middle of a fork, which would not know of it."""
    with living("context_beside_a_fork", KINDS[0], adobe, tmp_path / "store") as program:
        assert program.rest() == ["the fork is over", "a context is made"]


@needs_fork
def test_objects_may_be_made_during_a_fork(adobe: Simulator, tmp_path: Path) -> None:
    """What other threads make in the middle of a fork does not disturb it: nothing is told on stderr."""
    with living("fork_beside_makers", KINDS[0], adobe, tmp_path / "store") as program:
        assert program.rest() == ["True"]


ORDER = """
import os, sys

order = []
register = os.register_at_fork

def noting(**hooks):
    order.append(sys._getframe(1).f_globals["__name__"])
    register(**hooks)

os.register_at_fork = noting
import dcrauth
assert not any(name.startswith("dcrauth") for name in order), order
{first}
for store in (dcrauth.MemoryStore(), dcrauth.FileStore({path!r}), dcrauth.SQLiteStore({path!r})):
    dcrauth.TokenSource(dcrauth.AdobePass({statement!r}), store=store)
ours = [number for number, name in enumerate(order) if name == "dcrauth._internal.fork"]
others = [number for number, name in enumerate(order) if name.partition(".")[0] in ("filelock", "concurrent")]
print(len(ours), len(others) >= 2, min(ours) > max(others))
"""


@needs_fork
@pytest.mark.parametrize("first", ["", "import filelock", "import concurrent.futures.thread", "import asyncio"])
def test_forks_are_looked_after_in_order(first: str, adobe: Simulator, tmp_path: Path) -> None:
    """Writers are suspended before filelock and the pools take their locks: what is registered last is called first."""
    program = ORDER.format(first=first, path=str(tmp_path / "records"), statement=adobe.software_statement)
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIFE, check=False)
    assert (found.stdout.split(), found.stderr) == (["2", "True", "True"], "")


def begins_a_pool(module: str) -> bool:
    """Whether the import of a module brings the pools of threads along, which register with the end of the main one."""
    program = f"import sys, {module}; sys.exit('concurrent.futures.thread' in sys.modules)"
    return subprocess.run([sys.executable, "-c", program], check=False).returncode != 0


LATE = """
import sys, threading
from dcrauth import AdobePass, MemoryStore, SQLiteStore, TokenSource

def late():
    threading.main_thread().join()
    store = SQLiteStore(sys.argv[3]) if sys.argv[3:] else MemoryStore()
    source = TokenSource(AdobePass(sys.argv[2], base_url=sys.argv[1]), store=store)
    print(bool(source.token()))

threading.Thread(target=late).start()
"""


@pytest.mark.fault(
    "a source is made for the first time after the main thread has ended, while other threads go on", "it works"
)
@pytest.mark.parametrize("files", [[], ["records.db"]], ids=["memory", "sqlite"])
def test_a_source_made_after_the_main_thread_has_ended(adobe: Simulator, tmp_path: Path, files: list[str]) -> None:
    """What is imported for forks only cannot be had any more then, and is not missed."""
    if files and begins_a_pool("filelock"):
        pytest.skip("this release of filelock begins a pool of threads, which cannot be had any more then")
    paths = [str(tmp_path / name) for name in files]
    command = [sys.executable, "-c", LATE, adobe.url, adobe.software_statement, *paths]
    found = subprocess.run(command, capture_output=True, text=True, timeout=LIFE, check=False)
    assert (found.stdout, found.stderr) == ("True\n", "")


BUSY = """
import os, sys, threading
from dcrauth import SQLiteStore
from dcrauth.stores._database import Database

store, over, suspended = SQLiteStore(sys.argv[1]), threading.Event(), []

class Watched(Database):
    def suspend(self):
        super().suspend()
        suspended.append((self._writers._is_owned(), self._mutex._is_owned(), self._connection))

store._database.__class__ = Watched

def write(name):
    number = 0
    while not over.is_set():
        store.put(f"{name} {number % 10}", b"value")
        number += 1

threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
for thread in threads:
    thread.start()
while len(list(store.keys())) < 10:
    pass
children = []
for _ in range(10):
    if not (child := os.fork()):
        os._exit(0)
    children.append(os.waitpid(child, 0)[1])
over.set()
for thread in threads:
    thread.join()
print(children == [0] * 10, suspended == [(True, True, None)] * 10)
"""


@needs_fork
@pytest.mark.fault(
    "a process forks while four threads write to its SQLite store",
    "each fork waits for the write under way, and no longer",
)
def test_a_fork_beside_four_writers(tmp_path: Path) -> None:
    """A fork gets hold of all locks of the store, for which it would wait in vain behind those of filelock."""
    command = [sys.executable, "-W", "ignore", "-c", BUSY, str(tmp_path / "records.db")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=2 * LIFE, check=False)
    assert (found.stdout.split(), found.stderr) == (["True", "True"], "")


IMPORTING = """
import importlib, sys, threading
from dcrauth import AdobePass, FileStore, TokenSource
from dcrauth._internal import fork

module, name, url, statement, store = sys.argv[1:]
transport = getattr(importlib.import_module(module), name)()
source = TokenSource(AdobePass(statement, base_url=url), store=FileStore(store), transport=transport)

class Watching:
    def find_spec(self, name, path=None, target=None):
        thread = threading.current_thread()
        if thread.name == "dcrauth-worker" and thread.ident not in fork._forks.undivided.values():
            print(name)

sys.meta_path.insert(0, Watching())
print(source.token().value != "")
"""


@libraries
def test_nothing_is_imported_in_the_open(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """A renewal imports nothing while a fork may come: the child would wait for ever for the module to be imported."""
    transport, url = kind.auth._own_transport, adobe.url.replace("127.0.0.1", "localhost")
    given = [transport.__module__, transport.__name__, url, adobe.software_statement, str(tmp_path / "store")]
    program = [sys.executable, "-c", IMPORTING, *given]
    told = subprocess.run(program, capture_output=True, text=True, timeout=LIFE, check=False)
    assert (told.stdout.split(), told.stderr) == (["True"], "")


@needs_fork
@pytest.mark.fault(
    "a process forks in the middle of a renewal and is killed",
    "the child gets the lock and goes on alone; what its parent has stored is used",
)
@pytest.mark.parametrize("store", ["store", "records.db"])
def test_a_child_whose_parent_is_killed_in_a_renewal(store: str, adobe: Simulator, tmp_path: Path) -> None:
    """The lock of a parent that was killed is not kept by the child that has inherited its descriptor."""
    adobe.inject("register", Fault(delay=LIFE))
    with living("fork_and_die", KINDS[0], adobe, tmp_path / "folder" / store) as program:
        assert adobe.wait_for(lambda counts: counts.register == 1, LIFE)
        program.hears()
        assert program.rest() == ["200 200"]
    assert (adobe.counts.registered, adobe.counts.token) == (1, 1)


# The end of the interpreter.


@pytest.mark.fault(
    "a program ends in the middle of a renewal",
    "it waits until the client that it registers is stored; the next run uses it",
)
@all_kinds
def test_a_program_that_ends_in_a_renewal(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """A client whose registration was sent is stored although nobody waits for it any more, and nothing is printed."""
    adobe.behaviour = Behaviour(register_delay=0.3)
    with living("exit_in_renewal", kind, adobe, tmp_path / "store") as program:
        assert program.rest() == []
        assert program.status == 0
    assert get(kind, later(kind, adobe, tmp_path / "store"), api_of(adobe)) == 200
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "the server never answers while a program ends", "the program ends all the same, after the timeouts of the call"
)
def test_a_silent_server_does_not_keep_a_program_alive(adobe: Simulator, tmp_path: Path) -> None:
    """A renewal that hangs holds up the end of the program for as long as its timeouts last, and no longer."""
    adobe.inject("register", Fault(delay=LIFE), times=None)
    with living("exit_in_silence", KINDS[0], adobe, tmp_path / "store") as program:
        assert program.rest() == []
        assert program.status == 0
    adobe.clear_faults()
    assert get(KINDS[0], later(KINDS[0], adobe, tmp_path / "store"), api_of(adobe)) == 200


@pytest.mark.fault(
    "the first request is sent while the interpreter ends", "it gets its token on the thread that asks for it"
)
@all_kinds
def test_a_request_at_the_end_of_the_interpreter(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """An atexit function may send requests, even in versions of Python that start no threads any more by then."""
    with living("request_at_exit", kind, adobe, tmp_path / "store") as program:
        assert program.rest() == ["200 200"]
        assert program.status == 0
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


@needs_fork
@pytest.mark.fault("a program becomes a service by forking twice", "it keeps its client and renews its token there")
@all_kinds
def test_a_service_goes_on(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """An auth object that was made before a program became a service works in it."""
    with living("daemonize", kind, adobe, tmp_path / "store") as program:
        assert [program.says(), program.says()] == ["200", "200"]
        adobe.revoke_tokens()
        program.hears()
        assert program.rest() == ["200"]
    assert (adobe.counts.register, adobe.counts.token) == (1, 2)


# Interrupts.


@pytest.mark.fault("Ctrl-C while a request waits for a renewal", "the request ends; the renewal serves the next one")
@all_kinds
def test_an_interrupted_waiter(kind: Kind, tmp_path: Path) -> None:
    """KeyboardInterrupt comes out of the request as such, and the next one gets the token of the same renewal."""
    with HeldBack("token") as adobe, living("interrupted", kind, adobe, tmp_path / "store") as program:
        assert adobe.wait_for(lambda counts: counts.token == 1, LIFE)
        program.interrupt()
        assert program.says() == "interrupted"
        adobe.let_go()
        assert program.rest() == ["200"]
        assert (adobe.counts.register, adobe.counts.token) == (1, 1)


# Loops and runs.


@asynchronous_kinds
def test_one_auth_object_in_one_loop_after_the_other(kind: Kind, source: TokenSource, adobe: Simulator) -> None:
    """Each loop or run gets its requests through, whether the loop before it has renewed the token or not."""
    auth = kind.auth(source)
    for _ in range(2):
        assert get(kind, auth, api_of(adobe)) == 200
        adobe.revoke_tokens()
        assert get(kind, auth, api_of(adobe)) == 200
    assert (adobe.counts.register, adobe.counts.token) == (1, 3)


@pytest.mark.fault(
    "an event loop is closed while its request waits for a renewal", "the renewal goes on, for the next loop"
)
@asynchronous_kinds
def test_a_loop_that_is_closed_during_a_renewal(kind: Kind, make_source: Callable[..., TokenSource]) -> None:
    """A loop that was closed is not woken, and another one gets the token of the renewal that it has set off."""

    async def give_up() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(get_async, kind, auth, api_of(adobe))
            assert await anyio.to_thread.run_sync(adobe.wait_for, lambda counts: counts.token == 1, LIFE)
            group.cancel_scope.cancel()

    with HeldBack("token") as adobe:
        auth = kind.auth(make_source(provider=AdobePass(adobe.software_statement, base_url=adobe.url)))
        anyio.run(give_up, backend=kind.backend)
        adobe.let_go()
        assert get(kind, auth, api_of(adobe)) == 200
        assert (adobe.counts.register, adobe.counts.token) == (1, 1)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.backend == "trio"], ids=lambda kind: kind.name.partition("-")[0]
)
def test_trio_is_the_guest_of_asyncio(kind: Kind, source: TokenSource, adobe: Simulator) -> None:
    """In guest mode trio's tasks and those of the asyncio loop beneath them share one renewal."""
    auth = kind.auth(source)
    host_kind = next(each for each in KINDS if each.library == kind.library and each.backend == "asyncio")

    async def host() -> list[int]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            get_async,
            kind,
            auth,
            api_of(adobe),
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=ended.set_result,
        )
        status = await get_async(host_kind, auth, api_of(adobe))
        return [(await ended).unwrap(), status]

    assert asyncio.run(host()) == [200, 200]
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)
    assert asyncio.run(host()) == [200, 200]


# Cancellation.


class Stepwise:
    """An awaitable that runs a coroutine and cancels its task at one of its awaits.

    Parameters:
        coroutine: what is run.
        at: the number of the await, counted from 1.
        cancel: cancels the task.
    """

    def __init__(self, coroutine: Any, at: int, cancel: Callable[[], object]) -> None:
        self._coroutine, self._at, self._cancel = coroutine, at, cancel
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        step = partial(self._coroutine.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                return end.value
            self.steps += 1
            if self.steps == self._at:
                self._cancel()
            try:
                step = partial(self._coroutine.send, (yield awaited))
            except BaseException as reason:  # whatever it is, it goes on to the coroutine
                step = partial(self._coroutine.throw, reason)


def connections(kind: Kind) -> int:
    """How many connections a client needs so that one is left after any number of cancellations."""
    # Cancelled at some awaits, httpx 0.28 on asyncio never gives its connection back, with any auth or none.
    return 100 if kind.name == "httpx-asyncio" else 1


async def cancelled(backend: str, coroutine: Any, at: int) -> bool:
    """Run *coroutine* and cancel it at its await number *at*; return whether it had so many."""
    if backend == "trio":
        with trio.CancelScope() as scope:
            stepwise = Stepwise(coroutine, at, scope.cancel)
            await stepwise
        return stepwise.steps >= at
    loop = asyncio.get_running_loop()
    stepwise = Stepwise(coroutine, at, lambda: loop.call_soon(task.cancel))

    async def run() -> None:
        await stepwise

    task = loop.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return stepwise.steps >= at


@pytest.mark.fault(
    "a task is cancelled at any of the awaits of its request",
    "no connection is lost and no second client registered; the next request succeeds",
)
@asynchronous_kinds
def test_a_request_that_is_cancelled_at_any_await(kind: Kind, source: TokenSource, adobe: Simulator) -> None:
    """With a token that is refused, and one connection to send with, each await of a request may be its last."""

    async def main() -> int:
        async with session(kind, kind.auth(source), connections=connections(kind)) as send:
            assert await send(api_of(adobe)) == 200
            for at in itertools.count(1):
                adobe.revoke_tokens()
                more = await cancelled(kind.backend, send(api_of(adobe)), at)
                assert await send(api_of(adobe)) == 200, at
                if not more:
                    break
            return at

    assert anyio.run(main, backend=kind.backend) > 3
    assert adobe.counts.register == 1


@asynchronous_kinds
def test_a_first_request_that_is_cancelled_at_any_await(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator
) -> None:
    """The same with a request that registers; each client is new, and registered once."""

    async def main() -> int:
        for at in itertools.count(1):
            async with session(kind, kind.auth(make_source()), connections=connections(kind)) as send:
                more = await cancelled(kind.backend, send(api_of(adobe)), at)
                assert await send(api_of(adobe)) == 200, at
            if not more:
                break
        return at

    assert anyio.run(main, backend=kind.backend) == adobe.counts.register == adobe.counts.token


@pytest.mark.fault("an authentication flow of httpx is abandoned half-way", "nothing is left behind by it")
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("steps", [1, 2])
def test_abandoned_flows(library: str, steps: int, source: TokenSource, adobe: Simulator) -> None:
    """A flow that is closed, or dropped and collected, after its first or second request harms no other one."""
    module, kind = MODULES[library], KIND[library]
    auth = kind.auth(source)

    def refused(request: Any) -> Any:
        return module.Response(401, request=request)

    def in_threads(end: Callable[[Any], object]) -> None:
        request = module.Request("GET", api_of(adobe))
        flow = auth.sync_auth_flow(request)
        next(flow)
        if steps == 2:
            flow.send(refused(request))
        end(flow)

    async def in_tasks(*, close: bool) -> None:
        request = module.Request("GET", api_of(adobe))
        flow = auth.async_auth_flow(request)
        await anext(flow)
        if steps == 2:
            await flow.asend(refused(request))
        if close:
            await flow.aclose()

    in_threads(lambda flow: flow.close())
    in_threads(lambda flow: None)
    gc.collect()
    asyncio.run(in_tasks(close=True))
    asyncio.run(in_tasks(close=False))
    assert adobe.counts.register == 1
    assert get(kind, auth, api_of(adobe)) == get(KIND[f"{library}-asyncio"], auth, api_of(adobe)) == 200


# Interrupts inside.


@pytest.mark.fault("Ctrl-C in any line of ours", "it is passed on, and the next request has its token")
def test_a_caller_that_is_interrupted_in_any_line() -> None:
    """Ctrl-C may come in any line of ours on the main thread: it is not swallowed, and the next call has a token."""
    sources: list[tuple[Server, TokenSource]] = []

    def prepare() -> Callable[[], object]:
        server = Server()
        sources.append((server, server.source(MemoryStore(), policy=Policy(timeout=5.0), on_event=None)))
        return sources[-1][1].token

    for interrupting, act in interrupts(prepare):
        with pytest.raises(KeyboardInterrupt), interrupting:
            act()
        server, source = sources[-1]
        assert source.token().value == "token-1"
        assert server.world.registrations == 1
    assert len(sources) > 20


class InterruptedDisk(FailingDisk):
    """A disk one of whose calls is interrupted by Ctrl-C."""

    def fails(self, kind: str) -> OSError | None:
        if super().fails(kind) is not None:
            raise KeyboardInterrupt
        return None


@pytest.mark.fault("Ctrl-C in the middle of a write to the store", "the old record or the new one; the lock is free")
@pytest.mark.parametrize("kind", DISK_CALLS)
def test_a_write_that_is_interrupted(kind: str, tmp_path: Path) -> None:
    """Wherever a write is interrupted, the record is the old one or the new one, and the next write succeeds."""
    for at in itertools.count(1):
        store, disk = FileStore(tmp_path / str(at)), InterruptedDisk()
        store._folders.disk = disk
        store.add("key", b"old")
        with contextlib.suppress(KeyboardInterrupt), disk.failing(kind, at, errno.EINTR), store.lock("key", wait=5):
            store.replace("key", b"new", expected=b"old")
        found = store.get("key")
        assert found in {b"old", b"new"}
        with store.lock("key", wait=5):
            assert store.replace("key", b"newer", expected=found)
        assert store.get("key") == b"newer"
        if not disk.struck:
            break


# The renewal's thread.


class Deadly(MemoryStore):
    """A store that kills the thread that uses it, once.

    Parameters:
        method: what is called then.
        reason: what is raised.
    """

    def __init__(self, method: str, reason: type[BaseException]) -> None:
        super().__init__()
        self.deaths = 0
        whole = getattr(self, method)

        def dies(*given: Any, **named: Any) -> Any:
            self.deaths += 1
            if self.deaths == 1:
                raise reason
            return whole(*given, **named)

        setattr(self, method, dies)


@pytest.mark.fault(
    "the thread of a renewal dies: the store calls `sys.exit`, memory runs out",
    "all who wait get an error of ours at once; the next renewal goes its way",
)
@pytest.mark.parametrize("method", ["lock", "get", "healthcheck", "add", "put"])
@pytest.mark.parametrize("reason", [SystemExit, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_a_renewal_whose_thread_dies(method: str, reason: type[BaseException], time: ManualClock) -> None:
    """Whatever kills the thread of a renewal, nobody who waits for it gets nothing, and there is another renewal."""
    server = Server()
    store = Deadly(method, reason)
    source = server.source(store, clock=time.clock)
    with ThreadPoolExecutor(3) as pool:
        outcomes = [outcome.exception(LIFE) or outcome.result() for outcome in (pool.submit(source.token),) * 3]
    assert store.deaths >= 1
    assert all(isinstance(outcome, DCRAuthError | AccessToken) for outcome in outcomes)
    assert server.world.registrations <= 1
    time.advance(120)
    assert source.token().value == f"token-{server.world.token_calls}"


@pytest.mark.parametrize(
    "reason",
    [
        RuntimeError,
        MemoryError,
        KeyboardInterrupt,
    ],
)
def test_a_renewal_that_gets_no_thread(reason: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started for a renewal, the one that was to start it renews."""
    source = Server().source(MemoryStore(), policy=Policy(timeout=5.0), on_event=None)

    def fails(thread: threading.Thread) -> None:
        raise reason

    monkeypatch.setattr(threading.Thread, "start", fails)
    assert source.token().value == "token-1"


# Clocks.


class Clocks:
    """Two clocks, each to be set by itself."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_700_000_000.0, 1_000.0
        self.clock = Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic, sleep=self.run)

    def run(self, seconds: float) -> None:
        """Let time go by."""
        self.wall += seconds
        self.monotonic += seconds


DAY = 86_400.0


@pytest.mark.fault(
    "the wall clock is set back or forward, by a day or to 1970",
    "no token is used after its end; at most one renewal too many, and no registration",
)
@pytest.mark.parametrize("step", [-DAY, DAY, -3600.0, 3600.0, -1_700_000_000.0])
def test_a_wall_clock_that_jumps(step: float) -> None:
    """After a jump, and after one back, there is one renewal at most; an hour later there is one in any case."""
    server, clocks = Server(), Clocks()
    source = server.source(MemoryStore(), clock=clocks.clock)
    source.token()
    clocks.wall += step
    calls = [server.world.token_calls]
    for _ in range(3):
        source.token()
        clocks.run(1.0)
    calls.append(server.world.token_calls)
    clocks.wall -= step
    for _ in range(3):
        source.token()
        clocks.run(1.0)
    calls.append(server.world.token_calls)
    assert calls[2] - calls[0] <= 1
    clocks.run(3600.0)
    assert source.token().value == f"token-{calls[2] + 1}"
    assert server.world.registrations == 1


@pytest.mark.parametrize("step", [-DAY, DAY, -1_700_000_000.0])
def test_a_token_from_a_clock_that_was_wrong(step: float) -> None:
    """A process that finds a token stored by a clock that was wrong uses it at most as long as it lives."""
    server, clocks, store = Server(), Clocks(), MemoryStore()
    clocks.wall += step
    server.source(store, clock=clocks.clock).token()
    clocks.wall -= step
    clocks.run(3600.0)
    source = server.source(store, clock=clocks.clock)
    assert source.token().value == "token-2"
    assert server.world.registrations == 1
    assert source.token().value == "token-2"


@pytest.mark.parametrize("step", [-DAY, DAY])
def test_a_pause_after_a_failure_ends_whatever_the_wall_clock_does(step: float) -> None:
    """Who has to wait after a failure does not wait a day because the wall clock was set back."""
    server, clocks = Server(), Clocks()
    broken = Deadly("get", SystemExit)
    source = server.source(broken, clock=clocks.clock)
    with pytest.raises(DCRAuthError):
        source.token()
    clocks.wall += step
    clocks.run(120.0)
    assert source.token().value == "token-1"


@pytest.mark.fault("a laptop sleeps for eight hours, and its monotonic clock with it", "one renewal at the first use")
def test_a_machine_that_was_suspended() -> None:
    """A token that has expired while the monotonic clock stood still is not used, and renewed once."""
    server, clocks = Server(), Clocks()
    source = server.source(MemoryStore(), clock=clocks.clock)
    assert source.token().value == "token-1"
    clocks.wall += 8 * 3600.0
    with ThreadPoolExecutor(5) as pool:
        assert {each.value for each in pool.map(lambda _: source.token(), range(5))} == {"token-2"}
    assert (server.world.registrations, server.world.token_calls) == (1, 2)
    assert source.token().value == "token-2"


# Threads.


@pytest.mark.fault(
    "32 threads are switched between as often as can be, or run at once in a free-threaded build",
    "one registration, and never more than one renewal at a time",
)
def test_thirty_two_threads() -> None:
    """Threads that ask, refuse and ask again get live tokens of one client, and renewals follow one another."""
    server = Server()
    source = server.source(MemoryStore(), policy=Policy(spared_for=0.0), on_event=None)
    barrier, together = threading.Barrier(32), threading.Semaphore(1)
    overlaps: list[None] = []
    answer = server.world.answer

    def alone(request: Any) -> Any:
        if not together.acquire(blocking=False):
            overlaps.append(None)
        try:
            return answer(request)
        finally:
            together.release()

    server.world.answer = alone  # type: ignore[method-assign]

    def work(_: int) -> set[str]:
        barrier.wait(LIFE)
        seen = set()
        for _ in range(20):
            token = source.token()
            seen |= {token.value, source.token(instead_of=token).value}
        return seen

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(32) as pool:
            seen = set().union(*pool.map(work, range(32)))
    finally:
        sys.setswitchinterval(interval)
    assert overlaps == []
    assert server.world.registrations == 1
    assert seen <= {f"token-{number}" for number in range(1, server.world.token_calls + 1)}
    assert source.token().value == f"token-{server.world.token_calls}"


@pytest.mark.fault("all threads of a process are greenlets of gevent", "they wait for one renewal and block nobody")
@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
@blocking_kinds
def test_greenlets_share_a_renewal(kind: Kind, tmp_path: Path) -> None:
    """In a process that gevent has patched greenlets may wait, give up, be killed and fork; other ones go on."""
    with HeldBack("register") as adobe, living("gevent", kind, adobe, tmp_path / "store") as program:
        assert [program.says(), program.says()] == ["timeout", "ticked"]
        adobe.let_go()
        assert program.rest() == ["200", "200", "True 200"]
        assert (adobe.counts.register, adobe.counts.token) == (1, 1)


# Spawned processes.


def _use(auth: Any, url: str) -> str:
    try:
        return str(requests.get(url, auth=auth, timeout=20).status_code)
    except DCRAuthError as error:
        return type(error).__name__


def _make_and_use(store: str, url: str, statement: str) -> str:
    auth = KIND["requests"].auth(AdobePass(statement, base_url=url), store=FileStore(store))
    return _use(auth, f"{url}/api/v2/REF30/configuration")


@pytest.mark.fault(
    "an auth object is handed to a spawned process", "it refuses to work there; one that is made there uses the store"
)
def test_a_spawned_process(adobe: Simulator, tmp_path: Path) -> None:
    """No secret goes to another process by pickle; what is made there finds the client that is stored."""
    store = FileStore(tmp_path / "store")
    auth = KIND["requests"].auth(AdobePass(adobe.software_statement, base_url=adobe.url), store=store)
    assert _use(auth, api_of(adobe)) == "200"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_use, auth, api_of(adobe)).result(LIFE) == "ConfigurationError"
        given = (str(tmp_path / "store"), adobe.url, adobe.software_statement)
        assert pool.submit(_make_and_use, *given).result(LIFE) == "200"
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)
    assert _use(auth, api_of(adobe)) == "200"
