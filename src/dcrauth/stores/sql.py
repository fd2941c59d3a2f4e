"""Records in a SQL database: PostgreSQL, MySQL, MariaDB or SQLite, by SQLAlchemy.

    TABLE          a record in each row, under a digest of its key
    TABLE_leases   a row while an identity is renewed: by whom, and until when by the database's clock

Each call is one statement in a transaction of its own, with nothing that belongs to a session; so no connection is
held between calls, and a pooler in transaction mode may stand in between. An answer may be lost after its statement was
carried out: then the mark of the row that is there tells whether we have written it.
"""

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

try:
    import sqlalchemy as sa
except ImportError as missing:
    raise ImportError("SQLStore needs SQLAlchemy; run: pip install dcrauth[sql]") from missing

from dcrauth._internal import fork
from dcrauth._internal.confidential import Confidential, discreet, discreet_constructor, unfailing
from dcrauth.errors import StoreUnavailable
from dcrauth.stores import Closing, OneObject, Reading, _sql_engine, _sql_faults, _sql_tables, _sql_trial, reading
from dcrauth.stores._leases import LEASE, LEASES
from dcrauth.stores._listing import Unread
from dcrauth.stores._sql_lease import Lease
from dcrauth.stores._sql_row import id_of, key_in, row_of, value_in
from dcrauth.stores._sql_statements import ATTEMPTS, MAKING, Duplicate, Lost, Statements

__all__ = ["SQLStore"]

_PAGE = 1_000
_UNKNOWN = "whether a record was written is not known, and the next reading will tell"

_inherited: list[object] = []
"""Pools of connections that are a parent's."""


