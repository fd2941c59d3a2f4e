"""The transport for users of httpx."""

from typing import Any, ClassVar

import httpx

from dcrauth.transports._httpx import HttpxFamilyTransport


class HttpxTransport(HttpxFamilyTransport):
    """Sends the calls of a renewal with httpx."""

    _library: ClassVar[Any] = httpx
    _faults = (httpx.TransportError, httpx.InvalidURL, OSError)
    _endings = (httpx.RemoteProtocolError,)
