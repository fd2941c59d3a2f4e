"""What went wrong in a SQL database, in words that quote nothing, and whether it was carried out all the same."""

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


def reason(fault: Exception) -> str:
    """Return what kind of fault it is, and what to do; its text is left out, which may quote a record."""
    if isinstance(fault, exc.TimeoutError):
        return f"all connections of the pool were in use for {WAIT_FOR_A_CONNECTION:g} s or more; give it more of them"
    if isinstance(fault, (Unfit, Tripped)):
        return str(fault)
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
        "a table of the store is not there. Where it never was, make it: SQLStore.create_tables() does, or what "
        "dcrauth store ddl prints. Where it was dropped, restore it from a backup: the client credentials were in it",
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
