"""How the two calls of a renewal reach the provider: never through the client that the user's requests go through.

A transport is called on the renewal thread only. It follows no redirect, keeps no cookie, reads no netrc file,
verifies certificates always, and gives up in time.

There is one for each HTTP library, on `_options`, which has what they share. They may import providers, whose requests
they send, and what is below, never the engine. A newcomer starts here, then reads `aiohttp`, the shortest.
"""

import importlib
from collections.abc import Callable
from typing import Any, Protocol, cast

from dcrauth._internal.arguments import check_methods, wrong
from dcrauth.providers.protocol import Request, Response

_SHIPPED = {
    "requests": "RequestsTransport",
    "httpx": "HttpxTransport",
    "httpx2": "Httpx2Transport",
    "aiohttp": "AiohttpTransport",
    "http_client": "HttpClientTransport",
}

_LIBRARIES = {*_SHIPPED, "niquests", "urllib3"}


class Transport(Protocol):
    """Something that sends one `Request`."""

    def send(self, request: Request) -> Response:
        """Return the answer, whatever its status.

        Raises:
            dcrauth.Unavailable: there was none, or not in time; the error holds nothing of the request. Where an answer
                came that cannot be read, it has its ``status``.
        """
        ...


def check_proxy(transport: Transport | None, *urls: str) -> None:
    """Make sure that no proxy that *transport* was given sees in plain text what is sent to *urls*.

    A transport of your own may have the ``check_endpoint`` of `TransportOptions` as well.

    Raises:
        ConfigurationError: it would.
    """
    check: Any = getattr(transport, "check_endpoint", None)
    if check is not None:
        for url in urls:
            check(url)


def thumbprint_of(transport: Transport) -> Callable[[], str]:
    """Return what tells the client certificate of *transport* from others; it returns "" where nobody says.

    A transport of your own may have the ``certificate_thumbprint`` of `TransportOptions` as well.
    """
    found: Callable[[], str] = getattr(transport, "certificate_thumbprint", str)
    return found


def default_transport() -> Transport:
    """Return a transport on the first HTTP library that is installed, in a fixed order; at last on Python's own."""
    for library, name in _SHIPPED.items():
        try:
            module = importlib.import_module(f"dcrauth.transports.{library}")
        except ImportError:
            continue
        return cast("Transport", getattr(module, name)())
    raise AssertionError("http.client comes with Python")


def check_transport(transport: object) -> None:
    """Raise ConfigurationError unless *transport* is one; a client of an HTTP library has a ``send`` of its own."""
    wanted = "an object such as dcrauth.transports.requests.RequestsTransport(proxy=…), never a client of yours"
    check_methods(transport, "transport", Transport, wanted)
    if any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(transport).__mro__):
        raise wrong("transport", wanted, transport)
