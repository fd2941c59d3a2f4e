"""What it costs when the token endpoint is down, or when an API refuses a token to a thousand at once.

*Outage*: the token endpoint answers 503 for 30 s. The token becomes due soon after the beginning and lives a little
longer than the outage, so that every request can succeed. Each contestant makes 50 requests a second meanwhile, and
three contestants run at a time. Ours
runs with a token that is merely due, which is how an outage finds nearly all tokens, and with one whose renewal is
mandatory: then requests wait for an attempt that is under way. What reaches the endpoint is counted; `bound` is what
the policy allows at most.

*Refusals*: a thousand requests are under way when their token is revoked, and all get their 401 at the same moment.
Beside ours are the peers that react to a 401 at all, and a thousand requests at once with a static header, which are
not refused: what the client itself takes for so many. Run:

    python benchmarks/outage.py [--seconds 30] [--only dcrauth]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from contestants import ASYNC, BLOCKING, Get, GetAsync, Setting
from dcrauth import Policy
from endpoints import CONTEXT, Endpoints, control
from load import Plan, Sample, measured
from machine import described

RATE = 50
CROWD = 1_000
LANES = 3
REACTING = {"static header", "dcrauth", "google-auth", "google-auth, non-blocking"}
DELAY = 0.5
BEFORE = 5.0
"""Seconds from the beginning to the outage."""


def bound(policy: Policy, seconds: float) -> int:
    """Return how many calls an endpoint that is down for so many *seconds* gets at most.

    That is with every chance at its least: no pause within a renewal, and half the backoff between two of them.
    """
    begins, renewals = 0.0, 0
    while begins <= seconds:
        renewals += 1
        begins += 0.5 * min(policy.longest_pause, policy.least_pause * 2.0 ** (renewals - 1))
    return renewals * int(policy.attempts)


def outage(name: str, seconds: float, mandatory: bool) -> tuple[list[Sample], int]:
    """Put one contestant through an outage; return its requests and how many calls the endpoint got meanwhile."""
    life = round(seconds + BEFORE + 6)
    early = life - BEFORE - 3
    policy = Policy(
        due_within=early,
        due_fraction=1,
        mandatory_within=early - 0.1 if mandatory else 1.0,
        mandatory_fraction=1,
    )
    down, up = (BEFORE, "down"), (BEFORE + seconds, "up")
    plan = Plan(RATE, BEFORE + seconds + 2, warm_up=0.5, orders=(down, up))
    with Endpoints(life, 0.0) as endpoints:
        setting = Setting(endpoints.url, early, policy, due_by=None if mandatory else BEFORE + 5)
        samples = measured(name, setting, plan)
        begin = samples[0].due + BEFORE
        return samples, sum(begin <= came <= begin + seconds for came, _ in endpoints.calls())


def outages(options: argparse.Namespace) -> None:
    """Measure and print the first table."""
    heads = ("requests", "failed", "calls on the endpoint", "bound", "slowest request, ms")
    print(f"\nToken endpoint down for {options.seconds:g} s, {RATE} requests/s\n")
    print(f"| client | auth | {' | '.join(heads)} |")
    print(f"| --- | --- |{' ---: |' * len(heads)}")
    names = [each for each in [*BLOCKING, *ASYNC] if "static" not in each and options.only in each]
    runs = [(name, mandatory) for name in names for mandatory in (False, True) if _is_ours(name) or not mandatory]
    with ThreadPoolExecutor(LANES) as lanes:
        for line in lanes.map(lambda run: _outage_row(*run, options.seconds), runs):
            print(line, flush=True)


def _is_ours(name: str) -> bool:
    return name.endswith(": dcrauth")


def _outage_row(name: str, mandatory: bool, seconds: float) -> str:
    samples, calls = outage(name, seconds, mandatory)
    client, _, auth = name.partition(": ")
    note = (", mandatory" if mandatory else ", due") if _is_ours(name) else ""
    failed = sum(not each.ok for each in samples)
    most = str(bound(Policy(), seconds)) if _is_ours(name) else "–"
    slowest = max(each.latency for each in samples) * 1e3
    return f"| {client} | {auth}{note} | {len(samples)} | {failed} | {calls} | {most} | {slowest:.0f} |"


def refusals(name: str) -> tuple[int, int, int, float]:
    """Have a crowd refused at once; return how many were, the token calls, the successes, and the seconds it took."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    with Endpoints(3_600, DELAY) as endpoints:
        setting = Setting(endpoints.url, 60.0, Policy(), connections=CROWD)
        process = CONTEXT.Process(target=_crowd, args=(name, setting, sender), daemon=True)
        process.start()
        try:
            if not receiver.poll(300):
                raise TimeoutError(f"{name} did not come to an end")
            succeeded, seconds = receiver.recv()
        finally:
            process.kill()
            process.join()
        counts = control(endpoints.url, "counts")
        return counts["refusals"], len(counts["calls"]), succeeded, seconds


def _crowd(name: str, setting: Setting, sender: Any) -> None:
    warnings.simplefilter("ignore")
    if name in BLOCKING:
        sender.send(_crowd_of_threads(BLOCKING[name](setting), setting))
    else:
        sender.send(asyncio.run(_crowd_of_tasks(ASYNC[name](setting), setting)))
    os._exit(0)


def _revoked(url: str) -> float:
    """Revoke the token, once it is old enough that ours does not take its refusal for a habit; return the time."""
    time.sleep(Policy().spared_for + 0.5)
    control(url, "reset")
    control(url, f"revoke/{CROWD}")
    return time.perf_counter()


def _crowd_of_threads(get: Get, setting: Setting) -> tuple[int, float]:
    get()
    ready = Barrier(CROWD + 1)

    def one() -> bool:
        ready.wait()
        try:
            return get() == 200
        except Exception:
            return False

    with ThreadPoolExecutor(CROWD) as pool:
        ended = [pool.submit(one) for _ in range(CROWD)]
        begin = _revoked(setting.url)
        ready.wait()
        succeeded = sum(each.result() for each in ended)
        return succeeded, time.perf_counter() - begin


async def _crowd_of_tasks(client: Any, setting: Setting) -> tuple[int, float]:
    async with client as get:
        await get()
        begin = _revoked(setting.url)
        succeeded = sum(await asyncio.gather(*(_is_answered(get) for _ in range(CROWD))))
        return succeeded, time.perf_counter() - begin


async def _is_answered(get: GetAsync) -> bool:
    try:
        return await get() == 200
    except Exception:
        return False


def crowds(options: argparse.Namespace) -> None:
    """Measure and print the second table."""
    print(f"\n{CROWD} requests refused at once; the token call takes {DELAY:g} s\n")
    print("| client | auth | 401s | token calls | succeeded | seconds |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for name in [*BLOCKING, *ASYNC]:
        client, _, auth = name.partition(": ")
        if auth in REACTING and options.only in name:
            refused, calls, succeeded, seconds = refusals(name)
            print(f"| {client} | {auth} | {refused} | {calls} | {succeeded} | {seconds:.2f} |", flush=True)


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--only", default="", help="contestants whose name has this in it")
    options = parser.parse_args()
    print(described("dcrauth", "requests", "httpx", "httpx2", "aiohttp", "httpx-auth", "Authlib", "google-auth"))
    crowds(options)
    outages(options)


if __name__ == "__main__":
    main()
