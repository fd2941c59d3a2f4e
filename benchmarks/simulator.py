"""How many calls a second the simulator answers, and how long it takes to start.

The simulator is a process of its own on one core, and its client, which sends bytes that were made beforehand, on
another, so that what is measured is the simulator. Its processor time is shown too, which tells what it could do where
other programs share the core. The goal is 2 000 calls a second, and a start within 50 ms. Run:

    python benchmarks/simulator.py

`--docs` writes the figures into docs/benchmarks.md, with the machine, the versions and the date; `--quick` makes few
calls.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from machine import described
from pages import DOCS, place

DEVICE = {"model": "Box", "version": "1", "osName": "Linux", "osVersion": "6.1", "connectionType": "LAN"}
INFO = base64.b64encode(json.dumps(DEVICE).encode()).decode()
SERVER = """
import os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from dcrauth.simulator import Simulator
with Simulator() as adobe:
    print(adobe.url, adobe.software_statement, flush=True)
    for _ in sys.stdin:
        print(time.process_time(), flush=True)
"""
START = """
import time
from dcrauth.simulator import Simulator
for _ in range(2):
    began = time.perf_counter()
    adobe = Simulator().start()
    print((time.perf_counter() - began) * 1e3)
"""


@dataclass(frozen=True)
class Plan:
    """How much is measured: calls in a round, rounds, and processes that start simulators."""

    calls: int = 2_000
    rounds: int = 7
    starts: int = 15


def token(url: str, statement: str) -> str:
    """Register, and return a token."""

    def post(path: str, body: bytes, kind: str) -> Any:
        headers = {"Content-Type": kind, "X-Device-Info": INFO}
        with urllib.request.urlopen(urllib.request.Request(f"{url}{path}", body, headers), timeout=30) as answer:
            return json.load(answer)

    client = post("/o/client/register", json.dumps({"software_statement": statement}).encode(), "application/json")
    form = {name: client[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    return str(post("/o/client/token", urlencode(form).encode(), "application/x-www-form-urlencoded")["access_token"])


def request(method: str, path: str, host: str, **headers: str) -> bytes:
    """The bytes of a request, with what HTTP clients send along."""
    usual = {
        "Host": host,
        "User-Agent": "python-requests/2.34.2",
        "Accept-Encoding": "gzip, deflate",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "AP-Device-Identifier": "fingerprint ZGV2aWNlLTQy",
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (usual | headers).items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def exchange(connection: socket.socket, sent: bytes) -> bytes:
    """Send a request; return the status line once all of the answer has come."""
    connection.sendall(sent)
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65_536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return head.partition(b"\r\n")[0]


def rounds(
    plan: Plan, host: str, sent: bytes, wanted: bytes, processor: Callable[[], float]
) -> list[tuple[float, float]]:
    """Seconds, and seconds of the server's processor, for a call on one connection, in each round."""
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = []
        for _ in range(plan.rounds):
            before, began = processor(), time.perf_counter()
            for _ in range(plan.calls):
                status = exchange(connection, sent)
                assert wanted in status, status
            seconds = time.perf_counter() - began
            found.append((seconds / plan.calls, (processor() - before) / plan.calls))
        return found


def throughput(plan: Plan) -> list[str]:
    """Return the calls a second of three kinds, as the lines of a table."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        to, of = process.stdin, process.stdout
        assert to is not None
        assert of is not None

        def processor() -> float:
            to.write("\n")
            return float(of.readline())

        url, statement = of.readline().split()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        lines = [
            "| call | a second, best round | a second, median | processor time, µs |",
            "| --- | ---: | ---: | ---: |",
        ]
        for kind, (sent, wanted) in kinds(url, statement).items():
            found = rounds(plan, url.removeprefix("http://"), sent, wanted, processor)
            seconds, used = zip(*found, strict=True)
            lines.append(
                f"| {kind} | {1 / min(seconds):,.0f} | {1 / statistics.median(seconds):,.0f} "
                f"| {statistics.median(used) * 1e6:,.0f} |"
            )
        process.communicate(timeout=30)
        return lines


def kinds(url: str, statement: str) -> dict[str, tuple[bytes, bytes]]:
    """The calls, and what their status lines have in them."""
    host, bearer = url.removeprefix("http://"), f"Bearer {token(url, statement)}"
    known = {"Authorization": bearer, "X-Device-Info": INFO}
    return {
        "`GET …/configuration`": (request("GET", "/api/v2/REF30/configuration", host, **known), b" 200 "),
        "`GET …/profiles`": (request("GET", "/api/v2/REF30/profiles", host, **known), b" 200 "),
        "the same without a token, 401": (request("GET", "/api/v2/REF30/profiles", host), b" 401 "),
    }


def starts(plan: Plan) -> list[str]:
    """Return how long the first and the second simulator of a process take to start, as the lines of a table."""
    times = []
    for _ in range(plan.starts):
        found = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True, timeout=60)
        times.append([float(line) for line in found.stdout.split()])
    lines = ["| start | best, ms | median, ms |", "| --- | ---: | ---: |"]
    for name, each in zip(("the first of a process", "one more"), zip(*times, strict=True), strict=True):
        lines.append(f"| {name} | {min(each):.1f} | {statistics.median(each):.1f} |")
    return lines


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few calls: to see that it runs")
    parser.add_argument("--docs", type=Path, nargs="?", const=DOCS, help="write the figures into the page there")
    given = parser.parse_args()
    plan = Plan(calls=50, rounds=2, starts=1) if given.quick else Plan()
    machine = described("dcrauth", "joserfc").replace("\n", "; ")
    figures = "\n".join([f"{machine}.", "", *throughput(plan), "", *starts(plan)])
    print(figures)
    if given.docs:
        place(given.docs / "benchmarks.md", figures, "simulator.py")


if __name__ == "__main__":
    main()
