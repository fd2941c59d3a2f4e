"""Connections to PostgreSQL that wait for no answer for ever: neither libpq nor psycopg has such a limit."""

import time
from collections.abc import Generator
from selectors import DefaultSelector
from typing import Any, TypeVar

import psycopg

ANSWER_WITHIN = 10.0
"""Seconds that a statement may take, from where it is sent to the end of its answer."""

T = TypeVar("T")


class PromptConnection(psycopg.Connection[Any]):
    """A connection that is closed where an answer does not come in time."""

    def wait(self, gen: Generator[Any, Any, T], *_given: Any, **_settings: Any) -> T:
        """Resume *gen* whenever what it asks for has come, as psycopg does, up to a moment.

        Raises:
            psycopg.OperationalError: the moment has come; the connection is closed, since its answer may come yet.
        """
        moment = time.monotonic() + ANSWER_WITHIN
        try:
            asked = next(gen)
            while True:
                asked = gen.send(self._ready(asked, moment))
        except StopIteration as end:
            value: T = end.value
            return value

    def _ready(self, asked: int, moment: float) -> int:
        with DefaultSelector() as selector:
            selector.register(self.pgconn.socket, asked)
            found = selector.select(moment - time.monotonic())
        if not found:
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer in time")
        return found[0][1]


def connect(_dialect: object, _record: object, given: list[Any], settings: dict[str, Any]) -> PromptConnection:
    """Connect as the event ``do_connect`` of SQLAlchemy asks for."""
    return PromptConnection.connect(*given, **settings)
