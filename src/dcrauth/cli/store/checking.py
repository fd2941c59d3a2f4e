"""``dcrauth store check``: whether a store can be used, and each of its records be read."""

from collections import Counter
from collections.abc import Iterator

from dcrauth.cli.check_lines import lines_of
from dcrauth.cli.checks.storage import store_findings
from dcrauth.cli.findings import Finding, Word, exit_status, finding_of
from dcrauth.cli.output import write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.show import show
from dcrauth.cli.store.records import records_in
from dcrauth.engine.record_kinds import CLIENTS, Kind
from dcrauth.errors import DCRAuthError, StoreError
from dcrauth.stores import Store

_MOST_TOLD = 10
"""So many damaged records are told one by one."""


def check(settings: CommandSettings, *, as_json: bool = False) -> int:
    """Look at a store and at each record, and tell what to do about what is not well."""
    found: list[Finding] = []
    findings = _noted(findings_of(settings), found)
    if as_json:
        told = [each.to_dict() for each in findings]
        write_json({"schema": 1, "exit_status": int(exit_status(found)), "findings": told})
    else:
        show(lines_of(findings))
    return exit_status(found)


def findings_of(settings: CommandSettings) -> Iterator[Finding]:
    """Yield what is to be said of the store of the *settings*."""
    try:
        store = settings.store()
    except StoreError as error:  # such as of a key that is not to be had
        yield finding_of(error, "store")
        return
    yield from store_findings(store)
    yield from record_findings(store)


def record_findings(store: Store) -> Iterator[Finding]:
    """Yield what is to be said of the records of *store*."""
    counts, damaged = Counter[Kind](), 0
    try:
        for record in records_in(store):
            counts[record.kind] += 1
            if record.problem is not None and record.kind in CLIENTS:
                damaged += 1
                if damaged <= _MOST_TOLD:
                    yield finding_of(record.problem, "record")
    except DCRAuthError as error:
        yield finding_of(error, "records")
        if not counts:  # whether there are any is not known
            return
    if damaged > _MOST_TOLD:
        told = f"{damaged - _MOST_TOLD} more records of clients cannot be read"
        yield Finding("record", Word.NOT_READABLE, told, "mend those above first: most often it is one cause")
    yield _counted(counts)


def _counted(counts: Counter[Kind]) -> Finding:
    if counts[Kind.UNKNOWN]:
        told = f"{counts[Kind.UNKNOWN]} of {counts.total()} are of another version of dcrauth"
        return Finding("records", Word.WARNING, told, "upgrade dcrauth on this machine; they are left as they are")
    if not counts:
        return Finding("records", Word.ABSENT, "there are none")
    clients, aside, tokens = (counts[kind] for kind in (Kind.CLIENT, Kind.ASIDE, Kind.TOKEN))
    told = f"{counts.total()} in all: {clients} of clients, {aside} kept aside, {tokens} tokens"
    return Finding("records", Word.OK, told)


def _noted(findings: Iterator[Finding], found: list[Finding]) -> Iterator[Finding]:
    for finding in findings:
        found.append(finding)
        yield finding
