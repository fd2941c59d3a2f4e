"""Records in a SQL database: PostgreSQL, MySQL, MariaDB or SQLite, by SQLAlchemy.

    TABLE          a record in each row, under a digest of its key
    TABLE_leases   a row while an identity is renewed: by whom, and until when by the database's clock

Each call is one statement in a transaction of its own, with nothing that belongs to a session; so no connection is
held between calls, and a pooler in transaction mode may stand in between. An answer may be lost after its statement was
carried out: then the mark of the row that is there tells whether we have written it.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar

try:
    import sqlalchemy as sa
except ImportError as missing:
    raise ImportError("SQLStore needs SQLAlchemy; run: pip install dcrauth[sql]") from missing

from dcrauth._internal import fork
from dcrauth._internal.confidential import Confidential, discreet, discreet_constructor, unfailing
from dcrauth._internal.steady import now
from dcrauth.errors import StoreCorrupt, StoreUnavailable
from dcrauth.stores import Closing, OneObject, Reading, _sql_engine, _sql_faults, _sql_tables, _sql_trial, reading
from dcrauth.stores._leases import LEASE, LEASES
from dcrauth.stores._listing import Unread

__all__ = ["SQLStore"]

_ATTEMPTS = 3
_PAGE = 1_000
_POLL = 0.05
_MAKING = "make the tables"
_UNKNOWN = "whether a record was written is not known, and the next reading will tell"

_inherited: list[object] = []
"""Pools of connections that are a parent's."""

