"""The events of the page: they tell everything, nothing can forge one, and they end with the simulator."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from adapters_tests.simulator.calling import call, control, token
from dcrauth.simulator import Simulator
from dcrauth.simulator.messages import Call, Reply


def updates(adobe: Simulator, answer: requests.Response) -> Iterator[dict[str, Any]]:
    """What the page is told, one after the other."""
    for line in answer.iter_lines(chunk_size=1):
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))
        else:
            assert line in {b"", b":"}


def asking(adobe: Simulator, method: str, name: str, body: str = "") -> socket.socket:
    """A connection on which a control has been asked for, and no answer is read."""
    address = urlsplit(adobe.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=20)
    head = f"{method} /control/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(f"{head}{body}".encode())
    return connection


def listening(adobe: Simulator) -> socket.socket:
    """A reader of events that has asked for them."""
    return asking(adobe, "GET", "events")


def test_what_happens_is_told() -> None:
    """A reader hears what there is, then each call and each change, and after a reset that all is new."""
    with Simulator() as adobe, requests.get(f"{adobe.url}/control/events", stream=True, timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        told = updates(adobe, answer)
        first = next(told)
        assert (first["fresh"], first["state"]["url"]) == (True, adobe.url)
        value = token(adobe)
        found: list[Any] = []
        while len(found) < 2:
            found += next(told).get("calls", [])
        assert [(each["path"], each["status"]) for each in found] == [
            ("/o/client/register", 201),
            ("/o/client/token", 201),
        ]
        control(adobe, "behaviour", throttle="once")
        assert next(each for each in told if "state" in each)["state"]["behaviour"]["throttle"] == "once"
        with adobe._changed:  # nobody looks between the two
            adobe.reset_counts()
            adobe._run.record.add(Call("GET", "/later", "", {}, b""), Reply(200), 0.0)
        fresh = next(each for each in told if each.get("fresh"))
        assert [each["path"] for each in fresh["calls"]] == ["/later"]
        adobe.reset()
        assert next(each for each in told if each.get("fresh"))["state"]["counts"]["token"] == 0
        assert call(adobe, value) == 401


def test_no_value_can_forge_an_event() -> None:
    """Line ends and markup in a path, a method or a reason come as the text that they are, within one event."""
    odd = "/api/v2/x%0a%0adata: {}/<b>\u2028"
    with Simulator() as adobe:
        adobe.route("GET", "/odd", Reply(400, why="one\n\ndata: {}\n\n<script>"), protected=False)
        call(adobe, path="/odd")
        adobe._run.record.add(Call("GET", odd + "\n\ndata: {}\r\n", "", {}, b""), Reply(200), 0.0)
        with requests.get(f"{adobe.url}/control/events", stream=True, timeout=20) as answer:
            told = next(updates(adobe, answer))
        assert [each["why"] for each in told["calls"]] == ["one\n\ndata: {}\n\n<script>", ""]
        assert told["calls"][1]["path"] == odd + "\n\ndata: {}\r\n"


@pytest.mark.slow
def test_readers_keep_nothing_alive() -> None:
    """20 readers, none of which reads, and 100 000 calls: memory is flat, it stops, no thread or socket is left."""
    before = set(threading.enumerate())
    adobe = Simulator().start()
    readers = [listening(adobe) for _ in range(20)]
    record, call_, reply = adobe._run.record, Call("GET", "/x" * 500, "", {}, b""), Reply(200)
    first, held = sys.getallocatedblocks(), []
    for _ in range(5):
        for _ in range(20_000):
            record.add(call_, reply, 0.0)
        held.append(sys.getallocatedblocks() - first)
    assert max(held) < 1.5 * held[0], held
    assert len(adobe.calls) == 10_000  # that is all that is kept, for all readers together
    server = adobe._server
    adobe.stop()
    assert set(threading.enumerate()) <= before
    assert not server._open
    for reader in readers:
        reader.settimeout(20)
        while reader.recv(1 << 20):
            """What was on the way."""
        reader.close()


def test_stopping_does_not_wait_for_what_waits() -> None:
    """A call that is to be answered in a minute, and readers of events and counts, do not keep it from stopping."""
    before = set(threading.enumerate())
    adobe = Simulator().start()
    counting = asking(adobe, "POST", "wait", '{"counts": {"token": 1}, "timeout": 30}')
    control(adobe, "inject", endpoint="api", fault={"delay": 60})
    reader, waiting = listening(adobe), threading.Thread(target=_fails, args=(adobe,))
    waiting.start()
    assert adobe.wait_for(lambda counts: counts.api == 1)
    adobe.stop()
    waiting.join(20)
    assert set(threading.enumerate()) <= before
    reader.close()
    counting.close()


def test_what_is_being_answered_is_waited_for() -> None:
    """A function of a route that runs while the simulator stops has come to its end when stop() returns."""
    began, ended = threading.Event(), threading.Event()
    adobe = Simulator().start()

    @adobe.route("GET", "/x", protected=False)
    def answered(call: Call) -> dict[str, str]:
        began.set()
        adobe._stopped.wait(20)
        threading.Event().wait(0.1)
        ended.set()
        return {}

    calling = threading.Thread(target=_fails, args=(adobe, "/x"))
    calling.start()
    assert began.wait(20)
    adobe.stop()
    assert ended.is_set()
    calling.join(20)


def _fails(adobe: Simulator, path: str = "/api") -> None:
    with pytest.raises(requests.ConnectionError):
        call(adobe, path=path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_in_spite_of_readers(sent: signal.Signals, status: int) -> None:
    """Ctrl-C and SIGTERM end dcrauth simulate at once, with the documented status, whoever reads its events."""
    command = [sys.executable, "-m", "dcrauth", "simulate", "--seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        with requests.get(f"{url}/control/events", stream=True, timeout=20) as answer:
            assert next(answer.iter_lines(chunk_size=1)).startswith(b"data: ")
            process.send_signal(sent)
            assert process.wait(20) == status
