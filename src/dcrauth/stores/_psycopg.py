"""Connections to PostgreSQL that wait for no answer for ever: neither libpq nor psycopg has such a limit."""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

ANSWER_WITHIN = 10.0
"""Seconds that a statement may take, from where it is sent to the end of its answer."""

T = TypeVar("T")


class PromptConnection(psycopg.Connection[Any]):
    """A connection that is closed where an answer does not come in time."""

    def wait(self, gen: Generator[Any, Any, T], *given: Any, **settings: Any) -> T:
        """Do what psycopg does to wait, up to a moment.

        Raises:
            psycopg.OperationalError: the moment has come; the connection is closed, since its answer may come yet.
        """
        return super().wait(self._until(gen, time.monotonic() + ANSWER_WITHIN), *given, **settings)

    def _until(self, gen: Generator[Any, Any, T], moment: float) -> Generator[Any, Any, T]:
        # psycopg resumes it several times a second, whether or not there is something to read.
        try:
            asked = next(gen)
            while True:
                ready = yield asked
                if not ready and time.monotonic() > moment:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("no answer in time")
                asked = gen.send(ready)
        except StopIteration as end:
            value: T = end.value
            return value


def connect(_dialect: object, _record: object, given: list[Any], settings: dict[str, Any]) -> PromptConnection:
    """Connect as the event ``do_connect`` of SQLAlchemy asks for."""
    return PromptConnection.connect(*given, **settings)
