"""The adapter for httpx: ``httpx.Client(auth=DCRAuth(provider))``, and ``AsyncClient`` the same."""

from typing import Any, ClassVar

try:
    import httpx
except ImportError as missing:
    raise ImportError("dcrauth.httpx needs httpx; run: pip install dcrauth[httpx]") from missing

from dcrauth._httpx_flow import HttpxFlow
from dcrauth.transports.httpx import HttpxTransport

__all__ = ["DCRAuth"]


class DCRAuth(HttpxFlow, httpx.Auth):
    """Authorizes the requests of a `httpx.Client` or `httpx.AsyncClient`, or of a single call with ``auth=``."""

    _library: ClassVar[Any] = httpx
    _host_error = httpx.RequestError
    _own_transport = HttpxTransport
