"""``dcrauth status``: what the store holds, for people or for programs, once or again and again."""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dcrauth.cli.findings import Word
from dcrauth.cli.lines import WIDTH, Line, Style, entry, heading
from dcrauth.cli.moments import ago
from dcrauth.cli.stored import GIVEN, Client, StoredIdentity, StoredReport, Token, shown_id
from dcrauth.engine.identity import CERTIFICATE


@dataclass(frozen=True)
class Shown:
    """How a report is shown.

    Parameters:
        as_json: whether for programs: one object on one line.
        reveal: whether client ids are whole.
        every: seconds between one and the next; None for one only.
        times: how many; None for as many as there is time for.
    """

    as_json: bool = False
    reveal: bool = False
    every: float | None = None
    times: int | None = None


_SHORT = 8
_LABEL_WIDTH = 12


def run(
    read: Callable[[], StoredReport],
    shown: Shown,
    show: Callable[[Iterable[Line]], object],
    write: Callable[[str], object],
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Show what *read* returns, once or again and again; return the exit status of the last one.

    Parameters:
        read: reads the store anew.
        shown: how it is shown.
        show: shows lines to people.
        write: writes a line for programs.
        sleep: waits for so many seconds.
    """
    times = shown.times if shown.every is not None else 1
    status = 0
    for number in itertools.count() if times is None else range(times):
        if number:
            sleep(shown.every or 0.0)
        report = read()
        status = report.exit_status
        if shown.as_json:
            write(json.dumps(report.to_dict(reveal=shown.reveal)))
        else:
            show(itertools.chain([((" ", Style.PLAIN),)] * bool(number), lines_of(report, reveal=shown.reveal)))
    return status


def lines_of(report: StoredReport, *, reveal: bool = False, width: int = WIDTH) -> Iterator[Line]:
    """Yield *report* as lines for people.

    Parameters:
        reveal: whether client ids are shown whole.
        width: in columns.
    """
    yield from entry((("Store  ", Style.HEADING),), report.store, width)
    yield from entry((("       ", Style.PLAIN),), _count(report), width, Style.FAINT)
    if report.problem is not None:
        yield from _line("not readable", report.problem, Style.BAD, width=width)
    for identity in report.identities:
        yield ((" ", Style.PLAIN),)
        yield from _identity(identity, report.at, reveal, width)


def _count(report: StoredReport) -> str:
    # Where the list of records cannot be had, that of the settings is in the report whether it is there or not.
    stored = [each for each in report.identities if each.is_stored and not (report.problem and _is_unread(each))]
    if not stored:
        return "nothing is stored here" if report.problem is None else "nothing could be read"
    told = "1 identity" if len(stored) == 1 else f"{len(stored)} identities"
    unread = sum(bool(each.problems) for each in stored)
    return f"{told}, {unread} of them not readable as a whole" if unread else told


def _is_unread(stored: StoredIdentity) -> bool:
    """Return whether nothing is known of an identity, not even whether the store has it."""
    return {stored.client.word, stored.token.word} <= {Word.NOT_READABLE, GIVEN}


def _identity(stored: StoredIdentity, now: float, reveal: bool, width: int) -> Iterator[Line]:
    key = stored.identity[:_SHORT]
    if stored.configured:
        yield heading(f"{key}  that of these settings")
        for label, name in (("application", stored.application), ("instance", stored.instance)):
            yield from _line(label, name, width=width) if name is not None else ()
    else:
        yield heading(key)
    if stored.client.word == Word.ABSENT:
        yield from _line("client", _why_absent(stored), Style.FAINT, width=width)
    else:
        yield from _line("client", *_told_client(stored.client, now, reveal), width=width)
    yield from _tokens(stored, now, width)
    if stored.last_error is not None and stored.last_error_at is not None and stored.retry_at is not None:
        yield from _line("last error", f"{stored.last_error}, {ago(stored.last_error_at, now)}", Style.BAD, width=width)
        yield from _line("next try", ago(stored.retry_at, now), width=width)
    for client in stored.kept_aside:
        yield from _line("kept aside", *_told_client(client, now, reveal), width=width)


def _why_absent(stored: StoredIdentity) -> str:
    has_tokens = stored.further_tokens or stored.token.word != Word.ABSENT
    if has_tokens and not stored.configured:
        return "not stored, as is one that a program is given"
    return "not registered yet; the first request registers it"


def _told_client(client: Client, now: float, reveal: bool) -> tuple[str, Style]:
    if client.problem is not None:
        return f"{client.word}: {client.problem}", Style.BAD
    if client.client_id is None:
        return "deleted on purpose", Style.FAINT
    if client.word == GIVEN:
        return f"{shown_id(client.client_id, reveal=reveal)}, given by the settings, and so not stored", Style.PLAIN
    told = f"{shown_id(client.client_id, reveal=reveal)}, {client.registered(now)}"
    if client.replaced_at is not None:
        told += f", in the place of another one since {ago(client.replaced_at, now)}"
    if client.expires_at is None:
        return told, Style.PLAIN
    told += f"; its secret ends {ago(client.expires_at, now)}"
    return told, Style.DOUBTFUL if client.is_ending(now) else Style.PLAIN


def _tokens(stored: StoredIdentity, now: float, width: int) -> Iterator[Line]:
    """Yield the tokens of a client: that of the settings first, and what others are for as a digest."""
    if stored.token.word != Word.ABSENT or not stored.further_tokens or stored.configured:
        yield from _line("token", *_told_token(stored.token, now), width=width)
    for token in stored.further_tokens:
        yield from _line("token", *_told_token(token, now), width=width)


def _told_token(token: Token, now: float) -> tuple[str, Style]:
    what = _told_purpose(token)
    if token.problem is not None:
        return f"{what}{token.word}: {token.problem}", Style.BAD
    if token.expires_at is None:
        return f"{what}none stored", Style.FAINT
    if token.word == Word.OK:
        granted = "" if token.scope is None else f"; it was granted for {token.scope}"
        return f"{what}ends {ago(token.expires_at, now)}{granted}", Style.GOOD
    return f"{what}expired {ago(token.expires_at, now)}; the next request renews it", Style.FAINT


def _told_purpose(token: Token) -> str:
    """Return what a token was asked for with and is bound to, and a colon."""
    asked_for, _, certificate = token.key.partition(CERTIFICATE)
    digest = asked_for.removeprefix("token").strip("-")
    told = token.asked_for or (f"scope set {digest[:_SHORT]}" if digest else "")
    bound = f"bound to certificate {certificate[:_SHORT]}" if certificate else ""
    parts = ", ".join(filter(None, (told, bound)))
    return f"{parts}: " if parts else ""


def _line(label: str, text: str, style: Style = Style.PLAIN, *, width: int) -> Iterator[Line]:
    return entry(((f"  {label:<{_LABEL_WIDTH}} ", Style.FAINT),), text, width, style)
