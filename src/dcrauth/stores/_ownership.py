"""Whose a file or a directory is, and what others may do with it.

What others could have put there is refused: what belongs to another user, and a file that everybody can write to. From
all else permissions of others are taken away. Nobody may have given them on purpose: Kubernetes gives some to the group
of a volume (``fsGroup``) each time that it is mounted.
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
        InsecureStore: it is a file that everybody could have written to, or they cannot be taken away, as on a file
            system that knows no permissions.
    """
    if os.name != "posix" or not found.st_mode & forbidden:
        return False
    if not _is_anybodys(found):
        with suppress(OSError):  # what has become of it is looked at below
            os.chmod(at, stat.S_IMODE(found.st_mode) & ~forbidden)
            found = os.stat(at)
    if found.st_mode & forbidden:
        private = 700 if stat.S_ISDIR(found.st_mode) else 600
        raise InsecureStore(
            f"{path} is open to others ({shown(found)}); see whether somebody has changed it, and run: "
            f"chmod {private} {path}"
        )
    return True


def shown(found: os.stat_result) -> str:
    """Return the permissions as a message shows them."""
    return f"mode {stat.S_IMODE(found.st_mode):o}"


def _is_anybodys(found: os.stat_result) -> bool:
    """Whether everybody could write to it. In a directory each file has an owner who tells; its content has none."""
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & stat.S_IWOTH)
