"""What goes over the wire, and the record that is kept of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json;charset=UTF-8"
NEVER_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


@dataclass(frozen=True)
class Call:
    """One call as it came in.

    Parameters:
        method: HTTP method.
        path: path without the query.
        query: the query as sent.
        headers: header fields, names in lower case.
        body: the body, or its first mebibyte.
        address: the peer's address.
        status: what was answered; 0 if nothing was.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    address: str = field(repr=False, default="")
    status: int = 0

    @property
    def endpoint(self) -> str:
        """Which group of paths it belongs to: "register", "token", "control" or "api"."""
        if self.path.startswith("/control/"):
            return "control"
        return {"/o/client/register": "register", "/o/client/token": "token"}.get(self.path, "api")


@dataclass(frozen=True)
class Counts:
    """How many calls there were.

    Parameters:
        register, token, api: calls received, whatever came of them.
        registered: clients registered.
        issued: tokens granted.
        refused: 401 answers of the protected APIs.
        throttled: 429 answers of the throttle.
    """

    register: int = 0
    token: int = 0
    api: int = 0
    registered: int = 0
    issued: int = 0
    refused: int = 0
    throttled: int = 0


@dataclass(frozen=True)
class Reply:
    """One answer.

    Parameters:
        status: HTTP status.
        body: the body.
        headers: header fields; the length is added.
        why: why it is no success, for whoever reads the record of calls; not sent.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    why: str = ""

    @classmethod
    def json(cls, status: int, fields: Mapping[str, Any], *more: tuple[str, str]) -> "Reply":
        """Return an answer in JSON."""
        return cls(status, json.dumps(fields).encode(), (("Content-Type", JSON), *more))
