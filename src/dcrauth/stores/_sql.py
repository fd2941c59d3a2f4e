"""Databases as SQLAlchemy knows them: tables, statements that differ by dialect, and errors that quote nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL, Dialect, Engine, make_url

from dcrauth.errors import ConfigurationError

DIALECTS = {"postgresql", "mysql", "mariadb", "sqlite"}
KINDS = "postgresql+psycopg://, mysql+pymysql://, mariadb+pymysql:// or sqlite:///"

_IN_MEMORY = {None, "", ":memory:"}
_OF_LIBPQ = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 10_000}
_OF_MYSQL = {"connect_timeout": 5, "read_timeout": 10, "write_timeout": 10}
_TIMEOUTS = {"psycopg": _OF_LIBPQ, "psycopg2": _OF_LIBPQ, "pymysql": _OF_MYSQL, "mysqldb": _OF_MYSQL}
"""Seconds, in libpq's ``tcp_user_timeout`` milliseconds, that are waited for a server, by the driver."""

_CONNECTIONS = 20
_WAIT_FOR_A_CONNECTION = 20.0

_TRANSACTIONS = dict.fromkeys(("postgresql", "mysql", "mariadb"), "READ COMMITTED") | {"sqlite": "SERIALIZABLE"}

_NOT_DONE = {"40001", "40P01", "55P03"}
"""SQLSTATEs that say that nothing was done, and that another attempt may succeed."""

_NOT_DONE_NUMBERS = {1205, 1213, 1020}
"""The same of MySQL and MariaDB: a lock that was waited for, a deadlock, a record that has changed meanwhile."""


