"""What an unwelcome answer of an endpoint says."""

import email.utils
from enum import Enum

from dcrauth._internal.strict_json import seconds_in
from dcrauth.providers.protocol import Problem, Response

LONGEST_WAIT = 3_600.0
"""The most that a server can make us wait by ``Retry-After`` or ``Expires``, in seconds."""

REGISTERED_CODES = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"),
        *("unsupported_grant_type", "invalid_scope"),
        *("invalid_redirect_uri", "invalid_client_metadata"),
        *("invalid_software_statement", "unapproved_software_statement"),
    }
)
"""Error codes by which an OAuth server says no for good (RFC 6749 §5.2, RFC 7591 §3.2.2); gateways make up others."""

LOST = "answer_lost"
"""What we call it, in the place of a server's code, where nobody knows whether a registration was carried out."""

NO_ENDPOINT = frozenset({404, 405, 410, 501})
"""Statuses by which a server says that there is no such endpoint, or none that takes POST (RFC 9110 §15)."""

_EARLIEST_DATE = 1e9
"""An ``X-RateLimit-Reset`` of so much is a moment, in seconds since the epoch; a smaller one is a wait."""


class Meaning(Enum):
    """What a `Problem` says."""

    THROTTLED = "too many calls"
    TRANSIENT = "no answer that settles anything"
    CLIENT_REJECTED = "the client credentials are not recognised"
    REJECTED = "the server said no"
    UNUSABLE = "the server said yes, and what it said cannot be used"


def meaning(problem: Problem) -> Meaning:
    """Return what an unwelcome answer says.

    Only an OAuth error answer can condemn the client, and only a code that is registered, or that the provider
    declares, is a no: ``{"error": "Forbidden"}`` is what a gateway says in the server's place.
    """
    if problem.status == 429:
        return Meaning.THROTTLED
    if problem.error == LOST:
        return Meaning.UNUSABLE
    if problem.status is None or problem.status >= 500:
        return Meaning.TRANSIENT
    if problem.carried_out:
        return Meaning.UNUSABLE
    if problem.oauth and problem.error == "invalid_client":
        return Meaning.CLIENT_REJECTED
    registered = problem.oauth and problem.error in REGISTERED_CODES
    return Meaning.REJECTED if registered or problem.final else Meaning.TRANSIENT


def told_to_wait(problem: Problem, now: float) -> float | None:
    """Return how many seconds an answer asks to wait, if that can be read.

    ``Retry-After`` (RFC 9110 §10.2.3) comes first, then ``Expires``; ``X-RateLimit-Reset``, which other answers may
    carry just so, counts in a 429 that has neither.

    Parameters:
        now: the wall clock, in seconds since the epoch.
    """
    if (wait := seconds_in(problem.retry_after or "")) is not None:
        return min(wait, LONGEST_WAIT)
    for date in (problem.retry_after, problem.expires):
        if (moment := moment_in(date)) is not None and moment > now:
            return min(moment - now, LONGEST_WAIT)
    reset = seconds_in(problem.rate_limit_reset or "") if problem.status == 429 else None
    if reset is None:
        return None
    return min(max(0.0, reset - now) if reset >= _EARLIEST_DATE else reset, LONGEST_WAIT)


def moment_in(date: str | None) -> float | None:
    """Return the moment that a header names, in seconds since the epoch, if it can be read."""
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def is_success(status: int | None) -> bool:
    """Return whether an HTTP *status* says that what was asked for has been done."""
    return status is not None and 200 <= status < 300


def is_no_answer(problem: Problem) -> bool:
    """Return whether a server has said nothing: it may do so later."""
    return problem.status is None or problem.status >= 500 or problem.status == 429


_OF_A_GATEWAY = frozenset({502, 504})
"""Statuses by which a gateway says that it has no answer of the server behind it (RFC 9110 §15.6.3, §15.6.5)."""


def is_lost(response: Response | None) -> bool:
    """Return whether there is no answer of the server's own, so that a call may have been carried out."""
    return response is None or response.status in _OF_A_GATEWAY


_URLS = ("https://", "http://")


def in_words(problem: Problem, endpoint: str) -> str:
    """Return what is wrong as text that names the *endpoint*, unless it names another place itself."""
    if problem.reason.startswith(_URLS):
        return problem.reason
    if problem.status is not None and endpoint not in problem.reason:
        return f"{endpoint} answered: {problem.reason}"
    return problem.reason if endpoint in problem.reason else f"{endpoint}: {problem.reason}"
