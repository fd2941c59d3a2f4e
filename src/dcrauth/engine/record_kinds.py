"""What a record is, told by the key that it is kept under."""

from enum import Enum

from dcrauth.engine.identity import Identity, identity_using, is_of_credentials, whose_token


class Kind(Enum):
    """The kinds of records."""

    CLIENT = "a client in use, or the note that it was deleted"
    ASIDE = "a client that was replaced"
    TOKEN = "a token"
    NOTE = "a note on a registration that has brought nothing usable"
    FOUND_ANEW = "what is found out of a server, and may be lost"
    UNKNOWN = "of a later version, or of somebody else"


CLIENTS = frozenset({Kind.CLIENT, Kind.ASIDE})
"""What must not be lost."""

_OTHERS = {
    Identity("").registration: Kind.NOTE,
    **dict.fromkeys((Identity("").kept, Identity("").asked), Kind.FOUND_ANEW),
}


def kind_of(key: str) -> Kind:
    """Return what the record under *key* is."""
    if is_of_credentials(key):
        return Kind.ASIDE if identity_using(key) is None else Kind.CLIENT
    return Kind.TOKEN if whose_token(key) is not None else _OTHERS.get(key[len(owner_of(key)) :], Kind.UNKNOWN)


def owner_of(key: str) -> str:
    """Return the key of the identity that the record under *key* belongs to, by which it is locked as well."""
    return key.partition(".")[0]
