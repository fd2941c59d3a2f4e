"""The transport for users of requests."""

import logging
import os
import re
import socket
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from dcrauth.provider import Request, Response
from dcrauth.transports._options import Intake, TransportOptions

_PART = 65_536


class _WithoutQuery(logging.Filter):
    """Takes secrets out of urllib3's debug lines, which show the query of a URL."""

    _query = re.compile(r"\?\S*client_secret=\S*")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._query.sub("?***", a) if isinstance(a, str) else a for a in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQuery())


class _Watched(HTTPAdapter):
    """Has each connection watched, so that the whole answer comes in time, however slowly it drips.

    Parameters:
        intake: what watches.
    """

    def __init__(self, intake: Intake) -> None:
        super().__init__()
        self._intake = intake

    def get_connection_with_tls_context(self, *settings: Any, **more: Any) -> Any:
        """Return the pool of connections that a request goes through."""
        pool: Any = super().get_connection_with_tls_context(*settings, **more)
        intake = self._intake

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()
                intake.watch(connection)
                return connection

        pool.ConnectionCls = Connection
        return pool


@dataclass(frozen=True, kw_only=True)
class RequestsTransport(TransportOptions):
    """Sends the calls of a renewal with requests, in a session of its own."""

    def send(self, request: Request) -> Response:
        """Return the answer to *request*."""
        with Intake(request, self.total_timeout) as intake:
            try:
                return self._send(request, intake)
            except (requests.RequestException, HTTPError, OSError) as reason:
                failure = intake.fault(reason)
        raise failure

    def _send(self, request: Request, intake: Intake) -> Response:
        with requests.Session() as session:
            session.mount("http://", _Watched(intake))
            session.mount("https://", _Watched(intake))
            with self._post(session, request) as answer:
                for part in answer.raw.stream(_PART, decode_content=False):
                    intake.take(part)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, headers, intake.body(headers.get("content-encoding")))

    def _post(self, session: requests.Session, request: Request) -> requests.Response:
        proxy = self.proxy_for(request.url)
        # The environment may name a proxy and certificates, but requests would read the netrc file as well.
        session.trust_env = False
        return session.post(
            request.url,
            data=request.body,
            headers=dict(request.headers),
            allow_redirects=False,
            stream=True,
            timeout=(self.connect_timeout, self.read_timeout),
            proxies={"http": proxy, "https": proxy} if proxy else {},
            verify=str(self.ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or "") or True,
            cert=self.client_certificate,
        )
