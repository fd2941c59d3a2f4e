"""Every decision about answers, failures and registrations: pure functions over values and a *now*.

`course` says what a caller is to do. How long a token is good is said in `token_life`, and what a 401 means for it in
`token_refused`.
"""

from dataclasses import dataclass
from enum import Enum

from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine import answers
from dcrauth.engine.answers import LONGEST_WAIT, Meaning
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import Forgotten, StoredCredentials, UnusableRegistration
from dcrauth.engine.token_life import HeldToken, held
from dcrauth.engine.token_refused import is_in_hand, is_spared
from dcrauth.errors import ConfigurationError, DCRAuthError, Rejected
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Problem

NOTICE = 7 * 86_400.0
"""How long before the end of a client secret that is told, in seconds."""

CLOCK_TOLERANCE = 300.0
"""How far in the future, in seconds, another process may seem to have written a record."""

UNUSABLE_FOR = 86_400.0
"""For how many seconds a registration that has brought nothing usable stands against another one."""


FEWEST_OF_AN_INCIDENT = 3
"""So many identities have to be refused at once before it is taken for the server's own trouble."""


JITTER = 0.25
"""By up to this part a wait that a server has asked for is longer: not all that were told so come at one moment."""

LONGEST_SLEEP = 1.0
"""For so many seconds a renewal keeps its worker and its lock while it waits."""

_FIRST_TRY, _LAST_TRY = 0.05, 2.0
"""Seconds before the second try of a lock, and the most between two of them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How the last renewals ended, and the moment before which there is no other.

    Parameters:
        error: how the last one ended.
        until: before that there is no other.
        count: how many have failed in a row.
        statement: the digest of what they had to show; with another statement it is another matter.
    """

    error: DCRAuthError
    until: Instant
    count: int
    statement: str = ""


class Course(Enum):
    """What a caller who asks for a token is to do."""

    USE = "use the token in hand"
    USE_AND_RENEW = "use the token in hand and renew it in the background"
    WAIT = "wait for a renewal"
    FAIL = "fail as the last renewal did: it is too early for another"


def course(held: HeldToken | None, refused: AccessToken | None, now: Instant, blocked: bool, policy: Policy) -> Course:
    """Return what a caller is to do.

    Parameters:
        held: the token in hand.
        refused: the token that a protected API has just refused to this caller.
        blocked: whether the last renewal failed and it is too early for another one.
    """
    alive = held is not None and not held.expiry.reached(now)
    if held is None or not alive:
        return Course.FAIL if blocked else Course.WAIT
    if is_in_hand(refused, held):
        if is_spared(held, now, policy):
            return Course.USE
        return Course.FAIL if blocked else Course.WAIT
    if not held.due.reached(now) or blocked:
        return Course.USE
    return Course.WAIT if held.mandatory.reached(now) else Course.USE_AND_RENEW


def can_stand_in(held: HeldToken, refused: AccessToken | None, now: Instant) -> bool:
    """Return whether the token in hand will do for a caller whose renewal failed: it lives, and nobody refused it."""
    return not is_in_hand(refused, held) and not held.expiry.reached(now)


def adoptable(stored: AccessToken, instead_of: AccessToken | None, now: Instant, policy: Policy) -> bool:
    """Return whether a token found in the store makes a renewal needless.

    Parameters:
        instead_of: the token that the renewal is to replace.
    """
    if instead_of is not None and stored.value == instead_of.value:
        return False
    if stored.obtained_at > now.wall + CLOCK_TOLERANCE:
        return False
    return not held(stored, now, 0.0, policy).mandatory.reached(now)


def pause(problem: Problem, attempt: int, now: Instant, chance: float, policy: Policy) -> float:
    """Return how many seconds to wait after the *attempt*-th unsuccessful call of an endpoint.

    A throttled client waits for as long as the server says, and for a second at least (Adobe Pass documentation:
    Throttling mechanism); any other failure backs off with full jitter. What the server says comes with jitter on top.
    """
    told = answers.told_to_wait(problem, now.wall)
    longer = 1.0 + JITTER * chance
    if answers.meaning(problem) is Meaning.THROTTLED:
        return policy.least_pause * (1.0 + chance) if told is None else max(told, policy.least_pause) * longer
    backoff = chance * min(policy.longest_pause, policy.least_pause * 2.0 ** (attempt - 1))
    return max(backoff, (told or 0.0) * longer)


def is_parked(seconds: float) -> bool:
    """Return whether a renewal that has to wait for so many *seconds* gives its worker and its lock back meanwhile."""
    return seconds > LONGEST_SLEEP


