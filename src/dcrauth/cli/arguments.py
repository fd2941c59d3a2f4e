"""What the command refuses as an argument: secrets, which all users of the machine can see there, and empty text."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from dcrauth._internal.store_urls import ENCRYPTED
from dcrauth.errors import ConfigurationError
from dcrauth.stores._key_text import parsed
from dcrauth.stores.by_url import SQL

EMPTY = "it is empty, as of a variable that is not set"

_LONGEST = 1e9
"""In seconds, which is 31 years: the system's clocks cannot wait for ten times as long."""

_OF_SERVERS = frozenset({"--base-url", "--issuer", "--token-endpoint"})
"""Options whose URLs have no use for a password, also not from a variable."""

_PASSWORD = re.compile(r"(password|passwd|passphrase|pwd)$", re.IGNORECASE)
_STATEMENT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


def check_no_secrets(arguments: Sequence[str]) -> None:
    """Raise ConfigurationError if one of *arguments* is what shells remember, and others can see."""
    for before, argument in zip(("", *arguments), arguments, strict=False):
        option = argument.partition("=")[0] if argument.startswith("--") else before
        _check_not_secret(argument, option)


def seconds(argument: str) -> float:
    """Return *argument* as a number of seconds that can be waited.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= (found := float(argument)) <= _LONGEST:
        raise ValueError
    return found


def _check_not_secret(argument: str, option: str) -> None:
    value = argument.partition("=")[2] if argument.startswith("--") else argument
    scheme, is_url, rest = value.partition("://")
    options = parse_qsl(value.partition("?")[2], keep_blank_values=True)
    if is_url and (_may_hold_password(scheme, rest) or any(_PASSWORD.search(name) for name, _ in options)):
        if option in _OF_SERVERS:
            raise ConfigurationError(
                f"A password in an argument can be seen by others, and {option} takes none: leave it out of the URL"
            )
        raise _seen_by_others("password", "the URL into $DCRAUTH_STORE, or into another variable and give env:NAME")
    if _STATEMENT.search(value):
        raise _seen_by_others("software statement", "it into a file, and name that")
    if any(parsed(each) is not None for each in (value, *(text for _, text in options))):
        raise _seen_by_others("key", "it into a file, and name that (with ./ before a name that looks like a key)")


def _may_hold_password(scheme: str, rest: str) -> bool:
    """Return whether there may be a password before the host; what stands there alone, only SQL databases call a user.

    In the URL of a Redis, and in others, it is often a password.
    """
    before, is_user, _ = rest.rpartition("@")
    return bool(is_user) and (":" in before or not SQL.fullmatch(scheme.lower().removeprefix(ENCRYPTED)))


def _seen_by_others(secret: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"A {secret} in an argument can be seen by others: put {remedy}")
