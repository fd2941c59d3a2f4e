"""Fewer calls, please: the throttle of Adobe Pass (documentation: Throttling mechanism).

Two models fit the published table. "bucket" is a token bucket of eleven that fills by one a second. "once" gives one
call for each second since the first call, and ten more that never come back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dcrauth.simulator.messages import Reply

BURST = 10

_PAGE = (
    b"<html>\r\n"
    b"<head><title>429 Too Many Requests</title></head>\r\n"
    b"<body>\r\n"
    b"<center><h1>429 Too Many Requests</h1></center>\r\n"
    b"<hr><center>openresty</center>\r\n"
    b"</body>\r\n"
    b"</html>\r\n"
)


_HEADERS = (
    ("Content-Type", "text/html"),
    ("Server", "openresty"),
    ("Set-Cookie", "AWSALB=simulated; Path=/"),
    ("Set-Cookie", "AWSALBCORS=simulated; Path=/; SameSite=None; Secure"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Methods", "POST,GET,OPTIONS,DELETE"),
)


def too_many(retry_after: str | None, why: str) -> Reply:
    """Return the answer to a call too many.

    Parameters:
        why: what was too many, for the record of calls.
    """
    more = (("Retry-After", retry_after),) if retry_after is not None else ()
    return Reply(429, _PAGE, (*_HEADERS, *more), why)


@dataclass
class Device:
    """What one device has left."""

    left: float
    at: float
    window: int = 0


class Throttle:
    """Counts the calls of each device, told by its address.

    Parameters:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._devices: dict[str, Device] = {}

    def admits(self, address: str, model: str | None) -> bool:
        """Whether one more call of *address* is admitted; calls that are not cost nothing."""
        if model is None:
            return True
        now = self._clock()
        with self._lock:
            return self._bucket(address, now) if model == "bucket" else self._once(address, now)

    def snapshot(self, most: int = 100) -> list[dict[str, Any]]:
        """Return what the devices that called last have left, as rows of JSON values, at most so many."""
        with self._lock:
            devices = [*islice(reversed(self._devices.items()), most)]
        return [{"device": address, "calls_left": int(device.left)} for address, device in devices]

    def _bucket(self, address: str, now: float) -> bool:
        device = self._devices.setdefault(address, Device(BURST + 1.0, now))
        device.left = min(BURST + 1.0, device.left + now - device.at)
        device.at = now
        admitted = device.left >= 1.0
        device.left -= admitted
        return admitted

    def _once(self, address: str, now: float) -> bool:
        device = self._devices.setdefault(address, Device(BURST, now, window=-1))
        window = int(now - device.at)
        if window > device.window:
            device.window = window
            return True
        admitted = device.left >= 1.0
        device.left -= admitted
        return admitted
