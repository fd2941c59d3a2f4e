"""Engines of SQLAlchemy: made from a URL, with limits to every wait, or given by the user."""

import hashlib
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Dialect, Engine, make_url

from dcrauth.errors import ConfigurationError

DIALECTS = {"postgresql", "mysql", "mariadb", "sqlite"}
KINDS = "postgresql+psycopg://, mysql+pymysql://, mariadb+pymysql:// or sqlite:///"

WAIT_FOR_A_CONNECTION = 20.0
"""Seconds for which a call waits for one of the connections."""

_CONNECTIONS = 20
_IDLE = 1.0
"""Seconds after which a connection is asked for a sign of life before it is used."""

_OF_LIBPQ = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 10_000}
_OF_MYSQL = {"connect_timeout": 5, "read_timeout": 10, "write_timeout": 10}
_TIMEOUTS = {"psycopg": _OF_LIBPQ, "psycopg2": _OF_LIBPQ, "pymysql": _OF_MYSQL, "mysqldb": _OF_MYSQL}
"""Seconds, in libpq's ``tcp_user_timeout`` milliseconds, that are waited for a server, by the driver."""

_IN_MEMORY = {None, "", ":memory:"}
_TRANSACTIONS = dict.fromkeys(("postgresql", "mysql", "mariadb"), "READ COMMITTED") | {"sqlite": "SERIALIZABLE"}


def dialect_of(database: str) -> Dialect:
    """Return the dialect of the database that *database* is the URL of, or of all of that kind; no driver is needed.

    Raises:
        ConfigurationError: no store knows such a database.
    """
    url = _url(database if ":" in database else f"{database}://")
    if url.get_backend_name() not in DIALECTS:
        raise ConfigurationError(f"SQLStore knows {KINDS}, not {url.drivername:.40}://")
    made: Dialect = sa.engine.URL.create(url.get_backend_name()).get_dialect()()
    return made


def engine_of(database: str | URL | Engine) -> tuple[Engine, bool]:
    """Return the engine that *database* is, or is the URL of, and whether it is the user's own.

    Raises:
        ConfigurationError: it is neither, its driver is missing or one for event loops, or the database is of a kind
            that no store knows.
    """
    database = getattr(database, "sync_engine", database)  # what an AsyncEngine runs
    if isinstance(database, Engine):
        engine, own = database, True
    else:
        engine, own = _made(_url(database)), False
    _check_driver(engine.dialect)
    if engine.dialect.name not in DIALECTS:
        raise ConfigurationError(f"SQLStore knows PostgreSQL, MySQL, MariaDB and SQLite, not {engine.dialect.name:.40}")
    return engine, own


def _check_driver(dialect: Dialect | type[Dialect]) -> None:
    """Raise ConfigurationError for a driver of event loops, of which no store's thread has one."""
    if dialect.is_async:
        raise ConfigurationError(
            f"A store is called on threads, and {dialect.driver:.40} is a driver for event loops: take another one, as "
            f"in {KINDS}; an asyncio program does so as well, and is never blocked by it"
        )


def _url(database: object) -> URL:
    if isinstance(database, URL):
        return database
    if isinstance(database, str):
        try:
            url = make_url(database)
        except (exc.ArgumentError, ValueError):
            """Its text may quote the password."""
        else:
            if not _is_ambiguous(database, url):
                return url
    raise ConfigurationError(
        f"SQLStore takes the URL of a database, such as {KINDS}, or an Engine of SQLAlchemy. In a URL, each of "
        "@ / ? # % in the user name, in the password and in an option is percent-encoded"
    )


def _is_ambiguous(text: str, url: URL) -> bool:
    """Return whether a part of the password could stand where the host or the database is taken to be."""
    if url.get_backend_name() == "sqlite":
        return False
    return text.count("@") > 1 or "@" in f"{url.host}{url.database}"


def _made(url: URL) -> Engine:
    if url.get_backend_name() not in DIALECTS:
        raise ConfigurationError(f"SQLStore knows {KINDS}, not {url.drivername:.40}://")
    if url.get_backend_name() == "sqlite" and (url.database in _IN_MEMORY or url.query.get("mode") == "memory"):
        raise ConfigurationError(
            "SQLite in memory is another database for each thread: name a file, or take MemoryStore"
        )
    try:
        _check_driver(url.get_dialect())
        engine = sa.create_engine(
            url, hide_parameters=True, isolation_level="AUTOCOMMIT", connect_args=_arguments(url), **_pool(url)
        )
        return _pinged(_prompt(engine))
    except ImportError as reason:
        missing = reason.name or "a driver"
    except (exc.ArgumentError, exc.NoSuchModuleError):
        missing = f"the driver of {url.drivername:.40}"
    except (ValueError, TypeError):
        raise ConfigurationError(
            "An option of the URL of the database has a value that its driver cannot take: correct it"
        ) from None
    raise ConfigurationError(f"The database cannot be used without {missing}, which is not installed: pip install it")


def _pool(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    return {
        "pool_size": _CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": WAIT_FOR_A_CONNECTION,
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


def _pinged(engine: Engine) -> Engine:
    """Have a connection asked for a sign of life before its use, unless there was one moments ago.

    SQLAlchemy's own ``pool_pre_ping`` asks each time, which is half of all round trips.
    """

    def used(_connection: object, record: Any) -> None:
        record.info["used"] = time.monotonic()

    def ping(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info["used"] < _IDLE:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.dbapi.Error:  # type: ignore[union-attr]  # it has one
            raise exc.InvalidatePoolError from None

    if engine.dialect.name != "sqlite":
        event.listen(engine, "connect", used)
        event.listen(engine, "checkin", used)
        event.listen(engine, "checkout", ping)
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
    host = _option(url, "host") or _option(url, "unix_socket") or url.host or "localhost"
    port = _option(url, "port") or str(url.port or "")
    # What stands before an @ may be the rest of a password that was not encoded.
    place = f"{host}{port and ':'}{port}/{url.database or ''}".rpartition("@")[2]
    return f"{url.get_backend_name()}://{place}"


def _option(url: URL, name: str) -> str:
    given = url.query.get(name, "")
    return given if isinstance(given, str) else ",".join(given)


def digest_of(url: URL) -> str:
    """Return what tells the databases of URLs apart, without the password."""
    return hashlib.sha256(url.set(password=None).render_as_string().encode()).hexdigest()
