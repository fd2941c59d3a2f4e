"""What the flows of a provider want to find again, such as discovered endpoints: in memory, and in the store.

It may be lost: then it is found out anew.
"""

from collections.abc import Mapping
from typing import Any

from dcrauth import events
from dcrauth.engine.effects import Emit, Put, RenewalContext, Steps, record
from dcrauth.engine.records import read_kept, write_kept
from dcrauth.errors import StoreError


def recalled(context: RenewalContext) -> Steps[None]:
    """Read what the store has, if nothing is in memory and the provider keeps anything."""
    memory, key = context.memory, context.identity.kept
    if memory.kept is not None or not is_stored(context):
        return
    try:
        data = yield from record(context, key)
        memory.kept = {} if data is None else read_kept(key, data)
    except StoreError as problem:
        memory.kept = {}
        yield Emit(events.StoreProblem(context.name, problem))


def keep(context: RenewalContext, found: Mapping[str, Any] | None) -> Steps[None]:
    """Keep what a flow has *found*, if it has, and it is news."""
    memory, key = context.memory, context.identity.kept
    if found is None or found == memory.kept:
        return
    memory.kept = dict(found)
    if not is_stored(context):
        return
    try:
        yield Put(key, write_kept(key, found))
    except StoreError as problem:
        yield Emit(events.StoreProblem(context.name, problem))


def is_stored(context: RenewalContext) -> bool:
    """Return whether the provider keeps something that is worth a place in the store."""
    return bool(getattr(context.provider, "keeps", False))
