"""What the transports for httpx and httpx2 have in common, which is all but the library."""

import contextlib
import socket
import ssl
from typing import Any, ClassVar

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._blocking import BlockingTransport
from dcrauth.transports._connections import Way
from dcrauth.transports._intake import Intake
from dcrauth.transports._lookups import LOOKUPS
from dcrauth.transports._watch import SocketWatch


class _Stream:
    """A stream of httpcore's (https://www.encode.io/httpcore/network-backends/) that tells of what goes over it.

    Parameters:
        stream: what it passes everything on to.
        watch: what it tells.
    """

    def __init__(self, stream: Any, watch: SocketWatch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read."""
        part: bytes = self._stream.read(max_bytes, timeout)
        self._watch.is_heard = self._watch.is_heard or bool(part)
        return part

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write."""
        self._watch.is_used = True
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """Close it."""
        self._stream.close()
        self._watch.closed()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        """Return the stream that TLS makes of it."""
        secured = self._stream.start_tls(ssl_context, server_hostname, self._watch.within(timeout))
        self._watch.secured(secured.get_extra_info("socket"))
        return _Stream(secured, self._watch)

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream beneath says."""
        return self._stream.get_extra_info(info)


class _Backend:
    """A network backend of httpcore's that has its streams watched, and looks names up in time."""

    def __init__(self, backend: Any, watch: SocketWatch) -> None:
        self._backend = backend
        self._watch = watch

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        """Return a stream to the first address of *host* that can be reached."""
        *others, last = LOOKUPS.find(host, port, self._watch.within(timeout))
        for each in others:
            with contextlib.suppress(Exception):  # whatever the library calls it, the next one may do
                return self._connect(each, port, timeout, options)
        return self._connect(last, port, timeout, options)

    def _connect(self, address: Any, port: int, timeout: float | None, options: dict[str, Any]) -> _Stream:
        stream = self._backend.connect_tcp(address[4][0], port, self._watch.within(timeout), **options)
        self._watch.opened(stream.get_extra_info("socket"))
        return _Stream(stream, self._watch)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        self._backend.sleep(seconds)


class _Connection:
    """A transport of httpx's with one connection at most: its pool takes longer the more there are.

    Parameters:
        way: where it leads.
        library: httpx or httpx2.
    """

    def __init__(self, way: Way, library: Any) -> None:
        self.way = way
        self.watch = SocketWatch()
        self._library = library
        limits = library.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
        self._transport = library.HTTPTransport(verify=way.context, proxy=_proxy(way, library), limits=limits)
        # It has no public way to be given one. Without it nothing would be repeated, nor cut off.
        self._transport._pool._network_backend = _Backend(self._transport._pool._network_backend, self.watch)

    def post(self, request: Request, intake: Intake, timeouts: tuple[float, float]) -> Response:
        """Send *request*."""
        answer = self._transport.handle_request(self._request(request, *timeouts))
        intake.status = answer.status_code
        try:
            for part in answer.stream:  # iter_raw() refuses the answers of mocks that are in memory
                intake.take(part)
        finally:
            answer.close()
        if self._is_ahead():
            self.close()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, intake.body(headers.get("content-encoding")))

    def close(self) -> None:
        """Close it."""
        self._transport.close()
        self.watch.closed()

    def _is_ahead(self) -> bool:
        """Return whether more has come than the answer; the next call, of another identity, would take it for its own.

        There is no public way to know that either.
        """
        for each in self._transport._pool.connections:
            inner: Any = each
            while hasattr(inner, "_connection"):  # those through proxies have others inside
                inner = inner._connection
            state = getattr(inner, "_h11_state", None)
            if state is None or state.trailing_data[0]:
                return True
        return False

    def _request(self, request: Request, connect: float, read: float) -> Any:
        patience = {"connect": connect, "read": read, "write": read, "pool": read}
        return self._library.Request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body,
            extensions={"timeout": patience},
        )


def _proxy(way: Way, library: Any) -> Any:
    if way.proxy_context is None:
        return way.proxy
    return library.Proxy(way.proxy, ssl_context=way.proxy_context)


class HttpxFamilyTransport(BlockingTransport):
    """Sends the calls of a renewal with the transport beneath a client of httpx or httpx2.

    The client itself would follow redirects when told to, keep cookies, call hooks and log URLs; what is beneath it
    does none of that.
    """

    _library: ClassVar[Any]

    def _new_connection(self, way: Way) -> _Connection:
        try:
            return _Connection(way, self._library)
        except (ValueError, ImportError):  # as the environment may name a proxy that the library cannot use
            raise self._library.UnsupportedProtocol("proxy") from None

    def _context(self, url: str) -> ssl.SSLContext:  # noqa: ARG002  # of which it is the same for all
        return self.tls_context()

    def _fabric(self) -> tuple[object, ...]:
        return (self._library.HTTPTransport, socket.socket)

    def _environment_proxy(self, url: str) -> str | None:
        # What a client does with the environment has no public name; without these the usual rules are taken.
        private: Any = getattr(self._library, "_utils", None)
        if not (hasattr(private, "get_environment_proxies") and hasattr(private, "URLPattern")):
            return super()._environment_proxy(url)
        named = private.get_environment_proxies()
        matching = (each for each in sorted(map(private.URLPattern, named)) if each.matches(self._library.URL(url)))
        first = next(matching, None)
        return first and named[first.pattern]

    def _library_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = self._library.create_ssl_context(trust_env=self.trust_env)
        return context
