"""What stands against a registration: an earlier one that brought nothing usable, or a statement that was refused.

Each registration that a server carries out makes one more client there, whatever it then answers. So the first answer
that cannot be used is the last one for a day: a note in the store tells all processes, and memory where that fails.
"""

from dataclasses import replace

from dcrauth import events
from dcrauth.engine import answer_errors, rules
from dcrauth.engine.effects import Bar, Claim, Emit, Glance, Now, Put, Release, RenewalContext, Steps, record
from dcrauth.engine.records import UnusableRegistration, read_unusable, write_unusable
from dcrauth.errors import DCRAuthError, RegistrationRejected, StoreCorrupt, StoreError, StoreLost, another

_GLANCE = 0.05
"""Seconds between two looks whether another identity was told what is said to the statement."""


def admitted(context: RenewalContext) -> Steps[None]:
    """Go on unless something stands against a registration.

    Raises:
        RegistrationRejected: an earlier one has brought nothing usable, or the statement was refused lately.
        StoreError: it cannot be read whether there was such a one.
    """
    note = yield from standing(context)
    if note is not None:
        raise answer_errors.barred(context.provider.register_url, note.status)
    while True:
        now = yield Now()
        found = yield Claim(context.provider.register_url, context.provider.statement_digest)
        if isinstance(found, tuple):
            refusal, seconds = found
            refusal.retry_at = now.wall + seconds
            raise refusal
        if found or now.monotonic >= context.deadline:
            return
        yield Glance(_GLANCE)


def standing(context: RenewalContext) -> Steps[UnusableRegistration | None]:
    """Return the note that stands against a registration: that in the store, or the one that only memory has."""
    found, readable = yield from noted(context)
    now = yield Now()
    bar, digest = context.memory.bar, context.provider.statement_digest
    if bar is not None and bar.stored and found is None and readable:
        bar = context.memory.bar = None  # credentials were deleted on purpose since, and the note with them
    if bar is not None and rules.still_bars(bar.note, bar.until, digest, now):
        yield from kept(context, replace(bar, stored=bar.stored and readable))
        return bar.note
    return found if rules.is_barred(found, digest, now) else None


def noted(context: RenewalContext) -> Steps[tuple[UnusableRegistration | None, bool]]:
    """Read the note in the store, and return whether that could be done; one that is damaged or lost says nothing."""
    key = context.identity.registration
    try:
        data = yield from record(context, key)
        return (None if data is None else read_unusable(key, data)), True
    except (StoreCorrupt, StoreLost) as problem:
        yield Emit(events.StoreProblem(context.name, problem))
        return None, False


def learned(context: RenewalContext, error: DCRAuthError | None) -> Steps[None]:
    """Remember what a registration has come to, for the next one: of this identity, or of all that show the statement.

    Parameters:
        error: how it failed, if it did.
    """
    endpoint, digest = context.provider.register_url, context.provider.statement_digest
    now = yield Now()
    if isinstance(error, RegistrationRejected) and answer_errors.is_unusable(error):
        note = UnusableRegistration(now.wall, digest, error.status)
        yield from kept(context, Bar(note, now.monotonic + rules.UNUSABLE_FOR, stored=False))
    if isinstance(error, RegistrationRejected) and answer_errors.is_about_the_statement(error):
        yield Release(endpoint, digest, another(error), context.policy.probe_after)
    else:
        yield Release(endpoint, digest)


def kept(context: RenewalContext, bar: Bar) -> Steps[None]:
    """Keep *bar* in memory, and its note in the store for all processes; if the store fails, next time."""
    context.memory.bar = bar
    if bar.stored:
        return
    key = context.identity.registration
    try:
        yield Put(key, write_unusable(key, bar.note))
        context.memory.bar = replace(bar, stored=True)
    except StoreError as problem:
        yield Emit(events.StoreProblem(context.name, problem))
