"""How a file gets its name in a folder, and how it loses it: in one step, from a file that is complete and durable."""

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dcrauth.stores._disk import Disk, Folder

_ABANDONED = 3600.0

Publish = Callable[[Disk, Folder, str, Folder, str], bool]
"""A way to give a new file in one folder its name in another one; returns whether it has it."""


@contextmanager
def written(disk: Disk, new: Folder, content: bytes) -> Iterator[str]:
    """Write a file to the folder *new*, for as long as it takes to give it another name; yield its name there."""
    temporary = secrets.token_hex(8)
    # Durable at once, even if the record need not be: no power failure may leave a record's name with half its content.
    disk.create(new, temporary, content, durable=True)
    try:
        yield temporary
    finally:
        _discard(disk, new, temporary)


def linked(disk: Disk, new: Folder, temporary: str, folder: Folder, name: str) -> bool:
    """Give a file its name, durably, unless that is taken.

    Where it has the name, but not durably, that stays so: somebody may have read it by now, and replaced it.
    """
    free = disk.link(new, temporary, folder, name)
    # Who comes second syncs as well: it is going to use a record that the first one may not have synced yet.
    disk.sync(folder)
    return free


def renamed(disk: Disk, new: Folder, temporary: str, folder: Folder, name: str) -> bool:
    """Give a file its name, whoever has that now; a power failure may undo it."""
    disk.rename(new, temporary, folder, name)
    return True


def swapped(disk: Disk, new: Folder, temporary: str, folder: Folder, name: str) -> bool:
    """Give a file the name that another one has now, durably."""
    former = f"{temporary}-former"
    disk.link(folder, name, new, former)
    try:
        disk.rename(new, temporary, folder, name)
        _synced_or_undone(disk, folder, lambda: disk.rename(new, former, folder, name))
    finally:
        _discard(disk, new, former)
    return True


def set_aside(disk: Disk, folder: Folder, name: str, trash: Folder) -> None:
    """Move a file to another folder, durably; at no moment is it in neither."""
    aside = f"{name}-{secrets.token_hex(4)}"
    disk.link(folder, name, trash, aside)
    disk.sync(trash)
    disk.unlink(folder, name)
    _synced_or_undone(disk, folder, lambda: disk.link(trash, aside, folder, name))


def sweep(disk: Disk, new: Folder) -> None:
    """Remove what writers that were killed have left in the folder *new*."""
    for name in list(disk.names(new)):
        found = disk.status(new, name)
        if found is not None and stat.S_ISREG(found.st_mode) and _age(found) > _ABANDONED:
            _discard(disk, new, name)


def _age(found: os.stat_result) -> float:
    """Return how long ago a file was written or got one of its names, as a record gets one for `swapped`, in seconds.

    A name does not count on Windows, where it need not: what `swapped` has to undo does not happen there.
    """
    return time.time() - max(found.st_mtime, found.st_ctime)


def _synced_or_undone(disk: Disk, folder: Folder, undo: Callable[[], object]) -> None:
    """Wait until a change is on the disk; one that fails there is not acknowledged, so nobody may take it for done."""
    try:
        disk.sync(folder)
    except OSError as reason:
        try:
            undo()
        except OSError as obstacle:
            reason.strerror = f"{reason.strerror}; nor can the change be undone: {obstacle.strerror}"
        raise


def _discard(disk: Disk, new: Folder, name: str) -> None:
    try:
        disk.unlink(new, name)
    except OSError:
        return  # it is in nobody's way, and is swept later; what it was written for stands
