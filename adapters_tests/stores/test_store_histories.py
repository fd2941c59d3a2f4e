"""Every store against a dictionary: histories with reopening, death in the middle of a write, damage, clock steps."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapters_tests.servers.redis_server import PATIENCE, RedisServer
from adapters_tests.stores import kinds_of_stores as kinds
from adapters_tests.stores.kinds_of_stores import Kind
from dcrauth import Store, StoreError
from dcrauth.stores import get_many

pytestmark = pytest.mark.slow

GROUPS = ["cluster", "sentinel"]
KEYS = st.sampled_from(["one", "two", "../thrée"])
VALUES = st.sampled_from([b"", b"a value", b"another", b"x" * 5_000])
ABSENT = None


class Histories(RuleBasedStateMachine):
    """A store, and what it should hold."""

    def __init__(self, open_kind: Callable[[Path], Kind], servers: list[RedisServer]) -> None:
        super().__init__()
        self.servers = servers
        self.folder = tempfile.TemporaryDirectory()
        self.kind = open_kind(Path(self.folder.name))
        self.store = self.kind.open()
        self.holds: dict[str, bytes] = {}
        self.ahead = 0.0
        self.clock = mock.patch("time.time", lambda real=time.time: real() + self.ahead)
        self.clock.start()

    def teardown(self) -> None:
        self.clock.stop()
        _close(self.store)
        self.folder.cleanup()

    @initialize()
    def nothing_is_there(self) -> None:
        assert list(self.store.keys()) == []

    @rule(key=KEYS, value=VALUES)
    def add(self, key: str, value: bytes) -> None:
        assert self.store.add(key, value) is (key not in self.holds)
        self.holds.setdefault(key, value)

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: bytes) -> None:
        self.store.put(key, value)
        self.holds[key] = value

    @rule(key=KEYS, value=VALUES, guess=VALUES, knows=st.booleans())
    def replace(self, key: str, value: bytes, guess: bytes, knows: bool) -> None:
        expected = self.holds.get(key, guess) if knows else guess
        fits = self.holds.get(key) == expected
        assert self.store.replace(key, value, expected=expected) is fits
        if fits:
            self.holds[key] = value

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.store.delete(key)
        self.holds.pop(key, None)

    @rule(key=KEYS)
    def lock(self, key: str) -> None:
        with self.store.lock(key, wait=5):
            assert self.store.get(key) == self.holds.get(key)

    @rule()
    def check(self) -> None:
        self.store.healthcheck()

    @rule(close=st.booleans())
    def reopen(self, close: bool) -> None:
        if not getattr(self.store, "single_writer", False):
            if close:
                _close(self.store)
            else:
                self.left_open = self.store
            self.store = self.kind.open()

    @rule(seconds=st.sampled_from([-86_400.0, -1.0, 3_601.0, 86_400.0]))
    def clock_steps(self, seconds: float) -> None:
        self.ahead += seconds

    @precondition(lambda self: not getattr(self.store, "single_writer", False))
    @rule(how=st.sampled_from(["add", "put", "replace", "delete"]), key=KEYS, value=VALUES, lines=st.integers(1, 500))
    def die(self, how: str, key: str, value: bytes, lines: int) -> None:
        """Let another process do it, and kill it after so many lines of Python: what is there is the old or the new."""
        before = self.holds.get(key)
        after = {
            "add": value if before is None else before,
            "put": value,
            "replace": None if before is None else value,
            "delete": None,
        }[how]
        with ExitStack() as waiting:
            for server in self.servers:
                waiting.enter_context(_all_carried_out(server))
            _killed_after(lines, lambda: _do(self.kind.open(), how, key, value, before or b""))
        found = self.store.get(key)
        assert found in (before, after)
        self.holds.pop(key, None)
        if found is not None:
            self.holds[key] = found

    @precondition(lambda self: self.holds)
    @rule(key=KEYS, damage=st.sampled_from([b"", b"garbage", b"\xff" * 40]), mended=VALUES)
    def damage(self, key: str, damage: bytes, mended: bytes) -> None:
        """Whatever stands in a record's place, it is not taken for nothing, and only put writes over it."""
        if key not in self.holds:
            return
        self.kind.damage(key, damage)
        assert _outcome(lambda: self.store.get(key)) is not ABSENT
        assert _outcome(lambda: self.store.add(key, b"added")) is not True
        assert _outcome(lambda: self.store.replace(key, b"replaced", expected=self.holds[key] + b"?")) is not True
        self.put(key, mended)

    @invariant()
    def it_holds_what_it_should(self) -> None:
        expected = {key: self.holds.get(key) for key in ("one", "two", "../thrée")}
        assert {key: self.store.get(key) for key in expected} == expected
        assert get_many(self.store, list(expected)) == expected

    @invariant()
    def it_lists_what_it_holds(self) -> None:
        assert set(self.store.keys()) == set(self.holds)


def _do(store: Store, how: str, key: str, value: bytes, expected: bytes) -> None:
    if how == "replace":
        store.replace(key, value, expected=expected)
    elif how == "delete":
        store.delete(key)
    else:
        getattr(store, how)(key, value)


def _killed_after(lines: int, work: Callable[[], None]) -> None:
    """Do *work* in a forked process that is killed when it has run so many lines of Python, or at its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        left = lines

        def count(frame: Any, event: str, argument: Any) -> Any:
            nonlocal left
            left -= event == "line"
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return count

        try:
            sys.settrace(count)
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


@contextmanager
def _all_carried_out(server: RedisServer) -> Iterator[None]:
    """Wait in the end until the server has closed the connections made meanwhile: it has done then what they asked."""
    earlier = int(server.ask("CLIENT", "ID"))
    yield
    deadline = time.monotonic() + PATIENCE
    # A connection of this moment: what lay in the server's queue before it has been accepted by now as well.
    with server.client(single_connection_client=True) as asking:
        while any(earlier < int(each["id"]) < asking.client_id() for each in asking.client_list()):
            assert time.monotonic() < deadline
            time.sleep(0.001)


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except StoreError as error:
        return error


def _close(store: Store) -> None:
    inner = getattr(store, "_inner", store)
    if hasattr(inner, "close"):
        inner.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("name", ["memory", "file", "file_by_path", "sqlite", "redis", *GROUPS, "postgres", "mariadb"])
def test_a_store_behaves_like_a_dictionary(
    name: str, sealed: bool, redis_server: RedisServer, request: pytest.FixtureRequest
) -> None:
    """Whatever happens to a store, it holds what was written to it, and says so or raises."""
    if sealed and name in GROUPS:
        pytest.skip("what a cluster or Sentinels add to one Redis is seen in plain text")
    url = request.getfixturevalue(f"{name}_url") if name in {"postgres", "mariadb", *GROUPS} else ""
    servers = {
        "redis": lambda: [redis_server],
        "cluster": lambda: request.getfixturevalue("redis_cluster").serving,
        "sentinel": lambda: request.getfixturevalue("watched").serving,
    }.get(name, list)()

    def open_kind(folder: Path) -> Kind:
        plain = {
            "memory": kinds.memory,
            "redis": lambda: kinds.in_redis(redis_server.url),
            "cluster": lambda: kinds.in_redis(url),
            "sentinel": lambda: kinds.in_redis(url),
            "postgres": lambda: kinds.in_sql(url),
            "mariadb": lambda: kinds.in_sql(url),
        }.get(name) or (lambda: getattr(kinds, name)(folder))
        return kinds.encrypted(plain()) if sealed else plain()

    run_state_machine_as_test(
        lambda: Histories(open_kind, servers),
        settings=settings(
            max_examples=8 if name in GROUPS else 15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
