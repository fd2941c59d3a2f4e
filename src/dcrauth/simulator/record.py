"""How many calls there were, and what they were."""

import threading
from collections import Counter, deque
from dataclasses import replace
from itertools import islice, takewhile
from typing import Generic, TypeVar

from dcrauth.simulator.calls import Calls
from dcrauth.simulator.messages import Call, Counts, Reply

_KEPT_CALLS = 10_000
_KEPT_BYTES = 1 << 26
_KEPT_BODY = 1 << 20
_KEPT_REPLY = 1 << 16


C = TypeVar("C", bound=Counts)


class Record(Generic[C]):
    """The counts, and the latest calls.

    Parameters:
        changed: told of each change.
        kind: what the counts are told as.
    """

    def __init__(self, changed: threading.Condition, kind: type[C]) -> None:
        self._changed = changed
        self._kind = kind
        self._counts: Counter[str] = Counter()
        self._calls: deque[Call] = deque()
        self._size = 0
        self._number = 0
        self._cleared = 0

    @property
    def counts(self) -> C:
        """How many calls there were so far."""
        with self._changed:
            return self._kind(**self._counts)

    @property
    def calls(self) -> Calls:
        """The latest calls, in the order in which they were answered."""
        with self._changed:
            return Calls(self._calls)

    @property
    def cleared(self) -> int:
        """How often it was begun anew."""
        return self._cleared

    def count(self, *names: str) -> None:
        """Count one more of each."""
        with self._changed:
            self._counts.update(names)
            self._changed.notify_all()

    def add(self, call: Call, reply: Reply | None, at: float) -> None:
        """Keep *call*, to which *reply* was the answer."""
        kept = None if reply is None else replace(reply, body=reply.body[:_KEPT_REPLY])
        status, why = (0, "no answer, as a fault demands") if reply is None else (reply.status, reply.why)
        with self._changed:
            self._number += 1
            self._keep(
                replace(
                    call, status=status, why=why, body=call.body[:_KEPT_BODY], number=self._number, at=at, reply=kept
                )
            )
            if call.endpoint == "api" and status == 401:
                self._counts["refused"] += 1
            self._changed.notify_all()

    def _keep(self, call: Call) -> None:
        self._calls.append(call)
        self._size += _size(call)
        while len(self._calls) > _KEPT_CALLS or (self._size > _KEPT_BYTES and len(self._calls) > 1):
            self._size -= _size(self._calls.popleft())

    def since(self, number: int, most: int) -> Calls:
        """Return the calls after the one of that number, at most so many of the latest."""
        with self._changed:
            newer = takewhile(lambda call: call.number > number, reversed(self._calls))
            return Calls([*islice(newer, most)][::-1])

    def clear(self) -> None:
        """Begin to count from nothing; numbers go on, so that no two calls have the same."""
        with self._changed:
            self._counts.clear()
            self._calls.clear()
            self._size = 0
            self._cleared += 1
            self._changed.notify_all()


def _size(call: Call) -> int:
    """How many bytes that others have chosen are kept of *call*."""
    reply = b"" if call.reply is None else call.reply.body
    return len(call.path) + len(call.query) + len(call.body) + len(reply) + sum(map(len, call.headers.values()))
