"""A store as another process has it: what that process knows beside the store, this one does not."""

from __future__ import annotations

from typing import Any


class OtherProcess:
    """A view of a store that nobody takes for the store itself, wherever its records are."""

    place = None

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
