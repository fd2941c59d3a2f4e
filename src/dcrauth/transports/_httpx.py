"""What the transports for httpx and httpx2 have in common, which is all but the library."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from dcrauth._internal import fork
from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._options import Intake, TransportOptions, speaks_tls


class HttpxFamilyTransport(TransportOptions):
    """Sends the calls of a renewal with the transport beneath a client of httpx or httpx2.

    The client itself would follow redirects when told to, keep cookies, call hooks and log URLs; what is beneath it
    does none of that.
    """

    _library: ClassVar[Any]

    def send(self, request: Request) -> Response:
        """Return the answer to *request*."""
        with Intake(request, self.total_timeout) as intake:
            try:
                return self._send(request, intake)
            except (self._library.TransportError, self._library.InvalidURL, OSError) as reason:
                failure = intake.fault(reason)
        raise failure

    def _send(self, request: Request, intake: Intake) -> Response:
        with self._transport(request.url) as transport:
            answer = transport.handle_request(self._post(request, intake))
            intake.status = answer.status_code
            try:
                for part in answer.stream:  # iter_raw() refuses the answers of mocks that are in memory
                    intake.take(part)
            finally:
                answer.close()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, intake.body(headers.get("content-encoding")))

    def _transport(self, url: str) -> Any:
        context, proxy = self.tls_context(), self._proxy(url)
        try:
            with fork.undivided():  # the first time, the library imports much of itself
                return self._library.HTTPTransport(verify=context, proxy=proxy)
        except (ValueError, ImportError):  # as the environment may name a proxy that the library cannot use
            raise self._library.UnsupportedProtocol("proxy") from None

    def _proxy(self, url: str) -> Any:
        proxy = self.proxy_for(url)
        if proxy is None or not speaks_tls(proxy):
            return proxy
        return self._library.Proxy(proxy, ssl_context=self.tls_context(own_certificate=False))

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

    def _post(self, request: Request, intake: Intake) -> Any:
        patience = self._library.Timeout(self.read_timeout, connect=self.connect_timeout)
        return self._library.Request(
            "POST",
            request.url,
            headers=dict(request.headers),
            content=request.body,
            extensions={"timeout": patience.as_dict(), "trace": _tell_of_connections(intake)},
        )


def _tell_of_connections(intake: Intake) -> Callable[[str, Mapping[str, Any]], None]:
    """Return a trace function (https://www.encode.io/httpcore/extensions/#trace) that has each connection watched."""

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            intake.watch(info["return_value"].get_extra_info("socket"))

    return trace
