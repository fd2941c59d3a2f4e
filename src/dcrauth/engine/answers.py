"""What an unwelcome answer of an endpoint says, and the error that tells the application of it."""

import base64
import email.utils
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from urllib.parse import parse_qsl, unquote_plus

from dcrauth._internal.strict_json import json_object, seconds_in
from dcrauth.errors import (
    CredentialsRejected,
    DCRAuthError,
    RegistrationRejected,
    Rejected,
    ServerUnavailable,
    Throttled,
    Unavailable,
    told_moment,
)
from dcrauth.providers.protocol import Problem, Request

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


def lost(problem: Problem) -> Problem:
    """Return the problem of a registration without an answer, where a second one would be refused."""
    told = (
        f"{problem.reason}. The registration may have been carried out; this server refuses a second one, so that none "
        "is sent: ask whoever runs it, and then delete it there, or give its client id and secret"
    )
    return replace(problem, reason=told, error=LOST, final=True)


_SHORTEST_SECRET = 8
"""Shorter ones are not looked for within other words, where they could be by chance."""

_SHORTEST_PART = 12
"""So much of a secret is left out of what a server says, wherever in the secret it is from."""


def without_secrets(problem: Problem, request: Request) -> Problem:
    """Return *problem* without what was secret in the *request* that it answers: servers may quote that.

    An error code that is made of a secret is none.
    """
    secrets = sorted(set(_secrets(request)), key=len, reverse=True)
    code = problem.error
    if code is not None and code not in _ADVICE and any(_tells(code, secret) for secret in secrets):
        problem = replace(problem, error=None, reason=problem.reason.replace(code, "***"))
    return replace(
        problem,
        reason=_blacked_out(problem.reason, secrets),
        description=problem.description and _without_any_parts(problem.description, secrets),
        trace=problem.trace and _without_any_parts(problem.trace, secrets),
    )


