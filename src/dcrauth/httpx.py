"""The adapter for httpx: ``httpx.Client(auth=DCRAuth(provider))``, and ``AsyncClient`` the same.

Where httpx2 is installed as well, its clients take it too.
"""

from typing import TYPE_CHECKING

try:
    import httpx
except ImportError as missing:
    raise ImportError("dcrauth.httpx needs httpx; run: pip install dcrauth[httpx]") from missing

from dcrauth.adapters.httpx_flow import HttpxFlow, auth_of, with_sibling
from dcrauth.transports.httpx import HttpxTransport

__all__ = ["DCRAuth"]


_libraries = with_sibling(httpx, "httpx2")

if TYPE_CHECKING:
    _Auth = httpx.Auth
else:
    _Auth = auth_of(_libraries)


class DCRAuth(HttpxFlow, _Auth):
    """Authorizes the requests of a `httpx.Client` or `httpx.AsyncClient`, or of a single call with ``auth=``."""

    _libraries = _libraries
    _host_errors = tuple(each.RequestError for each in _libraries)
    _connection_errors = tuple(each.ConnectError for each in _libraries)
    _own_transport = HttpxTransport