class Hidden(bytes):
    """Bytes that nobody sees who logs the parameters of a statement, or the rows that it finds."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


class HiddenBytes(sa.types.LargeBinary):
    """A column of bytes that are in no log and no error."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002  # as SQLAlchemy calls it
        """Hide what is written."""
        return lambda value: None if value is None else Hidden(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        """Hide what is read."""
        return lambda value: None if value is None else Hidden(value)


def _bytes(length: int) -> Any:
    """Return a column type of so many bytes, which MySQL can have as a key; it knows no case and no blanks."""
    return sa.LargeBinary(length).with_variant(mysql.BINARY(length), "mysql", "mariadb")


def _any_bytes() -> Any:
    return HiddenBytes().with_variant(_LongBlob(), "mysql", "mariadb")


class _LongBlob(HiddenBytes, mysql.LONGBLOB):
    """MySQL's own would end at 64 kB."""

    __visit_name__ = "LONGBLOB"


def records_table(name: str, metadata: sa.MetaData, schema: str | None = None) -> sa.Table:
    """Return the table of records.

    ``id`` is a digest of the key, since no database has an index of texts of any length that tells all of them apart;
    ``mark`` is drawn for each writing, and tells after an answer that was lost whether it was carried out.
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("id", _bytes(32), primary_key=True),
        sa.Column("name", _any_bytes(), nullable=False),
        sa.Column("mark", _bytes(16), nullable=False),
        sa.Column("value", _any_bytes(), nullable=False),
        schema=schema,
    )


def leases_table(name: str, metadata: sa.MetaData, schema: str | None = None) -> sa.Table:
    """Return the table of leases: whose each is, and until when, in seconds since the epoch by the database's clock."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", _bytes(32), primary_key=True),
        sa.Column("owner", _bytes(16), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        schema=schema,
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


def engine_of(database: str | URL | Engine) -> tuple[Engine, bool]:
    """Return the engine that *database* is, or is the URL of, and whether it is the user's own.

    Raises:
        ConfigurationError: it is neither, its driver is missing, or the database is of a kind that no store knows.
    """
    if isinstance(database, Engine):
        engine, own = database, True
    else:
        engine, own = _made(_url(database)), False
    if engine.dialect.name not in DIALECTS:
        raise ConfigurationError(f"SQLStore knows PostgreSQL, MySQL, MariaDB and SQLite, not {engine.dialect.name:.40}")
    return engine, own


def _url(database: object) -> URL:
    if isinstance(database, URL):
        return database
    if isinstance(database, str):
        try:
            return make_url(database)
        except (exc.ArgumentError, ValueError):
            """Its text may quote the password."""
    raise ConfigurationError(
        f"SQLStore takes the URL of a database, such as {KINDS}, or an Engine of SQLAlchemy. In a URL, each of "
        "@ / ? # % in the user name and in the password is percent-encoded"
    )


def _made(url: URL) -> Engine:
    if url.get_backend_name() not in DIALECTS:
        raise ConfigurationError(f"SQLStore knows {KINDS}, not {url.drivername:.40}://")
    if url.get_backend_name() == "sqlite" and (url.database in _IN_MEMORY or url.query.get("mode") == "memory"):
        raise ConfigurationError(
            "SQLite in memory is another database for each thread: name a file, or take MemoryStore"
        )
    try:
        engine = sa.create_engine(
            url, hide_parameters=True, isolation_level="AUTOCOMMIT", connect_args=_arguments(url), **_pool(url)
        )
        return _prompt(engine)
    except ImportError as reason:
        missing = reason.name or "a driver"
    except (exc.ArgumentError, exc.NoSuchModuleError):
        missing = f"the driver of {url.drivername:.40}"
    raise ConfigurationError(f"The database cannot be used without {missing}, which is not installed: pip install it")


def _pool(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    return {
        "pool_pre_ping": True,
        "pool_size": _CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": _WAIT_FOR_A_CONNECTION,
        "pool_use_lifo": True,
        "pool_reset_on_return": None,  # no call leaves a transaction open
    }


def _arguments(url: URL) -> dict[str, Any]:
    """Return what keeps a driver from waiting for ever, unless the URL says how long, and what a pooler bears."""
    driver = url.get_driver_name()
    timeouts = {name: value for name, value in _TIMEOUTS.get(driver, {}).items() if name not in url.query}
    if driver == "psycopg":
        return timeouts | {"prepare_threshold": None, "target_session_attrs": "read-write"}
    return timeouts | ({"target_session_attrs": "read-write"} if driver == "psycopg2" else {})


def _prompt(engine: Engine) -> Engine:
    if engine.dialect.driver == "psycopg":
        from dcrauth.stores import _psycopg  # noqa: PLC0415  # it is not installed for other databases

        event.listen(engine, "do_connect", _psycopg.connect)
    return engine


def levels(engine: Engine, *, is_users: bool) -> tuple[Engine, Engine]:
    """Return two engines on the connections of *engine*: each statement by itself, and several in a transaction."""
    together = {} if is_users else {"isolation_level": _TRANSACTIONS[engine.dialect.name]}
    at_once = {"isolation_level": "AUTOCOMMIT"} if is_users else {}
    return without_echo(engine, preserve_rowcount=True, **at_once), without_echo(engine, **together)


def without_echo(engine: Engine, **options: Any) -> Engine:
    """Return an engine on the same connections that logs no parameters and no rows, whatever *engine* does."""
    found = engine.execution_options(**options)
    found.hide_parameters = True
    return found


def address_of(url: URL) -> str:
    """Return where a database is, without a user, a password and a query."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:{url.database or ':memory:'}"
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{url.host or 'localhost'}{port}/{url.database or ''}"


def digest_of(url: URL) -> str:
    """Return what tells the databases of URLs apart, without the password."""
    return hashlib.sha256(url.set(password=None).render_as_string().encode()).hexdigest()


def is_lost(fault: Exception) -> bool:
    """Return whether no answer came, so that a statement may have been carried out or not."""
    return isinstance(fault, exc.DBAPIError) and bool(fault.connection_invalidated)


def is_not_done(fault: Exception) -> bool:
    """Return whether a statement was not carried out, and may be if it is tried again."""
    return _state(fault) in _NOT_DONE or _number(fault) in _NOT_DONE_NUMBERS or "database is locked" in _text(fault)


def reason(fault: Exception) -> str:
    """Return what kind of fault it is, and what to do; its text is left out, which may quote a record."""
    if isinstance(fault, exc.TimeoutError):
        return f"all connections of the pool were in use for {_WAIT_FOR_A_CONNECTION:g} s or more; give it more of them"
    if not isinstance(fault, exc.DBAPIError):  # of a driver, before SQLAlchemy has turned it into one of its own
        return type(fault).__name__
    code = _state(fault) or (str(_number(fault)) if _number(fault) else "")
    return type(fault.orig).__name__ + (f" ({code})" if code else "") + _remedy(fault)


@dataclass(frozen=True)
class _Remedy:
    """What to do about some faults.

    Parameters:
        words: what to do.
        states: the SQLSTATEs of PostgreSQL, or what these begin with.
        numbers: those of MySQL and MariaDB.
        texts: what SQLite says.
    """

    words: str
    states: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()

    def is_for(self, fault: exc.DBAPIError) -> bool:
        """Return whether it is about *fault*."""
        is_known = _number(fault) in self.numbers or _state(fault).startswith(self.states or ("-",))
        return is_known or any(each in _text(fault) for each in self.texts)


_REMEDIES = (
    _Remedy(
        "a table of the store is not there. Where it never was, make it: SQLStore.create_tables() does, or what its "
        "ddl() returns. Where it was dropped, restore it from a backup: the client credentials were in it",
        ("42P01", "3F000"),
        (1146, 1051),
        ("no such table",),
    ),
    _Remedy(
        "a table of that name is not one of this store, or one of another version: name another by table=",
        ("42703", "42804"),
        (1054,),
        ("no such column", "has no column"),
    ),
    _Remedy(
        "it takes no writes here, as a replica does not: name the primary",
        ("25006",),
        (1290, 1792, 1836),
        ("readonly database", "session is read-only"),
    ),
    _Remedy(
        "grant its user SELECT, INSERT, UPDATE and DELETE on the tables of the store", ("42501",), (1142, 1044, 1227)
    ),
    _Remedy("check the user name and the password", ("28",), (1045, 1698)),
    _Remedy(
        "a pooler is between us and the server: make the Engine with connect_args={'prepare_threshold': None}",
        ("26000", "42P05", "08P01"),
        (),
        ("prepared statement",),
    ),
    _Remedy("it has no room left", ("53",), (1021, 1114, 3675), ("disk is full",)),
)


def _remedy(fault: exc.DBAPIError) -> str:
    return next((f"; {each.words}" for each in _REMEDIES if each.is_for(fault)), "")


def _state(fault: Exception) -> str:
    original = getattr(fault, "orig", None)
    return str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")


def _number(fault: Exception) -> int:
    arguments = getattr(getattr(fault, "orig", None), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


def _text(fault: Exception) -> str:
    return str(getattr(fault, "orig", ""))
