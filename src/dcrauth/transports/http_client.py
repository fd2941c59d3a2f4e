"""The transport that needs no HTTP library: on ``http.client``, which comes with Python."""

import base64
import contextlib
import http.client
import selectors
import socket
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._blocking import BlockingTransport
from dcrauth.transports._connections import Way
from dcrauth.transports._http_head import HERE, Answer
from dcrauth.transports._intake import Intake
from dcrauth.transports._lookups import LOOKUPS
from dcrauth.transports._watch import SocketWatch

_PART = 65_536


class _Connection:
    """One connection, opened when it is used.

    Parameters:
        way: where it leads.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self.watch = SocketWatch()
        self._timeouts = (0.0, 0.0)
        self._is_absolute = way.proxy is not None and way.origin.startswith("http:")
        self._http = self._made()

    def post(self, request: Request, intake: Intake, timeouts: tuple[float, float]) -> Response:
        """Send *request*."""
        HERE.watch, self._timeouts = self.watch, timeouts
        if self._http.sock is not None and _is_readable(self._http.sock):
            self.close()  # by the server; or more has come than the answer, which is nobody's
        self._connect()
        self._http.request(request.method, self._target(request.url), request.body or None, self._headers(request))
        with self._http.getresponse() as answer:
            intake.status = answer.status
            while part := answer.read(_PART):
                intake.take(part)
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
            headers = {name.lower(): value for name, value in answer.headers.items()}
        if self._http.sock is None:
            self.watch.closed()
        return Response(answer.status, headers, intake.body(headers.get("content-encoding")))

    def close(self) -> None:
        """Close it."""
        self._http.close()
        self.watch.closed()

    def _made(self) -> Any:
        place = urlsplit(self.way.origin)
        first = urlsplit(self.way.proxy or self.way.origin)
        # Looked up in their module each time: tests of users' replace them there.
        if place.scheme == "https":
            made: Any = http.client.HTTPSConnection(first.hostname or "", first.port, context=self.way.context)
        else:
            made = http.client.HTTPConnection(first.hostname or "", first.port)
        if self.way.proxy and not self._is_absolute:
            made.set_tunnel(place.hostname, place.port or http.client.HTTPS_PORT, _password_for(self.way.proxy))
        made.response_class = Answer
        made._create_connection = self._opened  # which is for tests, its author says; there is no other way
        return made

    def _connect(self) -> None:
        connect, read = self._timeouts
        if self._http.sock is None:
            self._http.timeout = self.watch.within(connect)
            self._http.connect()
            self.watch.secured(self._http.sock)
        opened: Any = self._http.sock
        opened.settimeout(read)
        self.watch.is_used = True

    def _opened(self, address: tuple[str, int], timeout: float, *_: object) -> socket.socket:
        *others, last = (each[4][:2] for each in LOOKUPS.find(*address, timeout))
        for each in others:
            with contextlib.suppress(OSError):  # the next one may do
                return self._opened_at(each)
        return self._opened_at(last)

    def _opened_at(self, address: tuple[str, int]) -> socket.socket:
        opened = socket.create_connection(address, self.watch.within(self._timeouts[0]))
        self.watch.opened(opened)
        return opened

    def _target(self, url: str) -> str:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self.way.origin + path if self._is_absolute else path

    def _headers(self, request: Request) -> dict[str, str]:
        own = _password_for(self.way.proxy) if self.way.proxy and self._is_absolute else {}
        return {**request.headers, **own}


class HttpClientTransport(BlockingTransport):
    """Sends the calls of a renewal with ``http.client``, where no other HTTP library is at hand.

    It trusts whom OpenSSL trusts, and knows proxies at ``http://`` URLs only.
    """

    _faults = (http.client.HTTPException, OSError)

    def _new_connection(self, way: Way) -> _Connection:
        if way.proxy and not way.proxy.lower().startswith("http:"):
            raise http.client.UnknownProtocol("proxy")
        try:
            return _Connection(way)
        except ValueError:  # as the environment may name a proxy that is none
            raise http.client.InvalidURL("proxy") from None

    def _context(self, url: str) -> ssl.SSLContext:  # noqa: ARG002  # of which it is the same for all
        return self.tls_context()

    def _fabric(self) -> tuple[object, ...]:
        return (http.client.HTTPConnection, http.client.HTTPSConnection, socket.socket)


def _is_readable(connection: socket.socket) -> bool:
    """Whether something has come that nobody has asked for, or the end."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(connection, selectors.EVENT_READ)
        return bool(waiting.select(0))


def _password_for(proxy: str) -> dict[str, str]:
    """Return the header field with the password of a *proxy*, if there is one in its URL (RFC 7617 §2)."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
