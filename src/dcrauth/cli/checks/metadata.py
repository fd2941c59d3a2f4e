"""What an issuer says of its endpoints (RFC 8414), and whether a client can do with that."""

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from dcrauth.cli.findings import Finding, Word, finding_of
from dcrauth.engine import answer_errors, answers
from dcrauth.errors import DCRAuthError
from dcrauth.providers.oauth.discovery import Endpoints
from dcrauth.providers.oauth.oauth_server import OAuthServer
from dcrauth.providers.protocol import Moment, Problem, run
from dcrauth.transports import Transport


def endpoints_of(
    server: OAuthServer, issuer: str, transport: Transport, wall: Callable[[], float]
) -> tuple[Endpoints | None, Finding]:
    """Return the endpoints that the *issuer* names, None where it names none, and what is to be said of that."""
    about = urlsplit(issuer).netloc
    try:
        result, _ = run(server.endpoints(Moment(wall(), random=secrets.token_bytes(32))), transport.send)
    except DCRAuthError as error:
        return None, finding_of(error, "metadata", about)
    found = result.value
    if isinstance(found, Problem):
        return None, _unusable(found, issuer, about)
    return found, _told(found, server, about)


def not_asked(about: str, why: str) -> Finding:
    """Return the same finding of an issuer that was not asked."""
    return Finding("metadata", Word.NOT_TRIED, why, about=about)


def _unusable(problem: Problem, issuer: str, about: str) -> Finding:
    if answers.is_no_answer(problem):
        return finding_of(answer_errors.error_of(problem, issuer, False, None), "metadata", about)
    advice = "give the issuer letter for letter as the server writes it, or the endpoints themselves"
    return Finding("metadata", Word.NOT_USABLE, answers.in_words(problem, issuer), advice, about)


def _told(found: Endpoints, server: OAuthServer, about: str) -> Finding:
    if server.given is None and found.registration is None:
        advice = "give its registration_endpoint, or client_id and secret of a client that there is already"
        return Finding("metadata", Word.NOT_USABLE, "it names no endpoint where clients register", advice, about)
    return Finding("metadata", Word.OK, f"its token endpoint is {found.token}", about=about)
