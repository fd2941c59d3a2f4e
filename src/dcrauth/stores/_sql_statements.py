"""How statements are carried out in a SQL database: again where nothing was done, and its errors in our words."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import sqlalchemy as sa

from dcrauth._internal.confidential import Confidential, discreet
from dcrauth.errors import StoreUnavailable
from dcrauth.stores import _sql_faults, _sql_tables

ATTEMPTS = 3
"""How often a statement is carried out that the database says it has not done."""

MAKING = "make the tables"
"""The one thing to do that takes other rights than those on the tables."""

T = TypeVar("T")


class Duplicate(StoreUnavailable):
    """There is a row with that id."""


class Lost(StoreUnavailable):
    """No answer came."""


class Statements(Confidential):
    """The statements of one store, each in a transaction of its own.

    Parameters:
        at_once: the engine that carries each of them out.
        database: what its errors call the database.
        whole: what a statement is within, so that no fork comes in between.
    """

    def __init__(self, at_once: sa.Engine, database: str, whole: Callable[[], AbstractContextManager[None]]) -> None:
        self._at_once = at_once
        self._database = database
        self._whole = whole

    def rows(self, doing: str, asked: Any) -> Sequence[Any]:
        """Return the rows that are *asked* for."""
        return self.done(doing, lambda: self._found(asked))

    def changed(self, doing: str, statement: Any) -> int:
        """Carry out a *statement* that may be carried out twice; return how many rows it has changed."""
        return self.done(doing, lambda: self._changed(statement))

    def tried(self, doing: str, statement: Any) -> int:
        """Carry out a *statement* that must not be carried out twice; return how many rows it has changed.

        Raises:
            Duplicate: there is a row with that id.
            Lost: there was no answer.
            StoreUnavailable: it could not be done.
        """
        return self._attempted(doing, lambda: self._changed(statement))

    def done(self, doing: str, act: Callable[[], T]) -> T:
        """Do *act*, once more if its answer was lost, as that of a connection that had ended before."""
        try:
            return self._attempted(doing, act)
        except Lost:
            """It may be done twice."""
        except Duplicate as refusal:
            raise StoreUnavailable(refusal.message) from None
        try:
            return self._attempted(doing, act)
        except (Lost, Duplicate) as silence:
            failure = StoreUnavailable(silence.message)
        raise failure

    def _found(self, asked: Any) -> Sequence[Any]:
        with _sql_faults.connected(self._at_once) as connection:
            found = connection.execute(asked)
            if _sql_tables.is_numbered(found, self._at_once.dialect):
                raise _sql_faults.Unfit(_sql_faults.OF_OTHERS)
            return found.all()

    def _changed(self, statement: Any) -> int:
        with _sql_faults.connected(self._at_once) as connection:
            return int(connection.execute(statement).rowcount)

    @discreet
    def _attempted(self, doing: str, act: Callable[[], T]) -> T:
        """Do *act*, again where the database says that nothing was done; turn its errors into ours."""
        attempt = 1
        while True:
            try:
                with self._whole():
                    return act()
            except Exception as fault:  # drivers have errors of their own, and fail over what they do not expect
                failure = _kind_of(fault)(self._told(doing, fault))
                is_over = attempt == ATTEMPTS or not _sql_faults.is_not_done(fault)
            if is_over:
                raise failure
            attempt += 1

    def _told(self, doing: str, fault: Exception) -> str:
        return f"{self._database} cannot {doing}: {_sql_faults.reason(fault, makes_tables=doing == MAKING)}"


def _kind_of(fault: Exception) -> type[StoreUnavailable]:
    if _sql_faults.is_duplicate(fault):
        return Duplicate
    return Lost if _sql_faults.is_lost(fault) else StoreUnavailable
