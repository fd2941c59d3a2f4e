"""The store: whose it is, where it lies, and whether a record could be written now."""

import os
import shlex
import stat
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

from dcrauth.cli.findings import Finding, Word, finding_of
from dcrauth.errors import DCRAuthError, StoreWarning
from dcrauth.stores import Store, place_of
from dcrauth.stores._mounts import NETWORK, filesystem
from dcrauth.stores._ownership import OPEN_TO_OTHERS, WRITABLE_BY_OTHERS, permissions_of

_LOCAL = (
    "choose a local directory for each host, or a SQLStore or RedisStore for all of them: locks may not exclude other "
    "hosts"
)
_ON_DISK = {"file": "a directory", "sqlite": "a file"}


def store_findings(store: Store) -> Iterator[Finding]:
    """Yield what is to be said of *store* itself; nothing stays where none is yet."""
    kind, path = on_disk(store)
    yield Finding("store", Word.OK, f"{store!r}")
    if path is None:
        yield _health(store)
        return
    yield _mount(path)
    if not os.path.lexists(path):
        yield _lost(store) or _to_be_made(kind, path)
        return
    yield _permissions(path)
    yield _health(store)


def on_disk(store: Store) -> tuple[str, str | None]:
    """Return the kind of a store, and the path where it lies if that is one of this machine's disks."""
    place: Any = place_of(store)
    while isinstance(place, tuple) and place[0] == "encrypted":
        place = place[1]
    kind = place[0] if isinstance(place, tuple) and isinstance(place[0], str) else type(store).__name__
    return kind, place[1] if kind in _ON_DISK and isinstance(place, tuple) else None


def _mount(path: str) -> Finding:
    kind = filesystem(_nearest(path))
    if kind is None:
        return Finding("mount", Word.OK, "this system does not say what kind of file system it is")
    if kind in NETWORK:
        return Finding("mount", Word.WARNING, f"a network file system ({kind})", _LOCAL)
    return Finding("mount", Word.OK, f"a local file system ({kind})")


def _lost(store: Store) -> Finding | None:
    """Return that a store which is not there was in use before, if it was."""
    try:
        next(iter(store.keys()), None)
    except DCRAuthError as error:
        return finding_of(error, "health")
    return None


def _to_be_made(kind: str, path: str) -> Finding:
    above = _nearest(path)
    try:  # permissions do not tell it: /proc takes nothing, even from root
        os.rmdir(tempfile.mkdtemp(prefix=".dcrauth-", dir=above))
    except OSError as reason:
        advice = f"choose another place, or let this user write to {above}"
        told = f"it is not there, and cannot be made in {above}: {reason.strerror}"
        return Finding("health", Word.NOT_READABLE, told, advice)
    return Finding("health", Word.ABSENT, f"{_ON_DISK[kind]} that is not there yet; the first registration makes it")


def _permissions(path: str) -> Finding:
    """Say whose it is; a store of files refuses what others own or may write to."""
    if os.name != "posix":
        return Finding("permissions", Word.NOT_TRIED, "this system keeps them in another way")
    try:
        found = os.stat(path)
    except OSError as fault:
        told = f"{path} cannot be looked at: {fault.strerror}"
        return Finding("permissions", Word.NOT_READABLE, told, "let this user read it")
    told = f"{permissions_of(found)}, owned by uid {found.st_uid}"
    if found.st_uid != os.geteuid():
        told, advice = f"{told}, and this is uid {os.geteuid()}", "run this as the owner, or choose a place of your own"
        return Finding("permissions", Word.NOT_READABLE, told, advice)
    return _mode(path, found, told)


def _mode(path: str, found: os.stat_result, told: str) -> Finding:
    private = f"run: chmod {700 if stat.S_ISDIR(found.st_mode) else 600} {shlex.quote(path)}"
    if found.st_mode & stat.S_IWOTH:
        return Finding("permissions", Word.NOT_READABLE, f"{told}: everybody can write to it", private)
    # The directory may be readable by others: what the store makes in it is not.
    forbidden = WRITABLE_BY_OTHERS if stat.S_ISDIR(found.st_mode) else OPEN_TO_OTHERS
    if found.st_mode & forbidden:
        return Finding("permissions", Word.WARNING, f"{told}: open to others", private)
    return Finding("permissions", Word.OK, told)


def _health(store: Store) -> Finding:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", StoreWarning)
        try:
            store.healthcheck()
        except DCRAuthError as error:
            return finding_of(error, "health")
    if told:
        words = "; ".join(str(each.message) for each in told)
        return Finding("health", Word.WARNING, words, "see whether that was meant")
    return Finding("health", Word.OK, "a record could be written now")


def _nearest(path: str) -> str:
    """Return *path*, or the nearest directory above it that is there."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
