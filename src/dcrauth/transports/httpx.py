"""The transport for users of httpx."""

from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from dcrauth.transports._httpx import HttpxFamilyTransport


@dataclass(frozen=True, kw_only=True)
class HttpxTransport(HttpxFamilyTransport):
    """Sends the calls of a renewal with httpx."""

    _library: ClassVar[Any] = httpx
