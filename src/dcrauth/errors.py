"""Everything dcrauth raises, named by who has to act.

::

    DCRAuthError
    ├── ConfigurationError          you: an argument or a setting is wrong
    │   └── InstanceRefused           or whoever sent the request: it names an instance that may not be
    ├── Rejected                    the server said no
    │   ├── RegistrationRejected      to the software statement, or yes in words that nobody can use
    │   └── CredentialsRejected       to the client credentials
    ├── Unavailable                 nobody: try again at ``retry_at``
    │   ├── ServerUnavailable         no usable answer
    │   ├── Throttled                 too many calls
    │   └── RegistrationsLimited      this program registers no more for now
    └── StoreError                  whoever looks after the store
        ├── StoreUnavailable          cannot be read or written now
        ├── StoreCorrupt              holds something that is not ours
        ├── StoreTooNew               written by a later version
        ├── StoreLost                 was initialised and is empty now
        ├── InsecureStore             others may read or write it
        └── DecryptionFailed          the key for it is missing or wrong

StoreWarning is a warning: the store works, but its settings may lose what it keeps.
"""

import datetime as dt
import sys
from typing import Any


class DCRAuthError(Exception):
    """Base of every error of dcrauth.

    Parameters:
        message: what was wrong, where, and what to do; never holds a secret. ``str()`` adds from when on the
            next request tries again, if there is such a moment.
        status: HTTP status of the answer, if there was one.
        error: the server's own error code (RFC 6749 §5.2, RFC 7591 §3.2.2, Adobe's Enhanced Error Codes).
        description: the server's own explanation, cut to printable ASCII.
        retry_at: when another attempt makes sense, in seconds since the epoch.
        trace: the server's identifier of the failed call, for support tickets.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error: str | None = None,
        description: str | None = None,
        retry_at: float | None = None,
        trace: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.error = error
        self.description = description
        self.retry_at = retry_at
        self.trace = trace

    def __str__(self) -> str:
        if self.retry_at is None:
            return self.message
        return f"{self.message}; from {told_moment(self.retry_at)} on the next request tries again"

    @property
    def evidence(self) -> dict[str, Any]:
        """The keyword arguments that make this error again."""
        names = ("status", "error", "description", "retry_at", "trace")
        return {name: getattr(self, name) for name in names}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.message, self.evidence)


class ConfigurationError(DCRAuthError):
    """An argument or a setting is wrong; only the programmer can mend it."""


class InstanceRefused(ConfigurationError):
    """``allow`` of a `dcrauth.TokenSources` has said no to an instance; a server answers its client with 403."""


class Rejected(DCRAuthError):
    """The server understood the call and said no; repeating it will not help."""


class RegistrationRejected(Rejected):
    """The registration endpoint refused the statement (RFC 7591 §3.2.2), or answered nothing that can be used."""


class CredentialsRejected(Rejected):
    """The token endpoint refused the client credentials (RFC 6749 §5.2, ``invalid_client``)."""


class Unavailable(DCRAuthError):
    """No answer that settles anything; try again at ``retry_at``, which is ``retry_after`` from now."""

    @property
    def retry_after(self) -> float | None:
        """In how many seconds another attempt makes sense, as ``Retry-After`` has it; 0.0 where it does already.

        None if nobody has said. It is counted by the system's clock, from when it is asked for.
        """
        if self.retry_at is None:
            return None
        return max(0.0, self.retry_at - dt.datetime.now(dt.UTC).timestamp())


class ServerUnavailable(Unavailable):
    """The server could not be reached, failed, or answered something unreadable."""


class Throttled(Unavailable):
    """The server asked for fewer calls (HTTP 429)."""


class RegistrationsLimited(Unavailable):
    """This program has registered as many instances as it may in one hour (``registrations_per_hour``)."""


class StoreError(DCRAuthError):
    """The store of client credentials needs attention; nothing in it was changed."""


class StoreUnavailable(StoreError):
    """The store cannot be read, written or locked right now."""


class StoreCorrupt(StoreError):
    """A record of the store is damaged, or belongs to another identity."""


class StoreTooNew(StoreError):
    """A record was written by a later version of dcrauth; it is left alone."""


class StoreLost(StoreError):
    """The store was in use before and is unexpectedly empty."""


class InsecureStore(StoreError):
    """Other users of the machine could read or write the store."""


class DecryptionFailed(StoreError):
    """A record is encrypted with a key that is not at hand; it is left as it is."""


class StoreWarning(UserWarning):
    """The store works, but the way it is set up may lose what it keeps."""


def told_moment(moment: float) -> str:
    """Return a *moment*, in seconds since the epoch, as text in UTC."""
    try:
        return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a clock of one's own may tell any time
        return f"{moment:g} s since the epoch"


def another(error: DCRAuthError) -> DCRAuthError:
    """Return a new error equal to *error*, so that no two raisers share one traceback."""
    return _rebuilt(type(error), error.message, error.evidence)


_MOCKS = frozenset({"pytest_socket", "requests_mock", "respx", "vcr"})
"""Packages that refuse calls in tests by errors of their own."""


def is_refusal(reason: BaseException | None) -> bool:
    """Return whether *reason* is how a test refuses a call: by an assertion, ``pytest.fail``, or an error of a mock."""
    outcome = getattr(sys.modules.get("_pytest.outcomes"), "OutcomeException", AssertionError)
    return isinstance(reason, (AssertionError, outcome)) or type(reason).__module__.partition(".")[0] in _MOCKS


def described(reason: BaseException) -> str:
    """Return the full name of an error and where it was raised, without its text, which may hold a secret."""
    return f"{type(reason).__module__}.{type(reason).__qualname__} in {raised_in(reason)}"


def raised_in(reason: BaseException) -> str:
    """Return the name of the module that has raised *reason*."""
    place, module = reason.__traceback__, ""
    while place is not None:
        module = place.tb_frame.f_globals.get("__name__", "")
        place = place.tb_next
    return module or "an unknown module"


def as_ours(reason: BaseException) -> DCRAuthError:
    """Return *reason* if it is an error of ours, else one that says that a renewal ended with it."""
    if isinstance(reason, DCRAuthError):
        return reason
    if not is_refusal(reason):
        error = DCRAuthError(f"A renewal ended unexpectedly with {type(reason).__name__}; please report this")
    elif type(reason) is AssertionError:  # may be one of a transport in production, which is not to be called each time
        error = DCRAuthError(f"A renewal was ended by {described(reason)}")
    else:
        error = ConfigurationError(f"A renewal was ended by {described(reason)}")
    error.__cause__ = reason
    return error


def refusal_behind(error: DCRAuthError) -> BaseException | None:
    """Return what a test has refused a call with, if *error* is what `as_ours` has made of that."""
    made = type(error) in {DCRAuthError, ConfigurationError}
    return error.__cause__ if made and is_refusal(error.__cause__) else None


def is_connection_fault(error: DCRAuthError) -> bool:
    """Return whether *error* says that no server has answered, so that what needs the token was never sent."""
    return isinstance(error, Unavailable) and error.status is None


def in_terms_of(hosts: tuple[type[Exception], ...], error: DCRAuthError) -> DCRAuthError:
    """Return *error* as an instance of its own class and of all *hosts* as well.

    Parameters:
        hosts: errors of HTTP libraries, such as ``requests.RequestException``; those of httpx and httpx2 together.
        error: the error to express.

    Returns:
        An error that both ``except DCRAuthError`` and ``except`` with any of *hosts* catch.
    """
    kind = type(error)
    pair = (kind, hosts)
    if pair not in _combined:
        _combined[pair] = _combine(kind, hosts)
    return _combined[pair](error.message, **error.evidence)


_combined: dict[tuple[type[DCRAuthError], tuple[type[Exception], ...]], type[DCRAuthError]] = {}


def _combine(kind: type[DCRAuthError], hosts: tuple[type[Exception], ...]) -> type[DCRAuthError]:
    def reduce(self: DCRAuthError) -> tuple[Any, ...]:
        return in_terms_of, (hosts, kind(self.message, **self.evidence))

    names = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": reduce}
    return type(kind.__name__, (kind, *hosts), names)


def _rebuilt(kind: type[DCRAuthError], message: str, evidence: dict[str, Any]) -> DCRAuthError:
    return kind(message, **evidence)
