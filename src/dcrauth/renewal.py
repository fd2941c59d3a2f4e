"""The story of a renewal, in order, told as a generator that yields what it needs done.

    read the store ─▶ a peer's token? adopt it
                  └─▶ credentials? ── none ─▶ can the store keep them? ─▶ register ─▶ add ─▶ read back
                          │                                                  (first write wins)
                          └─▶ fetch a token ── invalid_client ─▶ read again ─▶ confirm ─▶ register anew, replace
                                   └─▶ share it ─▶ done

It does no I/O and reads no clock of its own: whoever drives it performs each effect and sends back the result, or
throws the error that came of it. So a simulation can interleave many renewals and stop any of them between two steps.
"""

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dcrauth import events, rules
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.errors import (
    CredentialsRejected,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    Unavailable,
)
from dcrauth.identity import Identity
from dcrauth.policy import Policy
from dcrauth.provider import Problem, Provider, Request, Response
from dcrauth.records import StoredCredentials, read_credentials, read_token, write_credentials, write_token
from dcrauth.rules import Instant

T = TypeVar("T")


@dataclass(frozen=True)
class Get:
    """Read a record; the result is its bytes, or None if it is authoritatively absent."""

    key: str


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
class Check:
    """Make sure that the store can be written."""


@dataclass(frozen=True)
class Send:
    """Call the provider; the result is its `Response`, or an `Unavailable` error is thrown."""

    request: Request


