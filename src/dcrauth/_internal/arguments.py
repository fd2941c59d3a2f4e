"""Arguments of constructors: what is wrong with one is said where it was given, and long text is never quoted.

It may be a secret that was given in the place of something else.
"""

import inspect
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

from dcrauth._internal.strict_json import number
from dcrauth.errors import ConfigurationError

_LONGEST_SHOWN = 100
_LONGEST_NAME = 255
"""No file system in use takes a longer name of a file."""

LONGEST_WAIT = 1e6
"""In seconds, which is eleven days: poll(2), and so a socket, can wait for twice as long."""

LONGEST_INSTANCE = 512
"""In characters; what tells instances apart comes from requests that anybody may send, and is kept for each of them."""

_SEPARATORS = re.compile(r"[/\\]")


def shown(text: str) -> str:
    """Return what a message may say of *text* that somebody has given us."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"a text of {len(text)} characters"


def wrong(what: str, wanted: str, found: object) -> ConfigurationError:
    """Return the error for an argument of a kind that will not do.

    Parameters:
        what: the name of the argument.
        wanted: what it must be, with an example.
        found: what it is.
    """
    kind = "None" if found is None else type(found).__name__
    if isinstance(found, type):
        kind = f"the class {found.__name__} itself: write {found.__name__}(…)"
    return ConfigurationError(f"{what} must be {wanted}, not {kind}")


def check_text(value: object, what: str) -> None:
    """Raise ConfigurationError unless *value* is text."""
    if not isinstance(value, str):
        raise wrong(what, "text", value)


def check_choice(value: str, what: str, choices: Iterable[str]) -> None:
    """Raise ConfigurationError unless *value* is one of the *choices*."""
    check_text(value, what)
    if value not in choices:
        raise ConfigurationError(f"{what} must be one of {', '.join(choices)}, not {shown(value)}")


def check_instance(value: object, what: str = "instance") -> None:
    """Raise ConfigurationError unless *value* can tell an instance of an application from others."""
    if not isinstance(value, str):
        raise wrong(what, "text", value)
    if not 0 < len(value) <= LONGEST_INSTANCE:
        raise ConfigurationError(f"{what} must be a text of 1 to {LONGEST_INSTANCE} characters, not {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{what} holds half a character, for which UTF-8 has no bytes; give whole text"
        ) from None


def check_count(value: object, what: str) -> None:
    """Raise ConfigurationError unless *value* is a number of things, one at least."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(what, "a number such as 10_000", value)
    if value < 1:
        raise ConfigurationError(f"{what} must be at least 1, not {shown(str(value))}")
    if value > sys.maxsize:
        raise ConfigurationError(f"{what} must be at most {sys.maxsize}: nothing can be counted beyond that")


def check_function(value: object, what: str, wanted: str) -> None:
    """Raise ConfigurationError unless *value* is a function that need not be awaited."""
    if isinstance(value, type) or not callable(value):
        raise wrong(what, wanted, value)
    if is_asynchronous(value):
        raise ConfigurationError(f"{what} must be {wanted}, a plain one: it is called where nothing can be awaited")


def check_plain(value: object, what: str, wanted: str) -> None:
    """Raise ConfigurationError if *value*, which a function has returned, has to be awaited: it is true in any case."""
    if not inspect.isawaitable(value):
        return
    if inspect.iscoroutine(value):
        value.close()  # else Python warns of it as well
    raise wrong(what, f"{wanted}, without a wait", value)


def check_seconds(value: object, what: str) -> None:
    """Raise ConfigurationError unless *value* is a number of seconds that can be waited."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(what, "a number of seconds", value)
    if not 0 < (number(value) or 0.0) <= LONGEST_WAIT:
        raise ConfigurationError(
            f"{what} must be a number of seconds above 0, and at most {LONGEST_WAIT:g}, not {shown(str(value))}"
        )


def check_methods(value: object, what: str, protocol: type, wanted: str) -> None:
    """Raise ConfigurationError unless *value* has all that *protocol* names, none of it to be awaited."""
    if isinstance(value, type):
        raise wrong(what, wanted, value)
    names = [name for name in vars(protocol) if not name.startswith("_")]
    if missing := [name for name in names if not hasattr(value, name)]:
        raise ConfigurationError(f"{wrong(what, wanted, value)}, which has no {', '.join(missing)}")
    if awaited := [name for name in names if is_asynchronous(getattr(value, name))]:
        raise ConfigurationError(
            f"{what} must be {wanted}, whose methods are plain functions, called on a thread where no event loop runs: "
            f"{type(value).__name__} has async def {', '.join(awaited)}"
        )


def is_asynchronous(function: Any) -> bool:
    """Return whether *function*, or an object that can be called, is one of ``async def``: calling it does nothing."""
    called = getattr(function, "__call__", None)  # noqa: B004  # a method of it, not whether there is one
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (function, called))


def path_of(value: object, what: str) -> str:
    """Return *value* as a path, a ``~`` at its beginning expanded.

    Raises:
        ConfigurationError: it is none, there can be no such path, or nobody knows the home directory that it names.
    """
    try:
        path = os.fsdecode(value)  # type: ignore[arg-type]  # whatever it is
    except TypeError:
        raise wrong(what, "a path", value) from None
    longest = max(map(len, _SEPARATORS.split(path)))
    if longest > _LONGEST_NAME or "\0" in path or not path:
        raise ConfigurationError(f"{what} must be a path, and there can be none that is {shown(path)}")
    return expanded(path)


def expanded(path: str) -> str:
    """Return *path* with the home directory in the place of a ``~``, as a shell would hand it over.

    Raises:
        ConfigurationError: nobody knows that directory, as in a container whose user has no name and no ``HOME``.
    """
    found = os.path.expanduser(path)
    if path.startswith("~") and not os.path.isabs(found):
        raise ConfigurationError(
            f"What {path[:_LONGEST_SHOWN]!r} begins with is no home directory that this system knows: give the whole "
            "path, or begin it with ./ if a file has that name"
        )
    return found
