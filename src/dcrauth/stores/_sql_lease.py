"""Leases in a SQL database: rows that say whose each is, and until when by the database's clock."""

import secrets
import time
from contextlib import suppress

import sqlalchemy as sa

from dcrauth._internal.steady import now
from dcrauth.errors import StoreUnavailable
from dcrauth.stores import _sql_tables
from dcrauth.stores._sql_statements import Duplicate, Lost, Statements

_POLL = 0.05


class Lease:
    """A lock that ends by itself: a row and no connection, which is over soon after its holder was killed.

    Parameters:
        statements: carries out those of the store.
        table: that of the leases.
        dialect: the database's.
        number: the id of what is locked.
        seconds: how long it lasts.
    """

    def __init__(self, statements: Statements, table: sa.Table, dialect: str, number: bytes, seconds: float) -> None:
        self._statements = statements
        self._table = table
        self._dialect = dialect
        self._id = number
        self._seconds = seconds
        self._owner = secrets.token_bytes(16)

    def acquire(self, wait: float) -> bool:
        """Claim it until it is ours; return whether it is after *wait* seconds, of which 0 are one try."""
        end = now() + wait
        while not self._is_taken():
            left = end - now()
            if left <= 0:
                return False
            time.sleep(min(_POLL, left))
        return True

    def extend(self) -> None:
        """Have it last as long as at first from now on, if it is still ours."""
        until = _sql_tables.clock(self._dialect) + self._seconds
        self._statements.changed("extend a lease", sa.update(self._table).where(self._is_ours()).values(until=until))

    def give_back(self) -> None:
        """End it if it is still ours; if the database cannot be told, it ends by itself."""
        with suppress(StoreUnavailable):
            self._statements.changed("let a lease go", sa.delete(self._table).where(self._is_ours()))

    def _is_taken(self) -> bool:
        """Take it if nobody has it, or its time is over; return whether it is ours."""
        leases, clock, begun = self._table, _sql_tables.clock(self._dialect), now()
        lease = {"owner": self._owner, "until": clock + self._seconds}
        made = _sql_tables.insert_unless_there(leases, {"id": self._id, **lease}, self._dialect)
        is_free = sa.or_(leases.c.until < clock, leases.c.owner == self._owner)
        taken_over = sa.update(leases).where(leases.c.id == self._id, is_free).values(lease)
        is_taken = self._is_inserted(made) or self._statements.changed("lock an identity", taken_over) == 1
        # What took longer went by a clock that was read when it began.
        return is_taken and now() - begun < self._seconds / 2

    def _is_inserted(self, made: sa.Insert) -> bool:
        for _ in range(2):
            try:
                return self._statements.tried("lock an identity", made) == 1
            except Duplicate:
                return False  # if it is ours, as its answer was lost, it is taken over next
            except Lost:
                """Where the connection had ended before, another one will do."""
        return False

    def _is_ours(self) -> sa.ColumnElement[bool]:
        return sa.and_(self._table.c.id == self._id, self._table.c.owner == self._owner)
