"""The simulator's description as it was when the client beside it was made."""

from __future__ import annotations

import json
from pathlib import Path

from dcrauth.simulator import openapi

WRITTEN = Path(__file__).with_name("openapi.json")
"""Where it is written down."""


def described() -> str:
    """The description of today, as it is written down."""
    return json.dumps(openapi.DESCRIPTION, indent=1) + "\n"
