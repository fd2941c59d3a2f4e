"""The transport for users of httpx2."""

from typing import Any, ClassVar

import httpx2

from dcrauth.transports._httpx import HttpxFamilyTransport


class Httpx2Transport(HttpxFamilyTransport):
    """Sends the calls of a renewal with httpx2."""

    _library: ClassVar[Any] = httpx2
    _faults = (httpx2.TransportError, httpx2.InvalidURL, OSError)
    _endings = (httpx2.RemoteProtocolError,)
