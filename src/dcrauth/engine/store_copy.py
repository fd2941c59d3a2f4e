"""Copying a whole store into another one, while programs may be using both.

What is precious is copied and read back: client credentials in use and kept aside, with the tokens that manage them,
notes of clients that were deleted, and of registrations that brought nothing usable. Tokens that are still good go
along, so that a change of store is no burst of token calls; all else is had anew. A copy that breaks off is taken up
again by running it anew: what is there already is passed over.
"""

import itertools
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from dcrauth._internal.arguments import check_count
from dcrauth.engine.arriving import Outcome, is_same, no_credentials_in, write_arriving
from dcrauth.engine.copied_store import CopiedStore, Phase, Progress
from dcrauth.engine.identity import Identity, is_of_credentials
from dcrauth.engine.record_kinds import CLIENTS, Kind, kind_of, owner_of
from dcrauth.engine.records import read_credentials, read_token, read_unusable
from dcrauth.errors import (
    ConfigurationError,
    DecryptionFailed,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
)
from dcrauth.stores import Reading, Store, get_many, place_of

_AT_ONCE = 100
"""So many identities are read at once, where the store can do that."""

_LOCK_WAIT = 5.0
"""For how long a renewal of the same identity is waited for, in seconds."""

_DAMAGE = (StoreCorrupt, StoreTooNew, DecryptionFailed)
_THERE = (Outcome.PRESENT, Outcome.FORGOTTEN)
"""A client that was deleted on purpose in the new store has been there: the old one does not bring it back."""


def copy_store(
    source: Store,
    target: Store,
    *,
    progress: Progress | None = None,
    threads: int = 8,
    wall: Callable[[], float] = time.time,
) -> CopiedStore:
    """Copy all that is precious of one store into another, and read it back.

    Another client in the target is never overwritten; a later record of the same client takes the place of its earlier
    one. Nothing is changed in *source*. Identities that are registered there meanwhile may be missed: run it again once
    the programs use *target*.

    Parameters:
        progress: is told what the copy is at, and how many identities of how many are done.
        threads: so many identities are copied at a time.
        wall: the time, in seconds since the epoch, by which tokens are good.

    Raises:
        ConfigurationError: both are one storage, or *source* has no client credentials.
        StoreError: a store fails; what was copied before stays, and the copy can be run again.
    """
    check_count(threads, "threads")
    if _storage_of(source) == _storage_of(target):
        raise ConfigurationError("Both are the same store: name another one to copy to")
    done = CopiedStore()
    keys = _keys(source, done)
    if not keys and not done.unread:
        raise no_credentials_in(source)
    identities = sum(1 for _ in _identities(keys))
    target.healthcheck()
    copy = _Copy(source, target, done, wall, threads)
    for phase, act in ((Phase.COPYING, copy.copied), (Phase.VERIFYING, copy.verified)):
        count = 0
        for some in _parts(_identities(keys)):
            act(some)
            count += len(some)
            if progress is not None:
                progress(phase, count, identities)
    return done


def _storage_of(store: Store) -> Hashable:
    """Return where the records of a *store* are; to encrypt them there is no copy."""
    place = place_of(store)
    while isinstance(place, tuple) and place[:1] == ("encrypted",):
        place = place[1]
    return place


def _keys(source: Store, done: CopiedStore) -> list[str]:
    """Return the keys of what is to be copied, those of each identity together, in a fixed order."""
    found: list[str] = []
    try:
        for key in source.keys():
            kind = kind_of(key)
            done.unknown += kind is Kind.UNKNOWN
            if kind not in {Kind.UNKNOWN, Kind.FOUND_ANEW}:
                found.append(key)
    except StoreError as problem:  # after all others
        if not found:
            raise
        done.unread[""] = problem
    has_clients = any(map(is_of_credentials, found))
    found.sort()
    return found if has_clients else []


def _identities(keys: list[str]) -> Iterator[list[str]]:
    """Yield the keys of one identity after the other; a million of them are not kept as so many lists."""
    return (list(those) for _, those in itertools.groupby(keys, key=owner_of))


