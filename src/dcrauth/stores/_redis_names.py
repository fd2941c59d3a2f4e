"""What records, locks and the rest are called in Redis.

    PREFIX record:KEY    PREFIX lock:KEY    PREFIX scratch

In a cluster the part of a name in braces says which node has it, which is to be the same for all of an identity, whose
keys are alike up to the first dot. A KEY of ``IDENTITY.credentials`` is named there

    PREFIX record:{id:IDENTITY}.credentials    PREFIX lock:{id:IDENTITY}    PREFIX scratch:{id:IDENTITY}
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from dcrauth.errors import ConfigurationError

_TAG = "{id:"
"""Never empty, as braces without anything between them say nothing."""

_GLOB = re.compile(rb"([\\*?\[\]])")


@dataclass(frozen=True)
class Names:
    """The names below one prefix.

    Parameters:
        prefix: what all of them begin with.
        tagged: whether what belongs to one identity is to be in one place of a cluster.
    """

    prefix: str
    tagged: bool

    def __post_init__(self) -> None:
        if self.tagged and "{" in self.prefix:
            raise ConfigurationError(
                "The prefix of a store in a Redis cluster has no {, after which comes what says which node has a key"
            )

    def record(self, key: str) -> bytes:
        """Return the name of the record under *key*."""
        return self._records + self._within(key)

    def lock(self, key: str) -> bytes:
        """Return the name of what stands while *key* is renewed."""
        return encoded(f"{self.prefix}lock:") + self._within(key)

    def scratch(self, key: str) -> bytes:
        """Return the name of what may be written where *key* is, to see whether it can be."""
        return encoded(f"{self.prefix}scratch:{_TAG}{tag(key)}}}" if self.tagged else f"{self.prefix}scratch")

    @property
    def pattern(self) -> bytes:
        """What matches the names of all records, as SCAN takes it."""
        return _GLOB.sub(rb"\\\1", self._records) + b"*"

    def key(self, name: bytes) -> str | None:
        """Return the key of the record that is called so; None if none is."""
        try:
            found = name.removeprefix(self._records).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return None
        return _untagged(found) if self.tagged else found

    @property
    def _records(self) -> bytes:
        return encoded(f"{self.prefix}record:")

    def _within(self, key: str) -> bytes:
        head, dot, rest = key.partition(".")
        return encoded(f"{_TAG}{head}}}{dot}{rest}" if self.tagged else key)


def tag(key: str) -> str:
    """Return what the keys of one identity have in common."""
    return key.partition(".")[0]


def _untagged(name: str) -> str | None:
    head, dot, rest = name.partition(".")
    return head[len(_TAG) : -1] + dot + rest if head.startswith(_TAG) and head.endswith("}") else None


def samples(place_of: Callable[[str], str], places: int) -> list[str]:
    """Return a key for each of so many *places* that keys are at, as far as they are found."""
    found: dict[str, str] = {}
    for number in range(1 << 14):
        if len(found) == places:
            break
        found.setdefault(place_of(str(number)), str(number))
    return list(found.values())


def encoded(name: str) -> bytes:
    """Return a name as it goes over the line, whatever is in it."""
    return name.encode("utf-8", "surrogatepass")
