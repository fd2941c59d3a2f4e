"""The end of a process: a registration is waited for until it is stored, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from adapters_tests.servers.fleet_server import Answer, Call, FleetServer
from dcrauth import FileStore
from dcrauth.engine import exit as module
from dcrauth.engine.exit import Registrations

ROOT = Path(__file__).parents[2]
PATIENCE = 25.0
"""Seconds, less than any timeout of a transport."""

HANGS: Answer = (0, {}, b"")


def eventually(holds: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end
        sleep(0.001)


def guards() -> int:
    return sum(thread.name == "dcrauth-exit" for thread in threading.enumerate())


def test_there_is_a_thread_while_something_registers() -> None:
    """One thread that is no daemon is there as long as any registration is under way, and none before and after."""
    registrations = Registrations()
    for _ in range(2):
        for _ in range(3):
            registrations.begin()
        assert guards() == 1
        for _ in range(3):
            assert guards() == 1
            registrations.end()
        eventually(lambda: guards() == 0)


def test_without_a_thread_it_registers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no thread to be had for the end of the process, the registration goes its way."""

    def fails(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    registrations = Registrations()
    with monkeypatch.context() as patches:
        patches.setattr(threading.Thread, "start", fails)
        registrations.begin()
    registrations.end()
    registrations.begin()
    assert guards() == 1
    registrations.end()
    eventually(lambda: guards() == 0)


def test_what_never_ends_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nothing else keeps the process from ending, a registration is waited for for a while, and no other one."""
    monkeypatch.setattr(module, "LONGEST", 0.05)
    monkeypatch.setattr(module, "_is_ending", lambda: True)
    registrations = Registrations()
    registrations.begin()
    eventually(lambda: guards() == 0)
    registrations.begin()
    eventually(lambda: guards() == 0)


PROGRAM = """
import multiprocessing, sys, threading, time
from dcrauth import AdobePass, DCRAuthError, FileStore, MemoryStore, TokenSource
from dcrauth.transports.{module} import {transport}

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.c2ln"
url, path = sys.argv[1:]

def source(name, store=None):
    adobe = AdobePass(STATEMENT, base_url=url, forwarded_for=name)
    return TokenSource(adobe, store=store or MemoryStore(), instance=name, transport={transport}())

def until(count, what="calls"):
    import urllib.request
    while int(urllib.request.urlopen(url + "/" + what).read()) < count:
        time.sleep(0.01)
"""

STALLED = (
    PROGRAM
    + """
stalled = source("stalled")
threading.Thread(target=stalled.token, daemon=True).start()
until(2)
print("end")
"""
)

PARKED = (
    PROGRAM
    + """
for number in range(20):
    threading.Thread(target=source(f"busy-{{number}}").token, daemon=True).start()
from dcrauth.engine.workers import WORKERS
while len(WORKERS.state.parked) < 20:
    time.sleep(0.01)
print("end")
"""
)

LATE = (
    PROGRAM
    + """
def late():
    threading.main_thread().join()
    tokens = [source(f"late-{{number}}").token().value for number in range(10)]
    print(len(set(tokens)))

threading.Thread(target=source("stalled").token, daemon=True).start()
until(2)
threading.Thread(target=late).start()
"""
)

FORKED = (
    PROGRAM
    + """
def child():
    threading.Thread(target=source("child", FileStore(path)).token, daemon=True).start()
    until(1)

if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    print(process.exitcode)
"""
)


def told(code: str, server: FleetServer, path: Path, library: str) -> list[str]:
    """Run a program to its end, and return what it prints."""
    transport = {"requests": "RequestsTransport", "aiohttp": "AiohttpTransport"}[library]
    program = code.replace("{module}", library).replace("{transport}", transport)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program.replace("{{", "{").replace("}}", "}")]
    done = subprocess.run(
        [*command, server.url, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def hangs_for_the_stalled(call: Call) -> Answer | None:
    return HANGS if call.endpoint == "token" and call.address == "stalled" else None


libraries = pytest.mark.parametrize("library", ["requests", "aiohttp"])


@pytest.mark.slow
@pytest.mark.fault(
    "a program ends while a token call is stalled", "it ends at once: nothing is lost with a call that is cut off"
)
@libraries
def test_a_stalled_token_call_holds_nobody_up(library: str, tmp_path: Path) -> None:
    """A program ends although a server keeps a token call of it for ever."""
    with FleetServer(hangs_for_the_stalled) as server:
        assert told(STALLED, server, tmp_path, library) == ["end"]
        assert server.held == 1


@pytest.mark.slow
@libraries
def test_parked_renewals_hold_nobody_up(library: str, tmp_path: Path) -> None:
    """A program ends although twenty renewals of it wait for a server that is busy."""

    def is_busy(call: Call) -> Answer | None:
        return (429, {"Retry-After": "23"}, b"") if call.endpoint == "token" else None

    with FleetServer(is_busy) as server:
        assert told(PARKED, server, tmp_path, library) == ["end"]
        assert (server.calls["register"], server.calls["token"]) == (20, 20)


@pytest.mark.slow
@pytest.mark.fault(
    "the main thread has ended, other threads go on and ask for first tokens, and one token call is stalled",
    "they get them; the end of the program does not wait for the stalled one",
)
@libraries
def test_after_the_main_thread_has_ended(library: str, tmp_path: Path) -> None:
    """Ten cold identities are served on a thread that outlives the main one, and then the program ends."""
    with FleetServer(hangs_for_the_stalled) as server:
        assert told(LATE, server, tmp_path, library) == ["10"]
        assert (server.calls["register"], server.calls["token"]) == (11, 11)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork")
@pytest.mark.fault(
    "a forked child of multiprocessing ends in the middle of a registration, where no `atexit` function is called",
    "the client is stored, and the parent uses it",
)
def test_a_forked_child_stores_what_it_registers(tmp_path: Path) -> None:
    """A child that ends while it registers waits until the client is stored."""
    with FleetServer() as server:
        server.delay = 0.5
        assert told(FORKED, server, tmp_path / "store", "requests") == ["0"]
    assert any(key.endswith(".credentials") for key in FileStore(tmp_path / "store").keys())
