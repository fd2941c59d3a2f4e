"""What the transports for httpx and httpx2 have in common, which is all but the library."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dcrauth.provider import Request, Response
from dcrauth.transports._options import Intake, TransportOptions, fault


@dataclass(frozen=True, kw_only=True)
class HttpxFamilyTransport(TransportOptions):
    """Sends the calls of a renewal with the transport beneath a client of httpx or httpx2.

    The client itself would follow redirects when told to, keep cookies, call hooks and log URLs; what is beneath it
    does none of that.
    """

    _library: ClassVar[Any]

    def send(self, request: Request) -> Response:
        """Return the answer to *request*."""
        try:
            return self._send(request)
        except (self._library.TransportError, self._library.InvalidURL, OSError) as reason:
            failure = fault(request, reason)
        raise failure

    def _send(self, request: Request) -> Response:
        intake = Intake(request, self.total_timeout)
        with self._transport(request.url) as transport:
            answer = transport.handle_request(self._post(request))
            try:
                for part in answer.iter_bytes():
                    intake.take(part)
            finally:
                answer.close()
        return Response(
            answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, intake.body
        )

    def _transport(self, url: str) -> Any:
        context = self.own_context() or self.with_client_certificate(self._library.create_ssl_context())
        return self._library.HTTPTransport(verify=context, proxy=self.proxy_for(url))

    def _post(self, request: Request) -> Any:
        patience = self._library.Timeout(self.read_timeout, connect=self.connect_timeout)
        return self._library.Request(
            "POST",
            request.url,
            headers=dict(request.headers),
            content=request.body,
            extensions={"timeout": patience.as_dict()},
        )