@dataclass(frozen=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Now:
    """Read the clocks; the result is an `Instant`."""


@dataclass(frozen=True)
class Tell:
    """Tell the application of an event."""

    event: events.Event


Effect = Get | Add | Replace | Put | Check | Send | Sleep | Now | Tell
Story = Generator[Effect, Any, T]


@dataclass(frozen=True)
class Errand:
    """What one renewal is about.

    Parameters:
        identity: whose token.
        provider: whom to ask.
        policy: how often and how long.
        instead_of: the token to replace, if there is one: finding it in the store is no news.
        deadline: monotonic time, in seconds, after which no further attempt is begun.
        chance: returns a random number in [0, 1) for jitter.
    """

    identity: Identity
    provider: Provider
    policy: Policy
    instead_of: AccessToken | None
    deadline: float
    chance: Callable[[], float]

    @property
    def name(self) -> str:
        """How events call the identity."""
        return self.identity.key[:8]


def renewal(errand: Errand) -> Story[AccessToken]:
    """Tell how a token is renewed; returns the token to use from now on.

    Raises:
        Rejected: the server said no.
        Unavailable: the server could not be asked, or not in time.
        StoreError: the store failed, or holds something that must not be touched.
    """
    token = yield from adopted(errand)
    if token is not None:
        return token
    client = (yield from stored(errand)) or (yield from registered(errand))
    try:
        token = yield from fetched(errand, client.credentials)
    except CredentialsRejected as refusal:
        token = yield from recovered(errand, client, refusal)
    yield from shared(errand, token)
    return token


def adopted(errand: Errand) -> Story[AccessToken | None]:
    """Take over the token that a peer has written, if it is any better than the one to replace."""
    key = errand.identity.token
    data = yield Get(key)
    if data is None:
        return None
    try:
        token = read_token(key, data)
    except (StoreCorrupt, StoreTooNew) as problem:
        yield Tell(events.StoreProblem(errand.name, problem))
        return None
    now = yield Now()
    if not rules.adoptable(token, errand.instead_of, now, errand.policy):
        return None
    yield Tell(events.TokenAdopted(errand.name, token.expires_at))
    return token


def stored(errand: Errand) -> Story[StoredCredentials | None]:
    """Read the client credentials; damaged ones raise, because unreadable is not absent."""
    key = errand.identity.credentials
    data = yield Get(key)
    return None if data is None else read_credentials(key, data)


def registered(errand: Errand) -> Story[StoredCredentials]:
    """Register, persist, read back, and only then use: the first write wins, whoever made it."""
    credentials = yield from new_credentials(errand)
    fresh = write_credentials(errand.identity.credentials, credentials)
    won = yield Add(errand.identity.credentials, fresh.data)
    return (yield from confirmed(errand, fresh, won))


def new_credentials(errand: Errand) -> Story[ClientCredentials]:
    """Register the application, once it is sure that the outcome can be stored."""
    yield Check()
    provider = errand.provider
    answer, sent = yield from answered(errand, provider.registration_request(), provider.read_registration, True)
    return replace(answer, registered_at=sent.wall)


def confirmed(errand: Errand, fresh: StoredCredentials, won: bool) -> Story[StoredCredentials]:
    """Read back what is stored now and use that: our own pair, or the one that came first."""
    found = yield from stored(errand)
    if found is None or (won and found.data != fresh.data):
        raise StoreUnavailable(
            "The store does not give back the client credentials that it has just acknowledged; "
            "they were not used. Check that the store keeps what is written to it"
        )
    if won:
        yield Tell(events.Registered(errand.name))
    else:
        yield Tell(events.RegistrationUnused(errand.name))
    return found


def fetched(errand: Errand, credentials: ClientCredentials) -> Story[AccessToken]:
    """Trade the client credentials for a token."""
    provider = errand.provider
    grant, sent = yield from answered(errand, provider.token_request(credentials), provider.read_token, False)
    token = rules.granted(grant, sent, errand.policy)
    yield Tell(events.TokenRenewed(errand.name, token.expires_at))
    return token


def recovered(errand: Errand, client: StoredCredentials, refusal: CredentialsRejected) -> Story[AccessToken]:
    """Get a token although the server did not recognise the client: first doubt, then confirm, then register anew."""
    latest = yield from stored(errand)
    if latest is not None and latest.data != client.data:
        return (yield from fetched(errand, latest.credentials))
    yield Sleep(errand.policy.least_pause * (1.0 + errand.chance()))
    try:
        return (yield from fetched(errand, client.credentials))
    except CredentialsRejected as again:
        refusal = again
    now = yield Now()
    if not rules.may_register_again(client.credentials, now, errand.policy):
        raise refusal
    successor = yield from succeeded(errand, client)
    return (yield from fetched(errand, successor.credentials))


def succeeded(errand: Errand, client: StoredCredentials) -> Story[StoredCredentials]:
    """Put a new registration in the place of a refused one, and keep the old pair aside."""
    credentials = yield from new_credentials(errand)
    credentials = replace(credentials, replaced_at=credentials.registered_at)
    key = errand.identity.credentials
    aside = errand.identity.replaced(client.generation)
    yield Add(aside, write_credentials(aside, client.credentials, client.generation).data)
    fresh = write_credentials(key, credentials, client.generation + 1)
    won = yield Replace(key, fresh.data, client.data)
    found = yield from confirmed(errand, fresh, won)
    if won:
        yield Tell(events.CredentialsReplaced(errand.name))
    return found


def shared(errand: Errand, token: AccessToken) -> Story[None]:
    """Leave the token to other processes; a store that fails here spoils nothing."""
    key = errand.identity.token
    try:
        yield Put(key, write_token(key, token))
    except StoreError as problem:
        yield Tell(events.StoreProblem(errand.name, problem))


def answered(
    errand: Errand, request: Request, read: Callable[[Response], T | Problem], registering: bool
) -> Story[tuple[T, Instant]]:
    """Call an endpoint until it answers something that settles the matter, or it is time to give up.

    Returns:
        What *read* made of the answer, and when the request was sent.
    """
    for attempt in itertools.count(1):
        sent = yield Now()
        outcome = yield from called(request, read)
        if not isinstance(outcome, Problem):
            return outcome, sent
        now = yield Now()
        wait = rules.pause(outcome, attempt, now, errand.chance(), errand.policy)
        if not rules.worth_another(outcome, attempt, now.monotonic + wait, errand.deadline, errand.policy):
            raise rules.error_of(outcome, request.endpoint, registering, now.wall + wait)
        yield Sleep(wait)
    raise AssertionError("unreachable: the loop only ends by returning or raising")


def called(request: Request, read: Callable[[Response], T | Problem]) -> Story[T | Problem]:
    """Send *request* once; no answer is a problem like any other."""
    try:
        response = yield Send(request)
    except Unavailable as fault:
        return Problem(reason=fault.message)
    return read(response)
