"""Where credentials and tokens are kept: opaque bytes under opaque keys.

This file says what a `Store` is; each other one is a store, or, with an underscore, what stores are made of. It may
import the errors and `_internal`, never the engine: a store knows nothing of what it keeps. A newcomer starts here,
then reads `memory`, the shortest.
"""

import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from dcrauth._internal import fork
from dcrauth._internal.arguments import check_methods
from dcrauth.errors import ConfigurationError, StoreError

Reading = bytes | StoreError | None
"""What there is under a key, None if there certainly is nothing, or why that cannot be told."""


@runtime_checkable
class Store(Protocol):
    """What a store has to do; it is called on the renewal thread only, and may block.

    Every method raises `dcrauth.StoreError` when it cannot do its work; it never takes "unreadable" for "absent".

    A store may have ``get_many(keys)``, where several records are read sooner at once than one by one. It returns a
    dictionary that has for each of the *keys* what `get` returns, or in its place the error that it raises.

    It may have ``after_fork()``, which is called in each forked child as long as the store lives, before anything else
    is done with it there: connections and locks that it finds are the parent's. It may have ``close()``, for programs.
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

        With a *wait* of 0 it is only tried, and nothing stays open of a lock that was not to be had. It saves calls
        only: what must not go wrong rests on `add` and `replace`.
        """
        ...

    def healthcheck(self) -> None:
        """Raise unless a record could be written now."""
        ...


def get_many(store: Store, keys: Sequence[str]) -> dict[str, Reading]:
    """Read several records of any store: at once if it can do that, else one by one."""
    if (at_once := reads_many(store)) is not None:
        return at_once(keys)
    return {key: reading(store.get, key) for key in keys}


def reads_many(store: Store) -> Callable[[Sequence[str]], dict[str, Reading]] | None:
    """Return the ``get_many`` of a store; None without one that belongs to its ``get``, as where that is overridden."""
    places = [getattr(store, "__dict__", {}), *map(vars, type(store).__mro__)]
    first: Mapping[str, object] = next((each for each in places if "get" in each or "get_many" in each), {})
    return getattr(store, "get_many", None) if "get_many" in first else None


def reading(get: Callable[[str], bytes | None], key: str) -> Reading:
    """Return what *get* returns for *key*, or the error that it raises."""
    try:
        return get(key)
    except StoreError as problem:
        return problem


def check_store(store: object, what: str = "store") -> None:
    """Raise ConfigurationError unless *store*, the argument called *what*, is one."""
    check_methods(store, what, Store, "an object such as FileStore(directory) or RedisStore(url)")


def watch_forks(store: Store) -> None:
    """See to it that ``store.after_fork()`` is called in every forked child, where there is such a method.

    Raises:
        ConfigurationError: *store* cannot be found again without being kept alive.
    """
    if not callable(getattr(store, "after_fork", None)):
        return
    try:
        fork.watch(store)  # type: ignore[arg-type]  # it has the method
    except TypeError:
        failure = ConfigurationError(
            f"A store with after_fork() has to be hashable and take weak references: {type(store).__name__} is not so"
        )
    else:
        return
    raise failure


class Closing:
    """Mixin of stores that are closed at the end of a ``with``."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open; the next use opens it again."""


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