T = TypeVar("T")


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
        self._where = _sql_engine.address_of(self._engine.url)
        # Options of a URL, and users, may lead to other hosts and other schemas.
        self._source: Hashable = OneObject(self._engine) if self._is_users else _sql_engine.digest_of(self._engine.url)
        self._tables = _sql_tables.tables_of(table, schema)
        self._records, self._leases = _sql_tables.tables_of(table, schema, is_hidden=True)
        self._metadata = self._records.metadata
        self._at_once, self._together = _sql_engine.levels(self._engine, is_users=self._is_users)
        self._process = os.getpid()
        self._whole: Callable[[], AbstractContextManager[None]] = nullcontext
        if self._dialect == "sqlite":
            # SQLite has its locks noted for the whole process, and a child that inherits them would go by them.
            self._whole = fork.undivided
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
        return [each.fullname for each in self._done(_MAKING, self._made)]

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
        row = _row(key, value)
        statement = _sql_tables.insert_unless_there(self._records, row, self._dialect)
        return self._decided(key, row["mark"], statement, lambda found: found is None)

    @discreet
    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        records, row = self._records, _row(key, value)
        of_key = sa.and_(records.c.id == row["id"], records.c.value == expected)
        statement = sa.update(records).where(of_key).values(mark=row["mark"], value=row["value"])
        return self._decided(key, row["mark"], statement, lambda found: found is not None and found[1] == expected)

    @discreet
    def put(self, key: str, value: bytes) -> None:
        """Write a record; the last writer wins."""
        self._changed("write a record", _sql_tables.upsert(self._records, _row(key, value), self._dialect))

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one."""
        records = self._records
        self._changed("delete a record", sa.delete(records).where(records.c.id == _id(key)))

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records; a thousand at a time are read. Damaged rows are told at the end."""
        last, unread = b"", Unread()
        while rows := self._rows_after(last):
            for last, encoded in rows:
                key = None
                with unread.noting():
                    key = self._decoded(last, encoded)
                if key is not None:
                    yield key
        unread.report()

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        """Keep all others from renewing *key* meanwhile; wait for at most *wait* seconds.

        What is held is a row and no connection; it ends 15 s after its holder was killed.
        """
        owner, end = secrets.token_bytes(16), now() + wait
        while not self._is_taken(key, owner):
            left = end - now()
            if left <= 0:
                raise StoreUnavailable(
                    f"Another process or thread has been renewing this identity for {wait:g} s; try again"
                )
            time.sleep(min(_POLL, left))
        try:
            with LEASES.extended(lambda: self._extend(key, owner), LEASE, of=self.place):
                yield
        finally:
            # One that has ended meanwhile is no error, nor is a database that cannot be told: it ends by itself.
            with suppress(StoreUnavailable):
                leases = self._leases
                of_ours = sa.and_(leases.c.id == _id(key), leases.c.owner == owner)
                self._changed("let a lease go", sa.delete(leases).where(of_ours))

    def healthcheck(self) -> None:
        """Raise unless a record and a lease could be written, changed and removed now.

        That is done in one transaction, before whose end nobody can see it.
        """
        trial = partial(_sql_trial.try_tables, self._together, self._records, self._leases, self._dialect)
        self._done("be written to", trial)

    def _is_taken(self, key: str, owner: bytes) -> bool:
        """Take a lease that nobody has, or one whose time is over; return whether it is ours."""
        leases, clock, begun = self._leases, _sql_tables.clock(self._dialect), now()
        lease = {"owner": owner, "until": clock + LEASE}
        made = _sql_tables.insert_unless_there(leases, {"id": _id(key), **lease}, self._dialect)
        is_free = sa.or_(leases.c.until < clock, leases.c.owner == owner)
        taken_over = sa.update(leases).where(leases.c.id == _id(key), is_free).values(lease)
        is_taken = self._is_inserted(made) or self._changed("lock an identity", taken_over) == 1
        # What took longer went by a clock that was read when it began.
        return is_taken and now() - begun < LEASE / 2

    def _is_inserted(self, statement: Any) -> bool:
        for _ in range(2):
            try:
                return self._attempted("lock an identity", lambda: self._rows_changed(statement)) == 1
            except _Duplicate:
                return False  # if it is ours, as its answer was lost, it is taken over next
            except _Lost:
                """Where the connection had ended before, another one will do."""
        return False

    def _extend(self, key: str, owner: bytes) -> None:
        leases, clock = self._leases, _sql_tables.clock(self._dialect)
        of_ours = sa.and_(leases.c.id == _id(key), leases.c.owner == owner)
        self._changed("extend a lease", sa.update(leases).where(of_ours).values(until=clock + LEASE))

    def _rows(self, keys: Sequence[str]) -> dict[bytes, tuple[Any, Any, Any]]:
        """Return name, value and mark of each of the rows of *keys* that are there, by their ids."""
        records, ids = self._records, [_id(key) for key in keys]
        asked = sa.select(records.c.id, records.c.name, records.c.value, records.c.mark).where(records.c.id.in_(ids))
        found = self._done("read records", lambda: self._all(asked))
        return {bytes(number): (name, value, mark) for number, name, value, mark in found}

    def _rows_after(self, last: bytes) -> list[tuple[bytes, Any]]:
        records = self._records
        asked = sa.select(records.c.id, records.c.name).where(records.c.id > last).order_by(records.c.id).limit(_PAGE)
        return [(bytes(number), name) for number, name in self._done("list the records", lambda: self._all(asked))]

    def _all(self, statement: Any) -> Sequence[Any]:
        with _sql_faults.connected(self._at_once) as connection:
            found = connection.execute(statement)
            if _sql_tables.is_numbered(found, self._engine.dialect):
                raise _sql_faults.Unfit(_sql_faults.OF_OTHERS)
            return found.all()

    def _value(self, rows: dict[bytes, tuple[Any, Any, Any]], key: str) -> bytes | None:
        row = rows.get(_id(key))
        if row is None:
            return None
        name, value, _ = row
        if not isinstance(value, bytes) or name != _encoded(key):
            raise StoreCorrupt(f"The row {_id(key).hex()} in {self!r} is damaged; it was left as it is")
        return bytes(value)

    def _decoded(self, number: bytes, name: Any) -> str:
        if not isinstance(name, bytes) or hashlib.sha256(name).digest() != number:
            raise StoreCorrupt(f"The row {number.hex()} in {self!r} is damaged; it was left as it is")
        return name.decode("utf-8", "surrogatepass")

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
        for _ in range(_ATTEMPTS):
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
            return self._attempted("write a record", lambda: self._rows_changed(statement)) == 1
        except _Duplicate:
            return False
        except _Lost:
            return None

    def _after_a_loss(self, key: str) -> tuple[Any, Any, Any] | None:
        try:
            return self._rows([key]).get(_id(key))
        except StoreUnavailable as silence:
            failure = StoreUnavailable(f"{silence.message}; {_UNKNOWN}")
        raise failure

    def _changed(self, doing: str, statement: Any) -> int:
        """Carry out a *statement* that may be carried out twice; return how many rows it has changed."""
        return self._done(doing, lambda: self._rows_changed(statement))

    def _rows_changed(self, statement: Any) -> int:
        with _sql_faults.connected(self._at_once) as connection:
            return int(connection.execute(statement).rowcount)

    def _done(self, doing: str, act: Callable[[], T]) -> T:
        """Do *act*, once more if its answer was lost, as that of a connection that had ended before."""
        try:
            return self._attempted(doing, act)
        except _Lost:
            """It may be done twice."""
        except _Duplicate as refusal:
            raise StoreUnavailable(refusal.message) from None
        try:
            return self._attempted(doing, act)
        except (_Lost, _Duplicate) as silence:
            failure = StoreUnavailable(silence.message)
        raise failure

    @discreet
    def _attempted(self, doing: str, act: Callable[[], T]) -> T:
        """Do *act*, again where the database says that nothing was done; turn its errors into ours.

        Raises:
            _Duplicate: there is a row with that id.
            _Lost: there was no answer.
            StoreUnavailable: it could not be done.
        """
        attempt = 1
        while True:
            try:
                with self._whole():
                    return act()
            except Exception as fault:  # drivers have errors of their own, and fail over what they do not expect
                failure = _kind_of(fault)(self._told(doing, fault))
                is_over = attempt == _ATTEMPTS or not _sql_faults.is_not_done(fault)
            if is_over:
                raise failure
            attempt += 1

    def _told(self, doing: str, fault: Exception) -> str:
        return f"{self._where} cannot {doing}: {_sql_faults.reason(fault, makes_tables=doing == _MAKING)}"


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


class _Duplicate(StoreUnavailable):
    """There is a row with that id."""


class _Lost(StoreUnavailable):
    """No answer came."""


def _kind_of(fault: Exception) -> type[StoreUnavailable]:
    if _sql_faults.is_duplicate(fault):
        return _Duplicate
    return _Lost if _sql_faults.is_lost(fault) else StoreUnavailable


def _row(key: str, value: bytes) -> dict[str, Any]:
    return {"id": _id(key), "name": _encoded(key), "mark": secrets.token_bytes(16), "value": value}


def _id(key: str) -> bytes:
    return hashlib.sha256(_encoded(key)).digest()


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