def _parts(identities: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while part := list(itertools.islice(identities, _AT_ONCE)):
        yield part


@dataclass(frozen=True)
class _Copy:
    """One copy: from where, to where, what has come of it, the clock, and how many identities at a time."""

    source: Store
    target: Store
    done: CopiedStore
    wall: Callable[[], float]
    threads: int

    def copied(self, identities: list[list[str]]) -> None:
        """Copy what is not there yet; what is there is told by reading many at once, without a lock."""
        left: list[list[str]] = []
        for keys, found, present in self._read(identities):
            if all(self._is_settled(key, found[key], present[key]) for key in keys):
                self.done.present += sum(found[key] is not None for key in keys if is_of_credentials(key))
            else:
                left.append(keys)
        with ThreadPoolExecutor(self.threads, "dcrauth-copy") as pool:
            for part in pool.map(self._part, left):
                self.done.include(part)

    def verified(self, identities: list[list[str]]) -> None:
        """Read back what is precious; where the stores differ by now, look once more under their locks."""
        for keys, found, present in self._read(identities):
            for key in filter(is_of_credentials, keys):
                if key in self.done.kept or key in self.done.unread or found[key] is None:
                    continue
                if self._is_settled(key, found[key], present[key]):
                    self.done.verified += 1
                else:
                    self._verify_again(key)

    def _read(self, identities: list[list[str]]) -> Iterator[tuple[list[str], dict[str, Reading], dict[str, Reading]]]:
        keys = list(itertools.chain.from_iterable(identities))
        found, present = get_many(self.source, keys), get_many(self.target, keys)
        for each in identities:
            yield each, found, present

    def _is_settled(self, key: str, found: Reading, present: Reading) -> bool:
        """Return whether nothing is to be done about a record; what cannot be told by this is looked at closely."""
        if found is None:
            return True
        if isinstance(found, StoreError) or isinstance(present, StoreError):
            return False
        kind = kind_of(key)
        if kind is Kind.TOKEN:
            return not self._is_good(key, found) or self._is_good(key, present)
        return present is not None if kind is Kind.NOTE else found == present

    def _part(self, keys: list[str]) -> CopiedStore:
        """Copy the records of one identity; return what has come of that alone, for threads share no count."""
        one = replace(self, done=CopiedStore())
        one._copy(keys)
        return one.done

    def _copy(self, keys: list[str]) -> None:
        """Copy the records of one identity, those of its client first."""
        with ExitStack() as locks:
            self._lock(locks, owner_of(keys[0]))
            for key in sorted(keys, key=lambda key: not is_of_credentials(key)):
                try:
                    self._copy_record(key)
                except _DAMAGE as problem:
                    self._note_damage(key, problem)

    def _lock(self, locks: ExitStack, name: str) -> None:
        """Keep renewals of one identity out of both stores meanwhile, where that can be done.

        It is not what keeps anything safe: a store that can only be read has no lock, nor has one whose holder hangs.
        """
        for store in (self.source, self.target):
            try:
                locks.enter_context(store.lock(name, wait=_LOCK_WAIT))
            except StoreUnavailable:
                """What follows goes without it."""

    def _copy_record(self, key: str) -> None:
        kind, data = kind_of(key), self.source.get(key)
        if data is None:  # it was deleted since it was listed
            return
        if kind in CLIENTS:
            self._count(key, write_arriving(self.target, key, data))
        elif kind is Kind.NOTE:
            read_unusable(key, data)
            self.done.notes += self.target.add(key, data)
        elif self._is_good(key, data) and self._has_the_client(Identity(owner_of(key)).credentials):
            self.done.tokens += self._put_token(key, data)

    def _count(self, key: str, outcome: Outcome) -> None:
        if outcome is Outcome.KEPT:
            self.done.kept.add(key)
        elif outcome in _THERE:
            self.done.present += 1
        else:
            self.done.written += 1

    def _note_damage(self, key: str, problem: StoreError) -> None:
        if is_of_credentials(key):  # all else is had anew
            self.done.unread[key] = problem

    def _is_good(self, key: str, data: Reading) -> bool:
        """Return whether *data* is a token that has not ended."""
        try:
            return isinstance(data, bytes) and read_token(key, data).expires_at > self.wall()
        except _DAMAGE:
            return False

    def _has_the_client(self, key: str) -> bool:
        """Return whether both stores have one client: the token of another one is not its own."""
        found, present = self.source.get(key), self.target.get(key)
        if found is None or present is None:
            return False
        return is_same(read_credentials(key, found), read_credentials(key, present))

    def _put_token(self, key: str, data: bytes) -> bool:
        """Write a token, unless there is a good one."""
        if self.target.add(key, data):
            return True
        present = self.target.get(key)
        is_over = present is not None and not self._is_good(key, present)
        return is_over and self.target.replace(key, data, expected=present or b"")

    def _verify_again(self, key: str) -> None:
        with ExitStack() as locks:
            self._lock(locks, owner_of(key))
            try:
                data = self.source.get(key)
                outcome = Outcome.PRESENT if data is None else write_arriving(self.target, key, data)
            except _DAMAGE as problem:
                self.done.unread[key] = problem
                return
        self._settle(key, outcome)

    def _settle(self, key: str, outcome: Outcome) -> None:
        if outcome is Outcome.KEPT:
            self.done.kept.add(key)
        elif outcome is Outcome.WRITTEN:
            self.done.missing.add(key)  # it had been there; should it stay this time, the next run finds it
        else:
            self.done.verified += 1
