"""Moments and spans of time as people read them, always in UTC."""

from dcrauth.errors import told_moment

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


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
    return f"{told} ({told_moment(seconds)})"
