"""The transport for users of requests."""

import contextlib
import functools
import http.client
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.utils import select_proxy
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._blocking import BlockingTransport
from dcrauth.transports._connections import Way
from dcrauth.transports._intake import Intake
from dcrauth.transports._lookups import LOOKUPS
from dcrauth.transports._tls import trusting
from dcrauth.transports._watch import SocketWatch

_PART = 65_536


class _WithoutQuery(logging.Filter):
    """Takes secrets out of urllib3's debug lines, which show the query of a URL."""

    _query = re.compile(r"\?\S*client_secret=\S*")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._query.sub("?***", a) if isinstance(a, str) else a for a in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQuery())


class _Lines:
    """The lines of an answer's head, of which the last one is remembered.

    Parameters:
        file: what they are read from.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        self.last: bytes | None = None

    def readline(self, *size: int) -> bytes:
        """Return the next line; nothing where the connection has ended."""
        line: bytes = self.file.readline(*size)
        self.last = line
        return line

    def close(self) -> None:
        """Close what they are read from."""
        self.file.close()


class _Answer(http.client.HTTPResponse):
    """An answer whose head has an end: ``http.client`` takes one that breaks off for a whole one without a body."""

    def begin(self) -> None:
        """Read the head."""
        self.fp: Any
        _here.watch.is_heard = bool(self.fp.peek(1))
        lines = self.fp = _Lines(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = lines.file
        if lines.last == b"":
            raise http.client.RemoteDisconnected("the answer has ended in the middle of its head")


class _Here(threading.local):
    """What is used by the thread at the moment: urllib3 hands nothing on to its connections."""

    watch: SocketWatch


_here = _Here()


@functools.lru_cache(maxsize=16)
def _watched(base: Any) -> Any:
    """Return *base*, a class of urllib3's connections, with its sockets watched, and its names looked up in time."""

    class Connection(base):  # type: ignore[misc]
        response_class = _Answer
        watch: SocketWatch | None = None

        def _new_conn(self) -> socket.socket:
            watch = self.watch = _here.watch
            connection: socket.socket = _connected(self, super()._new_conn)
            watch.opened(connection)
            return connection

        def request(self, *given: Any, **named: Any) -> None:
            if self.watch is not None:
                self.watch.is_used = True
                self.watch.secured(self.sock)
            super().request(*given, **named)

        def close(self) -> None:
            super().close()
            if self.watch is not None:
                self.watch.closed()

    return Connection


def _connected(connection: Any, connect: Callable[[], socket.socket]) -> socket.socket:
    """Connect to the first address of the host of *connection* that can be reached."""
    host, watch = connection._dns_host, connection.watch
    connection.timeout = watch.within(connection.timeout)
    if hasattr(connection, "_socks_options"):  # the proxy looks the name up, if it is told to
        return connect()
    found = LOOKUPS.find(host, connection.port, connection.timeout)
    try:
        for address in found[:-1]:
            connection._dns_host, connection.timeout = address[4][0], watch.within(connection.timeout)
            with contextlib.suppress(HTTPError, OSError):
                return connect()
        connection._dns_host = found[-1][4][0]
        return connect()
    finally:
        connection._dns_host = host  # the certificate is for the name


class _Adapter(HTTPAdapter):
    """An adapter for one connection, made with a TLS context that is kept.

    Parameters:
        way: where it leads.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *settings: Any, **more: Any) -> None:
        """Make the pools of connections to servers."""
        super().init_poolmanager(*settings, **more, ssl_context=self._way.context)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """Return the pools of connections through *proxy*."""
        if self._way.proxy_context is not None:
            more["proxy_ssl_context"] = self._way.proxy_context
        return super().proxy_manager_for(proxy, **more, ssl_context=self._way.context)

    def cert_verify(self, conn: Any, *_settings: object, **_more: object) -> None:
        """Leave the certificates to the context, into which they would be read again here."""
        conn.cert_reqs = "CERT_REQUIRED"

    def get_connection_with_tls_context(self, *settings: Any, **more: Any) -> Any:
        """Return the pool of connections that a request goes through."""
        pool: Any = super().get_connection_with_tls_context(*settings, **more)
        if not hasattr(pool.ConnectionCls, "watch"):
            pool.ConnectionCls = _watched(pool.ConnectionCls)
        return pool

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Return the answer, without the cookies that nobody asks for."""
        answer = requests.Response()
        answer.status_code, answer.raw, answer.request = resp.status, resp, req
        answer.headers = resp.headers
        return answer


def _send_of(adapter: HTTPAdapter) -> Callable[..., requests.Response]:
    """Return what sends through *adapter*: itself, but in a test a session, which is all that requests-mock mocks."""
    if not requests.Session.send.__module__.startswith("requests_mock"):
        return adapter.send
    session = requests.Session()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return partial(session.send, allow_redirects=False)


class _Connection:
    """An adapter of requests with one connection at most.

    Parameters:
        way: where it leads.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self.watch = SocketWatch()
        self._adapter = _Adapter(way)

    def post(self, request: Request, intake: Intake, timeouts: tuple[float, float]) -> Response:
        """Send *request*."""
        _here.watch = self.watch
        with self._send(request, timeouts) as answer:
            intake.status = answer.status_code
            for part in answer.raw.stream(_PART, decode_content=False):
                intake.take(part)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, headers, intake.body(headers.get("content-encoding")))

    def close(self) -> None:
        """Close it."""
        self._adapter.close()
        self.watch.closed()

    def _send(self, request: Request, timeouts: tuple[float, float]) -> requests.Response:
        proxy = self.way.proxy
        return _send_of(self._adapter)(
            requests.Request("POST", request.url, dict(request.headers), data=request.body).prepare(),
            stream=True,
            timeout=timeouts,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )


class RequestsTransport(BlockingTransport):
    """Sends the calls of a renewal with the adapter beneath a session of requests.

    The session itself would follow redirects, keep cookies, and read the netrc file; what is beneath it does none of
    that.
    """

    _faults = (requests.RequestException, HTTPError, OSError)

    def _new_connection(self, way: Way) -> _Connection:
        return _Connection(way)

    def _context(self, url: str) -> ssl.SSLContext:
        # TLS at an http URL can only be that of a proxy.
        return self.tls_context(own_certificate=url.startswith("https:"))

    def _fabric(self) -> tuple[object, ...]:
        return (HTTPConnectionPool.ConnectionCls, HTTPSConnectionPool.ConnectionCls, socket.socket)

    def _new_context(self, own: Sequence[str]) -> ssl.SSLContext:
        context = super()._new_context(own)
        context.hostname_checks_common_name = False  # as urllib3 has it (RFC 9525 §2)
        return context

    def _library_context(self) -> ssl.SSLContext:
        return trusting(*self._library_authorities())

    def _library_authorities(self) -> tuple[str]:
        verify = self._environment("")["verify"]
        return (verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH,)

    def _environment_proxy(self, url: str) -> str | None:
        return select_proxy(url, self._environment(url)["proxies"])

    def _environment(self, url: str) -> dict[str, Any]:
        """What the environment says about a request to *url*, as a session reads it."""
        return dict(_session(self.trust_env).merge_environment_settings(url, {}, None, None, None))


@functools.cache
def _session(trust_env: bool) -> requests.Session:
    """A session that never sends anything."""
    session = requests.Session()
    session.trust_env = trust_env
    return session
