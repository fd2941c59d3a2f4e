"""Whether the tables of a store in a SQL database take all that a renewal writes, found out without leaving a row."""

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from dcrauth.stores import _sql_faults, _sql_tables
from dcrauth.stores._leases import LEASE

_SIZE = 8_192
"""Bytes of a record: more than that of a client with a long statement."""

_COMPARED = ("name", "mark", "value", "owner")
"""Columns of bytes, which are read as they were written."""


def try_tables(together: sa.Engine, records: sa.Table, leases: sa.Table, dialect: str) -> None:
    """Write, change and remove a row of each table in one transaction, so that nobody sees it.

    Raises:
        Unfit: a table takes an id twice, or does not keep what is written.
        SQLAlchemyError: the database refuses one of the statements.
    """
    # Random bytes are no text: a column of characters would change or refuse them.
    record = _row(name=secrets.token_bytes(64), mark=secrets.token_bytes(16), value=secrets.token_bytes(_SIZE))
    lease = _row(owner=secrets.token_bytes(16), until=_sql_tables.clock(dialect) + LEASE)
    with _sql_faults.connected(together) as connection, connection.begin():
        counting = connection.execution_options(preserve_rowcount=True)
        _write(counting, records, record, dialect)
        _change(counting, records, record, {"value": secrets.token_bytes(_SIZE)})
        _write(counting, leases, lease, dialect)
        _change(counting, leases, lease, {"owner": secrets.token_bytes(16)})


def _row(**values: Any) -> dict[str, Any]:
    return {"id": secrets.token_bytes(32), **values}


def _write(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any], dialect: str) -> None:
    made = _sql_tables.insert_unless_there(table, row, dialect)
    connection.execute(made)
    if _is_taken_again(connection, made):
        raise _sql_faults.Unfit(_sql_faults.WITHOUT_KEY)
    read = sa.select(*(table.c[name] for name in _COMPARED if name in row)).where(table.c.id == row["id"])
    if connection.execute(read).all() != [tuple(row[name] for name in _COMPARED if name in row)]:
        raise _sql_faults.Unfit(_sql_faults.OF_OTHERS)


def _change(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """Change and remove a row, if it is what it should be."""
    (compared,) = changed
    of_row, column = table.c.id == row["id"], table.c[compared]
    connection.execute(sa.update(table).where(of_row, column == row[compared]).values(changed))
    if connection.execute(sa.delete(table).where(of_row, column == changed[compared])).rowcount != 1:
        raise _sql_faults.Unfit(_sql_faults.OF_OTHERS)


def _is_taken_again(connection: sa.Connection, made: Any) -> bool:
    try:
        return connection.execute(made).rowcount != 0
    except exc.IntegrityError as refusal:
        if _sql_faults.is_duplicate(refusal):
            return False
        raise
