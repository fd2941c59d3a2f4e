"""Whose a file or a directory is, and what others may do with it.

What anybody could have put there is refused: what belongs to another user, and what everybody can write to, such as
``/tmp``. From all else permissions of others are taken away. Nobody may have given them on purpose: Kubernetes gives
some to the group of a volume (``fsGroup``) each time that it is mounted.
"""

import os
import stat
from contextlib import suppress

from dcrauth.errors import InsecureStore

OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_owner(path: str, found: os.stat_result) -> None:
    """Raise `InsecureStore` if what was *found* at *path* belongs to another user."""
    if os.name == "posix" and found.st_uid != os.geteuid():
        raise InsecureStore(
            f"{path} belongs to another user (uid {found.st_uid}); choose another place, such as a new directory in it"
        )


def closed_to_others(path: str, at: int | str, found: os.stat_result, forbidden: int) -> bool:
    """Take the *forbidden* permissions of others away from what is our own; return whether there were any.

    Parameters:
        path: what it is called in messages.
        at: its open descriptor, or its path where nobody else could put a link in its place.
        found: what is known of it.

    Raises:
        InsecureStore: everybody can write to it, or they cannot be taken away, as on a file system that knows none.
    """
    if os.name != "posix" or not found.st_mode & forbidden:
        return False
    if not found.st_mode & stat.S_IWOTH:
        with suppress(OSError):  # what has become of it is looked at below
            os.chmod(at, stat.S_IMODE(found.st_mode) & ~forbidden)
            found = os.stat(at)
    if found.st_mode & forbidden:
        raise InsecureStore(f"{path} is open to others ({permissions_of(found)}); {_remedy(path, found)}")
    return True


def permissions_of(found: os.stat_result) -> str:
    """Return the permissions as a message shows them."""
    return f"mode {stat.S_IMODE(found.st_mode):o}"


def _remedy(path: str, found: os.stat_result) -> str:
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:  # it is meant for everybody, as /tmp is
        return "choose a new directory in it"
    private = 700 if stat.S_ISDIR(found.st_mode) else 600
    return f"see whether somebody has changed it, and run: chmod {private} {path}"
