"""The secrets of a run, and statements that look like real ones."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

from dcrauth.simulator import Simulator


def jwt(**claims: Any) -> str:
    """Return a JWT with these claims that nobody has signed."""
    parts = ({"alg": "RS256"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts]
    return ".".join([*encoded, "c2ln"])


def secrets_in(adobe: Simulator) -> set[str]:
    """Everything secret that went over the wire."""
    forms = [parse_qs(call.body.decode() or call.query) for call in adobe.calls if call.path == "/o/client/token"]
    sent = {value for form in forms for name in ("client_id", "client_secret") for value in form[name]}
    tokens = {call.headers["authorization"].removeprefix("Bearer ") for call in adobe.calls if "api" in call.path}
    return sent | tokens
