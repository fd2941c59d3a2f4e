"""What a simulated process is at, and what it holds, as values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from dcrauth.credentials import AccessToken
from dcrauth.engine.effects import RenewalContext, Steps
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import StoredCredentials, UnusableRegistration
from dcrauth.engine.single_flight import Flight

NEVER = math.inf


@dataclass
class Evidence:
    """What a renewal has seen so far, for the invariants to judge what it does.

    Parameters:
        began: when it began, in simulated seconds.
        losses: how often the store had lost something by then.
        known: the credentials that the process knew by then.
        disturbed: whether the process was held up or its clock was set meanwhile.
        looked_up: the credentials record as it was read along with others, or why that failed; None once that counts.
        read: the latest reading of the credentials record, as a tuple of one; None if it failed.
        note: the latest reading of the note on an unusable registration, in the same way.
        refusals: when each pair was refused, in simulated seconds.
        reread: pairs whose record was read again after they were refused.
        calls: how many calls it has made.
        looked_around: how many of them have asked the server where its endpoints are.
        managed: the status of the last answer about each client that was managed; None if there was none, or it was
            a refusal by somebody else than the server.
        unsaved: a client that was registered and not stored yet.
    """

    began: float = 0.0
    losses: int = 0
    known: StoredCredentials | None = None
    disturbed: bool = False
    looked_up: tuple[Any, Exception | None] | None = None
    read: tuple[Any] | None = None
    note: tuple[UnusableRegistration | None] | None = None
    refusals: dict[str, list[float]] = field(default_factory=dict)
    reread: list[str] = field(default_factory=list)
    calls: int = 0
    looked_around: int = 0
    managed: dict[str, int | None] = field(default_factory=dict)
    unsaved: str | None = None


@dataclass
class Task:
    """Steps to be taken: a renewal for those who wait on *flight*, or without one the deletion of the credentials.

    Parameters:
        early: whether it looks for a token without the lock, which it has not asked for yet.
        unregisters: whether the server is to delete the client before its credentials are deleted.
    """

    context: RenewalContext
    flight: Flight | None
    lock_until: float = NEVER
    locked: bool = False
    early: bool = False
    unregisters: bool = False
    steps: Steps[Any] | None = None
    evidence: Evidence = field(default_factory=Evidence)


@dataclass
class Vain:
    """A registration of this process that was answered with a success and nothing to use.

    Parameters:
        until: when another one may be made, by each of its clocks.
        losses: how often the store had lost something when it took the note of it; None if it has not.
    """

    until: Instant
    losses: int | None = None


@dataclass(frozen=True)
class TokenInUse:
    """What a process holds, and when it is dead by each of its clocks, reckoned without the rules."""

    token: AccessToken
    finished: float
    expiry: Instant
    obtained: Instant
    fetched: bool

    def alive(self, now: Instant) -> bool:
        """Whether neither clock says that it has expired."""
        return now.wall < self.expiry.wall and now.monotonic < self.expiry.monotonic
