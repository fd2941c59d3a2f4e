"""The transport for users of requests."""

import http.client
import logging
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._options import Intake, TransportOptions, speaks_tls
from dcrauth.transports._tls import trusting

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
        lines = self.fp = _Lines(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = lines.file
        if lines.last == b"":
            raise http.client.RemoteDisconnected("the answer has ended in the middle of its head")


class _Adapter(HTTPAdapter):
    """Has each connection watched, so that the whole answer comes in time, and made with a TLS context that is kept.

    Parameters:
        intake: what watches.
        context: whom to trust, and what to show.
        proxy_context: the same for a proxy, which is not to see the client certificate.
    """

    def __init__(self, intake: Intake, context: ssl.SSLContext, proxy_context: Callable[[], ssl.SSLContext]) -> None:
        self._intake = intake
        self._context = context
        self._proxy_context = proxy_context
        super().__init__()

    def init_poolmanager(self, *settings: Any, **more: Any) -> None:
        """Make the pools of connections to servers."""
        super().init_poolmanager(*settings, **more, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """Return the pools of connections through *proxy*."""
        if speaks_tls(proxy):
            more["proxy_ssl_context"] = self._proxy_context()
        return super().proxy_manager_for(proxy, **more, ssl_context=self._context)

    def cert_verify(self, conn: Any, *_settings: object, **_more: object) -> None:
        """Leave the certificates to the context, into which they would be read again here."""
        conn.cert_reqs = "CERT_REQUIRED"

    def get_connection_with_tls_context(self, *settings: Any, **more: Any) -> Any:
        """Return the pool of connections that a request goes through."""
        pool: Any = super().get_connection_with_tls_context(*settings, **more)
        intake = self._intake

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            response_class = _Answer

            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()
                intake.watch(connection)
                return connection

        pool.ConnectionCls = Connection
        return pool


def _send_of(adapter: HTTPAdapter) -> Callable[..., requests.Response]:
    """Return what sends through *adapter*: itself, but in a test a session, which is all that requests-mock mocks."""
    if not requests.Session.send.__module__.startswith("requests_mock"):
        return adapter.send
    session = requests.Session()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return partial(session.send, allow_redirects=False)


class RequestsTransport(TransportOptions):
    """Sends the calls of a renewal with the adapter beneath a session of requests.

    The session itself would follow redirects, keep cookies, and read the netrc file; what is beneath it does none of
    that.
    """

    def send(self, request: Request) -> Response:
        """Return the answer to *request*."""
        with Intake(request, self.total_timeout) as intake:
            try:
                return self._send(request, intake)
            except (requests.RequestException, HTTPError, OSError) as reason:
                failure = intake.fault(reason)
        raise failure

    def _send(self, request: Request, intake: Intake) -> Response:
        with closing(self._adapter(request, intake)) as adapter, self._post(adapter, request) as answer:
            intake.status = answer.status_code
            for part in answer.raw.stream(_PART, decode_content=False):
                intake.take(part)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, headers, intake.body(headers.get("content-encoding")))

    def _adapter(self, request: Request, intake: Intake) -> _Adapter:
        for_proxies = partial(self.tls_context, own_certificate=False)
        # TLS at an http URL can only be that of a proxy.
        return _Adapter(intake, self.tls_context() if request.url.startswith("https:") else for_proxies(), for_proxies)

    def _post(self, adapter: HTTPAdapter, request: Request) -> requests.Response:
        proxy = self.proxy_for(request.url)
        return _send_of(adapter)(
            requests.Request("POST", request.url, dict(request.headers), data=request.body).prepare(),
            stream=True,
            timeout=(self.connect_timeout, self.read_timeout),
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )

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
        with requests.Session() as session:
            session.trust_env = self.trust_env
            return dict(session.merge_environment_settings(url, {}, None, None, None))
