"""The TLS contexts of a transport: made once, and anew only when a file that went into one is not the same any more."""

import functools
import os
import ssl
import stat
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from dcrauth._internal import fork

Path: TypeAlias = str | os.PathLike[str]

_PATIENCE = 2.0
"""How long a thread waits for another one to make a context, in seconds."""


class KeptContexts:
    """Keeps the TLS contexts of transports, by the files that they are made of.

    Making one reads hundreds of certificates, which takes longer than the rest of a renewal. So one thread makes it,
    and the others wait for that, but not for long: it may be stuck in a file system.

    Parameters:
        replaced: called when a context is another one than before.
    """

    def __init__(self, replaced: Callable[[], object] = lambda: None) -> None:
        self._replaced = replaced
        self._kept: dict[Sequence[Path], tuple[object, ssl.SSLContext]] = {}
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Be free of a thread that is not here any more."""
        self._lock = threading.Lock()

    def get(self, files: Sequence[Path], make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return the context that *make* makes of *files*, which it does the first time and when one has changed."""
        versions = [
            version_of(each) for each in files
        ]  # first, so that what changes while it is read counts as changed
        found = self._found(files, versions)
        if found is not None:
            return found
        lock = self._lock
        has_its_turn = lock.acquire(timeout=_PATIENCE)
        try:
            return self._found(files, versions) or self._made(files, versions, make)
        finally:
            if has_its_turn:
                lock.release()

    def _found(self, files: Sequence[Path], versions: object) -> ssl.SSLContext | None:
        kept = self._kept.get(files)
        return kept[1] if kept is not None and kept[0] == versions else None

    def _made(self, files: Sequence[Path], versions: object, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        # OpenSSL takes locks meanwhile, and one that another thread has at a fork is taken in the child for ever.
        with fork.undivided():
            context = make()
        if files in self._kept:
            self._replaced()
        self._kept[files] = versions, context
        return context


def trusting(path: Path) -> ssl.SSLContext:
    """Make a context that trusts the certificates in *path*, a file or a directory that OpenSSL can search."""
    if os.path.isdir(path):
        return ssl.create_default_context(capath=os.fspath(path))
    return ssl.create_default_context(cafile=os.fspath(path))


def openssl_context(*, trust_env: bool) -> ssl.SSLContext:
    """Make a context that trusts whom OpenSSL trusts, unless told otherwise.

    Parameters:
        trust_env: whether ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are heeded, which OpenSSL does by itself. Where it was
            built for a place that is not there, as on Windows, it cannot be kept from it.
    """
    if trust_env:
        return ssl.create_default_context()
    file, directory = _built_in()
    return ssl.create_default_context(cafile=file, capath=directory)


def openssl_authorities(*, trust_env: bool) -> tuple[str, ...]:
    """Return where OpenSSL reads trusted certificates from, unless told otherwise.

    Its own directory is left out: it is searched in the middle of a handshake, which no context is made anew for.
    """
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") if trust_env else None
    usual = _usual_file(ssl.get_default_verify_paths)
    return (named, usual) if named else (usual,)


@functools.lru_cache(maxsize=2)
def _usual_file(paths: Callable[[], ssl.DefaultVerifyPaths]) -> str:
    """Return the file of certificates that OpenSSL was built for; to ask looks into the file system, for each call."""
    return paths().openssl_cafile


def _built_in() -> tuple[str | None, str | None]:
    """The file and the directory of certificates that OpenSSL was built for, as far as they exist."""
    paths = ssl.get_default_verify_paths()
    file, directory = paths.openssl_cafile, paths.openssl_capath
    return file if os.path.isfile(file) else None, directory if os.path.isdir(directory) else None


def version_of(path: Path) -> object:
    """What is another when a file was written to or replaced, also behind a symbolic link; None if there is none.

    It always is for what is no file: a directory does not show that a file in it was written to, and a context that
    only searches it is made at once.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError:
        return object()
    if not stat.S_ISREG(found.st_mode):
        return object()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def no_password() -> str:
    """Stands where OpenSSL would ask for one on the terminal, and wait for the answer."""
    raise ssl.SSLError(
        0, "the key of the client certificate is encrypted; decrypt it, there is no option for a password"
    )
