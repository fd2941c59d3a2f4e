"""The software statement: whether it can be read, and what it says of itself."""

from collections.abc import Iterator

from dcrauth._internal.strict_json import number
from dcrauth.cli.findings import Finding, Word
from dcrauth.cli.moments import ago
from dcrauth.cli.statement_signature import unusual_signature
from dcrauth.engine.rules import CLOCK_TOLERANCE
from dcrauth.providers.software_statement import SoftwareStatement

_TEXTS = ("iss", "sub", "software_id", "software_version", "client_name", "redirect_uri", "redirect_uris")
"""Claims that tell which application it is for (RFC 7519 §4.1, RFC 7591 §2), as far as there are any."""

_LONGEST = 200
"""In characters; claims are of any length."""

_RENEW = "credentials that are stored stay good; get a new statement before the next registration"


def statement_findings(statement: SoftwareStatement, now: float) -> Iterator[Finding]:
    """Yield what is to be said of a *statement* that could be read.

    Its signature is not verified: only the server has the key, and only the server refuses a statement.
    """
    told = [f"{name} {_shown(statement.claims[name])}" for name in _TEXTS if name in statement.claims]
    yield Finding("statement", Word.OK, "; ".join(told) or "it has no claim that names the application")
    yield _signature(statement.text)
    yield _issued(number(statement.claims.get("iat")), now)
    yield _expiry(statement.claims.get("exp"), now)


def _signature(text: str) -> Finding:
    problem = unusual_signature(text)
    if problem is None:
        return Finding("statement-signature", Word.OK, "of a usual length; whether it is good only the server can tell")
    advice = "it may have been cut short: compare it with the file that you downloaded, or download it again"
    return Finding("statement-signature", Word.WARNING, problem, advice)


def _issued(at: float | None, now: float) -> Finding:
    if at is None:
        return Finding("statement-issued", Word.OK, "it does not say when it was issued")
    told = f"issued {ago(at, now)}"
    if at <= now + CLOCK_TOLERANCE:
        return Finding("statement-issued", Word.OK, told)
    return Finding("statement-issued", Word.WARNING, told, "set the clock of this machine, which seems to be slow")


def _expiry(claim: object, now: float) -> Finding:
    at = number(claim)
    if at is None:
        told = "it does not expire" if claim is None else "its exp is no moment"
        return Finding("statement-expiry", Word.OK if claim is None else Word.WARNING, told)
    if at <= now:
        return Finding("statement-expiry", Word.WARNING, f"expired {ago(at, now)}", _RENEW)
    return Finding("statement-expiry", Word.OK, f"expires {ago(at, now)}")


def _shown(claim: object) -> str:
    text = ", ".join(map(str, claim)) if isinstance(claim, list) else str(claim)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
