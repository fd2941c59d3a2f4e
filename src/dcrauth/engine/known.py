"""What this process knows of an identity in a store, whichever of its sources came to know it.

A program may make a source anew for each request, and `dcrauth.TokenSources` lets some go. What the store holds can be
read again; what no store holds stays here until its moment has passed, so that it costs no second registration.
"""

import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from dcrauth._internal import fork
from dcrauth.engine import rules
from dcrauth.engine.clock import Clock
from dcrauth.engine.effects import Memory
from dcrauth.engine.identity import Identity
from dcrauth.engine.rules import Failure, Instant
from dcrauth.errors import RegistrationsLimited
from dcrauth.stores import OneObject

Key: TypeAlias = tuple[Hashable, Clock, str]
"""The place of a store, the clock that moments are of, and the key of an identity."""

_FEWEST = 64
"""So many are kept before it is looked for those whose moment has passed."""

MOST_FAILURES = 100_000
"""So many identities are kept that have nothing but a failure: anybody may have invented them."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Known(Memory):
    """What is known of one identity.

    Parameters:
        key: which.
        failure: how the last renewals ended.
    """

    key: Key = field(kw_only=True, repr=False)
    failure: Failure | None = None

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
        return not (self.superseded or self.failure or self.unsaved or self.suspicion or self.bar)


class KnownIdentities:
    """What this process knows of all identities."""

    def __init__(self) -> None:
        self._in_use: weakref.WeakValueDictionary[Key, Known] = weakref.WeakValueDictionary()
        self._kept: dict[Key, Known] = {}
        self._enough = _FEWEST
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._lock = threading.Lock()

    def of(self, place: Hashable, clock: Clock, identity: Identity) -> Known:
        """Return what is known of an *identity* in the store at *place*; one and the same for all who ask."""
        key = place, clock, identity.key
        with self._lock:
            known = self._in_use.get(key)
            if known is None:
                known = self._in_use[key] = Known(key=key)
            if len(self._kept) >= self._enough:
                self._forget_some()
        return known

    def let_go(self, known: Known) -> None:
        """Keep what no store holds of what a source knows that comes to its end.

        Nothing is locked here: the collector may have its turn at any moment.
        """
        if known.lasts():
            self._kept[known.key] = known
        else:
            self._kept.pop(known.key, None)

    def _forget_some(self) -> None:
        """Forget those whose moment has passed or whose store is gone, and those that are too many."""
        kept = self._kept.copy()
        lasting = [key for key, known in kept.items() if not _is_gone(key[0]) and known.lasts()]
        spare = [key for key in lasting if not kept[key].is_precious(key[1].now())]
        for key in kept.keys() - set(lasting) | set(spare[: max(0, len(spare) - MOST_FAILURES)]):
            self._kept.pop(key, None)
        self._enough = max(_FEWEST, 2 * len(self._kept))


def _is_gone(place: Hashable) -> bool:
    return isinstance(place, OneObject) and place.is_gone


KNOWN = KnownIdentities()
"""What this process knows."""
