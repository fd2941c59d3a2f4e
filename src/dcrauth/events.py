"""What happens in the life of an identity, told to ``on_event`` and to the ``dcrauth`` logger.

No event holds a secret; *identity* is the first part of the key under which the identity's records are kept.
"""

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from dcrauth._internal.verdict import Verdict
from dcrauth.errors import DCRAuthError


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    identity: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict of what JSON has: ``event`` is its name, the others are its fields; none holds a secret.

        An error is a dict of ``type``, ``message``, ``status``, ``error``, ``description``, ``trace`` and ``retry_at``.
        """
        return {"event": type(self).__name__, **{each.name: _plain(getattr(self, each.name)) for each in fields(self)}}


@dataclass(frozen=True)
class Registered(Event):
    """The application was registered and its client credentials are stored."""


@dataclass(frozen=True)
class RegistrationUnused(Event):
    """A registration lost the race to another one; its credentials were never used."""


@dataclass(frozen=True)
class TokenRenewed(Event):
    """The token endpoint granted a token.

    Parameters:
        expires_at: until when it is good, in seconds since the epoch.
        seconds: how long that took, with the pauses between attempts.
        attempts: how many calls it took.
    """

    expires_at: float
    seconds: float
    attempts: int


@dataclass(frozen=True)
class ScopeReduced(Event):
    """The token endpoint granted a token for less than it was asked for; it is used all the same.

    Parameters:
        granted: the scopes that it is good for.
        missing: those that were asked for, and that it is not good for.
    """

    granted: str
    missing: str


@dataclass(frozen=True)
class TokenAdopted(Event):
    """A token that another process had stored is used until *expires_at* (seconds since the epoch)."""

    expires_at: float


@dataclass(frozen=True)
class RenewalFailed(Event):
    """A renewal ended with an error.

    Parameters:
        error: what was wrong.
        retry_at: the earliest time of the next one, in seconds since the epoch.
        seconds: how long it took.
        failures: how many have failed in a row.
    """

    error: DCRAuthError
    retry_at: float
    seconds: float
    failures: int


@dataclass(frozen=True)
class Throttled(Event):
    """The server asked for fewer calls (HTTP 429): *endpoint* is not called again for so many *seconds*."""

    endpoint: str
    seconds: float


@dataclass(frozen=True)
class RequestRefused(Event):
    """A protected API answered a request that carried our token with 401.

    Parameters:
        verdict: what the answer is about.
        age: how old the token was, in seconds.
    """

    verdict: Verdict
    age: float


@dataclass(frozen=True)
class RequestRetried(Event):
    """A request that was refused was sent once more, with another token."""


@dataclass(frozen=True)
class CredentialsReplaced(Event):
    """The server had forgotten the client and it was registered anew: its end users must log in again."""


@dataclass(frozen=True)
class CredentialsUpdated(Event):
    """The server has renewed the client's secret ahead of its end (RFC 7592); nobody has to log in again.

    Parameters:
        expires_at: when the new secret ends, in seconds since the epoch; None if it does not.
    """

    expires_at: float | None


@dataclass(frozen=True)
class RegistrationHalted(Event):
    """The server refuses too many clients at once for it to be about this one, which is not registered anew.

    Parameters:
        refused: how many identities of this process were refused lately.
        asked: how many were answered at all.
    """

    refused: int
    asked: int


@dataclass(frozen=True)
class CredentialsEnding(Event):
    """The server accepts the client secret only until *expires_at* (seconds since the epoch): within a week, or past.

    Nothing is done about it: a new registration would log end users out. Ask whoever runs the server.
    """

    expires_at: float


@dataclass(frozen=True)
class CredentialsRestored(Event):
    """The client credentials that had been replaced last were put back in use, on purpose."""


@dataclass(frozen=True)
class StoreRepaired(Event):
    """The store had lost the client credentials, or held older ones; this process put those that it knows back."""


@dataclass(frozen=True)
class CredentialsForgotten(Event):
    """The client credentials were deleted on purpose: the next request registers anew."""


@dataclass(frozen=True)
class StoreProblem(Event):
    """The store failed in a way that could be passed over: *error*."""

    error: DCRAuthError


def _plain(value: Any) -> Any:
    """Return *value* as JSON has it."""
    if isinstance(value, DCRAuthError):
        told = {"type": type(value).__name__, "message": value.message, **value.evidence}
        return {name: _plain(each) for name, each in told.items()}
    if isinstance(value, Verdict):
        return value.name.lower()
    if isinstance(value, float) and not isfinite(value):  # which JSON has no word for
        return None
    return value
