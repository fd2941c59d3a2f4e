"""What all transports have in common: their options, their limits, and how a fault is told."""

import os
import ssl
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from dcrauth.errors import ServerUnavailable
from dcrauth.provider import Request

LARGEST_ANSWER = 1 << 20
"""The most bytes of an answer that are read."""


@dataclass(frozen=True, kw_only=True)
class TransportOptions:
    """The options of every transport.

    Parameters:
        proxy: URL of an HTTP proxy; None for the one that the environment names, "" for none at all.
        ca_bundle: path of a file of trusted certificates, in place of the HTTP library's own.
        client_certificate: path of a file with certificate and key, or the paths of both.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each part of the answer.
        total_timeout: seconds for the whole answer.
    """

    proxy: str | None = None
    ca_bundle: str | os.PathLike[str] | None = None
    client_certificate: str | tuple[str, str] | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    total_timeout: float = 15.0

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy to use for *url*, if any."""
        if self.proxy is not None:
            return self.proxy or None
        parts = urlsplit(url)
        if urllib.request.proxy_bypass(parts.hostname or ""):
            return None
        found = urllib.request.getproxies()
        return found.get(parts.scheme) or found.get("all")

    def own_context(self) -> ssl.SSLContext | None:
        """Return what trusts *ca_bundle*, or None if the HTTP library's own context is to be used."""
        if self.ca_bundle is None:
            return None
        return self.with_client_certificate(ssl.create_default_context(cafile=os.fspath(self.ca_bundle)))

    def with_client_certificate(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Return *context* with the client certificate loaded, if there is one."""
        if isinstance(self.client_certificate, str):
            context.load_cert_chain(self.client_certificate)
        elif self.client_certificate is not None:
            context.load_cert_chain(*self.client_certificate)
        return context


class Intake:
    """The body of an answer as it comes in, bounded in size and time.

    Parameters:
        request: what is being answered.
        seconds: how long the answer may take from now on.
    """

    def __init__(self, request: Request, seconds: float) -> None:
        self._endpoint = request.endpoint
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._body = bytearray()

    def take(self, part: bytes) -> None:
        """Add a part of the body; raise `ServerUnavailable` once it is too much or too late."""
        self._body += part
        if len(self._body) > LARGEST_ANSWER:
            raise ServerUnavailable(f"{self._endpoint} answered more than {LARGEST_ANSWER} bytes; that is no answer")
        if time.monotonic() > self._deadline:
            raise ServerUnavailable(f"{self._endpoint} did not finish its answer within {self._seconds:g} s")

    @property
    def body(self) -> bytes:
        """What came in so far."""
        return bytes(self._body)


def fault(request: Request, reason: BaseException) -> ServerUnavailable:
    """Return the error for a call that failed with *reason*, quoting nothing that could hold a part of the request."""
    words = next(filter(None, map(_words, _chain(reason))), "")
    kind = type(reason).__name__
    return ServerUnavailable(f"{request.endpoint} could not be called: {kind}" + (f" ({words})" if words else ""))


def _chain(reason: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [reason]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _words(reason: BaseException) -> str | None:
    """What the operating system or the TLS library says; other texts may quote the URL."""
    # aiohttp has a class of its own under this one, which lacks the attribute; the original is behind it.
    if isinstance(reason, ssl.SSLCertVerificationError) and hasattr(reason, "verify_message"):
        return f"certificate verify failed: {reason.verify_message}"
    if type(reason).__module__ in {"builtins", "socket", "ssl"} and isinstance(reason, OSError):
        return reason.strerror
    return None
