"""What a check has found: a word for it, what was found, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.engine.answer_errors import names_no_endpoint
from dcrauth.engine.answers import REGISTERED_CODES
from dcrauth.errors import (
    ConfigurationError,
    CredentialsRejected,
    DCRAuthError,
    DecryptionFailed,
    InsecureStore,
    Rejected,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreTooNew,
    Throttled,
)


class Word(StrEnum):
    """What a finding comes to; only what the server itself has refused is called refused."""

    OK = "ok"
    ABSENT = "absent"
    WARNING = "warning"
    NOT_TRIED = "not tried"
    REFUSED = "refused"
    NOT_USABLE = "not usable"
    NOT_READABLE = "not readable"
    NOT_REACHABLE = "not reachable"
    NOT_TRUSTED = "not trusted"
    FAILING = "failing"
    BLOCKED = "blocked"
    THROTTLED = "throttled"


_STATUS = {
    Word.REFUSED: ExitCode.REFUSED,
    Word.NOT_USABLE: ExitCode.USAGE,
    Word.NOT_READABLE: ExitCode.STORE,
    Word.NOT_REACHABLE: ExitCode.UNAVAILABLE,
    Word.NOT_TRUSTED: ExitCode.UNAVAILABLE,
    Word.FAILING: ExitCode.UNAVAILABLE,
    Word.BLOCKED: ExitCode.UNAVAILABLE,
    Word.THROTTLED: ExitCode.UNAVAILABLE,
}

_FIRST_TO_MEND = (ExitCode.USAGE, ExitCode.STORE, ExitCode.UNAVAILABLE, ExitCode.REFUSED)
"""Of several faults that one names the exit status which has to be mended before the others can be judged."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters:
        check: what was looked at, as a name that programs can rely on.
        word: what it comes to.
        found: what was found; text from anywhere, never markup.
        advice: what to do; empty if there is nothing to be done.
        about: which one, where there are several, such as the origin of a server.
    """

    check: str
    word: Word
    found: str
    advice: str = ""
    about: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        word, advice, about = self.word.value, self.advice or None, self.about or None
        return {"check": self.check, "about": about, "word": word, "found": self.found, "advice": advice}


def is_fault(finding: Finding) -> bool:
    """Return whether a *finding* says that something does not work."""
    return finding.word in _STATUS


def exit_status(findings: Iterable[Finding]) -> int:
    """Return the exit status that *findings* come to."""
    found = {_STATUS.get(each.word, ExitCode.GOOD) for each in findings}
    return next((status for status in _FIRST_TO_MEND if status in found), ExitCode.GOOD)


def finding_of(error: DCRAuthError, check: str, about: str = "") -> Finding:
    """Return what an *error* of the library comes to."""
    word = word_of(error)
    trace = f" (trace {error.trace})" if error.trace else ""
    return Finding(check, word, f"{error.message}{trace}", _advice(error, word), about)


def word_of(error: DCRAuthError) -> Word:
    """Return the word for an *error*: its class says who has to act, its status whether a server has said so."""
    if isinstance(error, Rejected):
        return Word.REFUSED
    if isinstance(error, ConfigurationError) or names_no_endpoint(error):
        return Word.NOT_USABLE
    if isinstance(error, StoreError):
        return Word.NOT_READABLE
    if isinstance(error, Throttled):
        return Word.THROTTLED
    if error.status is None:
        return Word.NOT_REACHABLE
    answered = error.status >= 500 or error.status < 300 or error.error in REGISTERED_CODES
    return Word.FAILING if answered else Word.BLOCKED


ADVICE = {
    Word.REFUSED: "check that statement, environment and credentials belong together; whoever runs the server can say "
    "why, by the trace and the time",
    Word.NOT_REACHABLE: "see the findings about the connection above it; nothing that is stored is affected",
    Word.FAILING: "wait, and check again: the server itself fails, and what is stored stays good",
    Word.BLOCKED: "ask who runs the proxy, firewall or gateway in between to let these calls through; what is stored "
    "stays good",
    Word.THROTTLED: "wait, and make fewer calls; what is stored stays good",
}

_OF_CLIENT = (
    "if the client was imported or given, check its secret; else do nothing: the next renewal registers another one in "
    "its place, at most once a day, and its end users log in again"
)
_OF_STORES: tuple[tuple[type[DCRAuthError], str], ...] = (
    (DecryptionFailed, "give the key that the records were encrypted with; nothing is lost"),
    (InsecureStore, "mend what it says, or choose another place; nothing is lost"),
    (StoreTooNew, "upgrade dcrauth on this machine; nothing is lost"),
    (StoreLost, "put the store back from a backup, or by dcrauth import"),
    (StoreCorrupt, "if the store is encrypted, give its key; else put the record back from a backup"),
    (StoreError, "do what it says; else see that the store is there, reachable, mounted and unlocked, and check again"),
)


def _advice(error: DCRAuthError, word: Word) -> str:
    of_store = next((advice for kind, advice in _OF_STORES if isinstance(error, kind)), "")
    if isinstance(error, CredentialsRejected):
        return _OF_CLIENT
    return of_store or ADVICE.get(word, "")
