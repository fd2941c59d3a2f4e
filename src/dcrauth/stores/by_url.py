"""Any store by one text, as settings and commands name it: `open_store`."""

import os
import re
from collections.abc import Callable, Mapping

from dcrauth._internal import store_urls
from dcrauth._internal.arguments import check_text
from dcrauth._internal.confidential import discreet
from dcrauth.errors import ConfigurationError
from dcrauth.stores import Store
from dcrauth.stores.memory import MemoryStore

KINDS = (
    "a directory, sqlite:FILE, the URL of a Redis, as redis://HOST:PORT/DATABASE, or that of a SQL database, as "
    "postgresql+psycopg://HOST/DATABASE"
)

_PREFIX = "prefix"
_REDIS = re.compile(r"rediss?(\+(cluster|sentinel))?|unix")
SQL = re.compile(r"(postgresql|mysql|mariadb)(\+[a-z0-9_]+)?|sqlite\+[a-z0-9_]+")
"""Databases as SQLAlchemy names them; ``sqlite:`` alone is a store that needs no SQLAlchemy."""

_VARIABLE = "env"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_memories: dict[str, MemoryStore] = {}


@discreet
def open_store(url: str, *, prefix: str | None = None) -> Store:
    """Return the store that *url* names, which no message quotes: it may hold a password.

    Parameters:
        url: ``redis://``, ``redis+cluster://`` or ``redis+sentinel://``, each of them with ``rediss`` as well, or
            ``unix://`` for a `RedisStore`, with ``?prefix=…`` for keys that do not begin with ``dcrauth:``;
            ``sqlite:FILE`` for an `SQLiteStore`, ``file:DIRECTORY`` or a plain path for a `FileStore`;
            ``postgresql+psycopg://``, ``mysql+pymysql://``, ``mariadb+pymysql://`` or ``sqlite+pysqlite:///`` for a
            `SQLStore`, with ``?table=…&schema=…`` for tables of other names; ``memory:`` for the one `MemoryStore` of
            this process. With ``encrypted+`` before any of them, and ``key_service``, ``key_file`` or ``key_variable``
            among its options, it is an `EncryptedStore` over that one. ``env:NAME`` is whatever of these the
            environment variable holds.
        prefix: what the keys in a Redis begin with, in the place of an option that says so.

    Raises:
        ConfigurationError: it names no store, or *prefix* comes with another one than a Redis, or a key with one that
            is not encrypted.
        ImportError: the store needs an extra that is not installed.
    """
    check_text(url, "url")
    found = in_environment(url)
    if store_urls.is_encrypted(found):
        return _encrypted(store_urls.beneath_encryption(found), prefix)
    if store_urls.without(found, store_urls.KEYS)[1]:
        raise ConfigurationError("A key is for an encrypted store: put encrypted+ before what names the store")
    return _plain(found, prefix)


def in_environment(url: str) -> str:
    """Return *url*, or what the environment variable that it names holds."""
    if store_urls.scheme_of(url) != _VARIABLE:
        return url
    name = store_urls.behind_scheme(url)
    if not _NAME.fullmatch(name):
        raise ConfigurationError("What follows env: is the name of an environment variable in which a store is named")
    if not (found := os.environ.get(name, "").strip()):
        raise ConfigurationError(f"The environment variable {name}, which should name a store, is not set")
    return found


def _encrypted(url: str, prefix: str | None) -> Store:
    inner, keys = store_urls.without(url, store_urls.KEYS)
    if not (keys and all(name for _, name in keys)):
        raise ConfigurationError(
            "An encrypted store needs a key: add ?key_service=SERVICE of the system's keyring, ?key_file=FILE or "
            "?key_variable=NAME to what names the store"
        )
    from dcrauth.stores.encrypted import EncryptedStore  # noqa: PLC0415  # needs an extra
    from dcrauth.stores.keys import key_named  # noqa: PLC0415  # only here

    return EncryptedStore(_plain(inner, prefix), keys=[key_named(kind, name) for kind, name in keys])


def _plain(url: str, prefix: str | None) -> Store:
    scheme = store_urls.scheme_of(url)
    rest = store_urls.behind_scheme(url)
    # A form for another kind of Redis, or of database, is one more row here.
    for schemes, names, opened in ((_REDIS, (_PREFIX,), _redis), (SQL, ("table", "schema"), _sql)):
        if schemes.fullmatch(scheme):
            server, options = store_urls.without(f"{scheme}:{rest}", names)
            return opened(server, _chosen(dict(options), prefix))
    if prefix is not None:
        raise _prefix_elsewhere()
    if scheme == "memory":
        return _memories.setdefault(rest, MemoryStore())
    if scheme not in _ON_DISK or not rest or "://" in rest or (scheme and rest.startswith("//")):
        raise _no_store()
    return _ON_DISK[scheme](rest)


def _chosen(options: dict[str, str], prefix: str | None) -> dict[str, str]:
    return options if prefix is None else {**options, _PREFIX: prefix}


def _redis(url: str, options: Mapping[str, str]) -> Store:
    from dcrauth.stores.redis import RedisStore  # noqa: PLC0415  # needs an extra

    return RedisStore(url, prefix=options[_PREFIX]) if _PREFIX in options else RedisStore(url)


def _sql(url: str, options: Mapping[str, str]) -> Store:
    if _PREFIX in options:
        raise _prefix_elsewhere()
    from dcrauth.stores.sql import SQLStore  # noqa: PLC0415  # needs an extra

    return SQLStore(url, **options)


def _sqlite(path: str) -> Store:
    from dcrauth.stores.sqlite import SQLiteStore  # noqa: PLC0415  # needs sqlite3, which some Pythons lack

    return SQLiteStore(path)


def _file(path: str) -> Store:
    from dcrauth.stores.file import FileStore  # noqa: PLC0415  # not every program has one

    return FileStore(path)


_ON_DISK: Mapping[str, Callable[[str], Store]] = {"": _file, "file": _file, "sqlite": _sqlite}


def _prefix_elsewhere() -> ConfigurationError:
    return ConfigurationError("A prefix is for a Redis: leave it out, or give the URL of one")


def _no_store() -> ConfigurationError:
    return ConfigurationError(
        f"That names no store; give {KINDS}. A directory with a colon near the beginning of its name begins with ./"
    )
