"""Values from Python, JSON and TOML: every field is known and of its type, or one sentence says which is not."""

import inspect
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dcrauth._internal.arguments import wrong
from dcrauth._internal.strict_json import number
from dcrauth.errors import ConfigurationError

T = TypeVar("T")
_HEADERS = tuple[tuple[str, str], ...]
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", bytes: "text", NoneType: "null"}


def made(kind: type[T], values: Any, where: str) -> T:
    """Return the *kind*, a dataclass, that has these *values*.

    Parameters:
        values: a table of JSON or TOML.
        where: what the table is, for the message.

    Raises:
        ConfigurationError: a field is not known, is missing, is of another type, or cannot be what it is.
    """
    given = checked(kind, values, where)
    for name, each in _parameters(cast(Any, kind)).items():
        if each.default is each.empty and name not in given:
            raise ConfigurationError(f"{where} needs {name}")
    try:
        return kind(**given)
    except ConfigurationError as reason:
        raise ConfigurationError(f"{where}: {reason}") from None


def checked(kind: type, values: Any, where: str) -> dict[str, Any]:
    """Return *values* as *kind* takes them, not all of which need be there; for the rest see `made`."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where} must be a table of names and values, not {_shown(values)}")
    known = _parameters(kind)
    for name in values:
        if name not in known:
            raise ConfigurationError(f"{where} has no {name!r}; there is {', '.join(known) or 'nothing to say'}")
    return {name: as_said(value, known[name].annotation, f"{name} of {where}") for name, value in values.items()}


def check_fields(value: Any, where: str = "") -> None:
    """See that the fields of *value*, a dataclass, are of the types that it says; for its ``__post_init__``.

    What a file would say in another form is put into the one that is meant: a list, a table of headers, a text that is
    a body.

    Parameters:
        where: what *value* is, for the message; by default the name of its class.

    Raises:
        ConfigurationError: one is of another type.
    """
    for name, each in checked(type(value), vars(value), where or type(value).__name__).items():
        object.__setattr__(value, name, each)


def check_kind(value: object, kind: type, name: str) -> None:
    """Raise `ConfigurationError` unless *value*, which was given as *name*, is a *kind*."""
    if not isinstance(value, kind):
        raise wrong(name, f"a {kind.__name__}", value)


def check_range(value: float | None, name: str, least: float, most: float = math.inf) -> None:
    """Raise `ConfigurationError` unless *value*, if there is one, is from *least* to *most*."""
    if value is None or least <= value <= most:
        return
    wanted = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
    raise ConfigurationError(f"{name} must be {wanted}, not {_shown(value)}")


def check_ranges(value: Any, names: Iterable[str], least: float, most: float = math.inf) -> None:
    """Raise `ConfigurationError` unless these fields of *value*, where they are not None, are in a range."""
    for name in names:
        check_range(getattr(value, name), f"{name} of {type(value).__name__}", least, most)


def is_header(value: str) -> bool:
    """Whether *value* can be that of a header field: odd servers send more than ASCII, which goes out as Latin-1."""
    return all(each.isprintable() and each <= "\xff" for each in value)


def check_header(value: str | None, name: str) -> None:
    """Raise `ConfigurationError` unless *value*, if there is one, can be that of a header field."""
    if value is not None and not is_header(value):
        raise ConfigurationError(f"{name} is no value of a header: {_shown(value)}; it is Latin-1 on one line")


def check_json(value: Any, name: str) -> None:
    """Raise `ConfigurationError` unless *value* can be told in JSON."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        told = "texts, numbers, true, false and null, in lists and tables"
        raise ConfigurationError(f"{name} is {_shown(value)}, and must be what JSON can tell: {told}") from None


def texts(value: Any, name: str) -> tuple[str, ...]:
    """Return *value*, which was given as *name*, as texts.

    Raises:
        ConfigurationError: it is something else; one text would be taken for as many as it has letters.
    """
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    given: tuple[str, ...] = as_said(tuple(value) if several else value, tuple[str, ...], name)
    return given


@cache
def _parameters(kind: Any) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(kind)
    parameters = inspect.signature(kind).parameters
    return {name: each.replace(annotation=hints[name]) for name, each in parameters.items() if name in hints}


def as_said(value: Any, hint: Any, where: str) -> Any:
    """Return *value* in the form that a type asks for.

    Parameters:
        hint: the type.
        where: what it is the value of, for the message.

    Raises:
        ConfigurationError: it is of another type.
    """
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
            return tuple(as_said(each, inner, f"entry {number} of {where}") for number, each in enumerate(value, 1))
        if kind is bytes and _fits(str, value):
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
        return number(value) is not None
    if kind is str:
        return _is_unicode(value)
    if isinstance(origin := get_origin(kind), type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    return type(value) is kind


def _is_unicode(value: Any) -> bool:
    """Whether it is text that can be encoded, which half of a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _headers(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not all(map(_is_pair, pairs)):
        raise ConfigurationError(f"{where} must be a table of header names and their values, which are text")
    for name, text in pairs:
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"{where} has a name that no header has: {_shown(name)}; one is Retry-After")
        check_header(text, f"{name} of {where}")
    return tuple((name, text) for name, text in pairs)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _said(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f'"{each}"' for each in get_args(kind))
    if _is_list(kind):
        return f"a list, each entry {_said(get_args(kind)[0])}"
    if is_dataclass(kind) and isinstance(kind, type):
        return f"a table, in Python {kind.__name__}(…)"
    return _WORDS.get(kind, "a table")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
