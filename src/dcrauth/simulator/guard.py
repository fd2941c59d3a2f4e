"""Who may see the page and use the controls: programs of this machine, and the page itself, but no other page.

A page in the tester's browser can send requests to loopback. It cannot choose its ``Origin`` and ``Sec-Fetch-Site``,
nor, where its own name is made to resolve to loopback, its ``Host``.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from dcrauth.simulator.messages import Call, Reply

_SIMPLE = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""What a form can send (Fetch standard: CORS-safelisted request-header)."""


def refusal(call: Call, names: Collection[str]) -> Reply | None:
    """Return the answer to a call that must not come through; None for one that may.

    Parameters:
        call: a call of the page or of the controls.
        names: host names by which the simulator may be called beside those of loopback.
    """
    why = _wrong_with(call, names)
    return None if why is None else Reply.json(403, {"error": why}, why=why)


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine by definition."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _wrong_with(call: Call, names: Collection[str]) -> str | None:
    host = _split(f"//{call.headers.get('host', '')}")[0]
    if not host or not (is_loopback(host) or host in names):
        return "the controls answer to a Host of loopback only, or to one of the simulator's names"
    origin = call.headers.get("origin")
    if origin is not None and _split(origin)[1] != call.headers["host"].lower():
        return "a page of another origin may not use the controls"
    if call.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "a page of another site may not use the controls"
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if call.method not in {"GET", "HEAD"} and kind in _SIMPLE:
        return "the controls take JSON, with Content-Type: application/json"
    return None


def _split(url: str) -> tuple[str, str]:
    """The host of *url*, and the host with its port; both empty where there is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.netloc.lower()
    except ValueError:
        return "", ""
