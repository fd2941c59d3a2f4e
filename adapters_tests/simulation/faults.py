"""What can go wrong in a simulation, and the part of it that goes wrong under one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

CALLS = (
    "request lost",
    "answer lost",
    "request delayed",
    "request duplicated",
    "error page",
    "error page after the deed",
    "garbage",
    "unusable registration",
    "too many calls",
    "token refused without reason",
)
"""Faults that may strike each call of the server."""

OPERATIONS = ("read fails", "write fails", "write fails after the deed", "no lock")
"""Faults that may strike each operation of the store."""

STEPS = ("death after an effect", "halt after an effect")
"""Faults that may strike each step of a renewal, once its effect is performed and before it learns of the outcome."""

EVENTS = (
    "crash",
    "pause",
    "suspend",
    "clock step",
    "server down",
    "some nodes refuse every client",
    "statement revoked",
    "clients forgotten",
    "tokens revoked",
    "store down",
    "failover",
    "store emptied",
    "store lost",
    "token record damaged",
    "credentials deleted on purpose",
)
"""Faults that come between two steps, and may last for a while."""

OAUTH_CALLS = ("kept connection ends",)
OAUTH_EVENTS = ("secrets changed there", "endpoints moved", "metadata broken")
"""Those of OAuth servers only."""

_RATES = (0.02, 0.08, 0.25)
_PACES = (0.005, 0.02, 0.06)


@dataclass(frozen=True)
class Faults:
    """The faults of one seed.

    Parameters:
        rates: how likely each call or operation is struck by a fault of that name.
        events: which events there may be.
        pace: how likely there is one of them before a step.
    """

    rates: dict[str, float] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    pace: float = 0.0

    @classmethod
    def drawn(cls, rng: random.Random, calls: tuple[str, ...] = (), events: tuple[str, ...] = ()) -> Faults:
        """Draw a part of all faults, from none at all to every one: few together find more than all at once.

        Parameters:
            calls, events: further faults that there are.
        """
        part = rng.choice((0.0, 0.15, 0.3, 0.3, 0.5, 1.0))
        known = (*CALLS, *OPERATIONS, *STEPS, *calls)
        rates = {name: rng.choice(_RATES) for name in known if rng.random() < part}
        events = tuple(name for name in (*EVENTS, *events) if rng.random() < part)
        return cls(rates, events, rng.choice(_PACES) if events else 0.0)

    @property
    def names(self) -> list[str]:
        """What they are called, with their rates."""
        return [*(f"{name} ({rate:g})" for name, rate in self.rates.items()), *self.events]

    @property
    def none(self) -> bool:
        """Whether nothing goes wrong at all."""
        return not self.rates and not self.events
