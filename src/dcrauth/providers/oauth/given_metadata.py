"""What a user says of a client, as it is registered."""

import json
from typing import Any

from dcrauth.errors import ConfigurationError


def json_copy(given: Any, what: str) -> dict[str, Any]:
    """Return the mapping *given* as JSON has it: whatever becomes of it later changes nothing here.

    Raises:
        ConfigurationError: it cannot be written as JSON, which has no NaN and no infinity (RFC 8259 §6).
    """
    try:
        found: dict[str, Any] = json.loads(json.dumps(dict(given), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        failure = ConfigurationError(f"{what} holds a value that cannot be written as JSON")
    else:
        return found
    raise failure
