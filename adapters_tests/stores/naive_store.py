"""A store as many programs have one: all records in one JSON file, read and written whole. It breaks most promises.

It is kept as the counter-example of the store contract, which has to find that out.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NaiveStore:
    """Everything in one file; whatever cannot be read counts as nothing; no lock, no compare-and-swap."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.path = directory / "store.json"

    def _load(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _save(self, records: dict[str, str]) -> None:
        self.path.write_text(json.dumps(records))

    def get(self, key: str) -> bytes | None:
        value = self._load().get(key)
        return None if value is None else base64.b64decode(value)

    def add(self, key: str, value: bytes) -> bool:
        if self.get(key) is not None:
            return False
        self.put(key, value)
        return True

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        if self.get(key) != expected:
            return False
        self.put(key, value)
        return True

    def put(self, key: str, value: bytes) -> None:
        records = self._load()
        records[key] = base64.b64encode(value).decode()
        self._save(records)

    def delete(self, key: str) -> None:
        records = self._load()
        records.pop(key, None)
        self._save(records)

    def keys(self) -> Iterator[str]:
        return iter(self._load())

    @contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[None]:
        yield

    def healthcheck(self) -> None:
        os.access(self.path, os.W_OK)
