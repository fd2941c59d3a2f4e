"""A disk whose n-th call of a kind fails, once or from then on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapters_tests.stores.crash_states import HastyDisk

KINDS = (
    *("folder", "make_path", "make_folder", "sync_path", "sync_above", "sync"),
    *("read", "status", "names", "make_file", "write", "sync_file", "link", "rename", "unlink"),
)
"""The calls of a `Disk` that go to the operating system."""


class FailingDisk(HastyDisk):
    """A real disk with a fault to be switched on.

    Parameters:
        calls: how many calls of each kind there were.
        struck: whether the fault has shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.struck = False
        self._fault: tuple[str, int, OSError, bool] | None = None

    @contextmanager
    def failing(self, kind: str, at: int, number: int, *, lasting: bool = False) -> Iterator[None]:
        """Meanwhile, let the call of *kind* number *at*, counted from 1, fail with the errno *number*."""
        self.calls.clear()
        self.struck = False
        self._fault = (kind, at, OSError(number, os.strerror(number)), lasting)
        try:
            yield
        finally:
            self._fault = None

    def fails(self, kind: str) -> OSError | None:
        """Count a call, and return what is to go wrong with it."""
        self.calls[kind] += 1
        if self._fault is None:
            return None
        failing, at, error, lasting = self._fault
        strikes = kind == failing and (self.calls[kind] == at or (lasting and self.calls[kind] > at))
        self.struck = self.struck or strikes
        return error if strikes else None

    def write(self, fd: int, content: bytes) -> None:
        """Write; where that fails, half of the content is written."""
        if error := self.fails("write"):
            os.write(fd, content[: len(content) // 2])
            raise error
        super().write(fd, content)


def _failing(kind: str) -> Any:
    def call(self: FailingDisk, *args: Any, **kwargs: Any) -> Any:
        if error := self.fails(kind):
            raise error
        return getattr(super(FailingDisk, self), kind)(*args, **kwargs)

    return call


for _kind in KINDS:
    if _kind not in vars(FailingDisk):
        setattr(FailingDisk, _kind, _failing(_kind))
