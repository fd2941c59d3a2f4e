"""What all transports have in common: their options, their limits, and how a fault is told."""

import contextlib
import encodings.idna  # noqa: F401  # getaddrinfo would; no renewal imports what a fork could leave half imported
import os
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Self
from urllib.parse import urlsplit

from dcrauth._internal.arguments import check_seconds, check_text, path_of, wrong
from dcrauth._internal.confidential import discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError, ServerUnavailable, raised_in
from dcrauth.providers.origins import is_loopback
from dcrauth.providers.protocol import Request
from dcrauth.transports._tls import KeptContexts, openssl_authorities, openssl_context, trusting

LARGEST_ANSWER = 1 << 20
"""The most bytes of an answer that are read."""

_PROXIES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}
_UNFOLDED = {"gzip", "x-gzip", "deflate"}
_FOLDED = {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "aes128gcm", "exi", "pack200-gzip"}
"""The other content codings that are registered (RFC 9110 §16.6.1), none of which is unfolded here."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@discreet_constructor
@dataclass(frozen=True, kw_only=True, repr=False)
class TransportOptions:
    """The options of every transport.

    Parameters:
        proxy: URL of a proxy; None for the one that the environment names, "" for none at all. For ``socks5://`` and
            the like, the HTTP library needs an extra of its own; aiohttp knows HTTP proxies only. What goes to this
            machine itself goes through no proxy but one on this machine.
        ca_bundle: path of a file or directory of trusted certificates, in place of the HTTP library's own. It is read
            again when it has changed.
        client_certificate: path of a file with certificate and key, or the paths of both; read again when changed.
        trust_env: whether proxies and certificates of the environment are used, as the HTTP library itself uses them
            (aiohttp when its session has ``trust_env=True``).
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each part of the answer.
        total_timeout: seconds for the whole answer.

    Raises:
        ConfigurationError: the proxy is no such URL, or another option is of a kind that will not do.
    """

    proxy: str | None = None
    ca_bundle: str | os.PathLike[str] | None = None
    client_certificate: str | os.PathLike[str] | tuple[str, str] | None = None
    trust_env: bool = True
    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    total_timeout: float = 15.0
    _contexts: KeptContexts = field(default_factory=KeptContexts, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proxy is not None:
            check_text(self.proxy, "proxy")
        if self.proxy and not _is_proxy(self.proxy):
            raise ConfigurationError("The proxy of a transport is a URL such as http://proxy.example.com:3128")
        if self.ca_bundle not in (None, ""):
            object.__setattr__(self, "ca_bundle", path_of(self.ca_bundle, "ca_bundle"))
        self._own_certificate()
        if not isinstance(self.trust_env, bool):
            raise wrong("trust_env", "True or False", self.trust_env)
        for name in ("connect_timeout", "read_timeout", "total_timeout"):
            check_seconds(getattr(self, name), name)

    @unfailing
    def __repr__(self) -> str:
        told = {each.name: getattr(self, each.name) for each in fields(self) if each.repr}
        if self.proxy:
            told["proxy"] = _without_user(self.proxy)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy to use for *url*, if any.

        Raises:
            ConfigurationError: as `check_endpoint` does.
        """
        self.check_endpoint(url)
        if is_loopback(urlsplit(url).hostname or ""):
            return self.proxy if self.proxy and _is_here(self.proxy) else None
        if self.proxy is not None:
            return self.proxy or None
        return self._environment_proxy(url) if self.trust_env else None

    def check_endpoint(self, url: str) -> None:
        """Make sure that the proxy of these options does not see in plain text what is sent to *url*.

        Raises:
            ConfigurationError: it would.
        """
        if self.proxy and url.lower().startswith("http:") and not _is_here(self.proxy):
            raise ConfigurationError(
                "The proxy of the transport would see in plain text what is sent to a provider at an http:// URL; give "
                'proxy="", as nothing for this machine goes through a proxy, or name a proxy on loopback'
            )

    def _environment_proxy(self, url: str) -> str | None:
        """The proxy that the environment names for *url*, as the HTTP library reads it; here as Python itself does."""
        parts = urlsplit(url)
        if urllib.request.proxy_bypass(parts.hostname or ""):
            return None
        found = urllib.request.getproxies()
        return with_scheme(found.get(parts.scheme) or found.get("all"))

    def tls_context(self, *, own_certificate: bool = True) -> ssl.SSLContext:
        """Return the TLS context for a call: the same one each time, until a certificate in it is replaced.

        Parameters:
            own_certificate: whether the client certificate is in it, if there is one.

        Raises:
            ServerUnavailable: a certificate cannot be read, which may be while it is being replaced.
        """
        own = self._own_certificate() if own_certificate else ()
        files = (*((self.ca_bundle,) if self.ca_bundle else self._library_authorities()), *own)
        try:
            return self._contexts.get(files, lambda: self._new_context(own))
        except OSError as reason:
            places = ", ".join(os.fspath(each) for each in files)
            failure = ServerUnavailable(f"The certificates in {places} cannot be used: {_told(reason)}")
        raise failure

    def _new_context(self, own: Sequence[str]) -> ssl.SSLContext:
        context = trusting(self.ca_bundle) if self.ca_bundle else self._library_context()
        if own:
            context.load_cert_chain(own[0], own[-1], _no_password)
        return context

    def _library_context(self) -> ssl.SSLContext:
        """Make a context that trusts whom the HTTP library trusts."""
        return openssl_context(trust_env=self.trust_env)

    def _library_authorities(self) -> tuple[str, ...]:
        """The files that such a context is made of, as far as they can change."""
        return openssl_authorities(trust_env=self.trust_env)

    def _own_certificate(self) -> tuple[str, ...]:
        own = self.client_certificate
        if not own:
            return ()
        if not isinstance(own, tuple):
            return (path_of(own, "client_certificate"),)
        if len(own) != 2:
            raise wrong("client_certificate", "the path of a file, or a pair of paths", own)
        return tuple(path_of(each, "client_certificate") for each in own)