def next_lock_try(tries: int, chance: float) -> float:
    """Return how many seconds after so many *tries* a lock that somebody else holds is tried again.

    Parameters:
        chance: a number in [0, 1) that spreads the tries of many processes.
    """
    return max(_FIRST_TRY, min(_LAST_TRY, _FIRST_TRY * 2.0 ** min(tries - 1, 30)) * (0.5 + chance / 2))


def worth_another(problem: Problem, attempt: int, at: float, deadline: float, policy: Policy) -> bool:
    """Return whether to call an endpoint again *at* a monotonic time, after its *attempt*-th unsuccessful call."""
    passing = answers.meaning(problem) in {Meaning.THROTTLED, Meaning.TRANSIENT}
    return passing and attempt < policy.attempts and at < deadline


def next_try(error: DCRAuthError, failures: int, now: Instant, chance: float, policy: Policy) -> Instant:
    """Return the moment before which no further renewal is tried.

    Parameters:
        error: how the last renewal ended; a refusal that another identity was told has the moment of the next probe.
        failures: how many renewals have failed in a row.
        chance: a number in [0, 1) that spreads the attempts of many processes.
    """
    if isinstance(error, ConfigurationError):
        return now
    if isinstance(error, Rejected):
        known = now.wall + policy.probe_after if error.retry_at is None else error.retry_at
        return now.later(min(max(policy.least_pause, known - now.wall), policy.probe_after))
    asked = min(max(0.0, (error.retry_at or 0.0) - now.wall), LONGEST_WAIT * (1.0 + JITTER))
    backoff = min(policy.longest_pause, policy.least_pause * 2.0 ** min(failures - 1, 30))
    return now.later(max(asked, backoff * (0.5 + chance / 2)))


def may_register_again(credentials: ClientCredentials, now: Instant, policy: Policy) -> bool:
    """Return whether an identity whose client was refused may register anew: once in a while, or never.

    A moment in the future says nothing: the clock was wrong then, or it is now, and may be for years.
    """
    if policy.reregister == "never":
        return False
    replaced_at = credentials.replaced_at
    return replaced_at is None or not 0.0 <= now.wall - replaced_at < policy.reregister


def is_barred(note: UnusableRegistration | None, digest: str, now: Instant) -> bool:
    """Return whether a registration that has brought nothing usable stands against another one with the same *digest*.

    A moment of the future counts only as far as the clocks of two machines may differ.
    """
    if note is None or note.statement_digest != digest:
        return False
    return -CLOCK_TOLERANCE < now.wall - note.noted_at < UNUSABLE_FOR


def still_bars(note: UnusableRegistration, until: float, digest: str, now: Instant) -> bool:
    """Return whether a *note* that this process has in memory, *until* a monotonic time, stands against a registration.

    It is no other machine's: if it seems to be of the future, the clock was put right since.
    """
    return note.statement_digest == digest and now.monotonic < until and now.wall - note.noted_at < UNUSABLE_FOR


def is_settling(credentials: ClientCredentials, now: Instant, policy: Policy) -> bool:
    """Return whether the client is so new that a part of the server may not know it yet."""
    return -CLOCK_TOLERANCE < now.wall - credentials.registered_at < policy.settling


def is_given_up(credentials: ClientCredentials, now: Instant) -> bool:
    """Return whether credentials that no store has taken were registered so long ago that they are not kept for it."""
    return not abs(now.wall - credentials.registered_at) < UNUSABLE_FOR


def is_ending(credentials: ClientCredentials, now: Instant) -> bool:
    """Return whether the server will stop to accept the client secret soon, or has said that it would by now."""
    return credentials.expires_at is not None and credentials.expires_at - now.wall < NOTICE


def is_incident(refused: int, asked: int) -> bool:
    """Return whether so many identities were refused that it is not about them."""
    return refused >= FEWEST_OF_AN_INCIDENT and 2 * refused > asked


def is_outdated(found: StoredCredentials | Forgotten | None, known: StoredCredentials) -> bool:
    """Return whether the store has lost the *known* credentials, or gone back to older ones."""
    return found is None or found.generation < known.generation


def is_divided(found: StoredCredentials | Forgotten | None, known: StoredCredentials) -> bool:
    """Return whether the store holds another pair than the *known* one, which nobody has meant to replace.

    The stored one wins: that is what the other processes use.
    """
    return found is not None and found.generation == known.generation and found.data != known.data
