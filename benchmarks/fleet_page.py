"""The figures of a run as tables, as a plot, and in their places in docs/benchmarks.md and docs/servers.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from identities import BY_HAND
from pages import place
from plot import Panel, svg

AT = 2_000
"""So many identities at once are what the first table is about."""
Record = Mapping[str, Any]
Results = Mapping[str, Sequence[Record]]


def _times(places: int, factor: float = 1.0) -> Callable[[Any], str]:
    return lambda value: f"{value * factor:,.{places}f}"


PLAIN, SECONDS, MS, US, KB, MB = (
    _times(0),
    _times(2),
    _times(1, 1e3),
    _times(1, 1e6),
    _times(1, 1e-3),
    _times(0, 1e-6),
)
RATIO = _times(2)


@dataclass(frozen=True)
class Table:
    """How the records of a row of the benchmark are shown.

    Parameters:
        title: above it.
        columns: head, name in the record, and how a value is written; what a record lacks is a dash.
    """

    title: str
    columns: Sequence[tuple[str, str, Callable[[Any], str]]]

    def shown(self, records: Sequence[Record]) -> str:
        """Return the table in Markdown."""
        heads = [head for head, _, _ in self.columns]
        rules = ["---" if form is str else "---:" for _, _, form in self.columns]
        rows = [[form(each[name]) if name in each else "–" for _, name, form in self.columns] for each in records]
        return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows))


_AT_ONCE = (
    ("wall s", "wall", SECONDS),
    ("CPU s", "cpu", SECONDS),
    ("loop lag p99 ms", "lag", MS),
    ("longest ms", "longest lag", MS),
    ("threads", "threads", PLAIN),
    ("memory kB/identity", "memory", KB),
    ("failed", "failed", PLAIN),
)
_CALLS = (("registrations", "registrations", PLAIN), ("tokens", "tokens", PLAIN), ("connections", "connections", PLAIN))
_WHO = (("", "who", str), ("identities", "count", PLAIN))
TABLES = {
    "cold": Table(
        "Cold, all at once",
        (*_WHO, *_AT_ONCE, ("× wall", "× wall", RATIO), ("× CPU", "× cpu", RATIO), *_CALLS),
    ),
    "documented": Table("Cold, as docs/servers.md says", (*_WHO, *_AT_ONCE, ("CPU ms/identity", "cpu each", MS))),
    "stores": Table(
        "Cold, with each store",
        (("store", "who", str), *_WHO[1:], *_AT_ONCE, ("× wall", "× wall", RATIO), ("× CPU", "× cpu", RATIO)),
    ),
    "warm": Table(
        "Warm after a restart, all at once",
        (("store", "who", str), *_WHO[1:], *_AT_ONCE, ("store B/identity", "size", PLAIN), ("calls", "calls", PLAIN)),
    ),
    "held": Table("Held", (*_WHO, ("memory kB/identity", "memory", KB), ("threads", "threads", PLAIN))),
    "outcome": Table("Noting an outcome", (("among identities", "count", PLAIN), ("µs", "outcome", US))),
    "redis": Table(
        "Redis, for each identity",
        (("", "who", str), ("round trips", "trips", SECONDS), ("commands", "commands", SECONDS)),
    ),
    "outage": Table(
        "An outage of the token endpoint",
        (
            *_WHO,
            ("s", "seconds", PLAIN),
            ("calls meanwhile", "calls", PLAIN),
            ("in the busiest second", "busiest", PLAIN),
            ("afterwards", "calls after", PLAIN),
            ("in the busiest second", "busiest after", PLAIN),
            ("s until all are served", "recovery", SECONDS),
            ("failed requests", "failed", PLAIN),
            ("threads", "threads", PLAIN),
            ("memory MB", "grown", MB),
            ("loop lag p99 ms", "lag", MS),
        ),
    ),
    "mixed": Table(
        "Fast identities beside slow ones",
        (
            *_WHO,
            ("slow ones", "beside", PLAIN),
            ("median s", "median", SECONDS),
            ("p99 s", "p99", SECONDS),
            ("last s", "last", SECONDS),
            ("threads", "threads", PLAIN),
        ),
    ),
}

_RESTART = Table(
    "",
    (
        ("after a restart, from", "who", str),
        *_WHO[1:],
        ("s until all have a token", "wall", SECONDS),
        ("CPU s", "cpu", SECONDS),
        ("calls", "calls", PLAIN),
        ("memory MB", "all memory", MB),
        ("store MB", "all size", MB),
    ),
)
_FIRST = Table(
    "",
    (
        ("for the first time, transport", "who", str),
        *_WHO[1:],
        ("s until all have a token", "wall", SECONDS),
        ("CPU s", "cpu", SECONDS),
        ("registrations", "registrations", PLAIN),
        ("token calls", "tokens", PLAIN),
    ),
)
_HERD = Table(
    "",
    (
        ("after an outage", "who", str),
        *_WHO[1:],
        ("of s", "seconds", PLAIN),
        ("calls meanwhile", "calls", PLAIN),
        ("s until all have a token", "recovery", SECONDS),
        ("calls in the busiest second", "busiest after", PLAIN),
    ),
)
DEVICES = 10_000
"""So many devices are what docs/servers.md is about."""


def summary(results: Results) -> str:
    """Return the table of what counts: by hand, ours, and what we mean to keep to."""
    sizes = sorted({each["count"] for each in results.get("cold", ())})
    at = max((size for size in sizes if size <= AT), default=AT)
    cold = {each["who"]: each for each in results.get("cold", ()) if each["count"] == at}
    hand, ours = cold.get(BY_HAND, {}), cold.get("aiohttp", {})
    documented = next((each for each in results.get("documented", ()) if each["who"] != BY_HAND), {})
    by_hand = next((each for each in results.get("documented", ()) if each["who"] == BY_HAND), {})
    redis = {each["who"]: each for each in results.get("redis", ())}
    held = [each for each in results.get("held", ()) if each["who"] == "dcrauth"][-1:] or [{}]
    alone = [each for each in results.get("held", ()) if each["who"] != "dcrauth"][-1:] or [{}]
    among = list(results.get("outcome", ()))[-1:] or [{}]
    lines: list[tuple[str, Record, Record, str, Callable[[Any], str], str]] = [
        (f"{at:,} identities at once: wall, × by hand", hand, ours, "× wall", RATIO, "≤ 2.0"),
        ("CPU, aiohttp transport, × by hand", hand, ours, "× cpu", RATIO, "≤ 3.0"),
        ("CPU, requests transport, × by hand", hand, cold.get("requests", {}), "× cpu", RATIO, "≤ 4.0"),
        ("CPU, httpx transport, × by hand", hand, cold.get("httpx", {}), "× cpu", RATIO, "≤ 6.0"),
        ("event loop lag p99, ms", hand, ours, "lag", MS, "≤ 50"),
        ("threads at the peak", hand, ours, "threads", PLAIN, "≤ 80"),
        ("memory of one identity, as documented, kB", by_hand, documented, "memory", KB, "≤ 12"),
        ("CPU of one identity, as documented, ms", by_hand, documented, "cpu each", MS, "≤ 4"),
        ("memory of one identity held, kB; by hand: its records alone", alone[0], held[0], "memory", KB, "≤ 5"),
        (f"noting an outcome among {among[0].get('count', 0):,}, µs", {}, among[0], "outcome", US, "O(1)"),
        ("round trips to Redis, cold identity", {}, redis.get("cold", {}), "trips", RATIO, "≤ 8"),
        ("commands to Redis, warm restart of one identity", {}, redis.get("warm", {}), "commands", RATIO, "≤ 2"),
    ]
    rows = [(what, _cell(hand, key, form), _cell(ours, key, form), goal) for what, hand, ours, key, form, goal in lines]
    head = ("", BY_HAND, "dcrauth", "goal"), ("---", "---:", "---:", "---:")
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows))


def _cell(record: Record, key: str, form: Callable[[Any], str]) -> str:
    return form(record[key]) if key in record else "–"


def growth(results: Results) -> str | None:
    """Return the plot of what one identity costs by how many there are; None without figures for two numbers."""
    cold = results.get("cold", ())
    if len({each["count"] for each in cold}) < 2:
        return None

    def lines(key: str, factor: float) -> dict[str, list[tuple[float, float]]]:
        names = dict.fromkeys(each["who"] for each in cold)
        points = {name: [(each["count"], each[key] * factor) for each in cold if each["who"] == name] for name in names}
        return {name: [point for point in line if point[1] > 0] for name, line in points.items()}

    panels = [
        Panel("CPU of one identity", "ms", "identities at once", lines("cpu each", 1e3)),
        Panel("Wall time for one identity", "ms", "identities at once", lines("wall each", 1e3)),
        Panel("Memory of one identity", "kB", "identities at once", lines("memory", 1e-3)),
    ]
    return svg(panels)


def shown(results: Results) -> str:
    """Return all tables in Markdown."""
    tables = [f"### {TABLES[name].title}\n\n{TABLES[name].shown(records)}" for name, records in results.items()]
    return "\n\n".join([summary(results), *tables])


def for_servers(results: Results) -> str:
    """Return what who runs a server wants to know, in Markdown."""
    found = [
        {**each, "all memory": each["memory"] * each["count"], "all size": each["size"] * each["count"]}
        for each in results.get("warm", ())
    ]
    parts = [_RESTART.shown(found)] if found else []
    cold = [each for each in results.get("cold", ()) if each["who"] != BY_HAND]
    most = max((each["count"] for each in cold if each["count"] <= DEVICES), default=0)
    parts += [_FIRST.shown([each for each in cold if each["count"] == most])] if cold else []
    outages = [each for each in results.get("outage", ()) if not each["who"].startswith(BY_HAND)]
    parts += [_HERD.shown(outages)] if outages else []
    return "\n\n".join(parts)


def written(machine: str, results: Results, folder: Path) -> None:
    """Write the figures into benchmarks.md and servers.md in *folder*, and the plot beside them."""
    measured_on = machine.replace("\n", "; ") + "."
    plot = growth(results)
    if plot is not None:
        (folder / "fleet.svg").write_text(plot, encoding="utf-8")
    picture = ["![What one identity costs, by how many there are](fleet.svg)"] if plot is not None else []
    pages = {
        "benchmarks.md": "\n\n".join([measured_on, *picture, shown(results)]),
        "servers.md": "\n\n".join([measured_on, for_servers(results)]),
    }
    for name, inside in pages.items():
        place(folder / name, inside, "fleet.py")
