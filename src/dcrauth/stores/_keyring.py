"""The keyring of the system, which is asked on a thread of its own, since a locked one may never answer."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from dcrauth._internal import fork
from dcrauth._internal.threads import begin_bare
from dcrauth.errors import (
    ConfigurationError,
    DCRAuthError,
    DecryptionFailed,
    InsecureStore,
    StoreUnavailable,
    another,
)
from dcrauth.stores._disk import Disk
from dcrauth.stores._key_text import FORMATS, new_key, parsed, text_of
from dcrauth.stores._locks import locked

_KEEPS_NOTHING = ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring")
_KEEPS_PLAIN_TEXT = ("keyrings.alt.file.PlaintextKeyring",)
_CHAINS = "keyring.backends.chainer.ChainerBackend"


class KeyringEntry:
    """What the keyring has for one user of one service; it is asked once at a time.

    Parameters:
        service: under which the key is there.
        user: whose it is.
        timeout: how long an answer may take, in seconds.
    """

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
        """Return the key.

        Raises:
            DecryptionFailed: there is no such entry.
            InsecureStore: there is no backend that keeps secrets.
            ConfigurationError: the entry is something else.
            StoreUnavailable: the keyring failed, or did not answer in time.
        """
        with self._guard:
            asked = self._pending = self._pending or _begun(partial(_in_keyring, self._service, self._user))
        try:
            return self._answered(asked)
        finally:
            with self._guard:
                # Else the question stands: whoever asks again waits for the same answer, and no threads pile up.
                if asked.done() and self._pending is asked:
                    self._pending = None

    def make(self) -> bytes:
        """Put a new key there unless there is one, and return what the keyring then gives back.

        One at a time of all processes of this user: of two who make a key, one would lose what it has encrypted.

        Raises:
            StoreUnavailable: the keyring failed, gives nothing back, or did not answer in time.
        """
        from platformdirs import user_cache_dir  # noqa: PLC0415  # not every program asks for it

        folder = user_cache_dir("dcrauth", appauthor=False)
        Disk().make_path(folder)
        with locked(os.path.join(folder, "keyring.lock"), self._timeout):
            return self._answered(_begun(partial(_made, self._service, self._user)))

    def _answered(self, asked: "Future[bytes]") -> bytes:
        if not wait([asked], self._timeout).done:
            raise StoreUnavailable(
                f"The keyring did not answer within {self._timeout:g} s; unlock it, or use another source of keys"
            )
        failure = asked.exception()
        if isinstance(failure, DCRAuthError):
            raise another(failure)
        if failure is None:
            return asked.result()
        kind = type(failure).__name__
        del failure  # what it says is not ours to show, not even in a traceback
        raise StoreUnavailable(f"The keyring failed: {kind}; if it is locked, unlock it, or use another source of keys")


def _begun(act: Callable[[], bytes]) -> "Future[bytes]":
    answer: Future[bytes] = Future()
    begin_bare(threading.Thread(target=partial(_answer, answer, act), name="dcrauth-keyring", daemon=True))
    return answer


def _answer(answer: "Future[bytes]", act: Callable[[], bytes]) -> None:
    try:
        answer.set_result(act())
    except BaseException as failure:  # a backend may raise anything, and somebody is waiting
        answer.set_exception(failure)


def _in_keyring(service: str, user: str) -> bytes:
    for backend in _backends():
        text = backend.get_password(service, user)
        if text is not None:
            return _key_in(text, service, user)
    raise DecryptionFailed(
        f"The keyring has no key for {user!r} of {service!r}; put it there with: keyring set {service} {user}"
    )


def _key_in(text: str, service: str, user: str) -> bytes:
    key = parsed(text)
    if key is None:
        raise ConfigurationError(f"What the keyring has for {user!r} of {service!r} is not {FORMATS}")
    return key


def _made(service: str, user: str) -> bytes:
    try:
        return _in_keyring(service, user)  # somebody was faster
    except DecryptionFailed:
        """There is none."""
    first, text = _backends()[0], text_of(new_key())
    first.set_password(service, user, text)
    if (found := first.get_password(service, user)) != text:
        what = "another key" if found else "nothing"
        raise StoreUnavailable(
            f"The keyring has taken a new key for {user!r} of {service!r}, and gives {what} back: nothing was "
            "encrypted. Unlock it, or keep the key in a file"
        )
    return _key_in(text, service, user)


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