@discreet_constructor
class SQLStore(Confidential, Closing):
    """A store in a SQL database, for all hosts that can reach it.

    Parameters:
        database: a URL, such as ``postgresql+psycopg://user:password@host/name``, or an `sqlalchemy.Engine` of yours.
            One that is made from a URL has at most 20 connections, waits for a free one for 20 s, and asks it for a
            sign of life first where it was idle for a second.
        table: the name of the table of records; that of leases is the same with ``_leases`` behind it.
        schema: the schema that both are in; None for the one that the database takes.

    The tables have to be there: `create_tables`, or the statements of `ddl`. They are never made by themselves, so that
    tables that were dropped, and with them all client credentials, are noticed.

    Anybody who can read the tables, or backups of them, can read the records.

    Raises:
        ConfigurationError: the database is of another kind, its driver is missing, or a name will not do.
    """

    def __init__(
        self, database: "str | sa.URL | sa.Engine", *, table: str = _sql_tables.TABLE, schema: str | None = None
    ) -> None:
        self._engine, self._is_users = _sql_engine.engine_of(database)
        self._dialect = "mysql" if self._engine.dialect.name == "mariadb" else self._engine.dialect.name
        # Options of a URL, and users, may lead to other hosts and other schemas.
        self._source: Hashable = OneObject(self._engine) if self._is_users else _sql_engine.digest_of(self._engine.url)
        self._tables = _sql_tables.tables_of(table, schema)
        self._records, self._leases = _sql_tables.tables_of(table, schema, is_hidden=True)
        self._metadata = self._records.metadata
        self._at_once, self._together = _sql_engine.levels(self._engine, is_users=self._is_users)
        self._where = _sql_engine.address_of(self._engine.url)
        # SQLite has its locks noted for the whole process, and a child that inherits them would go by them.
        is_suspended = self._dialect == "sqlite"
        self._statements = Statements(self._at_once, self._where, fork.undivided if is_suspended else nullcontext)
        self._process = os.getpid()
        if is_suspended:
            fork.suspend(self)
        fork.watch(self)

    def __del__(self) -> None:
        # In a child that was forked the connections are the parent's.
        if not getattr(self, "_is_users", True) and getattr(self, "_process", None) == os.getpid():
            self._engine.dispose()

    @unfailing
    def __repr__(self) -> str:
        return f"<SQLStore in {self._records.fullname} of {self._where}>"

    @property
    def place(self) -> tuple[Hashable, ...]:
        """Where the records are, however many objects lead there by the same URL, or by the same Engine of yours."""
        return "sql", self._source, self._records.fullname

    def close(self) -> None:
        """Close the connections, unless the Engine is yours; the next call opens them again."""
        if not self._is_users:
            self._engine.dispose()

    def suspend(self) -> None:
        """Close the connections to an SQLite file before a fork; also of an Engine of yours, as far as it is idle."""
        self._engine.dispose()

    def resume(self, *, in_child: bool) -> None:
        """Go on after a fork: the next call opens a connection."""

    def after_fork(self) -> None:
        """Forget the connections of the parent without a word to the database, also those of an Engine of yours."""
        _inherited.append(self._engine.pool)  # what is collected would be closed
        self._engine.dispose(close=False)
        self._process = os.getpid()

    def create_tables(self) -> list[str]:
        """Make the tables where they are not there; what is there is left as it is.

        Returns:
            the names of those that were made.

        Raises:
            StoreUnavailable: the database cannot be reached, its user may not, or a table of others has the name.
        """
        return [each.fullname for each in self._statements.done(MAKING, self._made)]

    def _made(self) -> "list[sa.Table]":
        with self._together.begin() as connection:
            found = sa.inspect(connection)
            missing = [each for each in self.tables if not found.has_table(each.name, schema=each.schema)]
            if not all(_sql_tables.is_there(each, found) for each in self.tables if each not in missing):
                raise _sql_faults.Unfit(_sql_faults.OF_OTHERS)  # a table beside that of others would be left
            self._metadata.create_all(connection, tables=missing)
        return missing

    def ddl(self) -> str:
        """Return the statements that make the tables, for the database that the store is in."""
        return "".join(f"{each};\n\n" for each in _sql_tables.statements_for(self.tables, self._engine.dialect))

    @property
    def tables(self) -> "tuple[sa.Table, ...]":
        """The tables, for a `MetaData` of yours: ``[each.to_metadata(metadata) for each in store.tables]``."""
        return self._tables

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, or None if there is no row for it."""
        return self._value(self._rows([key]), key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what `get` returns for each of the *keys*, in one round trip."""
        value = partial(self._value, self._rows(keys))
        return {key: reading(value, key) for key in keys}

    @discreet
    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        row = row_of(key, value)
        statement = _sql_tables.insert_unless_there(self._records, row, self._dialect)
        return self._decided(key, row["mark"], statement, lambda found: found is None)

    @discreet
    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        records, row = self._records, row_of(key, value)
        of_key = sa.and_(records.c.id == row["id"], records.c.value == expected)
        statement = sa.update(records).where(of_key).values(mark=row["mark"], value=row["value"])
        return self._decided(key, row["mark"], statement, lambda found: found is not None and found[1] == expected)

    @discreet
    def put(self, key: str, value: bytes) -> None:
        """Write a record; the last writer wins."""
        self._statements.changed("write a record", _sql_tables.upsert(self._records, row_of(key, value), self._dialect))

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        records = self._records
        self._statements.changed("delete a record", sa.delete(records).where(records.c.id == id_of(key)))

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records; a thousand at a time are read. Damaged rows are told at the end."""
        last, unread = b"", Unread()
        while rows := self._rows_after(last):
            last = rows[-1][0]
            yield from unread.keys(rows, lambda row: key_in(*row, store=self))
        unread.report()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep all others from renewing *key* meanwhile; wait for at most *wait* seconds.

        What is held is a row and no connection; it ends 15 s after its holder was killed.
        """
        lease = Lease(self._statements, self._leases, self._dialect, id_of(key), LEASE)
        if not lease.acquire(wait):
            raise StoreUnavailable(
                f"Another process or thread has been renewing this identity for {wait:g} s; try again"
            )
        try:
            with LEASES.extended(lease.extend, LEASE, of=self.place):
                yield
        finally:
            lease.give_back()

    def healthcheck(self) -> None:
        """Raise unless a record and a lease could be written, changed and removed now.

        That is done in one transaction, before whose end nobody can see it.
        """
        trial = partial(_sql_trial.try_tables, self._together, self._records, self._leases, self._dialect)
        self._statements.done("be written to", trial)

    def _rows(self, keys: Sequence[str]) -> dict[bytes, tuple[Any, Any, Any]]:
        """Return name, value and mark of each of the rows of *keys* that are there, by their ids."""
        records, ids = self._records, [id_of(key) for key in keys]
        asked = sa.select(records.c.id, records.c.name, records.c.value, records.c.mark).where(records.c.id.in_(ids))
        found = self._statements.rows("read records", asked)
        return {bytes(number): (name, value, mark) for number, name, value, mark in found}

    def _rows_after(self, last: bytes) -> list[tuple[bytes, Any]]:
        records = self._records
        asked = sa.select(records.c.id, records.c.name).where(records.c.id > last).order_by(records.c.id).limit(_PAGE)
        return [(bytes(number), name) for number, name in self._statements.rows("list the records", asked)]

    def _value(self, rows: dict[bytes, tuple[Any, Any, Any]], key: str) -> bytes | None:
        row = rows.get(id_of(key))
        return None if row is None else value_in(row[0], row[1], key=key, store=self)

    def _decided(self, key: str, mark: bytes, statement: Any, open_still: Callable[[Any], bool]) -> bool:
        """Write on a condition, and find out what came of it.

        Parameters:
            key: where to write.
            mark: that of what is written.
            statement: writes it, and changes a row if it has.
            open_still: whether another attempt might succeed, by the name, value and mark of the row that is there
                after one whose answer was lost.
        """
        is_lost = False
        for _ in range(ATTEMPTS):
            is_written = self._is_written(statement)
            is_lost = is_lost or is_written is None
            if is_written or not is_lost:
                return bool(is_written)
            # An attempt before this one may have come first.
            found = self._after_a_loss(key)
            if found is not None and bytes(found[2]) == mark:
                return True
            if is_written is False or not open_still(found):
                return False
        raise StoreUnavailable(f"{self._where} cannot write a record: no answer; {_UNKNOWN}")

    def _is_written(self, statement: Any) -> bool | None:
        """Return whether a *statement* has changed a row, or None if no answer came."""
        try:
            return self._statements.tried("write a record", statement) == 1
        except Duplicate:
            return False
        except Lost:
            return None

    def _after_a_loss(self, key: str) -> tuple[Any, Any, Any] | None:
        try:
            return self._rows([key]).get(id_of(key))
        except StoreUnavailable as silence:
            failure = StoreUnavailable(f"{silence.message}; {_UNKNOWN}")
        raise failure


def ddl_of(database: str, *, table: str = _sql_tables.TABLE, schema: str | None = None) -> tuple[str, list[str]]:
    """Return the dialect of a database, and the statements that make the tables in it; no driver is needed.

    Parameters:
        database: its URL, or the name of its kind, such as ``postgresql``.
        table: the name of the table of records.
        schema: the schema that the tables are in.

    Raises:
        ConfigurationError: no store knows such a database, or a name will not do.
    """
    dialect = _sql_engine.dialect_of(database)
    return dialect.name, _sql_tables.statements_for(_sql_tables.tables_of(table, schema), dialect)
