"""What stands against a registration: an earlier one that brought nothing usable, or a statement that was refused.

Each registration that a server carries out makes one more client there, whatever it then answers. So the first answer
that cannot be used is the last one for a day: a note in the store tells all processes, and memory where that fails.
"""

from dataclasses import replace

from dcrauth import events
from dcrauth.engine import answers, rules
from dcrauth.engine.effects import Bar, Claim, Errand, Get, Now, Put, Release, Sleep, Story, Tell
from dcrauth.engine.records import UnusableRegistration, read_unusable, write_unusable
from dcrauth.errors import DCRAuthError, RegistrationRejected, StoreCorrupt, StoreError, StoreLost, another

_GLANCE = 0.05
"""Seconds between two looks whether another identity has heard what is said to the statement."""


def admitted(errand: Errand) -> Story[None]:
    """Go on unless something stands against a registration.

    Raises:
        RegistrationRejected: an earlier one has brought nothing usable, or the statement was refused lately.
        StoreError: it cannot be read whether there was such a one.
    """
    note = yield from standing(errand)
    if note is not None:
        raise answers.barred(errand.provider.register_url, note.status)
    while True:
        now = yield Now()
        found = yield Claim(errand.provider.register_url, errand.provider.statement_digest)
        if isinstance(found, tuple):
            refusal, seconds = found
            refusal.retry_at = now.wall + seconds
            raise refusal
        if found or now.monotonic >= errand.deadline:
            return
        yield Sleep(_GLANCE)


def standing(errand: Errand) -> Story[UnusableRegistration | None]:
    """Return the note that stands against a registration: that in the store, or the one that only memory has."""
    found, readable = yield from noted(errand)
    now = yield Now()
    bar, digest = errand.memory.bar, errand.provider.statement_digest
    if bar is not None and bar.stored and found is None and readable:
        bar = errand.memory.bar = None  # credentials were deleted on purpose since, and the note with them
    if bar is not None and rules.still_bars(bar.note, bar.until, digest, now):
        yield from kept(errand, replace(bar, stored=bar.stored and readable))
        return bar.note
    return found if rules.is_barred(found, digest, now) else None


def noted(errand: Errand) -> Story[tuple[UnusableRegistration | None, bool]]:
    """Read the note in the store, and return whether that could be done; one that is damaged or lost says nothing."""
    key = errand.identity.registration
    try:
        data = yield Get(key)
        return (None if data is None else read_unusable(key, data)), True
    except (StoreCorrupt, StoreLost) as problem:
        yield Tell(events.StoreProblem(errand.name, problem))
        return None, False


def learned(errand: Errand, error: DCRAuthError | None) -> Story[None]:
    """Remember what a registration has come to, for the next one: of this identity, or of all that show the statement.

    Parameters:
        error: how it failed, if it did.
    """
    endpoint, digest = errand.provider.register_url, errand.provider.statement_digest
    now = yield Now()
    if isinstance(error, RegistrationRejected) and answers.is_unusable(error):
        note = UnusableRegistration(now.wall, digest, error.status)
        yield from kept(errand, Bar(note, now.monotonic + rules.UNUSABLE_FOR, stored=False))
    if isinstance(error, RegistrationRejected) and answers.is_about_the_statement(error):
        yield Release(endpoint, digest, another(error), errand.policy.probe_after)
    else:
        yield Release(endpoint, digest)


def kept(errand: Errand, bar: Bar) -> Story[None]:
    """Keep *bar* in memory, and its note in the store for all processes; if the store fails, next time."""
    errand.memory.bar = bar
    if bar.stored:
        return
    key = errand.identity.registration
    try:
        yield Put(key, write_unusable(key, bar.note))
        errand.memory.bar = replace(bar, stored=True)
    except StoreError as problem:
        yield Tell(events.StoreProblem(errand.name, problem))
