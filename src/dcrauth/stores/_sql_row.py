"""A record as a row of a SQL database, which says by itself whether it is damaged."""

import hashlib
import secrets
from typing import Any

from dcrauth.errors import StoreCorrupt


def row_of(key: str, value: bytes) -> dict[str, Any]:
    """Return the row of a record that is yet to be written; its mark is drawn for this writing."""
    return {"id": id_of(key), "name": _encoded(key), "mark": secrets.token_bytes(16), "value": value}


def id_of(key: str) -> bytes:
    """Return the id of the row of a *key*."""
    return hashlib.sha256(_encoded(key)).digest()


def value_in(name: Any, value: Any, *, key: str, store: object) -> bytes:
    """Return the record in a row that was found under the id of *key*.

    Parameters:
        name, value: what those columns have.
        key: whose row it should be.
        store: where it was found.

    Raises:
        StoreCorrupt: it is not what was written.
    """
    if not isinstance(value, bytes) or name != _encoded(key):
        raise _damaged(id_of(key), store)
    return bytes(value)


def key_in(number: bytes, name: Any, *, store: object) -> str:
    """Return the key of a row, by its id and its name.

    Raises:
        StoreCorrupt: they do not belong together.
    """
    if not isinstance(name, bytes) or hashlib.sha256(name).digest() != number:
        raise _damaged(number, store)
    return name.decode("utf-8", "surrogatepass")


def _damaged(number: bytes, store: object) -> StoreCorrupt:
    return StoreCorrupt(f"The row {number.hex()} in {store!r} is damaged; it was left as it is")


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
