"""What plain client credentials come to with dcrauth and with others: behaviour, counted, and the cost of a request.

Each library is set up as its documentation says (`peer_clients.py`) and does the same, each time at a new authorization
server, which is a simulator on loopback. What is counted is what the servers have seen: token calls, registrations, and
a token or a secret at an origin that it is not for; and what the application gets: an answer of 200, or not. Run:

    python benchmarks/peers.py

`--docs` writes the figures into docs/benchmarks.md, with the machine, the versions and the date; `--quick` makes little
load.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcrauth.simulator import Fault, OAuthBehaviour, OAuthSimulator
from machine import described
from pages import DOCS, place
from peer_clients import CLIENT, DCRAUTH, PEERS, SECRET, STATIC, Contestant, Place
from signing import costs

THREADS, DELAY, PACE = 32, 0.2, 0.02
LIFE, EARLY = 4, 1
PATIENCE = 120
NOTHING = "–"


@dataclass(frozen=True)
class Plan:
    """How much is done: seconds of load over expiries, and rounds of requests that are signed."""

    load: float = 10.0
    rounds: int = 60


@dataclass(frozen=True)
class Outcome:
    """What a task has come to.

    Parameters:
        registrations, tokens: calls that the authorization server has had.
        answered: requests of the application that got an answer of 200.
        failed: those that got another one, or an exception.
        leaked: calls at another origin that had a token or the client's secret.
        slowest: the longest request, in seconds.
    """

    registrations: int
    tokens: int
    answered: int
    failed: int
    leaked: int
    slowest: float


@dataclass(frozen=True)
class Scene:
    """Where a task is done: the server, another origin, and the HTTP client."""

    server: OAuthSimulator
    foreign: OAuthSimulator
    client: Any
    took: list[tuple[bool, float]]

    def get(self, url: str = "") -> bool:
        """Send a request, by default to the API; return whether its answer is a 200."""
        start = time.perf_counter()
        try:
            good = self.client.get(url or f"{self.server.api_url}/films").status_code == 200
        except Exception:  # whatever a library raises, the application has no answer
            good = False
        self.took.append((good, time.perf_counter() - start))
        return good

    def together(self, work: Callable[[], object]) -> None:
        """Do *work* in many threads at once."""
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(work) for _ in range(THREADS)]:
                done.result()


Task = Callable[[Scene], object]


def warm(scene: Scene) -> None:
    """Have a token in hand before anything is counted."""
    scene.get()
    scene.server.reset_counts()
    scene.took.clear()


def cold_burst(scene: Scene) -> None:
    """All want a token at once, and there is none."""
    scene.together(scene.get)


def expiry(seconds: float) -> Task:
    """Requests go on while tokens expire, the first one of which is in hand."""

    def task(scene: Scene) -> None:
        warm(scene)
        end = time.monotonic() + seconds

        def load() -> None:
            while time.monotonic() < end:
                scene.get()
                time.sleep(PACE)

        scene.together(load)

    return task


def revoked(scene: Scene) -> None:
    """The token that all have is revoked, long before it expires."""
    warm(scene)
    scene.server.revoke_tokens()
    scene.together(scene.get)


def redirected(scene: Scene) -> None:
    """The API answers with a redirect to another origin."""
    elsewhere = (("Location", f"{scene.foreign.api_url}/films"),)
    scene.server.inject("api", Fault(status=302, headers=elsewhere))
    scene.get()


def called_elsewhere(scene: Scene) -> None:
    """The application sends a request to another origin with the same HTTP client."""
    scene.get(f"{scene.foreign.api_url}/films")


def token_call_redirected(scene: Scene) -> None:
    """The token endpoint answers a renewal with a redirect to another origin."""
    warm(scene)
    time.sleep(LIFE)
    elsewhere = (("Location", f"{scene.foreign.url}/token"),)
    scene.server.inject("token", Fault(status=307, headers=elsewhere), times=None)
    scene.get()


@contextmanager
def servers(behaviour: OAuthBehaviour, **settings: Any) -> Iterator[tuple[OAuthSimulator, OAuthSimulator, Place]]:
    """A server with a client, another origin, and what is to be known of both."""
    with OAuthSimulator(behaviour) as server, OAuthSimulator() as foreign, tempfile.TemporaryDirectory() as folder:
        server.add_client(CLIENT, secret=SECRET)
        yield server, foreign, Place(server.issuer, server.token_endpoint, server.api_url, folder, **settings)


def outcome(contestant: Contestant, task: Task, *, life: int = 3600, **settings: Any) -> Outcome:
    """Let *contestant* do *task*; return what has come of it.

    Parameters:
        life: of tokens, in seconds.
        settings: of the `Place`.
    """
    with servers(OAuthBehaviour(token_delay=DELAY, expires_in=life), **settings) as (server, foreign, where):
        with contestant.opened(where) as client:
            scene = Scene(server, foreign, client, [])
            task(scene)
        counts, took = server.counts, scene.took
        good = sum(fine for fine, _ in took)
        slowest = max(seconds for _, seconds in took)
        return Outcome(counts.register, counts.token, good, len(took) - good, leaks(foreign), slowest)


def leaks(foreign: OAuthSimulator) -> int:
    """Return how many calls at this origin had what it must not see."""
    return sum("authorization" in call.headers or SECRET.encode() in call.body for call in foreign.calls)


def in_processes(contestant: Contestant, count: int) -> tuple[int, int]:
    """Start so many processes that send one request each; return the token calls, and the requests that failed."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(count), context.Queue()
    with servers(OAuthBehaviour(token_delay=DELAY), shares=True) as (server, _, where):
        started = [
            context.Process(target=_process, args=(contestant.name, where, barrier, results)) for _ in range(count)
        ]
        for process in started:
            process.start()
        answered = sum(results.get(timeout=PATIENCE) for _ in started)
        for process in started:
            process.join()
        return server.counts.token, count - answered


