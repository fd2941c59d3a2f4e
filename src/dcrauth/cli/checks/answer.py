"""What the token endpoint answers to a call without credentials, and what its clock says.

Such a call can neither register nor get a token; an authorization server answers it with an error of OAuth's
(RFC 6749 §5.2), and what does not come from one, such as a page of a firewall, is told from that.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from dcrauth._internal.strict_json import printable
from dcrauth.cli.findings import ADVICE, Finding, Word, finding_of
from dcrauth.cli.moments import span
from dcrauth.engine.answer_errors import ADVICE_ON_ADDRESS
from dcrauth.engine.answers import NO_ENDPOINT, REGISTERED_CODES, told_to_wait
from dcrauth.errors import DCRAuthError
from dcrauth.providers.adobe.enhanced_error import read_error
from dcrauth.providers.protocol import Problem, Request, Response
from dcrauth.transports import Transport

CLOCK_OFF = 60.0
"""From so many seconds on a clock is called wrong: ``Date`` has whole seconds, and the answer has taken some time."""

_SET_THE_CLOCK = (
    "set the clock of this machine (NTP); records carry its time, and certificates and statements are judged by it"
)


@dataclass(frozen=True)
class _Answered:
    """An answer, and the wall clock before and after it, in seconds since the epoch."""

    response: Response
    before: float
    after: float


def answer_findings(transport: Transport, token_url: str, wall: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Yield what the token endpoint answers, and how this machine's clock stands against its own."""
    about = urlsplit(token_url).netloc
    before = wall()
    try:
        response = transport.send(_nothing(token_url))
    except DCRAuthError as error:
        yield finding_of(error, "answer", about)
        yield Finding("clock", Word.NOT_TRIED, "no answer has told the time", about=about)
        return
    yield _meaning(response, wall(), about)
    yield _clock(_Answered(response, before, wall()), about)


def not_called(about: str, why: str = "the way to the server does not lead there") -> Iterator[Finding]:
    """Yield the same findings for a server that was not called, and *why*."""
    for check in ("answer", "clock"):
        yield Finding(check, Word.NOT_TRIED, why, about=about)


def _nothing(url: str) -> Request:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Cache-Control": "no-store",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Request(url, headers, b"grant_type=client_credentials", endpoint=url, repeatable=True)


def _meaning(response: Response, now: float, about: str) -> Finding:
    status, told = response.status, f"HTTP {response.status}"
    if status == 429:
        return Finding("answer", Word.THROTTLED, told + _wait(response, now), ADVICE[Word.THROTTLED], about)
    if (status in NO_ENDPOINT and _oauth_code(response) is None) or status < 300:
        return Finding("answer", Word.NOT_USABLE, f"{told}, which no token endpoint answers", ADVICE_ON_ADDRESS, about)
    if status >= 500:
        return Finding("answer", Word.FAILING, told + _wait(response, now), ADVICE[Word.FAILING], about)
    if status >= 400 and (code := _oauth_code(response)) is not None:
        return Finding("answer", Word.OK, f"{told}, {code}: as is due to a call without credentials", about=about)
    kind = printable(response.headers.get("content-type", "").partition(";")[0]) or "of no type"
    return Finding(
        "answer", Word.BLOCKED, f"{told} ({kind}), which is no answer of OAuth's", ADVICE[Word.BLOCKED], about
    )


def _oauth_code(response: Response) -> str | None:
    """Return the error code, if an authorization server has answered: gateways make up codes of their own."""
    error = read_error(response.body)
    if error is None or not error.oauth:
        return None
    return error.code if error.code in REGISTERED_CODES or response.status in {400, 401} else None


def _wait(response: Response, now: float) -> str:
    headers = response.headers
    problem = Problem(
        "", response.status, retry_after=headers.get("retry-after"), expires=headers.get("expires"),
        rate_limit_reset=headers.get("x-ratelimit-reset"),
    )  # fmt: skip
    wait = told_to_wait(problem, now)
    return "" if wait is None else f", which asks to wait for {span(wait)}"


def _clock(answered: _Answered, about: str) -> Finding:
    theirs = _date(answered.response.headers.get("date"))
    if theirs is None:
        return Finding("clock", Word.NOT_TRIED, "the answer has no Date that can be read", about=about)
    # The Date may be of any moment in between, and leaves out a part of a second.
    ahead = max(0.0, answered.before - theirs - 1.0) - max(0.0, theirs - answered.after)
    if abs(ahead) < CLOCK_OFF:
        return Finding("clock", Word.OK, f"less than {CLOCK_OFF:g} s from the server's", about=about)
    where = "ahead of" if ahead > 0 else "behind"
    return Finding("clock", Word.WARNING, f"{span(ahead)} {where} the server's", _SET_THE_CLOCK, about)


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