_NO_SECRETS = frozenset(
    {
        *("grant_type", "scope", "resource", "audience", "client_assertion_type"),
        *("token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "client_name"),
    }
)
"""Fields of calls whose values a message may quote."""


def _secrets(request: Request) -> Iterator[str]:
    """Yield what *request* holds beside what every client sends: a statement, a client id, a secret."""
    body = request.body.decode("utf-8", "replace")
    try:
        pairs = [(name, value) for name, value in json_object(body).items() if isinstance(value, str)]
    except ValueError:
        pairs = parse_qsl(f"{body}&{request.url.partition('?')[2]}")
    values = [value for name, value in pairs if name not in _NO_SECRETS]
    for value in (*values, *_authorization(request)):
        yield value
        yield from value.split(".") if value.count(".") == 2 else ()  # the parts of a JWT


def _authorization(request: Request) -> list[str]:
    """Return what the ``Authorization`` of a call has in it: a token, or id and secret (RFC 7617 §2)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return [value] * bool(value)
    pair = base64.b64decode(value).decode("utf-8", "replace")
    return [value, *(unquote_plus(part) for part in pair.split(":", 1)), *pair.split(":", 1)]


def _tells(code: str, secret: str) -> bool:
    """Whether an error code is a secret, a part of one, or has one or a longer part of one in it."""
    shorter, longer = sorted((code, secret), key=len)
    within = len(shorter) >= _SHORTEST_SECRET and shorter in longer
    return shorter == longer or within or _without_parts(code, secret) != code


def _blacked_out(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def _without_any_parts(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = _without_parts(_blacked_out(text, [secret]), secret)
    return text


def _without_parts(text: str, secret: str) -> str:
    """Return *text* without longer parts of *secret*: it may have been quoted in part, or cut in the middle of it."""
    kept, at = "", 0
    while at < len(text):
        end = at + _SHORTEST_PART
        if end <= len(text) and text[at:end] in secret:
            while end < len(text) and text[at : end + 1] in secret:
                end += 1
            kept, at = kept + "***", end
        else:
            kept, at = kept + text[at], at + 1
    return kept


_ADVICE = {
    "invalid_software_statement": "the software statement is damaged, has ended or was revoked: get a new one",
    "unapproved_software_statement": "the software statement is not approved here: ask whoever approves it, or with "
    "Adobe Pass check the environment, and that the application has been published",
    "invalid_redirect_uri": "the redirect_uri is not one of the registered application's",
    "invalid_client_metadata": "the server does not take what is said of the client; error.description may say which "
    "member of it",
    "invalid_client": "the client is not known there (any more), or its secret is wrong",
    "unauthorized_client": "the client may not use the client_credentials grant",
    "unsupported_grant_type": "the server does not know the client_credentials grant",
    "invalid_request": "the server cannot read the request: check what it wants in it, or with Adobe Pass "
    "token_request and the device information",
    "invalid_target": "the server does not know the resource, or does not grant it to this client: check resource",
    "invalid_scope": "the server does not grant that scope to this client: check scope, and what the client may have",
}
NO_ENDPOINT = frozenset({404, 405, 410, 501})
"""Statuses by which a server says that there is no such endpoint, or none that takes POST (RFC 9110 §15)."""

ADVICE_ON_ADDRESS = (
    "there is no such endpoint at this address: check the issuer or the endpoints, or with Adobe Pass base_url and the "
    "environment"
)
_NO_SECOND_ONE = (
    "each further registration would make one more client, so that no process makes one within 24 h, unless the "
    "software statement or the endpoints change, or this one is forgotten (dcrauth forget, or TokenSource.forget()); "
    "ask whoever runs the server"
)


def error_of(problem: Problem, endpoint: str, registering: bool, retry_at: float | None) -> DCRAuthError:
    """Return the error that tells of *problem*.

    Parameters:
        endpoint: the URL that was called, without a query.
        registering: whether it was the registration endpoint.
        retry_at: when another attempt makes sense, in seconds since the epoch.
    """
    what = meaning(problem)
    kind = _kind(what, registering)
    advice = _advice(what, problem)
    return kind(
        in_words(problem, endpoint) + (f"; {advice}" if advice else ""),
        status=problem.status,
        error=problem.error,
        description=problem.description,
        trace=problem.trace,
        retry_at=retry_at if issubclass(kind, Unavailable) else None,
    )


def _advice(what: Meaning, problem: Problem) -> str:
    if what is Meaning.UNUSABLE:
        return _NO_SECOND_ONE
    if problem.status in NO_ENDPOINT and what is Meaning.TRANSIENT:
        return ADVICE_ON_ADDRESS
    if what in {Meaning.THROTTLED, Meaning.TRANSIENT}:
        return ""  # the moment of the next try says it
    return _ADVICE.get(problem.error or "", "")


def barred(endpoint: str, status: int | None) -> RegistrationRejected:
    """Return the error that says that an earlier registration stands against another one.

    Parameters:
        endpoint: the URL that was called.
        status: the HTTP status of the answer that could not be used; None if there was no answer.
    """
    told = f"{endpoint} has not answered a registration, which it may have carried out all the same"
    if status is not None:
        told = f"{endpoint} has answered a registration with HTTP {status} and nothing that can be used"
    return RegistrationRejected(f"{told}; {_NO_SECOND_ONE}", status=status)


def names_no_endpoint(error: DCRAuthError) -> bool:
    """Return whether *error* says that there is no endpoint at the address, so that another one is to be given."""
    return isinstance(error, ServerUnavailable) and error.status in NO_ENDPOINT


def is_success(status: int | None) -> bool:
    """Return whether an HTTP *status* says that what was asked for has been done."""
    return status is not None and 200 <= status < 300


def is_unusable(refusal: RegistrationRejected) -> bool:
    """Return whether a registration was carried out by an answer that cannot be used."""
    return is_success(refusal.status) or refusal.error == LOST


def is_about_the_statement(refusal: RegistrationRejected) -> bool:
    """Return whether all identities that show the same statement would be refused; their devices may differ."""
    return not is_unusable(refusal) and refusal.error != "invalid_request"


_URLS = ("https://", "http://")


def in_words(problem: Problem, endpoint: str) -> str:
    """Return what is wrong as text that names the *endpoint*, unless it names another place itself."""
    if problem.reason.startswith(_URLS):
        return problem.reason
    if problem.status is not None and endpoint not in problem.reason:
        return f"{endpoint} answered: {problem.reason}"
    return problem.reason if endpoint in problem.reason else f"{endpoint}: {problem.reason}"


def unsettled(refusal: CredentialsRejected, until: float) -> ServerUnavailable:
    """Return the error that says that the server may only not know the client *yet*.

    Parameters:
        until: when the client is no longer new, in seconds since the epoch.
    """
    return ServerUnavailable(
        f"{refusal.message}. They are new: the server is given time to know them, and is asked again; before "
        f"{told_moment(until)} no other client is registered, unless this one is forgotten (dcrauth forget, or "
        "TokenSource.forget())",
        **refusal.evidence,
    )


def is_no_answer(problem: Problem) -> bool:
    """Return whether a server has said nothing: it may do so later."""
    return problem.status is None or problem.status >= 500 or problem.status == 429


def unexamined(refusal: CredentialsRejected, problem: Problem | None) -> ServerUnavailable:
    """Return the error that says that a refused client may only have another secret by now.

    Parameters:
        problem: what became of the question for that, with the endpoint in its words; None where the same was told.
    """
    doubt = "" if problem is None else f" ({problem.reason})"
    return ServerUnavailable(
        f"{refusal.message}. They may have been renewed, and where the client is managed there is no answer now that "
        f"tells more{doubt}: nothing is registered, and it is asked again",
        **refusal.evidence,
    )


def not_condemned(refusal: CredentialsRejected, skew: float, doubt: Problem | None) -> CredentialsRejected:
    """Return the error that says why the client of a server that refuses it is kept.

    Parameters:
        skew: by how many seconds this machine's clock is ahead of the server's.
        doubt: what became of the question whether the server knows the client, with the endpoint in its words; None
            where that could not be asked, or was answered by yes.
    """
    told = (
        f"{refusal.message}. That is also the answer to a wrong key, a wrong audience, or a wrong clock, so that the "
        "client was kept and no other one registered: see that the server knows this key, and what audience it wants"
    )
    if doubt is not None:
        told += f". Whether it knows the client could not be read ({doubt.reason})"
    return CredentialsRejected(told + _clock(skew), **refusal.evidence)


def not_proved(refusal: CredentialsRejected, skew: float) -> CredentialsRejected:
    """Return the error that says why a client that signs may be refused, where it was tried only."""
    told = (
        f"{refusal.message}. That is also the answer to a wrong key, a wrong audience, or a wrong clock: see that the "
        "server knows this key, and what audience it wants"
    )
    return CredentialsRejected(told + _clock(skew), **refusal.evidence)


def _clock(skew: float) -> str:
    if not skew:
        return ""
    side = "ahead of" if skew > 0 else "behind"
    return f". This machine's clock is {abs(skew):.0f} s {side} the server's: set it"


def halted(refusal: CredentialsRejected, refused: int, asked: int) -> CredentialsRejected:
    """Return the error that says that too many identities were refused for any of them to be registered anew."""
    return CredentialsRejected(
        f"{refusal.message}. So are {refused} of the {asked} identities here, and none was registered anew: check the "
        "endpoint, the environment and the software statement. To register one anew all the same, forget() it",
        **refusal.evidence,
    )


def _kind(what: Meaning, registering: bool) -> type[DCRAuthError]:
    if what is Meaning.THROTTLED:
        return Throttled
    if what is Meaning.TRANSIENT:
        return ServerUnavailable
    if registering or what is Meaning.UNUSABLE:
        return RegistrationRejected
    return CredentialsRejected if what is Meaning.CLIENT_REJECTED else Rejected
