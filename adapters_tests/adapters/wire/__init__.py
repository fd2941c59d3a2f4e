"""What Adobe's servers are sent, as a file to read and to compare with.

`recording` keeps what each HTTP client sends, byte for byte. What dcrauth answers for of that is `adobe.txt`: all of
its own two calls but what HTTP libraries add for the connection, and what it adds to the application's requests. It was
written by the version before providers were flows. ``python -m adapters_tests.adapters.wire`` writes it anew; read the
difference, since a change there is one that Adobe sees.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

GOLDEN = Path(__file__).parent / "adobe.txt"
_OF_THE_CONNECTION = {"host", "connection"}
_ADDED = {"authorization", "x-device-info", "x-forwarded-for", "ap-device-identifier"}


def told(requests: list[bytes]) -> str:
    """Return what dcrauth answers for in *requests*, as text."""
    return "\n".join(_told(each.decode()) for each in requests)


def _told(request: str) -> str:
    head, _, body = request.partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
    is_own = " /o/client/" in line
    kept = sorted(headers.keys() - _OF_THE_CONNECTION if is_own else headers.keys() & _ADDED)
    lines = [line, *(f"{name}: {headers[name]}" for name in kept), "", body]
    return "\n".join(lines).replace(f"dcrauth/{version('dcrauth')}", "dcrauth/<version>").rstrip("\n") + "\n"
