"""Where credentials and tokens are kept: opaque bytes under opaque keys.

This file says what a `Store` is; each other one is a store, or, with an underscore, what stores are made of. It may
import the errors and `_internal`, never the engine: a store knows nothing of what it keeps. A newcomer starts here,
then reads `memory`, the shortest.
"""

import weakref
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from dcrauth._internal.arguments import check_methods


@runtime_checkable
class Store(Protocol):
    """What a store has to do; it is called on the renewal thread only, and may block.

    Every method raises `dcrauth.StoreError` when it cannot do its work; it never takes "unreadable" for "absent".
    """

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if there certainly is none."""
        ...

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written. Atomic, and durable when it returns."""
        ...

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written. Atomic and durable."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Write a record that may be lost; the last writer wins, and no reader sees half of it."""
        ...

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        ...

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records; if some cannot be read, raise after all others."""
        ...

    def lock(self, key: str, *, wait: float) -> AbstractContextManager[None]:
        """Keep others from renewing *key* meanwhile; raise `dcrauth.StoreUnavailable` after *wait* seconds.

        It saves calls only: what must not go wrong rests on `add` and `replace`.
        """
        ...

    def healthcheck(self) -> None:
        """Raise unless a record could be written now."""
        ...


def check_store(store: object, what: str = "store") -> None:
    """Raise ConfigurationError unless *store*, the argument called *what*, is one."""
    check_methods(store, what, Store, "an object such as FileStore(directory) or RedisStore(url)")


def place_of(store: Store) -> Hashable:
    """Return what tells the storage of *store* from others: its ``place``, if it has one, or the object itself.

    A program that makes a store anew for each request has one storage all the same.
    """
    place: Hashable = getattr(store, "place", None)
    try:
        hash(place)
    except TypeError:
        place = None
    return OneObject(store) if place is None else place


class OneObject:
    """Equal for the same object only, which it does not keep alive, whatever that says of its own equality."""

    __slots__ = ("_number", "_reference")

    def __init__(self, each: object) -> None:
        self._number = id(each)
        try:
            self._reference: weakref.ref[object] = weakref.ref(each)
        except TypeError:  # it has slots, and none for that
            self._reference = lambda: each  # type: ignore[assignment]

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneObject) and (found := self._reference()) is not None and found is other._reference()

    @property
    def is_gone(self) -> bool:
        """Whether nobody holds the object any more."""
        return self._reference() is None
