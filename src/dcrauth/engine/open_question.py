"""The note that a call which manages a client has been begun, and that nobody knows its answer yet.

That answer may have another token to manage the client with, and the server then refuses the former one. So as long as
a question is open, such a refusal says nothing of the client. The note is in the store, for a process that is started
anew, or another one, would know nothing of the call.
"""

import hashlib

from dcrauth import events
from dcrauth._internal.strict_json import number
from dcrauth.engine import answers
from dcrauth.engine.effects import Delete, Emit, Get, Now, Put, Question, RenewalContext, Steps
from dcrauth.engine.records import StoredCredentials, read_kept, write_kept
from dcrauth.errors import StoreCorrupt, StoreError, StoreLost
from dcrauth.providers.protocol import Problem

OPEN_FOR = 86_400.0
"""For so many seconds a call without an answer counts: a client that is really gone is not kept for good."""


def still_open(context: RenewalContext, client: StoredCredentials) -> Steps[bytes | None]:
    """Return the note of a call about *client* that was not answered; None if there is none, or not any more.

    One that is damaged or lost says nothing.

    Raises:
        StoreError: it cannot be read.
    """
    key, now = context.identity.asked, (yield Now())
    try:
        data = yield Get(key)
        found = {} if data is None else read_kept(key, data)
    except (StoreCorrupt, StoreLost) as problem:
        yield Emit(events.StoreProblem(context.name, problem))
        return None
    asked_at = number(found.get("asked_at"))
    counts = asked_at is not None and abs(now.wall - asked_at) < OPEN_FOR
    return data if counts and found.get("over") == _digest(client) else None


def opened(context: RenewalContext, client: StoredCredentials) -> Steps[bytes | None]:
    """Note that a call is about to be made; return the note of an earlier one that is open still.

    Raises:
        StoreError: that cannot be noted, so that the call must not be made.
    """
    found = yield from still_open(context, client)
    mine = context.progress.question
    # The renewal has waited before it has made the call, and was begun anew: that note is its own.
    earlier = mine.earlier if mine is not None and mine.note == found else found
    key, now = context.identity.asked, (yield Now())
    note = write_kept(key, {"over": _digest(client), "asked_at": now.wall})
    context.progress.question = Question(note, earlier)
    yield Put(key, note)
    return earlier


def closed(context: RenewalContext, earlier: bytes | None = None) -> Steps[None]:
    """Note that the call was answered, or not made; an *earlier* one may be open still.

    If the store fails, the question stays open for as long as it may, which loses no client.
    """
    key = context.identity.asked
    context.progress.question = None
    try:
        yield Delete(key) if earlier is None else Put(key, earlier)
    except StoreError as problem:
        yield Emit(events.StoreProblem(context.name, problem))


def is_answered(problem: Problem) -> bool:
    """Return whether the server has not done what it was asked for; it may have where a gateway lost the answer."""
    return not answers.is_success(problem.status) and (problem.status == 429 or not answers.is_no_answer(problem))


def _digest(client: StoredCredentials) -> str:
    return hashlib.sha256(client.data).hexdigest()
