"""How long a token lives, and when it changes age.

A token lives through four ages. *Fresh*: use it. *Due*: use it, and renew it in the background. *Mandatory*: wait for
a new one, but fall back on it while it lives. *Dead*: it can only be replaced.
"""

from dataclasses import dataclass, replace
from typing import Any

from dcrauth._internal.strict_json import jwt_claims, number, seconds_in
from dcrauth.credentials import AccessToken
from dcrauth.engine.instant import Instant
from dcrauth.policy import Policy
from dcrauth.providers.protocol import TokenGrant

LONGEST_LIFE = 366 * 86_400.0
"""A token that claims to live longer than a year, in seconds, claims something absurd."""


SHORTEST_LIFE = 1.0
"""A token that claims to live for less than that, in seconds, claims something absurd as well."""


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A token in use, and the moments at which it changes age."""

    token: AccessToken
    obtained: Instant
    due: Instant
    mandatory: Instant
    expiry: Instant

    def due_by(self, moment: Instant | None) -> "HeldToken":
        """Return it with a due moment that is no later than *moment*, except what a refusal has brought: that stays.

        Each refusal would lead to one more renewal, where an API refuses them all.
        """
        if moment is None or self.token.after_refusal or moment.monotonic >= self.due.monotonic:
            return self
        return replace(self, due=moment)


def held(token: AccessToken, now: Instant, chance: float, policy: Policy) -> HeldToken:
    """Return *token* with its moments, as seen by this process.

    Parameters:
        now: when this process got hold of it.
        chance: a number in [0, 1), drawn once, that places the due moment in the first half of the time between the
            earliest and the mandatory one: many processes do not renew together, and the other half is left for the
            renewal, so that nobody waits for it.
    """
    life = max(0.0, token.life)
    remaining = min(token.expires_at - now.wall, life)
    expiry = now.later(remaining)
    earliest, latest = early(life, policy), late(life, policy)
    return HeldToken(
        token=token,
        obtained=now.later(remaining - life),
        due=expiry.later(-(latest + (earliest - latest) * (1.0 - chance / 2))),
        mandatory=expiry.later(-latest),
        expiry=expiry,
    )


def early(life: float, policy: Policy) -> float:
    """Return how many seconds before expiry a token of *life* seconds may be due."""
    return min(policy.due_within, policy.due_fraction * life)


def late(life: float, policy: Policy) -> float:
    """Return how many seconds before expiry a token of *life* seconds has to be renewed."""
    return min(policy.mandatory_within, policy.mandatory_fraction * life)


def granted(
    grant: TokenGrant, sent: Instant, policy: Policy, *, after_refusal: bool = False, skew: float = 0.0
) -> AccessToken:
    """Return the token of *grant*, its life counted from the moment the request was *sent* (RFC 6749 §5.1).

    Parameters:
        skew: by how many seconds this machine's clock is ahead of the server's, as far as that is known.
    """
    life = _seconds(grant.expires_in) or _life_of_jwt(grant.value, sent.wall - skew) or policy.default_life
    return AccessToken(grant.value, sent.wall, sent.wall + life, after_refusal, grant.scope)


def _life_of_jwt(value: str, now: float) -> float | None:
    """The span from a JWT's own ``iat`` to ``exp`` (RFC 7519 §4.1): both are of the server's clock, not of ours.

    Parameters:
        now: the server's time as far as it is known, which counts where there is no ``iat``.
    """
    try:
        claims = jwt_claims(value)
    except ValueError:
        return None
    end, begin = number(claims.get("exp")), number(claims.get("iat"))
    return None if end is None else _seconds(end - (now if begin is None else begin))


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        value = seconds_in(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if SHORTEST_LIFE <= value <= LONGEST_LIFE else None
