"""The key for a store that is to be encrypted, made where there is none: never beside records that need another one.

A keyring that is locked, or another one, may say that it has nothing. A key that was made then would encrypt new
records, and those there are could not be read any more.
"""

import os
from collections.abc import Callable

from dcrauth._internal.arguments import path_of
from dcrauth._internal.confidential import discreet
from dcrauth._internal.store_urls import KEY_FILE, KEY_SERVICE, KEY_VARIABLE
from dcrauth.errors import DecryptionFailed, StoreUnavailable
from dcrauth.stores import Store
from dcrauth.stores._key_text import new_key, text_of
from dcrauth.stores._sealing import is_sealed
from dcrauth.stores.keys import key_from_environment, key_from_file, key_from_keyring

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@discreet
def first_key(store: Store, kind: str, name: str, *, timeout: float) -> tuple[bytes, bool]:
    """Return the key for a *store* whose records are plain, and whether it was made; it was read back before.

    Parameters:
        kind: where it is kept: ``key_service``, ``key_file`` or ``key_variable``, where none can be made.
        name: of the service in the system's keyring, the file, or the environment variable.
        timeout: how long the keyring may take for an answer, in seconds; somebody may have to unlock it.

    Raises:
        DecryptionFailed: there is none, and records are encrypted already, or it cannot be made there.
        InsecureStore, ConfigurationError: what is there will not do.
        StoreUnavailable: the place or the store fails, the keyring does not answer, or does not keep a key.
    """
    read, make = _place(kind, name, timeout)
    try:
        return read(), False
    except DecryptionFailed as missing:
        absence = missing.message
    if is_encrypted(store):
        raise DecryptionFailed(
            f"{absence}. Records of the store are encrypted already, so no key was made: put the one back that they "
            "were encrypted with, or unlock the keyring that has it"
        )
    if make is None:
        raise DecryptionFailed(absence)
    return make(), True


def is_encrypted(store: Store) -> bool:
    """Return whether any record of *store* is encrypted; what cannot be read is an error, and not plain."""
    return any(is_sealed(store.get(key) or b"") for key in store.keys())


def _place(kind: str, name: str, timeout: float) -> tuple[Callable[[], bytes], Callable[[], bytes] | None]:
    """Return what reads the key, and what makes one, where that can be done."""
    if kind == KEY_SERVICE:
        entry = key_from_keyring(name, timeout=timeout)
        return entry, entry.make
    if kind == KEY_FILE:
        return key_from_file(name), lambda: _made_file(path_of(name, "path"))
    assert kind == KEY_VARIABLE  # noqa: S101  # there are no others
    return key_from_environment(name), None


def _made_file(path: str) -> bytes:
    """Write a new key to a file that only its owner can read, unless there is one; return the key in it."""
    try:
        fd = os.open(path, _NEW, 0o600)
    except FileExistsError:  # somebody was faster
        return key_from_file(path)()
    except OSError as reason:
        raise StoreUnavailable(f"No key can be written to {path}: {reason.strerror}") from None
    try:
        with open(fd, "w", encoding="ascii") as file:
            file.write(f"{text_of(new_key())}\n")
            file.flush()
            os.fsync(fd)
        _sync_folder(os.path.dirname(os.path.abspath(path)))
    except OSError as reason:
        os.unlink(path)
        raise StoreUnavailable(f"No key can be written to {path}: {reason.strerror}") from None
    return key_from_file(path)()


def _sync_folder(path: str) -> None:
    """See to it that a new file in a folder outlasts a power failure, as what is encrypted with it will."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
