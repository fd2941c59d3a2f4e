"""What must hold after every step of a simulation, each by name, and what it depends on.

Whatever is said without a condition holds whatever happens. Times are judged only for renewals and callers that were
not *disturbed*: neither paused, nor suspended, nor given another clock meanwhile.
"""

from __future__ import annotations

from enum import Enum


class Invariant(Enum):
    """What must hold.

    ``ONE_PAIR_IN_USE`` and ``ONE_CLIENT_IN_THE_END`` follow from the others, if that is reasoned rightly.
    """

    NOTHING_OVERWRITTEN = (
        "A credentials record is only ever added where there is none, or replaced by one of a later generation, and "
        "what is replaced is kept aside before. (That: unless the store has lost something since the renewal began.)"
    )
    USED_AS_STORED = (
        "A token is only ever asked for with the pair that this process has last read from the store, or with one of a "
        "later generation that it had read before."
    )
    ONE_PAIR_IN_USE = (
        "Until a pair is replaced on purpose, nobody uses another one. (While the store has lost nothing: else two "
        "processes may each know a pair of one generation, until the next reading.)"
    )
    DELETED_STAYS_DELETED = (
        "A pair that was deleted on purpose never comes back. (While the store has lost nothing: else nobody knows.)"
    )
    REASON_TO_REGISTER = (
        "Nobody registers unless the latest reading of the record, in this renewal, has said that there is no pair, "
        "and the process knows of none that is later than the deletion of the last one; or gave a pair that the server "
        "has refused twice in OAuth's own words, with a pause and another reading between; or a pair of which a fresh "
        "token, brought by a refusal, was refused on its account within the hour, and one more refusal followed. No "
        "failure of store or network is such a reason."
    )
    NO_REGISTRATION_AFTER_A_VAIN_ONE = (
        "A process whose registration was answered with a success and nothing to use, or not at all where a second one "
        "is refused, makes no other one for a day, nor "
        "does one that has just read the note of it. (Unless the note was deleted on purpose, or lost by the store.)"
    )
    REGISTERED_UNDER_THE_LOCK = (
        "Nobody registers, or manages a client, without having had the lock, though it may have ended meanwhile."
    )
    SELDOM_REPLACED = "A pair that replaced a refused one is not replaced itself within the time that the policy sets."
    ENDED_SECRET_LOSES_NO_CLIENT = (
        "A client whose secret has ended is never replaced, unless the server, asked for another secret in this "
        "renewal, has answered that it does not know the client. (Unless there is nobody to ask.)"
    )
    ROTATED_SECRET_IS_KEPT = (
        "What a server has answered of a client that it manages, be it a secret or the token to manage it with, is "
        "stored, or else kept by the process that has read it until it is: nothing is asked again, and nothing "
        "registered, before. A managed client is never replaced, unless its server has answered invalid_client to its "
        "secret, and 401 to the token that manages it, in this renewal; or cannot tell the secret."
    )
    SIGNING_CLIENT_STAYS = (
        "A client that signs, or shows a certificate, is never replaced because of invalid_client: only where the "
        "server, asked for it, has answered 401, or its secret has ended and there is nobody to ask."
    )
    NO_ASSERTION_TWICE = "No assertion is sent twice, neither by a renewal nor by a transport."
    ORPHANS_HAVE_A_CAUSE = (
        "A registration whose pair was not stored has a cause outside: its answer was lost, the process died, the "
        "store failed, or another pair was there first. In a world without faults there is exactly one registration."
    )
    SECRETS_STAY_HOME = (
        "Secrets go to the endpoint that they are for and to no other, and are in no event, no error, no message."
    )
    BOUNDED_RENEWAL = "A renewal makes a bounded number of calls, and does not sleep on beyond its time."
    BOUNDED_WAIT = (
        "No caller waits for longer than the policy's timeout. (Here the waiting is played, and seen not to "
        "be prolonged; what really waits has tests of its own.)"
    )
    LIVE_TOKEN_SERVED = (
        "A caller gets a token whenever its process holds one that is alive by both clocks and was not refused to this "
        "caller, whatever the server and the store do."
    )
    DEAD_TOKEN_NOT_SERVED = "No caller is given a token that has expired by either clock of its process."
    RENEWAL_BRINGS_NEWS = "A renewal ends with another token than the one it was to replace, and with one that lives."
    ONE_RENEWAL_AT_A_TIME = "There is at most one renewal under way in a process."
    SECOND_TOKEN_STAYS = (
        "A token that was granted moments ago because another one had been refused is not renewed, whoever refuses it, "
        "in no process that has it."
    )
    PAUSE_AFTER_THROTTLE = (
        "After an answer that there were too many calls, the process makes none of those that are counted together for "
        "a second, or for as long as it was told. (One that has died meanwhile knows nothing of it.)"
    )
    PAUSE_AFTER_FAILURE = "After a renewal that has failed there is a pause before the next one."
    RECOVERY = (
        "Once all faults have ceased, every process gets a token that is served. (Unless the policy says never to "
        "register again, and the server has forgotten the client.)"
    )
    NEVER_MORE_AT_ONCE = (
        "No more jobs run at once than there may be, nor more at one endpoint, unless one goes on that has waited for "
        "another; there are at most twice as many workers, but for those that a job is waited for."
    )
    NO_JOB_LOST = "Every job that was asked for ends, once, however often it had to wait and whichever worker has died."
    ONE_CALL_EACH = (
        "Each identity is registered once and gets one token as long as that lives, whichever of many processes ask, "
        "and however often its source is let go and made again. (Registered once in each process while nothing can be "
        "stored, or where the lock was held for so long that it was not waited for.)"
    )
    NOBODY_STARVES = (
        "No job is begun before one that could have been begun, and comes before it: by the moment at which it was "
        "asked for, a minute later where nobody waits for it."
    )
    ONE_CLIENT_IN_THE_END = "Some time later all processes hold tokens of one client, the one in the store."


class Violation(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: Invariant, what: str) -> None:
        super().__init__(f"{invariant.name}: {what}\n    {invariant.value}")
        self.invariant = invariant


def require(holds: object, invariant: Invariant, what: str) -> None:
    """Raise `Violation` unless it holds."""
    if not holds:
        raise Violation(invariant, what)
