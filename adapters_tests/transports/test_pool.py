"""Connections that are kept: how many there are, for how long, and what may go over them."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import freezegun
import pytest
import trustme

from adapters_tests.servers.odd_server import HEAD, silent
from adapters_tests.transports.kept_server import (
    ANSWER,
    BODY,
    SECRET,
    KeptServer,
    connections_to,
    registration,
    token_call,
    well,
)
from adapters_tests.transports.test_transports import put_in_place
from dcrauth import ServerUnavailable
from dcrauth.engine.workers import set_workers
from dcrauth.transports import _connections
from dcrauth.transports._connections import KEPT_FOR, KeptConnections, Way
from dcrauth.transports._deadlines import Deadlines
from dcrauth.transports._loop import LOOP_THREAD
from dcrauth.transports._watch import SocketWatch

WORKERS = 64
RENEWALS = 2_000


def test_token_calls_go_over_one_connection(make_transport: Any) -> None:
    """One call after the other goes over the same connection, also those of another transport with equal options."""
    with KeptServer() as server:
        for transport in (make_transport(), make_transport()):
            for _ in range(3):
                assert transport.send(token_call(server.url)).body == BODY
        assert (server.connections, len(server.received)) == (1, 6)


def test_a_registration_gets_a_new_connection(make_transport: Any) -> None:
    """No registration goes over a connection that has been used; what comes after it may go over its own."""
    with KeptServer() as server:
        transport = make_transport()
        for send in (token_call, registration, registration, token_call):
            transport.send(send(server.url))
        assert (server.connections, len(server.received)) == (3, 4)


def through_64_workers(transport: Any, url: str) -> None:
    with ThreadPoolExecutor(WORKERS) as workers:
        for answer in workers.map(lambda _: transport.send(token_call(url)), range(RENEWALS)):
            assert answer.body == BODY


@pytest.mark.slow
@pytest.mark.parametrize("by", ["itself", "a proxy"])
def test_so_many_connections_as_workers(make_transport: Any, by: str, caplog: pytest.LogCaptureFixture) -> None:
    """64 workers that renew 2,000 tokens open 64 connections at most, and no library warns of anything."""
    caplog.set_level(logging.DEBUG)
    with KeptServer() as server:
        transport = make_transport(proxy="" if by == "itself" else server.url, total_timeout=60.0, read_timeout=60.0)
        for _ in range(3):
            transport.send(registration(server.url))
        through_64_workers(transport, server.url)
        assert server.connections <= WORKERS + 3
    loud = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert [record for record in loud if record.name.partition(".")[0] != "tests"] == []


@pytest.mark.fault("calls are cut off while all connections are in use", "every later call has its connection")
@pytest.mark.slow
def test_more_workers_have_more_connections(make_transport: Any) -> None:
    """Where there may be more workers than usual, as many connections are kept: the same calls again open none."""
    more = WORKERS + 16
    together = threading.Barrier(more)

    def behave(connection: socket.socket, number: int, turn: int) -> None:
        together.wait(20.0)
        well(connection, number, turn)

    set_workers(more)
    try:
        with KeptServer(behave) as server:
            transport = make_transport()
            for _ in range(2):
                with ThreadPoolExecutor(more) as workers:
                    answers = workers.map(lambda _: transport.send(token_call(server.url)).body, range(more))
                    assert list(answers) == [BODY] * more
            assert server.connections == more
    finally:
        set_workers(WORKERS)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["drips", "stalls"])
def test_calls_that_are_cut_off_take_no_place(make_transport: Any, how: str) -> None:
    """After 500 calls that ran out of time, on connections new and kept, 64 at once have their answers."""
    is_well = threading.Event()
    is_well.set()

    def behave(connection: socket.socket, _number: int, _turn: int) -> None:
        if is_well.is_set():
            connection.sendall(ANSWER)
        elif how == "stalls":
            silent(connection)
        else:
            connection.sendall(HEAD)
            while True:
                connection.sendall(b"X: y\r\n")
                is_well.wait(0.02)

    with KeptServer(behave) as server, ThreadPoolExecutor(WORKERS) as workers:
        patient, hasty = make_transport(), make_transport(total_timeout=0.15)
        object.__setattr__(hasty, "_shared", patient._shared)  # as if it were the same one
        patient.send(token_call(server.url))
        is_well.clear()

        def cut_off(_: int) -> None:
            with pytest.raises(ServerUnavailable, match="within"):
                hasty.send(token_call(server.url))

        list(workers.map(cut_off, range(500)))
        is_well.set()
        assert server.connections > WORKERS
        calls = [workers.submit(patient.send, token_call(server.url)) for _ in range(WORKERS)]
        assert [call.result().body for call in calls] == [BODY] * WORKERS


@pytest.mark.parametrize("how", ["drips", "stalls"])
def test_a_call_on_a_kept_connection_ends_in_time(make_transport: Any, how: str) -> None:
    """The deadline holds for a connection that is not opened for the call, too, and in its head."""

    def behave(connection: socket.socket, number: int, turn: int) -> None:
        if turn and number == 0:
            if how == "stalls":
                silent(connection)
            while True:
                connection.sendall(HEAD if turn == 1 else b"X: y\r\n")
                turn += 1
                threading.Event().wait(0.01)
        connection.sendall(ANSWER)

    with KeptServer(behave) as server:
        patient, hasty = make_transport(), make_transport(total_timeout=0.15)
        object.__setattr__(hasty, "_shared", patient._shared)  # as if it were the same one
        patient.send(token_call(server.url))
        with pytest.raises(ServerUnavailable, match=r"within 0\.15 s"):
            hasty.send(token_call(server.url))
        assert (server.connections, len(server.received)) == (1, 2)
        assert patient.send(token_call(server.url)).body == BODY


def test_a_call_ends_while_time_stands_still(make_transport: Any) -> None:
    """A test that stops the time does not stop the deadline: a silent server is given up all the same."""

    def drip(connection: socket.socket, _number: int, _turn: int) -> None:
        connection.sendall(HEAD)
        while True:
            connection.sendall(b"X: y\r\n")
            threading.Event().wait(0.01)

    with (
        KeptServer(drip) as server,
        freezegun.freeze_time("2026-01-01"),
        pytest.raises(ServerUnavailable, match=r"within 0\.15 s"),
    ):
        make_transport(total_timeout=0.15).send(token_call(server.url))


def test_close_leaves_no_connection(make_transport: Any) -> None:
    """Whoever closes a transport closes what is kept; the next call opens a connection."""
    with KeptServer() as server:
        transport = make_transport()
        transport.send(token_call(server.url))
        assert len(connections_to(server.url)) == 1 + hasattr(transport, "_kept")  # a twin, to watch it by
        transport.close()
        assert connections_to(server.url) == []
        assert server.all_closed()
        assert transport.send(token_call(server.url)).body == BODY
        assert server.connections == 2


def test_the_last_transport_takes_its_connections_along(transport_kind: Any) -> None:
    """Connections of transports that nobody has any more are closed, without a warning."""
    with KeptServer() as server:
        first, second = transport_kind(read_timeout=7.25), transport_kind(read_timeout=7.25)
        first.send(token_call(server.url))
        del first
        gc.collect()
        assert second.send(token_call(server.url)).body == BODY
        assert server.connections == 1
        del second
        gc.collect()
        assert server.all_closed()


def test_a_new_certificate_needs_a_new_connection(
    make_transport: Any, server_context: ssl.SSLContext, trusted: trustme.CA, bundle: Path
) -> None:
    """When a file of certificates is replaced, what was opened by the old ones is closed, and not used again."""
    with KeptServer(context=server_context) as server:
        transport = make_transport(ca_bundle=bundle)
        for _ in range(2):
            transport.send(token_call(server.url))
        put_in_place(trustme.CA().cert_pem.bytes(), bundle, "renamed")
        with pytest.raises(ServerUnavailable, match="certificate verify failed"):
            transport.send(token_call(server.url))
        assert server.all_closed()
        put_in_place(trusted.cert_pem.bytes(), bundle, "renamed")
        assert transport.send(token_call(server.url)).body == BODY
        assert len(server.received) == 3


def reachable(thing: object) -> list[object]:
    """All that *thing* holds on to, but for modules, classes and functions, which hold on to everything."""
    found: dict[int, object] = {}
    waiting = [thing]
    while waiting:
        each = waiting.pop()
        if id(each) not in found and not isinstance(each, types.ModuleType | type | types.FunctionType):
            found[id(each)] = each
            waiting += gc.get_referents(each)
    return list(found.values())


def test_a_kept_connection_holds_no_secret(make_transport: Any) -> None:
    """Nothing of a request or an answer stays with what is kept after the call."""
    with KeptServer() as server:
        transport = make_transport()
        transport.send(token_call(server.url))
        held = reachable([transport, LOOP_THREAD._loop and list(LOOP_THREAD._loop.things.values())])
        texts = [str(each) for each in held if isinstance(each, str | bytes | bytearray)]
        assert any("127.0.0.1" in text for text in texts)
        assert [text for text in texts if SECRET in text or "access_token" in text] == []
        assert server.connections == 1


class Fake:
    """A connection that is none."""

    def __init__(self, way: Way) -> None:
        self.way, self.watch, self.is_closed = way, SocketWatch(), False
        self.here, self.there = socket.socketpair()
        self.watch.opened(self.here)

    def post(self, *_: object) -> Any:
        """Is not called."""

    def close(self) -> None:
        self.is_closed = True
        self.watch.closed()
        self.here.close()
        self.there.close()


def test_what_nobody_uses_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is kept for some seconds after its last use, by the clock, and then closed by itself."""
    moment = 100.0
    deadlines = Deadlines(lambda: moment)
    monkeypatch.setattr(_connections, "DEADLINES", deadlines)
    monkeypatch.setattr("dcrauth.transports._deadlines.start_thread", lambda *_, **__: True)
    kept, way = KeptConnections(), Way("http://x", None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None)
    first, second = Fake(way), Fake(way)
    for each in (first, second):
        kept.add(each)
    kept.give(first)
    moment += KEPT_FOR - 1
    kept.give(second)
    assert deadlines.look() == 1
    moment += 1
    assert deadlines.look() == KEPT_FOR - 1
    assert (first.is_closed, second.is_closed) == (True, False)
    assert kept.take(way) is second
    kept.give(second)
    moment += KEPT_FOR
    assert kept.take(way) is None
    deadlines.look()
    assert second.is_closed
    assert deadlines.look() is None


