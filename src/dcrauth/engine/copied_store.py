"""What the copy of a whole store has come to, and what it is at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dcrauth.errors import StoreError


class Phase(Enum):
    """What a copy is at."""

    COPYING = "copying"
    VERIFYING = "verifying"


Progress = Callable[[Phase, int, int], object]


@dataclass
class CopiedStore:
    """How a copy went.

    Parameters:
        written: so many records of client credentials, and notes of their deletion, were not in the target.
        present: so many were there already, the same, or what has become of them since: renewed, deleted, and so on.
        kept: keys of those in whose place the target has another client, which was left as it is.
        tokens: so many tokens were copied.
        notes: so many notes on registrations that brought nothing usable.
        verified: so many records of client credentials were read back.
        missing: keys of those that the target had acknowledged and does not give back.
        unread: why single records could not be read, or listed, by their keys, or "" for the list.
        unknown: so many records are of kinds that this version does not know; they were left behind.
    """

    written: int = 0
    present: int = 0
    kept: set[str] = field(default_factory=set)
    tokens: int = 0
    notes: int = 0
    verified: int = 0
    missing: set[str] = field(default_factory=set)
    unread: dict[str, StoreError] = field(default_factory=dict)
    unknown: int = 0

    def include(self, part: "CopiedStore") -> None:
        """Count what a part of the copy has come to."""
        self.written += part.written
        self.present += part.present
        self.tokens += part.tokens
        self.notes += part.notes
        self.kept |= part.kept
        self.unread |= part.unread
