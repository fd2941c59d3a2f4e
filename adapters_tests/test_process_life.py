"""Process life: forks, ends, interrupts, closed loops and clocks that jump harm nobody, and the next request works."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters_tests.clients import KINDS, Kind
from adapters_tests.lives import LIFE
from dcrauth.simulator import Behaviour, Fault, Simulator

ROOT = Path(__file__).parents[1]

all_kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
blocking_kinds = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if not kind.is_async], ids=lambda kind: kind.name
)
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork")


class Life:
    """A program of adapters_tests.lives that runs in a process of its own."""

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
    command = [sys.executable, "-m", "adapters_tests.lives", life, kind.name, adobe.url, adobe.software_statement]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*command, str(store)], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
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
    with living("interrupted", kind, adobe, tmp_path / "store") as program:
        assert program.rest() == ["200"]
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
    with living("interrupted", KINDS[0], adobe, tmp_path / "store") as program:
        assert program.rest() == ["200"]


@pytest.mark.fault(
    "the first request is sent while the interpreter ends", "it gets its token on the thread that asks for it"
)
@all_kinds
def test_a_request_at_the_end_of_the_interpreter(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """An atexit function may send requests, even in versions of Python that start no threads any more by then."""
    if kind.library == "aiohttp" and (3, 12) <= sys.version_info < (3, 12, 2):
        pytest.skip("without a thread aiohttp's transport would need a second event loop inside of the first one")
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
def test_an_interrupted_waiter(kind: Kind, adobe: Simulator, tmp_path: Path) -> None:
    """KeyboardInterrupt comes out of the request as such, and the next one gets the token of the same renewal."""
    adobe.behaviour = Behaviour(token_delay=0.5)
    with living("interrupted", kind, adobe, tmp_path / "store") as program:
        assert adobe.wait_for(lambda counts: counts.token == 1, LIFE)
        program.interrupt()
        assert program.rest() == ["interrupted", "200"]
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)
