"""What a Redis server says of itself, and what is wrong with how it is set up."""

from collections.abc import Iterator
from typing import Any


def facts_in(answer: Any) -> dict[str, Any]:
    """Return what the server says of itself, or of its settings; nothing where it refuses to: not everybody may ask."""
    return dict(answer) if isinstance(answer, dict) else {}


def doubts_of(facts: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the settings of a server, each with what to do about it.

    Parameters:
        facts: what it says of itself.
        settings: when it writes snapshots; nothing where it does not tell, as is usual where it is rented.
    """
    policy, journal = facts.get("maxmemory_policy"), facts.get("aof_enabled")
    if policy is None:
        yield "does not tell its maxmemory-policy; see to it that it is noeviction"
    elif policy.startswith("allkeys-"):
        yield f"may evict client credentials (maxmemory-policy {policy}), which logs end users out; set noeviction"
    if journal is None:
        yield "does not tell whether it keeps its data on disk; see to it that it does (appendonly yes)"
    elif not journal:
        yield f"{_shortfall(settings.get('save'))}; set appendonly yes"


def _shortfall(snapshots: str | None) -> str:
    """Return what a server without a journal loses; its setting for snapshots may be unknown, or empty."""
    if snapshots is None:
        return "keeps no journal, so that a crash loses the client credentials since its last snapshot, or all"
    if snapshots:
        return "keeps snapshots only, so that a crash loses the client credentials that came after the last one"
    return "keeps nothing on disk, so that a restart loses client credentials"
