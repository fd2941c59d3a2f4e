"""Values from JSON and TOML: every field is known and of its type, or one sentence says which is not."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dcrauth._internal.arguments import wrong
from dcrauth.errors import ConfigurationError

T = TypeVar("T")
_HEADERS = tuple[tuple[str, str], ...]
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", bytes: "text", NoneType: "null"}


def made(kind: type[T], values: Any, where: str) -> T:
    """Return the *kind*, a dataclass, that has these *values*.

    Parameters:
        values: a table of JSON or TOML.
        where: what the table is, for the message.

    Raises:
        ConfigurationError: a field is not known, is missing, or is of another type.
    """
    given = checked(kind, values, where)
    for name, each in _parameters(cast(Any, kind)).items():
        if each.default is each.empty and name not in given:
            raise ConfigurationError(f"{where} needs {name}")
    return kind(**given)


def checked(kind: type, values: Any, where: str) -> dict[str, Any]:
    """Return *values* as *kind* takes them, not all of which need be there; for the rest see `made`."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where} must be a table of names and values, not {_shown(values)}")
    known = _parameters(kind)
    for name in values:
        if name not in known:
            raise ConfigurationError(f"{where} has no {name!r}; there is {', '.join(known) or 'nothing to say'}")
    return {name: _value(known[name].annotation, value, f"{name} of {where}") for name, value in values.items()}


def check_fields(value: Any) -> None:
    """Raise `ConfigurationError` if a field of *value*, a dataclass, is of another type than it says; see `made`."""
    checked(type(value), vars(value), type(value).__name__)


def check_kind(value: object, kind: type, name: str) -> None:
    """Raise `ConfigurationError` unless *value*, which was given as *name*, is a *kind*."""
    if not isinstance(value, kind):
        raise wrong(name, f"a {kind.__name__}", value)


@cache
def _parameters(kind: Any) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(kind)
    parameters = inspect.signature(kind).parameters
    return {name: each.replace(annotation=hints[name]) for name, each in parameters.items() if name in hints}


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint == _HEADERS:
        return _headers(value, where)
    kinds = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    for kind in kinds:
        if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, Mapping):
            return made(kind, value, where)
        if _is_list(kind) and isinstance(value, list | tuple):
            inner = get_args(kind)[0]
            return tuple(_value(inner, each, f"entry {number} of {where}") for number, each in enumerate(value, 1))
        if kind is bytes and isinstance(value, str):
            return value.encode()
        if _fits(kind, value):
            return value
    raise ConfigurationError(f"{where} is {_shown(value)}, and must be {' or '.join(map(_said, kinds))}")


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and not issubclass(origin, Mapping)


def _fits(kind: Any, value: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str | int) and value in get_args(kind)
    if kind is float:
        return type(value) in {int, float} and math.isfinite(value)
    if isinstance(origin := get_origin(kind), type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    return type(value) is kind


def _headers(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(value.items()) if isinstance(value, Mapping) else ()
    texts = [each for pair in pairs for each in pair]
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in texts):
        raise ConfigurationError(f"{where} must be a table of header names and their values, which are text")
    if bad := [each for each in texts if not each.isascii() or not each.isprintable()]:
        raise ConfigurationError(f"{where} has a name or a value that no header has: {_shown(bad[0])}")
    return pairs


def _said(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f'"{each}"' for each in get_args(kind))
    if _is_list(kind):
        return f"a list, each entry {_said(get_args(kind)[0])}"
    return _WORDS.get(kind, "a table")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
