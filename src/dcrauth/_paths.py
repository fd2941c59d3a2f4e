"""Paths as people give them."""

import os

from dcrauth.errors import ConfigurationError

_LONGEST_SHOWN = 100


def expanded(path: str | os.PathLike[str]) -> str:
    """Return *path* with the home directory in the place of a ``~``, as a shell would hand it over.

    Raises:
        ConfigurationError: nobody knows that directory, as in a container whose user has no name and no ``HOME``.
    """
    given = os.fspath(path)
    found = os.path.expanduser(given)
    if given.startswith("~") and not os.path.isabs(found):
        raise ConfigurationError(
            f"What {given[:_LONGEST_SHOWN]!r} begins with is no home directory that this system knows: give the whole "
            "path, or begin it with ./ if a file has that name"
        )
    return found
