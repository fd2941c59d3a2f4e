"""The TLS contexts of a transport: made once, and anew only when a file that went into one is not the same any more."""

import os
import ssl
import stat
from collections.abc import Callable, Sequence
from typing import TypeAlias

from dcrauth._internal import fork

Path: TypeAlias = str | os.PathLike[str]


class KeptContexts:
    """Keeps the TLS contexts of a transport, by the files that they are made of.

    Making one reads hundreds of certificates, which takes longer than the rest of a renewal. A transport that was
    pickled or copied deeply begins with none.
    """

    def __init__(self) -> None:
        # Each in one piece, so that it takes no lock, which a fork could leave locked: two at once make one each.
        self._kept: dict[Sequence[Path], tuple[object, ssl.SSLContext]] = {}

    def __reduce__(self) -> tuple[type["KeptContexts"], tuple[()]]:
        return KeptContexts, ()

    def get(self, files: Sequence[Path], make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return the context that *make* makes of *files*, which it does the first time and when one has changed."""
        versions = [_version(each) for each in files]  # first, so that what changes while it is read counts as changed
        kept = self._kept.get(files)
        if kept is None or kept[0] != versions:
            # OpenSSL takes locks meanwhile, and one that another thread has at a fork is taken in the child for ever.
            with fork.undivided():
                kept = self._kept[files] = (versions, make())
        return kept[1]


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
    usual = ssl.get_default_verify_paths().cafile if trust_env else _built_in()[0]
    return tuple(path for path in (named, usual) if path)


def _built_in() -> tuple[str | None, str | None]:
    """The file and the directory of certificates that OpenSSL was built for, as far as they exist."""
    paths = ssl.get_default_verify_paths()
    file, directory = paths.openssl_cafile, paths.openssl_capath
    return file if os.path.isfile(file) else None, directory if os.path.isdir(directory) else None


def _version(path: Path) -> object:
    """What is another when a file was written to or replaced, also behind a symbolic link.

    It always is for what is no file: a directory does not show that a file in it was written to, and a context that
    only searches it is made at once.
    """
    try:
        found = os.stat(path)
    except OSError:
        return object()
    if not stat.S_ISREG(found.st_mode):
        return object()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
