"""Keys for an `EncryptedStore`: making them, and having them from where they are kept.

As text, a key is 32 bytes in URL-safe base64 (44 characters) or 64 hexadecimal digits; space around it does not count.
"""

import base64
import os
import re
import secrets
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from dcrauth._internal import fork
from dcrauth._internal.arguments import check_seconds, check_text, path_of, shown
from dcrauth._internal.confidential import discreet
from dcrauth._internal.threads import begin_bare
from dcrauth.errors import (
    ConfigurationError,
    DCRAuthError,
    DecryptionFailed,
    InsecureStore,
    StoreUnavailable,
    StoreWarning,
    another,
)
from dcrauth.stores._ownership import OPEN_TO_OTHERS, closed_to_others, permissions_of

__all__ = ["generate_key", "key_from_environment", "key_from_file", "key_from_keyring"]

_LENGTH = 32
_BASE64 = re.compile(r"[A-Za-z0-9_-]{43}=")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{64}")
_FORMATS = "32 bytes in URL-safe base64 (44 characters) or 64 hexadecimal digits"
_LONGEST_NAME = 100
_MOST = 1024
"""How much of a key file is read, in bytes."""

# O_NONBLOCK: opening a FIFO must not hang. Links are followed: what counts is the file at their end.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ALL_BUT_READING_BY_GROUP = OPEN_TO_OTHERS & ~stat.S_IRGRP

_KEEPS_NOTHING = ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring")
_KEEPS_PLAIN_TEXT = ("keyrings.alt.file.PlaintextKeyring",)
_CHAINS = "keyring.backends.chainer.ChainerBackend"


def generate_key() -> str:
    """Return a new key as text, to be put where only the application can read it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_LENGTH)).decode()


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
def key_from_keyring(service: str, user: str = "dcrauth", *, timeout: float = 3.0) -> Callable[[], bytes]:
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
    return _FromKeyring(service, user, timeout)


def _from_environment(name: str) -> bytes:
    if name not in os.environ:
        raise DecryptionFailed(
            f"The environment variable {shown(name)}, which should hold the key of an encrypted store, is not set"
        )
    key = _parsed(os.environ[name])
    if key is None:
        raise ConfigurationError(f"The environment variable {shown(name)} does not hold {_FORMATS}")
    return key


def _from_file(path: str) -> bytes:
    try:
        key = _key_in(path)
    except FileNotFoundError:
        raise DecryptionFailed(f"There is no key file {path}; restore it if there was one") from None
    except OSError as reason:
        raise StoreUnavailable(f"The key file {path} cannot be read: {reason.strerror}") from None
    if key is None:
        raise ConfigurationError(f"The key file {path} does not hold {_FORMATS}")
    return key


def _key_in(path: str) -> bytes | None:
    fd = os.open(path, _READING)
    try:
        found = os.fstat(fd)
        _check(path, found)
        with open(fd, "rb", closefd=False) as file:
            key = _parsed(file.read(_MOST).decode("latin-1"))
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


class _FromKeyring:
    """Asks the keyring on a thread of its own, since a locked one may never answer; one at a time."""

    def __init__(self, service: str, user: str, timeout: float) -> None:
        self._service = service
        self._user = user
        self._timeout = timeout
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Forget the question that a thread of the parent has asked."""
        self._guard = threading.Lock()
        self._pending: Future[bytes] | None = None

    def __call__(self) -> bytes:
        with self._guard:
            asked = self._pending = self._pending or self._ask()
        if not wait([asked], self._timeout).done:
            # The question stands: whoever asks again waits for the same answer, and no threads pile up.
            raise StoreUnavailable(
                f"The keyring did not answer within {self._timeout:g} s; unlock it, or use another source of keys"
            )
        with self._guard:
            if self._pending is asked:
                self._pending = None
        failure = asked.exception()
        if isinstance(failure, DCRAuthError):
            raise another(failure)
        if failure is None:
            return asked.result()
        kind = type(failure).__name__
        del failure  # what it says is not ours to show, not even in a traceback
        raise StoreUnavailable(f"The keyring failed: {kind}")

    def _ask(self) -> Future[bytes]:
        answer: Future[bytes] = Future()
        ask = partial(_answer, answer, self._service, self._user)
        begin_bare(threading.Thread(target=ask, name="dcrauth-keyring", daemon=True))
        return answer


def _answer(answer: "Future[bytes]", service: str, user: str) -> None:
    try:
        answer.set_result(_in_keyring(service, user))
    except BaseException as failure:  # a backend may raise anything, and somebody is waiting
        answer.set_exception(failure)


def _in_keyring(service: str, user: str) -> bytes:
    for backend in _backends():
        text = backend.get_password(service, user)
        if text is not None:
            key = _parsed(text)
            if key is None:
                raise ConfigurationError(f"What the keyring has for {user!r} of {service!r} is not {_FORMATS}")
            return key
    raise DecryptionFailed(
        f"The keyring has no key for {user!r} of {service!r}; put it there with: keyring set {service} {user}"
    )


def _backends() -> list[Any]:
    """Return the backends of the keyring that keep secrets as secrets, in the order in which they are asked."""
    import keyring  # noqa: PLC0415  # an extra

    found = list(_unchained(keyring.get_keyring()))
    refused = [backend for backend in found if _doubt(backend)]
    if not found or found[0] in refused:
        name = _name(type(refused[0])) if refused else _CHAINS
        doubt = _doubt(refused[0]) if refused else "has no backend to ask"
        raise InsecureStore(
            f"The keyring of this system ({name}) {doubt}; set up another one, or keep the key elsewhere"
        )
    return [backend for backend in found if backend not in refused]


def _unchained(backend: Any) -> Iterator[Any]:
    if _is_one(backend, (_CHAINS,)):
        for each in backend.backends:
            yield from _unchained(each)
    else:
        yield backend


def _doubt(backend: Any) -> str:
    """Return what is wrong with a backend, or nothing."""
    if _is_one(backend, _KEEPS_NOTHING):
        return "keeps nothing"
    return "keeps secrets in plain text" if _is_one(backend, _KEEPS_PLAIN_TEXT) else ""


def _is_one(backend: Any, names: tuple[str, ...]) -> bool:
    """Return whether a backend is of one of the classes, which are not imported for that: they may not be installed."""
    return any(_name(kind) in names for kind in type(backend).__mro__)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _check_not_a_key(text: str, wanted: str) -> None:
    if _parsed(text) is not None:
        raise ConfigurationError(f"Give {wanted} that holds the key, not the key itself, which messages would show")


def _parsed(text: str) -> bytes | None:
    """Return the key in *text*, or None if there is none."""
    text = text.strip()
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    return base64.urlsafe_b64decode(text) if _BASE64.fullmatch(text) else None
