"""What this process knows of an identity in a store, whichever of its sources came to know it.

A program may make a source anew for each request, and `dcrauth.TokenSources` lets some go. What the store holds can be
read again; what no store holds stays here until its moment has passed, so that it costs no second registration.
"""

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from dcrauth._internal import fork
from dcrauth.engine import rules
from dcrauth.engine.clock import Clock
from dcrauth.engine.effects import Memory
from dcrauth.engine.identity import Identity
from dcrauth.engine.instant import Instant
from dcrauth.engine.rules import Failure
from dcrauth.errors import RegistrationsLimited
from dcrauth.stores import OneObject

Key: TypeAlias = tuple[Hashable, Clock, str]
"""The place of a store, the clock that moments are of, and the key of an identity."""

_LOOKS = 2
"""At so many of those that are kept it is looked each time that a source is made, whether their moment has passed."""

MOST_FAILURES = 100_000
"""So many identities are kept that have nothing but a failure: anybody may have invented them."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Known(Memory):
    """What is known of one identity.

    Parameters:
        key: which.
        failure: how the last renewals ended.
        expires_at: when the token ends that was taken in hand last, in seconds since the epoch; None if there is none.
    """

    key: Key = field(kw_only=True, repr=False)
    failure: Failure | None = None
    expires_at: float | None = None

    def let_go(self) -> None:
        """Have what no store holds kept, as a source that knew of it comes to its end."""
        KNOWN.let_go(self)

    def lasts(self) -> bool:
        """Return whether there is something that no store holds, and whose moment has not passed."""
        if self._is_empty():
            return False
        now = self.key[1].now()
        return self.is_precious(now) or self._is_failing(now)

    def is_precious(self, now: Instant) -> bool:
        """Return whether there is a client, or what speaks against one, that no store holds."""
        return (
            bool(self.superseded)
            or self.answered is not None
            or (self.unsaved is not None and not rules.is_given_up(self.unsaved.credentials, now))
            or (self.suspicion is not None and now.monotonic < self.suspicion.until)
            or (self.bar is not None and not self.bar.stored and now.monotonic < self.bar.until)
        )

    def _is_failing(self, now: Instant) -> bool:
        # What this program has refused itself is found out again without a call.
        failure = self.failure
        itself = failure is None or isinstance(failure.error, RegistrationsLimited)
        return failure is not None and not itself and not failure.until.reached(now)

    def _is_empty(self) -> bool:
        return not (self.superseded or self.failure or self.unsaved or self.answered or self.suspicion or self.bar)


class KnownIdentities:
    """What this process knows of all identities."""

    def __init__(self) -> None:
        self._in_use: weakref.WeakValueDictionary[Key, Known] = weakref.WeakValueDictionary()
        self._leaving: deque[Known] = deque()
        self._kept: OrderedDict[Key, Known] = OrderedDict()
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._lock = threading.RLock()  # a signal handler may come in the middle, and make a source

    def of(self, place: Hashable, clock: Clock, identity: Identity) -> Known:
        """Return what is known of an *identity* in the store at *place*; one and the same for all who ask."""
        key = place, clock, identity.key
        with self._lock:
            while self._leaving:
                leaving = self._leaving.popleft()
                self._kept[leaving.key] = leaving
            # One that the collector has found in a circle is known to nobody any more, and kept all the same.
            known = self._in_use.get(key) or self._kept.get(key) or Known(key=key)
            self._in_use[key] = known
            for _ in range(min(_LOOKS, len(self._kept))):
                self._look_at_one()
        return known

    def in_use(self) -> list[Known]:
        """Return what is known of the identities that there are sources of."""
        with self._lock:
            found = [each() for each in self._in_use.valuerefs()]
        return [known for known in found if known is not None]

    def let_go(self, known: Known) -> None:
        """Keep what no store holds of what a source knows that comes to its end.

        Nothing is locked here: the collector may have its turn at any moment.
        """
        if known.lasts():
            self._leaving.append(known)

    def _look_at_one(self) -> None:
        """Look at the one that was not looked at for the longest time: it goes if its moment or its store is gone."""
        (place, clock, name), known = self._kept.popitem(last=False)
        one_too_many = len(self._kept) >= MOST_FAILURES and not known.is_precious(clock.now())
        if known.lasts() and not one_too_many and not (isinstance(place, OneObject) and place.is_gone):
            self._kept[place, clock, name] = known


KNOWN = KnownIdentities()
"""What this process knows."""
