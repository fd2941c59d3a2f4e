"""Any store by one text, as settings and commands name it: `open_store`."""

import re

from dcrauth._internal.arguments import check_text
from dcrauth._internal.confidential import discreet
from dcrauth.errors import ConfigurationError
from dcrauth.stores import Store

KINDS = (
    "a directory, sqlite:FILE, the URL of a Redis, as redis://HOST:PORT/DATABASE, or that of a SQL database, as "
    "postgresql+psycopg://HOST/DATABASE"
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""Of two letters or more: one letter before a colon is a drive of Windows."""

_REDIS = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
_SQL = re.compile(r"(postgresql|mysql|mariadb)(\+[a-z0-9_]+)?|sqlite\+[a-z0-9_]+")
"""Databases as SQLAlchemy names them; ``sqlite:`` alone is a store that needs no SQLAlchemy."""


@discreet
def open_store(url: str, *, prefix: str | None = None) -> Store:
    """Return the store that *url* names, which no message quotes: it may hold a password.

    Parameters:
        url: ``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://``, ``rediss+cluster://``,
            ``redis+sentinel://`` or ``rediss+sentinel://`` for a `RedisStore`, ``sqlite:FILE`` for an `SQLiteStore`,
            ``file:DIRECTORY`` or a plain path for a `FileStore`; ``postgresql+psycopg://``, ``mysql+pymysql://``,
            ``mariadb+pymysql://`` or ``sqlite+pysqlite:///`` for a `SQLStore`.
        prefix: what the keys in a Redis begin with, if it is not ``dcrauth:``.

    Raises:
        ConfigurationError: it names no store, or *prefix* comes with another one than a Redis.
        ImportError: the store needs an extra that is not installed.
    """
    check_text(url, "url")
    named = _SCHEME.match(url)
    scheme, rest = (named[1].lower(), url[named.end() :]) if named else ("", url)
    if scheme in _REDIS:
        return _redis(f"{scheme}:{rest}", prefix)
    if prefix is not None:
        raise ConfigurationError("A prefix is for a Redis: leave it out, or give the URL of one")
    if _SQL.fullmatch(scheme):
        from dcrauth.stores.sql import SQLStore  # noqa: PLC0415  # needs an extra

        return SQLStore(f"{scheme}:{rest}")
    if not rest or (scheme and rest.startswith("//")):
        raise _no_store()
    if scheme == "sqlite":
        from dcrauth.stores.sqlite import SQLiteStore  # noqa: PLC0415  # needs sqlite3, which some Pythons lack

        return SQLiteStore(rest)
    if scheme not in {"", "file"} or "://" in rest:
        raise _no_store()
    from dcrauth.stores.file import FileStore  # noqa: PLC0415  # not every program has one

    return FileStore(rest)


def _redis(url: str, prefix: str | None) -> Store:
    from dcrauth.stores.redis import RedisStore  # noqa: PLC0415  # needs an extra

    return RedisStore(url) if prefix is None else RedisStore(url, prefix=prefix)


def _no_store() -> ConfigurationError:
    return ConfigurationError(
        f"That names no store; give {KINDS}. A directory with a colon near the beginning of its name begins with ./"
    )
