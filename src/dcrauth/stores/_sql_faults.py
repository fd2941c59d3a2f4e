"""What went wrong in a SQL database, in words that quote nothing, and whether it was carried out all the same."""

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from dcrauth.stores._sql_engine import WAIT_FOR_A_CONNECTION

_NOT_DONE = {"40001", "40P01", "55P03"}
"""SQLSTATEs that say that nothing was done, and that another attempt may succeed."""

_NOT_DONE_NUMBERS = {1205, 1213, 1020}
"""The same of MySQL and MariaDB: a lock that was waited for, a deadlock, a record that has changed meanwhile."""

_UNKNOWN_NAMES = (socket.EAI_NONAME, socket.EAI_AGAIN)
_DUPLICATES = {"23505"}
_DUPLICATE_NUMBERS = {1062}

WITHOUT_KEY = (
    "a table of the store has no primary key on its column id, as after CREATE TABLE AS: "
    "make it with the statements that dcrauth store ddl prints"
)
OF_OTHERS = "a table of that name is not one of this store, or one of another version: name another by table="


class Unfit(exc.SQLAlchemyError):
    """A table is not as a store needs it; its text says in which way, and what to do."""


class Tripped(exc.SQLAlchemyError):
    """A driver has failed over an answer; its text is the name of its error."""


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Yield a connection, which is not used again if the driver fails over an answer: a part of that may come yet.

    Raises:
        Tripped: it does so, with an error that is none of databases.
    """
    with engine.connect() as connection:
        try:
            yield connection
        except exc.SQLAlchemyError:
            raise
        except Exception as reason:
            connection.invalidate()
            failure = Tripped(type(reason).__name__)
        else:
            return
        raise failure


def is_lost(fault: Exception) -> bool:
    """Return whether no answer came, so that a statement may have been carried out or not."""
    if isinstance(fault, Tripped):
        return True
    return isinstance(fault, exc.DBAPIError) and bool(fault.connection_invalidated)


def is_not_done(fault: Exception) -> bool:
    """Return whether a statement was not carried out, and may be if it is tried again."""
    return _state(fault) in _NOT_DONE or _number(fault) in _NOT_DONE_NUMBERS or "database is locked" in _text(fault)


def is_duplicate(fault: Exception) -> bool:
    """Return whether there is a row with that id, and not another rule of the table that was broken."""
    is_known = _state(fault) in _DUPLICATES or _number(fault) in _DUPLICATE_NUMBERS
    return is_known or "UNIQUE constraint failed" in _text(fault)


def reason(fault: Exception, *, makes_tables: bool = False) -> str:
    """Return what kind of fault it is, and what to do; its text is left out, which may quote a record or a password.

    Parameters:
        fault: what SQLAlchemy or the driver has raised.
        makes_tables: whether it came where tables were to be made, which takes other rights.
    """
    if isinstance(fault, exc.TimeoutError):
        return f"all connections of the pool were in use for {WAIT_FOR_A_CONNECTION:g} s or more; give it more of them"
    if isinstance(fault, (Unfit, Tripped)):
        return str(fault)
    code = _state(fault) or (str(_number(fault)) if _number(fault) else "")
    return type(_original(fault)).__name__ + (f" ({code})" if code else "") + _remedy(fault, makes_tables)


@dataclass(frozen=True)
class _Remedy:
    """What some faults mean, and what to do about them.

    Parameters:
        words: what is told.
        states: the SQLSTATEs of PostgreSQL, or what these begin with.
        numbers: those of MySQL and MariaDB.
        texts: regular expressions for what SQLite says, and libpq, which knows no SQLSTATE where nothing is connected.
        causes: numbers of the system, of what has led to it.
    """

    words: str
    states: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    causes: tuple[int, ...] = ()

    def is_for(self, fault: Exception) -> bool:
        """Return whether it is about *fault*."""
        is_known = _number(fault) in self.numbers or _state(fault).startswith(self.states or ("-",))
        return is_known or _cause(fault) in self.causes or any(re.search(each, _text(fault)) for each in self.texts)


_DENIED: tuple[tuple[str, ...], tuple[int, ...]] = (("42501",), (1142, 1044, 1227))
_MAKING = _Remedy(
    "its user may not make tables: have somebody make them who may, by the statements that dcrauth store ddl prints",
    *_DENIED,
)
_REMEDIES = (
    _Remedy(
        "a table of the store is not there. Where it never was, make it: dcrauth store create-tables does, or "
        "SQLStore.create_tables(). Where it was dropped, restore it from a backup: the client credentials were in it",
        ("42P01", "3F000"),
        (1146, 1051),
        ("no such table",),
    ),
    _Remedy(WITHOUT_KEY, ("42P10",), (), ("does not match any PRIMARY KEY",)),
    _Remedy(
        OF_OTHERS,
        ("42703", "42804", "42883", "22P02", "22007", "22001", "23502", "23514"),
        (1054, 1048, 1264, 1265, 1292, 1364, 1366, 1406, 4025),
        ("no such column", "has no column", "NOT NULL constraint", "CHECK constraint", "datatype mismatch"),
    ),
    _Remedy(
        "it takes no writes here, as a replica does not: name the primary",
        ("25006",),
        (1290, 1792, 1836),
        ("readonly database", "session is read-only"),
    ),
    _Remedy("grant its user SELECT, INSERT, UPDATE and DELETE on the tables of the store", *_DENIED),
    _Remedy(
        "there is no database of that name: create it, or name another one",
        ("3D000",),
        (1049,),
        (r'database ".*" does not exist',),
    ),
    _Remedy(
        "it does not let this user in from here, or not without TLS: see its pg_hba.conf, or the hosts of the user",
        (),
        (1130, 3159),
        (r"pg_hba\.conf",),
    ),
    _Remedy(
        "check the user name and the password",
        ("28",),
        (1045, 1698),
        (
            "password authentication failed",
            "no password supplied",
            r'role ".*" does not exist',
            r'role ".*" is not permitted to log in',
        ),
    ),
    _Remedy(
        "a pooler is between us and the server: make the Engine with connect_args={'prepare_threshold': None}",
        ("26000", "42P05", "08P01"),
        (),
        ("prepared statement",),
    ),
    _Remedy(
        "it has too many connections: let it have more, or programs fewer",
        ("53300",),
        (1040, 1203, 1226),
        ("too many (clients|connections)", "remaining connection slots"),
    ),
    _Remedy("it has no room left", ("53",), (1021, 1114, 3675), ("disk is full",)),
    _Remedy(
        "it is starting or shutting down: try again in a moment",
        ("57P",),
        (1053,),
        ("the database system is (starting|shutting|in recovery|not yet)",),
    ),
    _Remedy(
        "its certificate is of another name than the host of the URL: name it as the certificate does",
        texts=("does not match host name", "(Hostname|IP address) mismatch"),
    ),
    _Remedy(
        "its certificate is not trusted here: name its authority, by sslrootcert or ssl_ca",
        texts=("certificate verify failed", "root certificate file"),
    ),
    _Remedy("it has no TLS, which the URL asks for", texts=("does not support SSL", "doesn't support it")),
    _Remedy(
        "an option of the URL, its value, or the port is none that the driver or the server knows: correct it",
        (),
        (),
        (
            "invalid (connection option|port number|integer value|command-line argument|value for parameter)",
            r'invalid "?\w+"? value: ',
            r"bad value for \w+: ",
            "unrecognized configuration parameter",
            "port numbers to",
            "definition of service",
            "unexpected keyword argument",
            "has no attribute 'encoding'",  # of a character set that pymysql does not know
        ),
    ),
    _Remedy(
        "no address is known for this host: check its name",
        (),
        (2005,),
        ("resolve host", "translate host name", "Name or service not known", "name resolution", "getaddrinfo failed"),
        _UNKNOWN_NAMES,
    ),
    _Remedy(
        "connection refused: no server listens there. Start it, or check host and port",
        texts=("Connection refused", rf"Can't connect .*\({errno.ECONNREFUSED}\)"),
        causes=(errno.ECONNREFUSED,),
    ),
    _Remedy(
        "there is no such socket: see that the server runs on this machine, and where its socket is",
        texts=("(on socket|Can't connect).*No such file",),
    ),
    _Remedy(
        "there is no way to this host from here: check the network",
        texts=("No route to host", "[Nn]etwork is unreachable"),
        causes=(errno.EHOSTUNREACH, errno.ENETUNREACH),
    ),
    _Remedy(
        "no answer in time: see that the server runs, and that no firewall keeps it away",
        texts=("no answer in time", "timeout expired", "timed out"),
        causes=(errno.ETIMEDOUT,),
    ),
    _Remedy(
        "the connection was lost: the server, or what stands in between, has ended it. Try again",
        ("08003", "08006"),
        (2006, 2013, 2055),
        ("closed the connection unexpectedly", "[Cc]onnection reset", "[Cc]onnection is closed"),
        (errno.ECONNRESET, errno.EPIPE),
    ),
    _Remedy(
        "it cannot be reached: see that it runs, and check host and port",
        ("08",),
        (2002, 2003),
        ("connection failed", "connection to server"),
    ),
    _Remedy(
        "its file cannot be opened: see that its directory is there, and that this user may write to it",
        texts=("unable to open database file",),
    ),
    _Remedy("its file is damaged, or not one of SQLite's", texts=("file is not a database", "malformed")),
    _Remedy("a file that the URL names is not there, or not readable", causes=(errno.ENOENT, errno.EACCES)),
)
"""The first one that fits is told: of several hosts, one that answers says more than one that does not."""


def _remedy(fault: Exception, makes_tables: bool) -> str:
    known = (_MAKING, *_REMEDIES) if makes_tables else _REMEDIES
    return next((f"; {each.words}" for each in known if each.is_for(fault)), "")


def _original(fault: Exception) -> BaseException:
    """Return what the driver has raised, which is *fault* itself unless SQLAlchemy has made one of its own."""
    return getattr(fault, "orig", None) or fault


def _state(fault: Exception) -> str:
    original = _original(fault)
    return str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")


def _number(fault: Exception) -> int:
    original = _original(fault)
    if isinstance(original, OSError):  # its number is one of the system
        return 0
    return original.args[0] if original.args and isinstance(original.args[0], int) else 0


def _cause(fault: Exception) -> int:
    """Return the number of the system behind it; pymysql keeps what has led to a fault in an attribute."""
    original = _original(fault)
    found = (original, getattr(original, "original_exception", None), original.__cause__, original.__context__)
    return next((each.errno or 0 for each in found if isinstance(each, OSError)), 0)


def _text(fault: Exception) -> str:
    return str(_original(fault))