def speaks_tls(proxy: str) -> bool:
    """Return whether a proxy is itself reached by TLS, and so is to be verified."""
    return proxy.lower().startswith("https:")


def with_scheme(proxy: str | None) -> str | None:
    """Return a proxy of the environment as a URL: there it may lack its scheme."""
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _is_here(proxy: str) -> bool:
    return is_loopback(urlsplit(proxy).hostname or "")


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is looked at only now
    except ValueError:
        return False
    return parts.scheme in _PROXIES and bool(parts.hostname)


def _without_user(url: str) -> str:
    """Return *url* without a user name and a password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _no_password() -> str:
    """Stands where OpenSSL would ask for one on the terminal, and wait for the answer."""
    raise ssl.SSLError(
        0, "the key of the client certificate is encrypted; decrypt it, there is no option for a password"
    )


class Intake:
    """One answer as it comes in, bounded in size and time; use it with ``with``.

    Parameters:
        request: what is being answered.
        seconds: how long the answer may take from now on.

    Attributes:
        status: that of the answer, once there is one: what cannot be read may have been carried out all the same.
    """

    def __init__(self, request: Request, seconds: float) -> None:
        self._endpoint = request.endpoint
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._body = bytearray()
        self.status: int | None = None
        self._watched: list[tuple[threading.Timer, socket.socket]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        for timer, connection in self._watched:
            timer.cancel()
            timer.join()  # so that it cannot shut down whatever gets the same number next
            connection.close()

    def watch(self, connection: socket.socket) -> None:
        """Shut *connection* down when the time is over, in whichever part of the answer that may be.

        The timeout of a socket or of an HTTP library holds for one read only, and an answer can drip for ever.
        """
        try:
            self._watch(connection)
        except BaseException:
            connection.close()  # the HTTP library does not know it yet, and would leave it open
            raise

    def _watch(self, connection: socket.socket) -> None:
        twin = connection.dup()  # as the TLS layer takes the original over
        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), _shut_down, (twin,))
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # at interpreter shutdown there are no new threads; the timeouts of the reads remain
            twin.close()
        except BaseException:
            twin.close()
            raise
        else:
            self._watched.append((timer, twin))

    def take(self, part: bytes) -> None:
        """Add a part of the body; raise `ServerUnavailable` once it is too much or too late."""
        self._body += part
        if len(self._body) > LARGEST_ANSWER:
            raise self._too_much()
        if self._is_late():
            raise self._too_late()

    def body(self, encoding: str | None) -> bytes:
        """Return the whole body.

        Parameters:
            encoding: the answer's ``Content-Encoding``. None was asked for; servers may compress all the same.

        Raises:
            ServerUnavailable: it is too much or too late, or compressed in another way than by gzip or deflate.
        """
        if self._is_late():  # then the body ends where the connection was shut down
            raise self._too_late()
        body = _unfolded(bytes(self._body), encoding or "")
        if body is None:
            told = f"{self._endpoint} answered in an encoding that was not asked for"
            raise ServerUnavailable(told, status=self.status)
        if len(body) > LARGEST_ANSWER:
            raise self._too_much()
        return body

    def fault(self, reason: BaseException) -> ServerUnavailable:
        """Return the error for a call that failed with *reason*, quoting nothing that could hold a part of it."""
        if self._is_late():
            return self._too_late()
        return ServerUnavailable(f"{self._endpoint} could not be called: {_told(reason)}")

    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def _too_late(self) -> ServerUnavailable:
        return ServerUnavailable(f"{self._endpoint} did not finish its answer within {self._seconds:g} s")

    def _too_much(self) -> ServerUnavailable:
        told = f"{self._endpoint} answered more than {LARGEST_ANSWER} bytes; that is no answer"
        return ServerUnavailable(told, status=self.status)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has been lost already
        connection.shutdown(socket.SHUT_RDWR)


def _unfolded(body: bytes, encoding: str) -> bytes | None:
    """The body without its compression, or at least so much of it that it is too much; None if that cannot be had.

    What names no compression, such as ``utf-8``, ``none`` or ``binary``, says nothing: then the body is as it is.
    """
    codings = [each for each in encoding.lower().replace(",", " ").split() if each in _UNFOLDED | _FOLDED]
    if not codings:
        return body
    if len(codings) > 1 or codings[0] not in _UNFOLDED:
        return None
    try:
        return zlib.decompressobj(wbits=_GZIP_OR_ZLIB).decompress(body, LARGEST_ANSWER + 1)
    except zlib.error:
        return None


def _chain(reason: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [reason]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _told(reason: BaseException) -> str:
    words = next(filter(None, map(_words, _chain(reason))), None) or _by_whom(reason)
    return type(reason).__name__ + (f" ({words})" if words else "")


def _by_whom(reason: BaseException) -> str | None:
    """Who has raised the error of an HTTP library, if it was somebody else, such as a mock."""
    package, own = (name.partition(".")[0] for name in (raised_in(reason), type(reason).__module__))
    return None if own in {package, "builtins"} or package == "dcrauth" else f"raised by {package}"


def _words(reason: BaseException) -> str | None:
    """What the operating system or the TLS library says; other texts may quote the URL."""
    # aiohttp has a class of its own under this one, which lacks the attribute; the original is behind it.
    if isinstance(reason, ssl.SSLCertVerificationError) and hasattr(reason, "verify_message"):
        return f"certificate verify failed: {reason.verify_message}"
    if type(reason).__module__ in {"builtins", "socket", "ssl"} and isinstance(reason, OSError):
        return reason.strerror
    return None
