"""Moments and spans of time as people read them, always in UTC."""

import datetime as dt

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(seconds: float) -> str:
    """Return a moment, given in *seconds* since the epoch; one that no calendar has as the bare number."""
    try:
        return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s since the epoch"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    left = round(abs(seconds))
    parts: list[str] = []
    for size, name in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {name}")
            left %= size
        elif parts:
            break
    return " ".join(parts) or "0 s"


def ago(seconds: float, now: float) -> str:
    """Return how long before *now* a moment was, or how long after it, and the moment itself."""
    told = f"in {span(seconds - now)}" if seconds > now else f"{span(now - seconds)} ago"
    return f"{told} ({moment(seconds)})"
