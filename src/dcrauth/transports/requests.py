"""The transport for users of requests."""

import logging
import os
import re
from dataclasses import dataclass

import requests

from dcrauth.provider import Request, Response
from dcrauth.transports._options import Intake, TransportOptions, fault


class _WithoutQuery(logging.Filter):
    """Takes secrets out of urllib3's debug lines, which show the query of a URL."""

    _query = re.compile(r"\?\S*client_secret=\S*")

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._query.sub("?***", a) if isinstance(a, str) else a for a in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQuery())


@dataclass(frozen=True, kw_only=True)
class RequestsTransport(TransportOptions):
    """Sends the calls of a renewal with requests, in a session of its own."""

    def send(self, request: Request) -> Response:
        """Return the answer to *request*."""
        try:
            return self._send(request)
        except (requests.RequestException, OSError) as reason:
            failure = fault(request, reason)
        raise failure

    def _send(self, request: Request) -> Response:
        intake = Intake(request, self.total_timeout)
        with requests.Session() as session, self._post(session, request) as answer:
            # One byte at a time, as urllib3 waits for all that it is asked for, however slowly it drips in.
            for part in answer.iter_content(1):
                intake.take(part)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, headers, intake.body)

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
