"""What keeps a secret where it belongs: no repr shows it, no pickle carries it."""

from typing import NoReturn, Self


class Confidential:
    """Mixin of values that hold a secret: copies are the value itself, pickling is refused."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is not pickled; keep it in a store instead")