def test_a_deadline_comes_once_and_can_be_called_off() -> None:
    """By the clock, one that is due is done, once; one that was called off never."""
    moment = 0.0
    deadlines, done = Deadlines(lambda: moment), list[str]()
    deadlines._waiting = True  # nobody else looks
    soon, later = deadlines.set(1, lambda: done.append("soon")), deadlines.set(2, lambda: done.append("later"))
    off = deadlines.set(1, lambda: done.append("off"))
    deadlines.call_off(off)
    assert deadlines.look() == 1
    moment = 1.5
    assert deadlines.look() == 0.5
    assert done == ["soon"]
    deadlines.call_off(soon)
    deadlines.call_off(later)
    moment = 3.0
    assert deadlines.look() is None
    assert done == ["soon"]


def test_what_fails_at_a_deadline_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """An error in what a deadline is about is logged, and the others come all the same."""
    moment, done = 0.0, list[str]()
    deadlines = Deadlines(lambda: moment)
    deadlines._waiting = True

    def fail() -> None:
        raise LookupError

    deadlines.set(1, fail)
    deadlines.set(1, lambda: done.append("done"))
    moment = 1.0
    assert deadlines.look() is None
    assert done == ["done"]
    assert [record.name for record in caplog.records] == ["dcrauth"]


def test_the_thread_of_the_deadlines_ends_with_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It wakes for what comes sooner than what it waits for, and ends when nothing is left; the next one is another."""
    threads: list[threading.Thread] = []

    def start(work: Any, **_: Any) -> bool:
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return True

    monkeypatch.setattr("dcrauth.transports._deadlines.start_thread", start)
    deadlines, came = Deadlines(), threading.Event()
    late = deadlines.set(60, lambda: None)
    deadlines.set(0.01, lambda: (deadlines.call_off(late), came.set()))
    assert came.wait(10)
    threads[0].join(10)
    assert not threads[0].is_alive()
    deadlines.set(0.01, lambda: None)
    threads[1].join(10)
    assert [each.is_alive() for each in threads] == [False, False]
