"""What a protected API's 401 leads to: which refusal asks for another token, and which casts doubt on the client.

`rules.course` says what a caller does then. Pure functions over values and a *now*.
"""

from dcrauth.credentials import AccessToken
from dcrauth.engine.instant import Instant
from dcrauth.engine.token_life import HeldToken
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Verdict

SUSPECT_FOR = 3_600.0
"""For how many seconds the refusal of a fresh token speaks against its client."""


def is_in_hand(refused: AccessToken | None, held: HeldToken | None) -> bool:
    """Return whether the token that was *refused* is the one in hand, so that another one is to be granted."""
    return refused is not None and held is not None and held.token.value == refused.value


def is_spared(held: HeldToken, now: Instant, policy: Policy) -> bool:
    """Return whether a refusal must not renew the token in hand: the server would refuse the next one as well.

    That is so for one that was granted moments ago because another one had been refused, in whichever process. One
    that was not is renewed whatever its age: it may have been revoked.
    """
    return held.token.after_refusal and not held.obtained.later(policy.spared_for).reached(now)


def incriminates(refused: AccessToken, held: HeldToken | None, now: Instant, policy: Policy) -> bool:
    """Return whether the refusal of a token because of its client casts suspicion on that.

    It does if it is the second in a row: that of a token which has just been granted because of another refusal.
    """
    return held is not None and is_in_hand(refused, held) and is_spared(held, now, policy)


def is_ours(verdict: Verdict) -> bool:
    """Return whether a 401 asks for another token at all."""
    return verdict in {Verdict.TOKEN, Verdict.CREDENTIALS}
