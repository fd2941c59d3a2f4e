"""The adapter for httpx2: ``httpx2.Client(auth=DCRAuth(provider))``, and ``AsyncClient`` the same."""

from typing import Any, ClassVar

try:
    import httpx2
except ImportError as missing:
    raise ImportError("dcrauth.httpx2 needs httpx2; run: pip install dcrauth[httpx2]") from missing

from dcrauth._httpx_flow import HttpxFlow
from dcrauth.transports.httpx2 import Httpx2Transport

__all__ = ["DCRAuth"]


class DCRAuth(HttpxFlow, httpx2.Auth):
    """Authorizes the requests of a `httpx2.Client` or `httpx2.AsyncClient`, or of a single call with ``auth=``."""

    _library: ClassVar[Any] = httpx2
    _host_error = httpx2.RequestError
    _own_transport = Httpx2Transport
