"""What keeps a secret where it belongs: out of every repr, pickle, serialiser and traceback."""

import functools
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field
from traceback import clear_frames
from typing import Any, NoReturn, ParamSpec, Self, TypeVar, dataclass_transform

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V")


class Confidential:
    """Mixin of values that hold a secret: copies are the value itself, pickling is refused."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is not pickled; keep it in a store instead")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def confidential(kind: type[V]) -> type[V]:
    """Make a class one of frozen values, as ``dataclass`` does, that no serialiser takes for a dataclass.

    `dataclasses.asdict`, orjson, pydantic and so FastAPI write all fields of what is one, and some of them all that is
    in a ``__dict__``: a token that is returned by mistake would be sent to whoever asked.
    """
    made: Any = dataclass(frozen=True, slots=True, weakref_slot=True)(kind)
    made.__repr__ = unfailing(made.__repr__)
    made.__replace__ = replaced
    # Up to Python 3.13 those that dataclass makes fail in another way for a name that is no field, as of a property.
    made.__setattr__ = made.__delattr__ = _refused
    made.__getstate__ = Confidential.__reduce__
    del made.__dataclass_fields__
    return made  # type: ignore[no-any-return]


def _refused(value: object, name: str, *_: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot change {name!r} of a {type(value).__name__}")


def replaced(value: V, **changes: Any) -> V:
    """Return a value like the `confidential` one *value* with some fields changed, as `dataclasses.replace` does."""
    kind: Any = type(value)
    return kind(**{name: getattr(value, name) for name in kind.__match_args__} | changes)  # type: ignore[no-any-return]


def unfailing(shown: Callable[[V], str]) -> Callable[[V], str]:
    """Have a ``__repr__`` not raise for an object whose constructor has not come to its end.

    Whoever shows the variables of a traceback asks for it, and up to Python 3.12 an error there hides the real one.
    """

    @functools.wraps(shown)
    def __repr__(self: V) -> str:  # noqa: N807  # takes the place of one
        try:
            return shown(self)
        except Exception:  # an attribute is missing, or what is in it has such a repr
            return f"<{type(self).__name__}, not made to its end>"

    return __repr__


def discreet(act: Callable[P, T]) -> Callable[P, T]:
    """Have *act* leave neither its arguments nor its variables in the traceback of what it raises.

    There are programs that log them, frame by frame, for each error.
    """

    @functools.wraps(act)
    def discreetly(*given: P.args, **named: P.kwargs) -> T:
        handled = sys.exception()
        try:
            return act(*given, **named)
        except BaseException as reason:
            _clear(reason, handled)
            raise
        finally:
            del given, named, handled

    return discreetly


def _clear(reason: BaseException, handled: BaseException | None) -> None:
    for each in chain_of(reason, handled):
        clear_frames(each.__traceback__)  # the lines stay
        if each.__suppress_context__:
            each.__context__ = None  # it is not to be shown, as its text may quote what was read


def discreet_constructor(kind: type[V]) -> type[V]:
    """Make the constructor of a class `discreet`."""
    made: Any = kind
    made.__init__ = discreet(made.__init__)
    return kind


def chain_of(reason: BaseException, handled: BaseException | None = None) -> list[BaseException]:
    """Return *reason* and all that led to it, but for what was being *handled* before, which is somebody else's."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [reason]
    while waiting:
        each = waiting.pop()
        if each is not None and each is not handled and not any(each is one for one in found):
            found.append(each)
            waiting += [each.__cause__, each.__context__]
    return found
