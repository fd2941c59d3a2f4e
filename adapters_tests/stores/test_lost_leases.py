"""Holders of leases that stand still for longer than these last: nobody is told of it, and one client is used."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.counted import CountedStore
from dcrauth import AdobePass, RedisStore, Store, TokenSource
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.simulator import Simulator
from dcrauth.stores import _leases, sql

LEASE = 0.3
STEPS = ["get", "lock", "get_many", "healthcheck", "add", "get", "put", "release"]
"""What a renewal asks of its store before its end, in a new process and of an identity that is new."""


class StopsAt(list[str]):
    """Calls of which one stops the process before it is made, until somebody lets it go on."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def append(self, name: str) -> None:
        """Note the call, and stop if it is the one."""
        super().append(name)
        if len(self) == self._number:
            # To this thread, which would otherwise go on until another one has taken the signal.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


class StoppingStore(CountedStore):
    """A store that stops its process before one call, of which the end of a lock is one."""

    def __init__(self, inner: Store, number: int) -> None:
        super().__init__(inner)
        self.calls = StopsAt(number)

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        with super().lock(key, wait=wait):
            yield
            self.calls.append("release")


class Loud(logging.Handler):
    """What ends the process where it tells of anything but a renewal as it should be."""

    def emit(self, record: logging.LogRecord) -> None:
        """End the process."""
        os.write(2, record.getMessage().encode())
        os._exit(3)


def stopped(act: Callable[[], object]) -> int:
    """Do *act* in a forked process; return its number when that has stopped."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            logging.getLogger("dcrauth").addHandler(Loud(logging.WARNING))
            act()
            code = 0
        except BaseException as reason:
            sys.stderr.write(repr(reason))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"it has ended with {status} instead of stopping"
    return child


@pytest.mark.slow
@pytest.mark.fault(
    "the holder of a lease stands still for longer than it lasts, at whichever step of a renewal",
    "another process renews meanwhile; both go on with the one client that is stored, and no error is told",
)
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["sqlite", "redis", "postgres", "mariadb", "cluster", "sentinel"])
def test_a_lost_lease_is_no_error(
    name: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A holder is stopped before each of its steps until its lease is another's; both callers get a token."""
    monkeypatch.setattr(sql, "LEASE", LEASE)
    if name in {"redis", "cluster", "sentinel"}:
        url = request.getfixturevalue("redis_server").url if name == "redis" else request.getfixturevalue(f"{name}_url")
        prefix = f"{secrets.token_hex(8)}:"
        open_store: kinds.Factory = partial(RedisStore, url, prefix=prefix, lease=LEASE)
    elif name == "sqlite":
        # Who stands still in the midst of writing to such a file keeps all others out: so nothing is extended here.
        monkeypatch.setattr(_leases, "SHARE", 100.0)
        open_store = kinds.in_sql(f"sqlite:///{tmp_path}/records.db").open
    else:
        open_store = kinds.in_sql(request.getfixturevalue(f"{name}_url")).open
    for number, step in enumerate(STEPS, start=1):
        with Simulator() as simulator:
            both_get_the_stored_client(simulator, open_store, f"{number} {step}", number)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def both_get_the_stored_client(simulator: Simulator, open_store: kinds.Factory, instance: str, number: int) -> None:
    """Renew one identity in a process that stops, then here, then in that process, and look which client was used."""
    adobe = AdobePass(simulator.software_statement, base_url=simulator.url)
    child = stopped(lambda: TokenSource(adobe, store=StoppingStore(open_store(), number), instance=instance).token())
    store = open_store()
    source = TokenSource(adobe, store=store, instance=instance)
    try:
        source.token()
    finally:
        os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, instance
    key = source.status().identity + ".credentials"
    found = read_credentials(key, store.get(key) or b"")
    assert isinstance(found, StoredCredentials)
    used = {call.parameters["client_id"] for call in simulator.calls if call.endpoint == "token"}
    assert used == {found.credentials.client_id}, instance
