"""The findings of ``dcrauth check`` as lines for people."""

from collections.abc import Iterable, Iterator, Sequence

from dcrauth.cli.findings import Finding, Word, exit_status, is_fault
from dcrauth.cli.lines import WIDTH, Line, Style, entry, heading

_STYLES = {
    Word.OK: Style.GOOD,
    Word.ABSENT: Style.FAINT,
    Word.NOT_TRIED: Style.FAINT,
    Word.WARNING: Style.DOUBTFUL,
}

_GROUPS = {
    "Versions": {"version": ""},
    "Software statement": {"statement": "claims", "statement-issued": "issued", "statement-expiry": "expiry"},
    "Settings": {"settings": "provider", "server": "server", "transport": "transport"},
    "Server": {
        "proxy": "proxy",
        "dns": "name",
        "tcp": "connection",
        "proxy-tls": "proxy's TLS",
        "proxy-tunnel": "proxy's way",
        "tls": "TLS",
        "metadata": "metadata",
        "answer": "answer",
        "clock": "clock",
    },
    "Store": {"store": "place", "mount": "disk", "permissions": "permissions", "health": "writing"},
    "Client": {
        "credentials": "credentials",
        "token": "token",
        "last-error": "last error",
        "registration": "registration",
        "token-call": "token call",
    },
}
LABELS = {check: (group, label) for group, labels in _GROUPS.items() for check, label in labels.items()}
_WORD_WIDTH, _LABEL_WIDTH = 13, 12


def lines_of(findings: Iterable[Finding], width: int = WIDTH) -> Iterator[Line]:
    """Yield *findings* as lines for people, each as soon as it is there."""
    before = ""
    for finding in findings:
        title = _title(finding)
        if title != before:
            yield from [((" ", Style.PLAIN),)] * bool(before)
            yield heading(title)
            before = title
        yield from _entry(finding, width)


def summary_of(findings: Sequence[Finding], *, width: int = WIDTH) -> Iterator[Line]:
    """Yield what *findings* come to, for people."""
    status = exit_status(findings)
    bad = sum(map(is_fault, findings))
    doubtful = sum(each.word is Word.WARNING for each in findings)
    told = f"{bad} to mend, {doubtful} to look at" if bad or doubtful else "All is well"
    asked = {each.check for each in findings if each.word is not Word.NOT_TRIED} & {"registration", "token-call"}
    done = "" if asked else " Nothing was registered, and no token was asked for."
    yield ((" ", Style.PLAIN),)
    style = Style.BAD if bad else Style.DOUBTFUL if doubtful else Style.GOOD
    yield from entry((), f"{told}; exit status {int(status)}.{done}", width, style)


def _title(finding: Finding) -> str:
    group, _ = LABELS[finding.check]
    return f"{group} {finding.about}" if group == "Server" and finding.about else group


def _entry(finding: Finding, width: int) -> Iterator[Line]:
    _, label = LABELS[finding.check]
    word = f"  {finding.word.value:<{_WORD_WIDTH}} "
    name = f"{label or finding.about:<{_LABEL_WIDTH}} "
    yield from entry(((word, _STYLES.get(finding.word, Style.BAD)), (name, Style.PLAIN)), finding.found, width)
    if finding.advice:
        indent = " " * (len(word) + len(name))
        yield from entry(((f"{indent}-> ", Style.FAINT),), finding.advice, width)
