"""The adapter for httpx2: ``httpx2.Client(auth=DCRAuth(provider))``, and ``AsyncClient`` the same.

Where httpx is installed as well, its clients take it too.
"""

from typing import TYPE_CHECKING

try:
    import httpx2
except ImportError as missing:
    raise ImportError("dcrauth.httpx2 needs httpx2; run: pip install dcrauth[httpx2]") from missing

from dcrauth.adapters.httpx_flow import HttpxFlow, auth_of, with_sibling
from dcrauth.transports.httpx2 import Httpx2Transport

__all__ = ["DCRAuth"]


_libraries = with_sibling(httpx2, "httpx")

if TYPE_CHECKING:
    _Auth = httpx2.Auth
else:
    _Auth = auth_of(_libraries)


class DCRAuth(HttpxFlow, _Auth):
    """Authorizes the requests of a `httpx2.Client` or `httpx2.AsyncClient`, or of a single call with ``auth=``."""

    _libraries = _libraries
    _host_errors = tuple(each.RequestError for each in _libraries)
    _connection_errors = tuple(each.ConnectError for each in _libraries)
    _own_transport = Httpx2Transport
