"""The findings of ``dcrauth check`` as lines for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    "Software statement": {
        "statement": "claims",
        "statement-signature": "signature",
        "statement-issued": "issued",
        "statement-expiry": "expiry",
    },
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
    "Store": {
        "store": "place",
        "mount": "disk",
        "permissions": "permissions",
        "health": "writing",
        "records": "records",
        "record": "record",
    },
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
    asked = {each.check for each in findings if each.word is not Word.NOT_TRIED} & {"registration", "token-call"}
    well = "All is well" if "token-call" in asked else "No fault was found"
    told = f"{bad} to mend, {doubtful} to look at" if bad or doubtful else well
    done = "" if asked else " Nothing was registered, and no token was asked for."
    done += _not_asked({each.check: each.word for each in findings})
    yield ((" ", Style.PLAIN),)
    style = Style.BAD if bad else Style.DOUBTFUL if doubtful else Style.GOOD
    yield from entry((), f"{told}; exit status {int(status)}.{done}", width, style)


def _not_asked(words: Mapping[str, Word]) -> str:
    """Return as text what the server was not asked, so that nobody takes it for proved; "" if there is nothing."""
    client, unproved = words.get("credentials"), []
    if client is Word.OK and words.get("token-call") is Word.NOT_TRIED:
        unproved.append("the client (--token)")
    if client is Word.OK and words.get("statement") is Word.OK:
        unproved.append("the statement (only a registration tells)")
    if client is Word.ABSENT and words.get("statement") is Word.OK and "registration" not in words:
        unproved.append("the statement (--register)")
    return f" Not asked: whether the server accepts {' and '.join(unproved)}." if unproved else ""


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
