"""What a renewal asks of whoever drives it, and what it is told at its start.

The steps of a renewal yield effects and are sent their results; they do no I/O and read no clock of their own.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dcrauth import events
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import StoredCredentials, UnusableRegistration
from dcrauth.errors import CredentialsRejected, DCRAuthError, StoreError, Unavailable
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Provider, Request

T = TypeVar("T")


@dataclass(frozen=True)
class Get:
    """Read a record; the result is its bytes, or None if it is authoritatively absent."""

    key: str


@dataclass(frozen=True)
class GetMany:
    """Read several records at once.

    The result has for each key the record's bytes, None if it is authoritatively absent, or why it cannot be read.
    """

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Add:
    """Write a record durably unless there is one; the result is whether it was written."""

    key: str
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Replace:
    """Write a record durably if the present one is *expected*; the result is whether it was written."""

    key: str
    value: bytes = field(repr=False)
    expected: bytes = field(repr=False)


@dataclass(frozen=True)
class Put:
    """Write a disposable record; the last writer wins."""

    key: str
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Delete:
    """Remove a record, if there is one."""

    key: str


@dataclass(frozen=True)
class Check:
    """Make sure that the store can be written, as far as that is not known from a moment ago."""


@dataclass(frozen=True)
class Send:
    """Call the provider; the result is its `Response` or `Withheld`, or an `Unavailable` error is thrown."""

    request: Request


@dataclass(frozen=True)
class ReportOutcome:
    """Note whether the token endpoint has *refused* the client of the identity with the key *identity*.

    The result: how many identities of this process it has refused lately, and how many it has answered at all.
    """

    identity: str
    refused: bool


@dataclass(frozen=True)
class Claim:
    """Ask whether to show a *statement* (its digest) to the registration *endpoint*, as far as this process knows.

    The result: True to do so, False as long as another identity is the first to, or an error like the last refusal and
    for how many seconds it stands.
    """

    endpoint: str
    statement: str


@dataclass(frozen=True)
class Release:
    """Note what a registration *endpoint* has said to a *statement* (its digest).

    Parameters:
        refusal: what to tell all identities that show it; None if it was not refused.
        seconds: for how long none of them is to show it, where it was refused.
    """

    endpoint: str
    statement: str
    refusal: DCRAuthError | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Glance(Sleep):
    """Wait for so many seconds, or until another identity was told what is said to the statement that was claimed."""


@dataclass(frozen=True)
class Withheld:
    """What a `Send` results in that is not to be made now, nor any other one of this renewal: the *error* says why."""

    error: Unavailable


@dataclass(frozen=True)
class Now:
    """Read the clocks; the result is an `Instant`."""


@dataclass(frozen=True)
class Emit:
    """Let the application know of an event."""

    event: events.Event


Effect = (
    Get | GetMany | Add | Replace | Put | Delete | Check | Send | ReportOutcome | Claim | Release | Sleep | Now | Emit
)
Steps = Generator[Effect, Any, T]


@dataclass(frozen=True)
class Unsaved:
    """What a registration has brought, and *over* which record it is to be written (None: where there is none)."""

    credentials: ClientCredentials
    over: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Suspicion:
    """That a protected API refuses fresh tokens because of their client.

    Parameters:
        data: the record of the client's credentials.
        until: the monotonic time, in seconds, from which it does not count any more.
    """

    data: bytes = field(repr=False)
    until: float


@dataclass(frozen=True)
class Bar:
    """What stands against another registration as far as this process knows by itself.

    Parameters:
        note: on the registration that has brought nothing usable.
        until: the monotonic time, in seconds, from which it does not count any more.
        stored: whether the store has taken the note; if it has, and then has none, somebody has lifted it.
    """

    note: UnusableRegistration
    until: float
    stored: bool


@dataclass(frozen=True)
class RefusedGiven:
    """A client that was given, and that the server has refused twice.

    Parameters:
        digest: of its id and its secret.
        refusal: what the server has said.
        until: the monotonic time, in seconds, before which it is not tried again.
    """

    digest: bytes = field(repr=False)
    refusal: CredentialsRejected
    until: float


@dataclass(slots=True)
class Memory:
    """What this process knows of an identity, from one renewal to the next.

    Parameters:
        client: the client credentials as they were last read from the store.
        superseded: those that the store had lost, while it holds others now: still to be kept aside.
        unsaved: what a registration has brought, until the store has taken it.
        suspicion: what the next renewal that a refusal asks for is to look into.
        bar: what a registration has left that has brought nothing usable.
        kept: what flows want to find again; None as long as the store was not asked.
        skew: by how many seconds this machine's clock is ahead of the server's.
        answered: what the management of the client has answered, until the store has taken it.
        next_update: the monotonic time, in seconds, before which no update is asked for again.
        manage_from: the monotonic time, in seconds, before which the server wants no call that manages the client.
        refused_given: which client that was given the server has refused, if it has.
    """

    client: StoredCredentials | None = None
    superseded: tuple[StoredCredentials, ...] = ()
    unsaved: Unsaved | None = None
    suspicion: Suspicion | None = None
    bar: Bar | None = None
    kept: Mapping[str, Any] | None = None
    skew: float = 0.0
    answered: Unsaved | None = None
    next_update: float = 0.0
    manage_from: float = 0.0
    refused_given: RefusedGiven | None = None


@dataclass(frozen=True)
class Question:
    """A call that manages a client.

    Parameters:
        note: of it, as it is in the store.
        earlier: the note of an earlier one, which is open still.
    """

    note: bytes = field(repr=False)
    earlier: bytes | None = field(repr=False)


@dataclass
class Progress:
    """How far a renewal has come, which may end in the middle to wait, and is begun anew then.

    Parameters:
        attempts: how many calls of the registration endpoint (True) and the token endpoint (False) have not settled
            anything so far, and the monotonic time of the first of them.
        refused: the record of the client that was refused once, and is to be asked for once more.
        suspicion: what it is to look into.
        question: the call that manages the client and is noted, until it is made.
        is_untold: whether the server has shown the client without its secret.
        is_counted: whether a registration was claimed, and is counted as one that was begun.
        is_registering: whether one was sent.
        lock_tries: how often its lock was not to be had.
        lock_until: the monotonic time until which it is tried.
    """

    attempts: dict[bool, tuple[int, float]] = field(default_factory=dict)
    refused: bytes | None = field(default=None, repr=False)
    suspicion: Suspicion | None = None
    question: Question | None = None
    is_untold: bool = False
    is_counted: bool = False
    is_registering: bool = False
    lock_tries: int = 0
    lock_until: float | None = None


@dataclass(frozen=True)
class LockTry:
    """That a lock is to be tried again in so many *seconds*."""

    seconds: float


@dataclass(frozen=True)
class RenewalContext:
    """What one renewal is about.

    Parameters:
        identity: whose token.
        provider: whom to ask.
        policy: how often and how long.
        instead_of: the token to replace, if there is one: finding it in the store is no news.
        deadline: monotonic time, in seconds, after which no further attempt is begun.
        chance: returns a random number in [0, 1) for jitter.
        memory: what earlier renewals in this process came to know.
        after_refusal: whether it was asked for because a protected API has refused *instead_of*.
        outlived: the key of a token record that is bound to a certificate which was replaced: nobody has a use for it.
        found: what was looked up in the store at its beginning, or why that failed, each until it is used.
        progress: how far it has come.
    """

    identity: Identity
    provider: Provider
    policy: Policy
    instead_of: AccessToken | None
    deadline: float
    chance: Callable[[], float]
    memory: Memory = field(default_factory=Memory)
    after_refusal: bool = False
    outlived: str | None = None
    found: dict[str, bytes | StoreError | None] = field(default_factory=dict, repr=False)
    progress: Progress = field(default_factory=Progress)

    @property
    def name(self) -> str:
        """How events call the identity."""
        return self.identity.key[:8]


def looked_up(context: RenewalContext, *keys: str) -> Steps[None]:
    """Read the records under *keys* at once, for `record` to give each of them out."""
    context.found.clear()
    try:
        context.found.update((yield GetMany(keys)))
    except StoreError as problem:
        context.found.update(dict.fromkeys(keys, problem))


def record(context: RenewalContext, key: str) -> Steps[bytes | None]:
    """Return the record under *key* as it was looked up, the first time; each later time it is read anew.

    Raises:
        StoreError: it cannot be read.
    """
    found: bytes | StoreError | None
    found = context.found.pop(key) if key in context.found else (yield Get(key))
    if isinstance(found, StoreError):
        raise found
    return found