def _process(name: str, where: Place, barrier: Any, results: Any) -> None:
    warnings.simplefilter("ignore")
    contestant = next(each for each in DCRAUTH + PEERS if each.name == name)
    for module in contestant.modules:
        importlib.import_module(module)
    barrier.wait(PATIENCE)
    try:
        with contestant.opened(where) as client:
            results.put(client.get(f"{where.api_url}/films").status_code == 200)
    except Exception:
        results.put(False)
        raise


Cells = dict[str, str]
"""A column of the table: what stands in each line."""


def column(contestant: Contestant, plan: Plan) -> Cells:
    """Let *contestant* do everything but what is timed; return what came of it."""
    cold = outcome(contestant, cold_burst)
    load = outcome(contestant, expiry(plan.load), life=LIFE, early=EARLY)
    gone = outcome(contestant, revoked)
    found = {
        f"{THREADS} threads start cold: token calls": f"{cold.tokens}{' ¹' if contestant.fetches_first else ''}",
        "the same without a client: registrations, token calls": unregistered(contestant),
        f"{plan.load:g} s of load, tokens of {LIFE} s: token calls": f"{load.tokens}",
        "… requests that failed": f"{load.failed} of {load.answered + load.failed:,}",
        "… slowest request, ms": f"{load.slowest * 1e3:,.0f}",
        f"token revoked, {THREADS} requests: 401 to the application, token calls": f"{gone.failed}, {gone.tokens}",
        "redirect of the API to another origin: the token goes there": said(contestant, redirected),
        "URL of another origin: the token goes there": said(contestant, called_elsewhere),
        "redirect of the token endpoint to another origin: the secret goes there": said(
            contestant, token_call_redirected, life=LIFE, early=EARLY
        ),
    }
    for count in (2, 8):
        tokens, failed = in_processes(contestant, count)
        found[f"{count} processes start: token calls"] = f"{tokens}{f', {failed} failed' if failed else ''}"
    return found


def unregistered(contestant: Contestant) -> str:
    """Return registrations and token calls of a cold burst without a client."""
    if not contestant.registers:
        return NOTHING
    found = outcome(contestant, cold_burst, has_client=False)
    return f"{found.registrations}, {found.tokens}"


def said(contestant: Contestant, task: Task, **settings: Any) -> str:
    """Return whether *task* shows another origin what it must not see."""
    return "yes" if outcome(contestant, task, **settings).leaked else "no"


def table(columns: dict[str, Cells]) -> list[str]:
    """Return the lines of the table."""
    return [
        f"|  | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
        *(
            f"| {line} | {' | '.join(cells[line] for cells in columns.values())} |"
            for line in next(iter(columns.values()))
        ),
    ]


def main() -> None:
    """Count, measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little load: to see that it runs")
    parser.add_argument("--docs", type=Path, nargs="?", const=DOCS, help="write the figures into the page there")
    given = parser.parse_args()
    plan = Plan(load=1.0, rounds=2) if given.quick else Plan()
    warnings.simplefilter("ignore")
    contestants = DCRAUTH + PEERS
    columns = {each.name: column(each, plan) for each in contestants}
    with servers(OAuthBehaviour()) as (_, _, where):
        cost = costs(where, contestants, STATIC, plan.rounds)
    for each in contestants:
        columns[each.name]["signing a request, above a static header, µs"] = f"{cost[each.name]:.1f}"
    libraries = ("dcrauth", "httpx-auth", "requests-oauth2client", "Authlib", "requests", "httpx", "httpx2")
    machine = described(*libraries).replace("\n", "; ")
    figures = "\n".join([f"{machine}.", "", *table(columns)])
    print(figures)
    if given.docs:
        place(given.docs / "benchmarks.md", figures, "peers.py")


if __name__ == "__main__":
    main()
