"""The life of a client that the server lets be managed (RFC 7592): renewed ahead of its end, and asked about.

The token that manages it is as precious as the secret, and each answer may bring new ones of both. So an answer is
stored before anything in it is used, and the pair that it replaces is kept aside.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from dcrauth import events
from dcrauth._internal.confidential import replaced
from dcrauth.credentials import ClientCredentials
from dcrauth.engine import answers, rules
from dcrauth.engine.effects import Check, Emit, Memory, Now, RenewalContext, Replace, Sleep, Steps, Unsaved
from dcrauth.engine.endpoint_calls import attempted, moment_of
from dcrauth.engine.instant import Instant
from dcrauth.engine.management_problems import UNMANAGED, is_denied, is_refused, named, not_deleted
from dcrauth.engine.open_question import closed, is_answered, opened, still_open
from dcrauth.engine.records import StoredCredentials, storable, write_credentials
from dcrauth.engine.store_repair import forgotten, kept_aside, stored
from dcrauth.errors import DCRAuthError, StoreError, StoreUnavailable
from dcrauth.providers.protocol import Flow, Moment, Problem, Provider, Request

EARLY, SHARE = 7 * 86_400.0, 0.2
"""A secret is renewed from so many seconds before its end, or from that part of its life, whichever is later."""

LEAST_PAUSE, PAUSE = 300.0, 0.1
"""After so many seconds, or that part of what is left, an update that has renewed nothing is asked for again."""

TOO_EARLY = Problem("the server has asked for fewer calls that manage this client, and none was made", status=429)
"""What is wrong with a call before the moment that a server has told."""

Called: TypeAlias = tuple[ClientCredentials | Problem, Request | None]
"""What a call has come to, and the call."""


def is_due(credentials: ClientCredentials, now: Instant) -> bool:
    """Return whether a secret ends so soon that another one is to be had."""
    end = credentials.expires_at
    return end is not None and now.wall >= end - _margin(credentials, end)


def _margin(credentials: ClientCredentials, end: float) -> float:
    """Return how many seconds before its *end* a secret is renewed."""
    return min(EARLY, SHARE * max(0.0, end - credentials.registered_at))


def next_look(provider: Provider, memory: Memory, now: Instant) -> Instant | None:
    """Return when the secret is to be renewed ahead of its end, however long a token lives; None if it is not."""
    credentials = None if memory.client is None else memory.client.credentials
    end, update = (None if credentials is None else credentials.expires_at), getattr(provider, "update", None)
    if credentials is None or end is None or now.wall >= end or update is None:
        return None
    if update(credentials, Moment(now.wall)) is None:
        return None
    due = end - _margin(credentials, end)
    return now.later(max(0.0, due - now.wall, memory.next_update - now.monotonic))


def kept_alive(context: RenewalContext, client: StoredCredentials) -> Steps[StoredCredentials]:
    """Have the server renew a secret that is about to end; whatever comes of it, the present one is used on."""
    if client.credentials.expires_at is None or not hasattr(context.provider, "update"):
        return client
    now = yield Now()
    if not is_due(client.credentials, now) or now.monotonic < context.memory.next_update:
        return client
    left = max(0.0, client.credentials.expires_at - now.wall)
    context.memory.next_update = now.monotonic + max(LEAST_PAUSE, PAUSE * left)
    try:
        return (yield from updated(context, client)) or client
    except DCRAuthError as problem:
        if isinstance(problem, StoreError):
            yield Emit(events.StoreProblem(context.name, problem))
        return client


def updated(context: RenewalContext, client: StoredCredentials) -> Steps[StoredCredentials | None]:
    """Have the server renew the client, and put what it answers in the place of *client*; None if it did not.

    Raises:
        StoreError: the store has failed; what was answered may be lost, and the former token is tried next time.
    """
    outcome = yield from renewed(context, client)
    return None if isinstance(outcome, Problem) else outcome


def renewed(context: RenewalContext, client: StoredCredentials) -> Steps[StoredCredentials | Problem | None]:
    """Do what `updated` does, and say what was wrong with the answer where the server has not renewed the client."""
    answered = context.memory.answered
    if answered is not None and answered.over == client.data:
        return (yield from in_place(context, client, answered.credentials))  # the store failed the last time
    outcome = yield from managed(context, client, "update")
    return outcome if isinstance(outcome, Problem) else (yield from in_place(context, client, outcome))


def is_settled_by(problem: Problem) -> bool:
    """Return whether nothing more is to be learnt of a refused client than this *problem* with its management.

    It is gone, nobody manages it, or the server has shown all of it but the secret. Whatever else was answered, such as
    the page of a firewall, or the secret that is refused, says nothing of it.
    """
    is_shown = problem.final and answers.is_success(problem.status)
    is_refusal = is_refused(problem) or is_denied(problem)
    return problem is UNMANAGED or is_refusal or problem.status in answers.NO_ENDPOINT or is_shown


def in_place(
    context: RenewalContext, client: StoredCredentials, answered: ClientCredentials
) -> Steps[StoredCredentials | None]:
    """Put what the server has answered in the place of *client*, which is kept aside, before anything of it is used.

    Raises:
        StoreError: the store has not taken it; it is kept in memory for the next time.
    """
    context.memory.answered = Unsaved(answered, client.data)
    former = client.credentials
    is_new = (answered.client_secret, answered.expires_at) != (former.client_secret, former.expires_at)
    since = (yield Now()).wall if is_new else former.registered_at
    successor = replaced(answered, registered_at=since, replaced_at=former.replaced_at)
    fresh = write_credentials(context.identity.credentials, successor, client.generation + 1)
    if is_new:
        yield from kept_aside(context, client)
    won = yield Replace(context.identity.credentials, fresh.data, client.data)
    found = yield from stored(context)
    if not won and isinstance(found, StoredCredentials) and found.data == client.data:
        raise StoreUnavailable("The store had lost the client, and has it again: what was answered is stored next time")
    context.memory.answered = None
    yield from closed(context)
    if won and is_new:
        yield Emit(events.CredentialsUpdated(context.name, successor.expires_at))
    return found if isinstance(found, StoredCredentials) else None


def is_gone(context: RenewalContext, client: StoredCredentials) -> Steps[bool | Problem]:
    """Ask the server whether it knows the client; return what is wrong where that cannot be asked, or is not answered.

    Servers may answer even that with another secret, and another token to manage the client with (RFC 7592 §2.1). As
    long as the store has not taken those, nothing is asked: the token that it has may not be the present one.
    """
    unsaved = context.memory.answered
    if unsaved is not None and unsaved.over == client.data:
        yield from in_place(context, client, unsaved.credentials)
        return False
    outcome = yield from managed(context, client, "confirm")
    if isinstance(outcome, Problem):
        # After a call without an answer the token may be another one by now, and a refusal of the old one says nothing.
        is_known = is_refused(outcome) and (yield from still_open(context, client)) is None
        return True if is_known else outcome
    if (outcome.client_secret, outcome.metadata) != (client.credentials.client_secret, client.credentials.metadata):
        yield from in_place(context, client, outcome)
    else:
        yield from closed(context)
    return False


def managed(context: RenewalContext, client: StoredCredentials, what: str) -> Steps[ClientCredentials | Problem]:
    """Make one call that manages a client, by the flow of the provider that is called *what*.

    A problem has the endpoint in its words; a secret that was not told is as it was.
    """
    flow: Callable[[ClientCredentials, Moment], Flow[ClientCredentials] | None] | None
    flow, now = getattr(context.provider, what, None), (yield Now())
    begun = None if flow is None else flow(client.credentials, moment_of(context, now))
    if begun is None:
        return UNMANAGED
    if now.monotonic < context.memory.manage_from:
        return TOO_EARLY
    yield Check()  # what is answered may be another secret, and has to be stored
    context.progress.is_untold = False
    asking = called if what == "unregister" else asked
    outcome, call = yield from asking(context, client, begun)
    if not isinstance(outcome, Problem):
        context.progress.is_untold = outcome.client_secret is None
        told: ClientCredentials = replaced(
            outcome, client_secret=outcome.client_secret or client.credentials.client_secret
        )
        return told
    if answers.meaning(outcome) is answers.Meaning.THROTTLED:
        now = yield Now()
        context.memory.manage_from = now.monotonic + rules.pause(outcome, 1, now, context.chance(), context.policy)
    return named(outcome, call, client.credentials)


def asked(context: RenewalContext, client: StoredCredentials, begun: Flow[ClientCredentials]) -> Steps[Called]:
    """Make a call that may bring another token, with a note of it until the answer is stored, or is a refusal."""
    earlier = yield from opened(context, client)
    try:
        outcome, call = yield from called(context, client, begun)
    except DCRAuthError:  # it was not made
        yield from closed(context, earlier)
        raise
    context.progress.question = None
    if isinstance(outcome, Problem) and is_answered(outcome):
        yield from closed(context, earlier)
    return outcome, call


def called(context: RenewalContext, _: StoredCredentials, begun: Flow[ClientCredentials]) -> Steps[Called]:
    """Make a call; return what it comes to, as far as a record can hold it."""
    key = context.identity.credentials
    return (yield from attempted(context, begun, lambda found: storable(key, found)))


def unregistered(context: RenewalContext) -> Steps[bool]:
    """Have the server delete the client (RFC 7592 §2.3), and then forget it; return whether there was one.

    Raises:
        DCRAuthError: the server has not, and the client stays as it is.
    """
    client = yield from stored(context)
    if isinstance(client, StoredCredentials):
        outcome = yield from managed(context, client, "unregister")
        problem = (yield from what_is_left(context, client, outcome)) if isinstance(outcome, Problem) else None
        if problem is not None:
            now, manage_from = (yield Now()), context.memory.manage_from
            raise not_deleted(problem, now.wall + max(0.0, manage_from - now.monotonic))
    return (yield from forgotten(context))


def what_is_left(context: RenewalContext, client: StoredCredentials, problem: Problem) -> Steps[Problem | None]:
    """Return the *problem* with a deletion; None if the client is gone, as after one whose answer was lost.

    That the token which manages it is refused does not prove that, as it may have been revoked or have ended: the
    server has to refuse the client as well, twice, with a pause between.
    """
    is_new = rules.is_settling(client.credentials, (yield Now()), context.policy)
    if not is_refused(problem) or is_new or (yield from still_open(context, client)) is not None:
        return problem
    for pause in (0.0, context.policy.least_pause * (1.0 + context.chance())):
        yield Sleep(pause)
        begun = context.provider.fetch_token(client.credentials, moment_of(context, (yield Now())))
        outcome, _ = yield from attempted(context, begun, lambda grant: grant)
        if not isinstance(outcome, Problem):
            return replace(problem, final=True)
        if answers.meaning(outcome) is not answers.Meaning.CLIENT_REJECTED:
            return problem
    return None
