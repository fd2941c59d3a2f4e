"""``dcrauth store copy``: a whole store into another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dcrauth._internal.store_urls import behind_scheme, scheme_of
from dcrauth.cli.exit_codes import ExitCode, exit_code
from dcrauth.cli.output import complain, say, visible, write_json
from dcrauth.cli.settings import store_at
from dcrauth.cli.store.progress import shown_progress
from dcrauth.engine.arriving import NoCredentials
from dcrauth.engine.copied_store import CopiedStore
from dcrauth.engine.record_kinds import owner_of
from dcrauth.engine.store_copy import copy_store
from dcrauth.errors import ConfigurationError, DCRAuthError, StoreCorrupt, StoreError, StoreUnavailable
from dcrauth.providers.settings import read_settings
from dcrauth.stores import Store

_PROFILE = "profile"
_SHORT = 8


def copy(source: str, target: str, *, as_json: bool = False) -> int:
    """Copy what is in one store into another one, and tell what has come of it."""
    with _opened(source) as one, _opened(target) as other:
        done = _copied(one, other)
    problem = _problem(done)
    status = ExitCode.GOOD if problem is None else exit_code(problem)
    if as_json:
        write_json(facts(done, status))
    else:
        for line in told(done):
            say(line)
    if done.unknown:
        complain(f"warning: {done.unknown} records are of another version of dcrauth, and were left behind; upgrade")
    if problem is not None:
        raise problem
    return status


@contextmanager
def _opened(where: str) -> Iterator[Store]:
    """Open the store that *where* names, or that of the profile that it names; close it at the end."""
    if scheme_of(where) == _PROFILE:
        if not (name := behind_scheme(where).strip()):  # as of a variable that is not set
            raise ConfigurationError("What follows profile: is the name of a profile whose store is meant")
        store = store_at(read_settings(name, environment={})["store"])
    else:
        store = store_at(where)
    try:
        yield store
    finally:
        getattr(store, "close", lambda: None)()


def _copied(source: Store, target: Store) -> CopiedStore:
    try:
        with shown_progress() as progress:
            return copy_store(source, target, progress=progress)
    except NoCredentials:
        raise ConfigurationError(
            f"There are no client credentials in {source!r}, and nothing was copied: name the store that your "
            "application uses"
        ) from None
    except StoreError as problem:
        raise type(problem)(
            f"{problem}. What was copied before stays, and the same command goes on from there"
        ) from None


def told(done: CopiedStore) -> list[str]:
    """Return what has come of a copy, as lines for people."""
    kept = f"{len(done.kept)} different ones kept as they are"
    return [
        f"{done.written} clients written, {done.present} already there, {kept}",
        f"{done.tokens} tokens; {done.verified} clients read back and found the same",
    ]


def facts(done: CopiedStore, status: int) -> dict[str, Any]:
    """Return what has come of a copy as JSON has it (docs/schemas/store-copy.json)."""
    unread = sorted(done.unread.items())
    return {
        "schema": 1,
        "exit_status": int(status),
        "written": done.written,
        "present": done.present,
        "kept": sorted(done.kept),
        "tokens": done.tokens,
        "notes": done.notes,
        "verified": done.verified,
        "missing": sorted(done.missing),
        "unread": [{"record": key or None, "problem": problem.message} for key, problem in unread],
        "unknown": done.unknown,
    }


def _problem(done: CopiedStore) -> DCRAuthError | None:
    """Return the error that a copy ends with, if it is not whole."""
    if done.missing:
        return StoreUnavailable(
            f"{len(done.missing)} records were acknowledged by the store to copy to and are not there any more: look "
            "for what empties it, and copy again"
        )
    if done.unread:
        return _of_unread(list(done.unread.values()))
    if done.kept:
        names = ", ".join(sorted({visible(owner_of(key)[:_SHORT]) for key in done.kept})[:3])
        return ConfigurationError(
            f"That store has something else for {len(done.kept)} identities ({names}…), which was kept. To "
            "put these in its place, dcrauth export them, and dcrauth import --overwrite"
        )
    return None


def _of_unread(problems: list[StoreError]) -> StoreError:
    hint = ". If a store is encrypted, nothing is damaged: name it with encrypted+ before it, and its key behind it"
    first = problems[0]
    return type(first)(
        f"{len(problems)} records could not be read and were left as they are; all others were copied. "
        f"{first.message}{hint if isinstance(first, StoreCorrupt) else ''}"
    )
