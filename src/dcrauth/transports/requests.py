"""The transport for users of requests."""

import functools
import socket
import ssl
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
from dcrauth.transports._http_head import HERE
from dcrauth.transports._intake import Intake
from dcrauth.transports._tls import trusting
from dcrauth.transports._urllib3 import watched
from dcrauth.transports._watch import SocketWatch

_PART = 65_536


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
            pool.ConnectionCls = watched(pool.ConnectionCls)
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
        HERE.watch = self.watch
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
            requests.Request(request.method, request.url, dict(request.headers), data=request.body or None).prepare(),
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
