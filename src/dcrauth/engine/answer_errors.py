"""The errors that tell the application of unwelcome answers: whose turn it is, and what to do."""

from dataclasses import replace

from dcrauth.engine.answers import LOST, NO_ENDPOINT, Meaning, in_words, is_success, meaning
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
from dcrauth.providers.protocol import Problem

ADVICE = {
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
"""What to do about a code of a server."""

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
    return ADVICE.get(problem.error or "", "")


def lost(problem: Problem) -> Problem:
    """Return the problem of a registration without an answer, where a second one would be refused."""
    told = (
        f"{problem.reason}. The registration may have been carried out; this server refuses a second one, so that none "
        "is sent: ask whoever runs it, and then delete it there, or give its client id and secret"
    )
    return replace(problem, reason=told, error=LOST, final=True)


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


def is_unusable(refusal: RegistrationRejected) -> bool:
    """Return whether a registration was carried out by an answer that cannot be used."""
    return is_success(refusal.status) or refusal.error == LOST


def is_about_the_statement(refusal: RegistrationRejected) -> bool:
    """Return whether all identities that show the same statement would be refused; their devices may differ."""
    return not is_unusable(refusal) and refusal.error != "invalid_request"


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
