"""Which versions are at work: of dcrauth, Python, OpenSSL, and the HTTP libraries that it can use."""

import platform
import ssl
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from dcrauth._internal.version import __version__
from dcrauth.cli.findings import Finding, Word

_LIBRARIES = ("requests", "urllib3", "httpx", "httpx2", "aiohttp", "niquests")
_STORES = ("cryptography", "keyring", "redis")


def version_findings() -> Iterator[Finding]:
    """Yield the versions."""
    yield Finding("version", Word.OK, __version__, about="dcrauth")
    yield Finding("version", Word.OK, f"{platform.python_version()} on {platform.system()}", about="Python")
    yield Finding("version", Word.OK, ssl.OPENSSL_VERSION, about="OpenSSL")
    for name in (*_LIBRARIES, *_STORES):
        if (found := installed(name)) is not None:
            yield Finding("version", Word.OK, found, about=name)


def installed(name: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
