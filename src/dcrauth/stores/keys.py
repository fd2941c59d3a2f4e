"""Keys for an `EncryptedStore`: making them, and having them from where they are kept.

As text, a key is 32 bytes in URL-safe base64 (44 characters) or 64 hexadecimal digits; space around it does not count.
"""

import os
import stat
import warnings
from collections.abc import Callable
from functools import partial

from dcrauth._internal.arguments import check_seconds, check_text, path_of, shown
from dcrauth._internal.confidential import discreet
from dcrauth._internal.store_urls import KEY_FILE, KEY_SERVICE, KEY_VARIABLE
from dcrauth.errors import ConfigurationError, DecryptionFailed, InsecureStore, StoreUnavailable, StoreWarning
from dcrauth.stores._key_text import FORMATS, new_key, parsed, text_of
from dcrauth.stores._keyring import KeyringEntry
from dcrauth.stores._ownership import OPEN_TO_OTHERS, closed_to_others, permissions_of

__all__ = ["generate_key", "key_from_environment", "key_from_file", "key_from_keyring"]

_LONGEST_NAME = 100
_MOST = 1024
"""How much of a key file is read, in bytes."""

# O_NONBLOCK: opening a FIFO must not hang. Links are followed: what counts is the file at their end.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ALL_BUT_READING_BY_GROUP = OPEN_TO_OTHERS & ~stat.S_IRGRP


def generate_key() -> str:
    """Return a new key as text, to be put where only the application can read it."""
    return text_of(new_key())


@discreet
def key_from_environment(name: str) -> Callable[[], bytes]:
    """Return what reads a key from an environment variable when it is called.

    Parameters:
        name: of the variable.

    Raises:
        ConfigurationError: *name* is a key itself.

    Raises (when called):
        DecryptionFailed: it is not set.
        ConfigurationError: it holds something else.
    """
    check_text(name, "name")
    _check_not_a_key(name, "the name of an environment variable")
    return partial(_from_environment, name)


@discreet
def key_from_file(path: str | os.PathLike[str]) -> Callable[[], bytes]:
    """Return what reads a key from a file when it is called.

    The file has to be a regular one that belongs to this user, or one of root that nobody but its group can read, as
    secrets are mounted into containers. A link to such a file is followed. Permissions of others on a file of our own
    are taken away, and a `dcrauth.StoreWarning` tells of them.

    Parameters:
        path: of the file; a ``~`` is expanded.

    Raises:
        ConfigurationError: *path* is none, or a key itself.

    Raises (when called):
        DecryptionFailed: there is no such file.
        InsecureStore: it is not such a file, or everybody can write to it.
        ConfigurationError: it holds something else.
        StoreUnavailable: it cannot be read.
    """
    where = path_of(path, "path")
    _check_not_a_key(where, "the path of a file")
    return partial(_from_file, where)


@discreet
def key_from_keyring(service: str, user: str = "dcrauth", *, timeout: float = 3.0) -> KeyringEntry:
    """Return what asks the keyring of the system for a key when it is called (extra ``keyring``).

    A missing key is never made up. A backend of ``keyring`` that keeps nothing, or keeps secrets in plain text, is
    refused; in a chain of backends such a one is not asked.

    Parameters:
        service: under which the key was put there, with ``keyring set SERVICE USER``.
        timeout: how long an answer may take, in seconds; a locked keyring may never give one.

    Raises:
        ConfigurationError: an argument is of a kind that will not do.
        ImportError: ``keyring`` is not installed.

    Raises (when called):
        DecryptionFailed: there is no such entry.
        InsecureStore: there is no backend that keeps secrets.
        ConfigurationError: the entry is something else.
        StoreUnavailable: the keyring failed, or did not answer in time.
    """
    for name, what in ((service, "service"), (user, "user")):
        check_text(name, what)
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise ConfigurationError(f"{what} must be a name of an entry in the keyring, not {shown(name)}")
    check_seconds(timeout, "timeout")
    try:
        import keyring  # noqa: F401, PLC0415  # asked for already here, so that its lack shows when the program starts
    except ImportError as missing:
        raise ImportError("key_from_keyring needs keyring; run: pip install dcrauth[keyring]") from missing
    return KeyringEntry(service, user, timeout)


def key_named(kind: str, name: str) -> Callable[[], bytes]:
    """Return what reads a key, as the option of a store says it: ``key_file``, ``key_variable`` or ``key_service``."""
    sources = {KEY_FILE: key_from_file, KEY_VARIABLE: key_from_environment, KEY_SERVICE: key_from_keyring}
    return sources[kind](name)


def _from_environment(name: str) -> bytes:
    if name not in os.environ:
        raise DecryptionFailed(
            f"The environment variable {shown(name)}, which should hold the key of an encrypted store, is not set"
        )
    key = parsed(os.environ[name])
    if key is None:
        raise ConfigurationError(f"The environment variable {shown(name)} does not hold {FORMATS}")
    return key


def _from_file(path: str) -> bytes:
    try:
        key = _key_in(path)
    except FileNotFoundError:
        raise DecryptionFailed(f"There is no key file {path}; restore it if there was one") from None
    except OSError as reason:
        raise StoreUnavailable(f"The key file {path} cannot be read: {reason.strerror}") from None
    if key is None:
        raise ConfigurationError(f"The key file {path} does not hold {FORMATS}")
    return key


def _key_in(path: str) -> bytes | None:
    fd = os.open(path, _READING)
    try:
        found = os.fstat(fd)
        _check(path, found)
        with open(fd, "rb", closefd=False) as file:
            key = parsed(file.read(_MOST).decode("latin-1"))
        if key is not None:  # what holds none was named by mistake, and others may have to read it
            _close_to_others(path, fd, found)
        return key
    finally:
        os.close(fd)


def _check(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InsecureStore(f"{path} is not a file; put the key into one")
    if os.name == "posix" and found.st_uid not in {os.geteuid(), 0}:
        raise InsecureStore(f"The key file {path} belongs to another user (uid {found.st_uid}); make it your own")


def _close_to_others(path: str, fd: int, found: os.stat_result) -> None:
    forbidden = OPEN_TO_OTHERS if found.st_uid else _ALL_BUT_READING_BY_GROUP
    try:
        opened = closed_to_others(path, fd, found, forbidden)
    except InsecureStore as reason:
        raise InsecureStore(f"{reason}. Consider the key in it as known, and make a new one") from None
    if opened:
        warnings.warn(
            f"The key file {path} was open to others ({permissions_of(found)}), and is not any more. A volume of "
            "Kubernetes with an fsGroup does that; otherwise consider the key as known, and make a new one",
            StoreWarning,
            stacklevel=2,
        )


def _check_not_a_key(text: str, wanted: str) -> None:
    if parsed(text) is not None:
        raise ConfigurationError(f"Give {wanted} that holds the key, not the key itself, which messages would show")
