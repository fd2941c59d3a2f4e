"""A record as a Redis holds it, and how one takes the place of another."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Self

_HEADING = re.compile(rb"[0-9a-f]{32}\n")
_HEADING_LENGTH = 33

# The heading is looked at here as well: what is no record of ours is left as it is.
SWAP = f"""
local found = redis.call('GET', KEYS[1])
if not found then return 0 end
local _, heading = string.find(found, '^[0-9a-f]+\\n')
if heading ~= {_HEADING_LENGTH} or string.sub(found, {_HEADING_LENGTH + 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


@dataclass(frozen=True)
class Record:
    """A record as the server holds it.

    Parameters:
        mark: 32 hexadecimal digits that no other writing has.
        value: what was to be kept.
    """

    mark: bytes
    value: bytes = field(repr=False)

    @classmethod
    def new(cls, value: bytes) -> Self:
        """Return a record that is yet to be written."""
        return cls(secrets.token_hex(16).encode(), value)

    @property
    def content(self) -> bytes:
        """What stands in the server."""
        return self.mark + b"\n" + self.value

    @classmethod
    def read(cls, content: Any) -> Self | None:
        """Return the record that the *content* of a key is; None if that is none."""
        if not isinstance(content, bytes) or not _HEADING.match(content):
            return None
        return cls(content[: _HEADING_LENGTH - 1], content[_HEADING_LENGTH:])
