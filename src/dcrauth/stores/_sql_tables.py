"""The tables of a store in a SQL database, and the statements that differ by dialect."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect

from dcrauth._internal.arguments import check_text
from dcrauth.errors import ConfigurationError

TABLE = "dcrauth_records"
"""What the table of records is called unless somebody says otherwise."""

_DURABLE: dict[str, Any] = dict.fromkeys(("mysql_engine", "mariadb_engine"), "InnoDB")
"""Whatever a server makes tables of otherwise: of MyISAM's, a crash leaves half."""

_LONGEST_NAME = 48
"""Bytes, of which PostgreSQL keeps 63 of any name, with that of the leases behind it."""


class Hidden(bytes):
    """Bytes that nobody sees who logs the parameters of a statement, or the rows that it finds."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


class HiddenText(str):
    """What a column of characters has in the place of bytes, which nobody sees either."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} characters>"

    __str__ = __repr__


class HiddenBytes(sa.types.LargeBinary):
    """A column of bytes that are in no log and no error."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002  # as SQLAlchemy calls it
        """Hide what is written."""
        return lambda value: None if value is None else Hidden(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        """Hide what is read."""
        return _hidden


def _hidden(value: Any) -> Any:
    if value is None:
        return None
    return HiddenText(value) if isinstance(value, str) else Hidden(value)


def _bytes(length: int) -> Any:
    """Return a column type of so many bytes, which MySQL can have as a key; it knows no case and no blanks."""
    return sa.LargeBinary(length).with_variant(mysql.BINARY(length), "mysql", "mariadb")


def _any_bytes(is_hidden: bool) -> Any:
    if is_hidden:
        return HiddenBytes().with_variant(_LongBlob(), "mysql", "mariadb")
    return sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


class _LongBlob(HiddenBytes, mysql.LONGBLOB):
    """MySQL's own would end at 64 kB."""

    __visit_name__ = "LONGBLOB"


def tables_of(name: str, schema: str | None, *, is_hidden: bool = False) -> tuple[sa.Table, sa.Table]:
    """Return the tables of a store, that of records and that of leases.

    Parameters:
        name: what the table of records is called.
        schema: the schema that both are in.
        is_hidden: whether records are in no log and no error. Otherwise all types are SQLAlchemy's own, as a
            migration of Alembic writes them down.

    Raises:
        ConfigurationError: a name will not do.
    """
    check_text(name, "table")
    if schema is not None:
        check_text(schema, "schema")
        if not schema:
            raise ConfigurationError("schema must be a name: leave it out for that which the database goes by")
    if not 0 < len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME:
        raise ConfigurationError(f"table must be a name of 1 to {_LONGEST_NAME} bytes")
    metadata = sa.MetaData()
    records = records_table(name, metadata, schema, is_hidden=is_hidden)
    return records, leases_table(f"{name}_leases", metadata, schema)


def records_table(name: str, metadata: sa.MetaData, schema: str | None, *, is_hidden: bool) -> sa.Table:
    """Return the table of records.

    ``id`` is a digest of the key, since no database has an index of texts of any length that tells all of them apart;
    ``mark`` is drawn for each writing, and tells after an answer that was lost whether it was carried out.
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("id", _bytes(32), primary_key=True),
        sa.Column("name", _any_bytes(is_hidden), nullable=False),
        sa.Column("mark", _bytes(16), nullable=False),
        sa.Column("value", _any_bytes(is_hidden), nullable=False),
        schema=schema,
        **_DURABLE,
    )


def leases_table(name: str, metadata: sa.MetaData, schema: str | None) -> sa.Table:
    """Return the table of leases: whose each is, and until when, in seconds since the epoch by the database's clock."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", _bytes(32), primary_key=True),
        sa.Column("owner", _bytes(16), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        schema=schema,
        **_DURABLE,
    )


def clock(dialect: str) -> Any:
    """Return the database's time as of the statement, in seconds since the epoch, whatever zone a session has."""
    if dialect == "postgresql":
        return sa.extract("epoch", sa.func.clock_timestamp())
    if dialect == "sqlite":
        return (sa.func.julianday("now") - sa.literal(2_440_587.5)) * sa.literal(86_400.0)
    since = sa.text("TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1000000e0")
    return sa.literal_column(since.text, sa.Double())


def insert_unless_there(table: sa.Table, values: Mapping[str, Any], dialect: str) -> Any:
    """Return the statement that writes a row unless there is one with its id.

    That of MySQL fails then: what it has for that purpose passes over other errors as well.
    """
    if dialect == "postgresql":
        return postgresql.insert(table).values(values).on_conflict_do_nothing(index_elements=["id"])
    if dialect == "sqlite":
        return sqlite.insert(table).values(values).on_conflict_do_nothing(index_elements=["id"])
    return sa.insert(table).values(values)


def upsert(table: sa.Table, values: Mapping[str, Any], dialect: str) -> Any:
    """Return the statement that writes a row, over the one with its id if there is one."""
    changed = {name: value for name, value in values.items() if name != "id"}
    if dialect == "postgresql":
        return postgresql.insert(table).values(values).on_conflict_do_update(index_elements=["id"], set_=changed)
    if dialect == "sqlite":
        return sqlite.insert(table).values(values).on_conflict_do_update(index_elements=["id"], set_=changed)
    return mysql.insert(table).values(values).on_duplicate_key_update(changed)


def statements_for(tables: Iterable[sa.Table], dialect: Dialect) -> list[str]:
    """Return the statements that make *tables* in a database of that *dialect*."""
    made = (str(sa.schema.CreateTable(each).compile(dialect=dialect)) for each in tables)
    return ["\n".join(line.rstrip() for line in each.strip().splitlines()) for each in made]


def is_there(table: sa.Table, found: sa.Inspector) -> bool:
    """Return whether what has the name of *table* has its columns."""
    return set(table.c.keys()) <= {each["name"] for each in found.get_columns(table.name, schema=table.schema)}


def is_numbered(found: "sa.CursorResult[Any]", dialect: Dialect) -> bool:
    """Return whether the first column of *found* is one of numbers, with which MySQL compares bytes all the same."""
    driver: Any = dialect.dbapi
    description = getattr(found.cursor, "description", None)  # there is no cursor without rows
    return bool(dialect.name in {"mysql", "mariadb"} and description and description[0][1] == driver.NUMBER)
