"""``dcrauth store stats``: how many records of which kind there are, how large, and how old."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.lines import Style, entry, plain
from dcrauth.cli.moments import ago
from dcrauth.cli.output import say, write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.store.records import Record, records_in
from dcrauth.engine.record_kinds import Kind
from dcrauth.errors import StoreError
from dcrauth.stores import Store

_NAMES = {
    Kind.CLIENT: "clients",
    Kind.ASIDE: "kept_aside",
    Kind.NOTE: "notes",
    Kind.FOUND_ANEW: "found_anew",
    Kind.UNKNOWN: "unknown",
}
COUNTED = (
    "clients", "forgotten", "kept_aside", "tokens", "expired_tokens", "notes", "found_anew", "unknown", "unreadable",
)  # fmt: skip
"""What is counted, in the order in which it is told."""

_TOLD = {
    "clients": "clients in use",
    "forgotten": "deleted on purpose",
    "kept_aside": "kept aside",
    "tokens": "good tokens",
    "expired_tokens": "tokens that ended",
    "notes": "notes on registrations",
    "found_anew": "found anew if lost",
    "unknown": "of other versions",
    "unreadable": "not readable",
}
_WIDTH = 24


@dataclass
class Stats:
    """What there is in a store.

    Parameters:
        counts: how many records, by the names in `COUNTED`.
        bytes: how large all of them are, without what the store adds.
        largest: how large the largest one is.
        registered: when clients in use were registered, the first and the last one, in seconds since the epoch.
        problem: why others could not be listed or read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    largest: int = 0
    registered: tuple[float, float] | None = None
    problem: str | None = None

    @property
    def exit_status(self) -> ExitCode:
        """The exit status that it comes to."""
        return ExitCode.STORE if self.problem is not None or self.counts["unreadable"] else ExitCode.GOOD


def stats(settings: CommandSettings, *, as_json: bool = False) -> int:
    """Tell how many records there are, of which kinds."""
    store, now = settings.store(), time.time()
    found = counted(store, now)
    if as_json:
        write_json(facts(repr(store), now, found))
    else:
        for line in lines_of(repr(store), now, found):
            say(line)
    return found.exit_status


def counted(store: Store, now: float) -> Stats:
    """Read all of *store*, and count it."""
    found = Stats()
    try:
        for record in records_in(store):
            _count(found, record, now)
    except StoreError as problem:
        found.problem = problem.message
    return found


def _count(found: Stats, record: Record, now: float) -> None:
    found.counts[_name_of(record, now)] += 1
    found.bytes += record.size
    found.largest = max(found.largest, record.size)
    if record.kind is Kind.CLIENT and record.registered_at is not None:
        first, last = found.registered or (record.registered_at, record.registered_at)
        found.registered = (min(first, record.registered_at), max(last, record.registered_at))


def _name_of(record: Record, now: float) -> str:
    if record.problem is not None:
        return "unreadable"
    if record.expires_at is not None:
        return "tokens" if record.expires_at > now else "expired_tokens"
    return "forgotten" if record.is_forgotten else _NAMES[record.kind]


def facts(store: str, now: float, found: Stats) -> dict[str, Any]:
    """Return it as JSON has it (docs/schemas/store-stats.json)."""
    first, last = found.registered or (None, None)
    return {
        "schema": 1,
        "store": store,
        "at": now,
        "records": {name: found.counts[name] for name in COUNTED},
        "bytes": found.bytes,
        "largest": found.largest,
        "first_registered_at": first,
        "last_registered_at": last,
        "problem": found.problem,
    }


def lines_of(store: str, now: float, found: Stats) -> list[str]:
    """Return it as lines for people: what there is none of is left out, but for clients."""
    rows = [(_TOLD[name], str(found.counts[name])) for name in COUNTED if found.counts[name] or name == "clients"]
    rows += [("bytes, the largest", f"{found.bytes}, {found.largest}")]
    if found.registered is not None:
        first, last = found.registered
        rows += [("first registered", ago(first, now)), ("last registered", ago(last, now))]
    if found.problem is not None:
        rows += [("problem", found.problem)]
    styled = [entry(((f"{name:<{_WIDTH}}", Style.PLAIN),), value) for name, value in [("store", store), *rows]]
    return [plain(line) for lines in styled for line in lines]
