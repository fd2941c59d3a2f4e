"""How a list of keys gets past what cannot be read: all others come first, then an error."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dcrauth.errors import StoreError

T = TypeVar("T")


class Unread:
    """What could not be read while keys were listed."""

    def __init__(self) -> None:
        self._first: StoreError | None = None
        self._count = 0

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note that something cannot be read, and go on."""
        try:
            yield
        except StoreError as problem:
            self._first = self._first or problem
            self._count += 1

    def keys(self, found: Iterable[T], key_of: Callable[[T], str | None]) -> Iterator[str]:
        """Yield the keys of what was *found*; what has none is passed over, and what cannot be read is noted."""
        for each in found:
            key = None
            with self.noting():
                key = key_of(each)
            if key is not None:
                yield key

    def report(self) -> None:
        """Raise the first error that was noted, with how many there were."""
        if self._first is None:
            return
        if self._count == 1:
            raise self._first
        raise type(self._first)(f"{self._count} parts of the store cannot be read. The first: {self._first}")
