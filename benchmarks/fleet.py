"""What many identities in one process cost, from a hundred to a hundred thousand: by hand and ours, in turns.

*By hand* is one pooled aiohttp session and the two POSTs, as a programmer would write them for the occasion. The
endpoints run in a process of their own and take 50 ms for each call, as a server some hops away does. Each figure is
from a process of its own, which is watched from outside. The rows:

    cold        with nothing stored, a token for each identity at the same moment
    documented  the same as docs/servers.md has it: default transport, SQLiteStore
    stores      the same with each store
    warm        after a restart, from each store that has them all
    held        a token held for each
    outcome     what a token endpoint says to one among many is noted
    redis       round trips and commands for one identity
    outage      the token endpoint is down, then all devices come again; it can take 500 calls in a second
    mixed       fast identities beside slow ones

To run all takes about forty minutes; for a quick look:

    python benchmarks/fleet.py [--quick] [--rows cold warm] [--sizes 100 1000 2000 10000 100000] [--seconds 60]

`--keep FILE` keeps the figures, `--from FILE` takes them from there, and `--docs` writes them into the docs.
Threads and memory are read from /proc: it runs on Linux only.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fleet_runs as runs
from apart import Found, apart
from fleet_endpoints import counts, servers
from fleet_page import AT, TABLES, shown, summary, written
from identities import BY_HAND, DEFAULT, KINDS, Fleet
from machine import described
from pages import DOCS
from stores import CONTESTANTS, InSQLite, folder_of

DELAY, CAPACITY, SLOW_FOR = 0.05, 500.0, 8.0
PATIENCE = 1_800.0
SIZES = (100, 1_000, AT, 10_000, 100_000)
STORES = tuple(name for name in CONTESTANTS if "Store" in name)
MANY = 20_000
"""Beyond so many identities there is one round, and of ours the transport that costs least."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Parameters:
        sizes: numbers of identities.
        rounds: how often, in turns; the figure is the median.
        seconds: how long an outage lasts.
    """

    sizes: Sequence[int]
    rounds: int
    seconds: float

    def up_to(self, most: int) -> int:
        """Return the largest of the sizes that is no more than *most*, or else the smallest."""
        return max((size for size in self.sizes if size <= most), default=min(self.sizes))


def measured(work: Callable[..., Found], fleet: Fleet, *given: Any) -> Found:
    """Do *work* apart, and add what reached the endpoints."""
    found = apart(work, fleet, *given, patience=PATIENCE)
    each = {f"{name} each": found[name] / fleet.count for name in ("wall", "cpu") if name in found}
    return {**counts(fleet.url), **found, **each}


def in_turns(url: str, size: int, kinds: Sequence[str], rounds: int) -> dict[str, Found]:
    """Measure each of the *kinds* so often, one after the other; return the medians."""
    found: dict[str, list[Found]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            found[kind].append(measured(runs.all_at_once, Fleet(url, size, kind)))
    return {kind: _medians(each) for kind, each in found.items()}


def _medians(found: Sequence[Found]) -> Found:
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def cold(plan: Plan) -> Iterator[Record]:
    """By hand and with each transport."""
    with servers(DELAY) as endpoints:
        for size in plan.sizes:
            kinds = (BY_HAND, *KINDS) if size <= MANY else (BY_HAND, KINDS[0])
            found = in_turns(endpoints.url, size, kinds, plan.rounds if size < MANY // 2 else 1)
            hand = found[BY_HAND]
            for kind, each in found.items():
                ratios = {f"× {name}": each[name] / hand[name] for name in ("wall", "cpu")}
                yield {"who": kind, "count": size, **each, **ratios}


def documented(plan: Plan) -> Iterator[Record]:
    """By hand, and ours with what the documentation says."""
    size = plan.up_to(AT)
    with servers(DELAY) as endpoints, folder_of(InSQLite) as folder:
        by_hand = Fleet(endpoints.url, size, BY_HAND)
        yield {"who": BY_HAND, "count": size, **measured(runs.all_at_once, by_hand)}
        ours = Fleet(endpoints.url, size, DEFAULT, InSQLite.name, str(folder))
        yield {"who": "dcrauth", "count": size, **measured(runs.all_at_once, ours)}


def stores(plan: Plan) -> Iterator[Record]:
    """Ours, cold, in memory and with each store."""
    size = plan.up_to(AT)
    with servers(DELAY) as endpoints:
        in_memory = measured(runs.all_at_once, Fleet(endpoints.url, size, KINDS[0]))
        yield {"who": "MemoryStore", "count": size, **in_memory}
        for name in STORES:
            with folder_of(CONTESTANTS[name]) as folder:
                CONTESTANTS[name](folder).prepare_empty()
                found = measured(runs.all_at_once, Fleet(endpoints.url, size, KINDS[0], name, str(folder)))
                ratios = {f"× {each}": found[each] / in_memory[each] for each in ("wall", "cpu")}
                yield {"who": name, "count": size, **found, **ratios}


def warm(plan: Plan) -> Iterator[Record]:
    """Ours, after a restart, with each store."""
    size = plan.up_to(10_000)
    with servers(DELAY) as endpoints:
        for name in STORES:
            with folder_of(CONTESTANTS[name]) as folder:
                CONTESTANTS[name](folder).prepare_empty()
                fleet = Fleet(endpoints.url, size, KINDS[0], name, str(folder))
                filled = apart(runs.filled, fleet, patience=PATIENCE)
                found = measured(runs.all_at_once, fleet)
                yield {"who": name, "count": size, **found, "size": filled["size"]}


def held(plan: Plan) -> Iterator[Record]:
    """Ours, and its records alone."""
    with servers(DELAY) as endpoints:
        for size in plan.sizes:
            alone = Fleet(endpoints.url, size, BY_HAND)
            yield {"who": "records alone", "count": size, **apart(runs.held_alone, alone, patience=PATIENCE)}
            with folder_of(InSQLite) as folder:
                fleet = Fleet(endpoints.url, size, KINDS[0], InSQLite.name, str(folder))
                apart(runs.filled, fleet, patience=PATIENCE)
                yield {"who": "dcrauth", "count": size, **measured(runs.held, fleet)}


def outcome(plan: Plan) -> Iterator[Record]:
    """Among so many."""
    for size in plan.sizes:
        yield {"count": size, **apart(runs.outcome, size, patience=PATIENCE)}


def redis(plan: Plan) -> Iterator[Record]:
    """Of one identity after the other, with nothing stored and after a restart."""
    with servers(0.0) as endpoints, folder_of(CONTESTANTS["RedisStore"]) as folder:
        fleet = Fleet(endpoints.url, 20, KINDS[0], "RedisStore", str(folder))
        yield {"who": "cold", **apart(runs.redis_trips, fleet, patience=PATIENCE)}
        yield {"who": "warm", **apart(runs.redis_trips, fleet, patience=PATIENCE)}


def outage(plan: Plan) -> Iterator[Record]:
    """By hand and ours, at an endpoint that says 503 and at one that says nothing."""
    size = plan.up_to(10_000)
    for kind, said in (("down", "503"), ("silent", "no answer")):
        for who in (BY_HAND, KINDS[0]):
            with servers(DELAY, CAPACITY) as endpoints:
                fleet = Fleet(endpoints.url, size, who, timeout=30.0)
                found = apart(runs.outage, fleet, kind, plan.seconds, patience=PATIENCE)
            yield {"who": f"{who}, {said}", "count": size, "seconds": plan.seconds, **found}


def mixed(plan: Plan) -> Iterator[Record]:
    """By hand and ours, with no slow one, with one, and with many at an endpoint elsewhere."""
    size = plan.up_to(1_000)
    with servers(DELAY, slow=SLOW_FOR) as endpoints, servers(SLOW_FOR) as elsewhere:
        for slow in (0, 1, 500):
            for who in (BY_HAND, KINDS[0]):
                fleet = Fleet(endpoints.url, size, who, timeout=60.0)
                found = apart(runs.mixed, fleet, slow, elsewhere.url, patience=PATIENCE)
                yield {"who": who, "count": size, "beside": slow, **found}


ROWS: dict[str, Callable[[Plan], Iterator[Record]]] = {
    "cold": cold,
    "documented": documented,
    "stores": stores,
    "warm": warm,
    "held": held,
    "outcome": outcome,
    "redis": redis,
    "outage": outage,
    "mixed": mixed,
}


def all_measured(names: Sequence[str], plan: Plan) -> tuple[dict[str, list[Record]], bool]:
    """Measure the rows with these *names*, and print each as it comes; return them, and whether all came to an end."""
    results: dict[str, list[Record]] = {}
    complete = True
    for name in names:
        records = results[name] = []
        print(f"\n{TABLES[name].title}\n", flush=True)
        try:
            for record in ROWS[name](plan):
                records.append(record)
                print(_as_line(name, records), flush=True)
        except Exception:  # the other rows are worth having
            traceback.print_exc()
            complete = False
    return results, complete


def _as_line(name: str, records: Sequence[Record]) -> str:
    lines = TABLES[name].shown(records[-1:]).splitlines()
    return "\n".join(lines if len(records) == 1 else lines[-1:])


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, an outage of 3 s")
    parser.add_argument("--keep", type=Path, help="write the figures into this file")
    parser.add_argument("--from", type=Path, dest="kept", help="take the figures from this file, and measure nothing")
    parser.add_argument("--docs", type=Path, nargs="?", const=DOCS, help="write the figures into the pages there")
    return parser.parse_args()


def plan_of(given: argparse.Namespace) -> Plan:
    """Return how much is to be measured."""
    return Plan((20, 100), 1, 3.0) if given.quick else Plan(sorted(given.sizes), given.rounds, given.seconds)


def main() -> int:
    """Measure and print everything; return the exit status."""
    given, complete = options(), True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and servers are tidied up
    if given.kept:
        machine, results = json.loads(given.kept.read_text(encoding="utf-8"))
    else:
        machine = described("dcrauth", "aiohttp", "requests", "httpx", "redis", "filelock")
        print(machine)
        results, complete = all_measured(given.rows, plan_of(given))
    if given.keep:
        given.keep.write_text(json.dumps([machine, results]), encoding="utf-8")
    print(f"\n{shown(results) if given.kept else summary(results)}")
    if given.docs:
        written(machine, results, given.docs)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
