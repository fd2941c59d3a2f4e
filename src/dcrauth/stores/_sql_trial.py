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


def try_tables(together: sa.Engine, records: sa.Table, leases: sa.Table, dialect: str) -> None:
    """Write, change and remove a row of each table in one transaction, so that nobody sees it.

    Raises:
        Unfit: a table takes an id twice, or does not keep what is written.
        SQLAlchemyError: the database refuses one of the statements.
    """
    until = _sql_tables.clock(dialect) + LEASE
    # Random bytes are no text: a column of characters would change or refuse them.
    record = {"name": secrets.token_bytes(64), "mark": secrets.token_bytes(16), "value": secrets.token_bytes(_SIZE)}
    with together.begin() as connection:
        counting = connection.execution_options(preserve_rowcount=True)
        _try_table(counting, records, record, {"value": secrets.token_bytes(_SIZE)}, dialect)
        _try_table(
            counting,
            leases,
            {"owner": secrets.token_bytes(16), "until": until},
            {"owner": secrets.token_bytes(16)},
            dialect,
        )


def _try_table(
    connection: sa.Connection, table: sa.Table, written: Mapping[str, Any], changed: Mapping[str, Any], dialect: str
) -> None:
    (compared,) = changed
    row = {"id": secrets.token_bytes(32), **written}
    made = _sql_tables.insert_unless_there(table, row, dialect)
    of_row, column = table.c.id == row["id"], table.c[compared]
    connection.execute(made)
    if _is_taken_again(connection, made):
        raise _sql_faults.Unfit(_sql_faults.WITHOUT_KEY)
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
