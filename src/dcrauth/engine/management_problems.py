"""What is wrong where a call that manages a client (RFC 7592) has not done what it was for, in words for people."""

from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote

from dcrauth.credentials import ClientCredentials
from dcrauth.engine.answers import in_words, is_no_answer
from dcrauth.errors import ConfigurationError, DCRAuthError, Rejected, ServerUnavailable, Throttled
from dcrauth.providers.protocol import Problem, Request

UNMANAGED = Problem("this client cannot be managed: the server has not said how, when it was registered")
"""What is wrong with a client whose server, or provider, knows nothing of that."""

NOT_OFFERED = frozenset({404, 405, 410, 501})
"""Statuses by which a server says that it does not do that to a client (RFC 7592 §2.3 has 405)."""

_GONE = frozenset({"invalid_token", "invalid_client", "unauthorized_client", "access_denied", "invalid_request"})
"""Codes that come with 401 where the client, or the token that manages it, is not known any more (RFC 7592 §2)."""

_SHORTEST_ID = 8
"""Shorter client ids are left out of a text only where they stand by themselves."""

_NOTHING_DONE = "Nothing was deleted, neither there nor here"
_BY_HAND = (
    "ask whoever runs the server to delete the client; to forget it without unregistering deletes it in the store alone"
)
_ADVICE = {
    401: f"that does not prove that the client is gone: try again later, or {_BY_HAND}",
    403: f"the server does not let this client be deleted: {_BY_HAND}",
    **dict.fromkeys(NOT_OFFERED, f"the server does not offer that for this client: {_BY_HAND}"),
}


def is_refused(problem: Problem) -> bool:
    """Return whether the server itself does not know the client, or the token that manages it, any more.

    Any other 401, such as that of a proxy that wants a login, says nothing of them.
    """
    return problem.status == 401 and problem.oauth and problem.error in _GONE


def is_denied(problem: Problem) -> bool:
    """Return whether the server itself says so with 400, as some do; `invalid_request` is that of a call then."""
    return problem.status == 400 and problem.oauth and problem.error in _GONE - {"invalid_request"}


def named(problem: Problem, call: Request | None, client: ClientCredentials) -> Problem:
    """Return *problem* with the endpoint in its words, which is without the client id that such endpoints end in."""
    ids = {client.client_id, quote(client.client_id, safe="")}
    reason = problem.reason if call is None else _with_place(in_words(problem, call.endpoint), call.endpoint, ids)
    for client_id in ids:  # a short one may be in a port or a status by chance
        reason = reason.replace(client_id, "…") if len(client_id) >= _SHORTEST_ID else reason
    return replace(problem, reason=reason)


def _with_place(reason: str, endpoint: str, ids: Collection[str]) -> str:
    """Return *reason* with the parts of the *endpoint* that are one of *ids* left out."""
    parts = ["…" if part in ids else part for part in endpoint.split("/")]
    return reason.replace(endpoint, "/".join(parts))


def not_deleted(problem: Problem, callable_at: float) -> DCRAuthError:
    """Return the error that says that the server has not deleted a client, and what to do.

    Parameters:
        problem: what is wrong, with the endpoint in its words.
        callable_at: from when on the server lets clients be managed, in seconds since the epoch.
    """
    if problem is UNMANAGED:
        return ConfigurationError(
            f"{_NOTHING_DONE}: the server has named no URL by which this client could be deleted, when it was "
            f"registered (RFC 7592); {_BY_HAND}"
        )
    advice = _ADVICE.get(problem.status or 0, "try again later" if is_no_answer(problem) else _BY_HAND)
    return _kind(problem)(
        f"{_NOTHING_DONE}: {problem.reason}; {advice}",
        status=problem.status,
        error=problem.error,
        description=problem.description,
        trace=problem.trace,
        retry_at=callable_at if problem.status == 429 else None,
    )


def _kind(problem: Problem) -> type[DCRAuthError]:
    if problem.status == 429:
        return Throttled
    is_open = (problem.status == 401 and not problem.final) or (
        is_no_answer(problem) and problem.status not in NOT_OFFERED
    )
    return ServerUnavailable if is_open else Rejected
