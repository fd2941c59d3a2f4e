"""What each unwelcome answer is taken for, and which error tells of it."""

from __future__ import annotations

import pytest

from dcrauth import CredentialsRejected, DCRAuthError, RegistrationRejected, Rejected, ServerUnavailable, Throttled
from dcrauth.engine import answer_errors, answers
from dcrauth.engine.answers import Meaning
from dcrauth.providers.protocol import Problem


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("", None), Meaning.TRANSIENT),
        (Problem("", 429), Meaning.THROTTLED),
        (Problem("", 429, "invalid_client", oauth=True), Meaning.THROTTLED),
        (Problem("", 500, "invalid_client", oauth=True), Meaning.TRANSIENT),
        (Problem("", 503), Meaning.TRANSIENT),
        (Problem("", 302), Meaning.TRANSIENT),
        (Problem("", 400), Meaning.TRANSIENT),
        (Problem("", 401), Meaning.TRANSIENT),
        (Problem("", 200), Meaning.TRANSIENT),
        (Problem("", 400, "temporarily_unavailable", oauth=True), Meaning.TRANSIENT),
        (Problem("", 400, "server_error", oauth=True), Meaning.TRANSIENT),
        (Problem("", 400, "invalid_client", oauth=True), Meaning.CLIENT_REJECTED),
        (Problem("", 401, "invalid_client", oauth=True), Meaning.CLIENT_REJECTED),
        (Problem("", 400, "invalid_client", oauth=False), Meaning.TRANSIENT),
        (Problem("", 400, "invalid_software_statement", oauth=False), Meaning.TRANSIENT),
        (Problem("", 200, "invalid_request", oauth=True), Meaning.REJECTED),
        (Problem("", 403, "Forbidden", oauth=True), Meaning.TRANSIENT),
        (Problem("", 401, "Unauthorized", oauth=True), Meaning.TRANSIENT),
        (Problem("", 400, "Invalid_Client", oauth=True), Meaning.TRANSIENT),
        (Problem("", 400, "access_denied", oauth=True), Meaning.TRANSIENT),
        (Problem("", 403, "of_the_provider", oauth=True, final=True), Meaning.REJECTED),
        (Problem("", 200, final=True), Meaning.REJECTED),
        (Problem("", 503, "of_the_provider", oauth=True, final=True), Meaning.TRANSIENT),
        (Problem("", 201, carried_out=True), Meaning.UNUSABLE),
        (Problem("", 200, "invalid_client", oauth=True, carried_out=True), Meaning.UNUSABLE),
    ],
)
def test_what_an_answer_means(problem: Problem, expected: Meaning) -> None:
    """Only an OAuth invalid_client condemns the client; what carries no code of OAuth's or its own settles nothing."""
    assert answers.meaning(problem) is expected


