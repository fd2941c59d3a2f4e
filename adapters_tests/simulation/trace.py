"""The trace of a simulation in words: simulated seconds, who, what, and what came of it.

An effect is listed when its steps learn of the outcome; it was performed earlier, right when they asked for it. So
what is listed between two effects of one renewal has come between the performance of the second and the news of it.
"""

from __future__ import annotations

from typing import Any

from dcrauth import DCRAuthError
from dcrauth.credentials import AccessToken
from dcrauth.engine.effects import Now, Send, Sleep
from dcrauth.engine.instant import Instant
from dcrauth.providers.protocol import Response


def words(line: tuple[float, str, Any, Any]) -> str:
    """Return one line of a trace as text."""
    now, who, what, outcome = line
    return f"{now:12.3f}  {who:<7}{_effect(what)}" + ("" if outcome is None else f" → {_outcome(outcome)}")


def _effect(what: Any) -> str:
    if isinstance(what, str):
        return what
    match what:
        case Send():
            method = "" if what.request.method == "POST" else f"{what.request.method} "
            place = what.request.endpoint.rpartition("/")[2]
            return f"Send {method}{place} {_client(what.request.body)}".rstrip()
        case Sleep():
            return f"Sleep {what.seconds:.3f}"
        case Now():
            return "Now"
        case _:
            key = getattr(what, "key", "")
            value = getattr(what, "value", b"")
            return f"{type(what).__name__} {key.partition('.')[2]} {_client(value)}".rstrip()


def _client(data: bytes) -> str:
    """Which client a record or a request is about."""
    at = data.find(b"client-")
    return data[at : at + 12].partition(b'"')[0].partition(b"&")[0].decode() if at >= 0 else ""


def _outcome(outcome: Any) -> str:
    match outcome:
        case DCRAuthError():
            text = f"{type(outcome).__name__}: {outcome.message}"
        case Response():
            text = f"{outcome.status} {' '.join(outcome.body[:80].decode('latin-1').split())}"
        case AccessToken():
            text = f"{outcome.value} until {outcome.expires_at:.3f}"
        case Instant():
            text = f"wall {outcome.wall:.3f}, monotonic {outcome.monotonic:.3f}"
        case dict():
            text = ", ".join(f"{key.partition('.')[2]}: {_outcome(found)}" for key, found in outcome.items())
        case bytes():
            text = f"{len(outcome)} bytes {_client(outcome)}".rstrip()
        case _:
            text = str(outcome)
    return text
