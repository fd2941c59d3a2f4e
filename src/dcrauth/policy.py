"""The numbers that rule a renewal, all in one place."""

from dataclasses import dataclass, fields
from typing import Literal

from dcrauth._internal.arguments import check_seconds, shown, wrong
from dcrauth._internal.confidential import discreet_constructor
from dcrauth._internal.strict_json import number
from dcrauth.errors import ConfigurationError


@discreet_constructor
@dataclass(frozen=True, kw_only=True)
class Policy:
    """How long to wait, how early to renew, how often to try; every field has a sound default.

    Parameters:
        timeout: the longest that one caller waits for a token, in seconds.
        due_within: renew in the background from this many seconds before expiry …
        due_fraction: … or from this part of the token's life before expiry, whichever is shorter.
        mandatory_within: wait for a new token from this many seconds before expiry …
        mandatory_fraction: … or from this part of the token's life before expiry, whichever is shorter.
        default_life: life of a token whose answer says nothing usable about it, in seconds.
        attempts: the most calls of one endpoint in one renewal.
        least_pause: the shortest wait after a 429 answer and before a rejection is believed, in seconds.
        longest_pause: the longest wait between two renewals while the server is unavailable, in seconds.
        probe_after: seconds between two attempts after the server has said no.
        settling: for so many seconds after a registration a server that does not know the client is given time.
        spared_for: for so many seconds a token that was granted because another one had been refused is not renewed
            because of a 401 answer.
        reregister: seconds that must pass before an identity may register again because its client was refused,
            or "never".
    """

    timeout: float = 30.0
    due_within: float = 900.0
    due_fraction: float = 0.20
    mandatory_within: float = 60.0
    mandatory_fraction: float = 0.10
    default_life: float = 300.0
    attempts: int = 3
    least_pause: float = 1.0
    longest_pause: float = 60.0
    probe_after: float = 300.0
    settling: float = 600.0
    spared_for: float = 10.0
    reregister: float | Literal["never"] = 86_400.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            _check(name, getattr(self, name))
        if self.mandatory_within > self.due_within or self.mandatory_fraction > self.due_fraction:
            raise ConfigurationError("Policy: a token must be due before it is mandatory to renew it")

    @property
    def lock_wait(self) -> float:
        """How long a renewal waits for its lock, in seconds: what is left of *timeout* does to go on without it."""
        return self.timeout / 2


def _check(name: str, value: object) -> None:
    if name == "reregister" and value == "never":
        return
    wanted = "a number that is not negative" + (' or "never"' if name == "reregister" else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"Policy: {name}", wanted, value)
    seconds = number(value)
    if seconds is None or seconds < 0:
        raise ConfigurationError(f"Policy: {name} must be {wanted}, not {shown(str(value))}")
    if name == "timeout":
        check_seconds(value, f"Policy: {name}")
    if value == 0 and name in {"attempts", "default_life"}:
        raise ConfigurationError(f"Policy: {name} must be more than 0")