@pytest.mark.parametrize(
    "code",
    [
        *("invalid_request", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"),
        *("invalid_redirect_uri", "invalid_client_metadata"),
        *("invalid_software_statement", "unapproved_software_statement"),
    ],
)
def test_a_registered_code_is_a_no(code: str) -> None:
    """Each error code of RFC 6749 §5.2 and RFC 7591 §3.2.2 is final, whatever status it comes with."""
    assert {answers.meaning(Problem("", status, code, oauth=True)) for status in (400, 401, 403)} == {Meaning.REJECTED}


@pytest.mark.parametrize(
    ("problem", "registering", "kind"),
    [
        (Problem("HTTP 429", 429), False, Throttled),
        (Problem("HTTP 503", 503), True, ServerUnavailable),
        (Problem("HTTP 400", 400, "invalid_software_statement", oauth=True), True, RegistrationRejected),
        (Problem("HTTP 400", 400, "invalid_client", oauth=True), False, CredentialsRejected),
        (Problem("HTTP 400", 400, "unauthorized_client", oauth=True), False, Rejected),
    ],
)
def test_errors_say_who_has_to_act(problem: Problem, registering: bool, kind: type[DCRAuthError]) -> None:
    """The class of the error follows the meaning of the answer, and its text says where and what."""
    error = answer_errors.error_of(problem, "https://example.com/token", registering, 5.0)
    assert type(error) is kind
    assert "https://example.com/token" in str(error)
    assert problem.reason in str(error)
    assert (error.status, error.error) == (problem.status, problem.error)


@pytest.mark.parametrize(
    ("problem", "retry_at"),
    [
        (Problem("HTTP 429", 429, description="slowly", trace="t-1"), 5.0),
        (Problem("HTTP 503", 503, description="later", trace="t-2"), 5.0),
        (Problem("HTTP 400", 400, "invalid_client", oauth=True, description="who?", trace="t-3"), None),
        (Problem("HTTP 400", 400, "invalid_scope", oauth=True, description="no", trace="t-4"), None),
    ],
)
def test_errors_hold_what_the_server_said(problem: Problem, retry_at: float | None) -> None:
    """An error has the server's words and trace, and a time for another attempt only if one makes sense."""
    error = answer_errors.error_of(problem, "https://example.com/token", registering=False, retry_at=5.0)
    assert (error.description, error.trace, error.retry_at) == (problem.description, problem.trace, retry_at)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, None, "/token answered: HTTP; from 1970-01-01 00:01:05 UTC on the next request tries again"),
        (503, "invalid_client", "/token answered: HTTP; from 1970-01-01 00:01:05 UTC on the next request tries again"),
        (
            400,
            "invalid_client",
            "/token answered: HTTP; the client is not known there (any more), or its secret is wrong",
        ),
        (
            400,
            "a_code_of_tomorrow",
            "/token answered: HTTP; from 1970-01-01 00:01:05 UTC on the next request tries again",
        ),
        (400, "invalid_grant", "/token answered: HTTP"),
    ],
)
def test_errors_say_what_to_do(status: int, code: str | None, message: str) -> None:
    """The text ends with what to do about a refusal, if that is known, or with when another attempt is made."""
    problem = Problem("HTTP", status, code, oauth=True)
    assert str(answer_errors.error_of(problem, "/token", registering=False, retry_at=65.0)) == message


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("/token could not be called: refused", "/token could not be called: refused"),
        ("no route", "/token: no route"),
    ],
)
def test_silence_is_not_called_an_answer(reason: str, message: str) -> None:
    """Where nothing was answered, the text has what the transport says, and the endpoint once."""
    assert str(answer_errors.error_of(Problem(reason), "/token", registering=False, retry_at=None)) == message


REFUSAL = CredentialsRejected("The client is unknown", status=400, error="invalid_client", description="?", trace="t-5")


def test_a_refusal_that_is_not_believed_yet_keeps_its_evidence() -> None:
    """While a client is new, its refusal is a passing failure that still says what the server has answered."""
    error = answer_errors.unsettled(REFUSAL, 60.0)
    assert error.evidence == REFUSAL.evidence
    assert str(error).startswith(f"{REFUSAL}. They are new: ")
    assert "before 1970-01-01 00:01:00 UTC no other client is registered" in str(error)


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_an_address_without_an_endpoint_is_told(status: int) -> None:
    """A server that knows no such endpoint is told from one that is down: the address is to be looked at."""
    error = answer_errors.error_of(Problem("not_found", status), "/token", registering=False, retry_at=5.0)
    assert "no such endpoint at this address: check the issuer or the endpoints" in error.message
    assert isinstance(error, ServerUnavailable)


@pytest.mark.parametrize(
    ("code", "told"), [("invalid_client_metadata", "error.description may say which"), ("invalid_target", "resource")]
)
def test_a_refusal_that_only_its_server_can_explain(code: str, told: str) -> None:
    """The text says what is refused, and where the server may say more."""
    problem = Problem(code, 400, error=code, oauth=True, final=True)
    assert told in answer_errors.error_of(problem, "/register", registering=True, retry_at=None).message


def test_a_refusal_of_many_keeps_its_evidence() -> None:
    """In an incident each refusal says what the server has answered, how many it concerns, and the way out."""
    error = answer_errors.halted(REFUSAL, 5, 7)
    assert error.evidence == REFUSAL.evidence
    assert str(error).startswith(f"{REFUSAL}. So are 5 of the 7 identities")
    assert str(error).endswith("To register one anew all the same, forget() it")
