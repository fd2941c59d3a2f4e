"""What goes over the wire, and the record that is kept of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, quote

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import check_fields, check_ranges

JSON = "application/json;charset=UTF-8"
NEVER_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
ENDPOINTS = ("register", "token", "api")
Endpoint = Literal["register", "token", "api", "discovery", "manage"]
"""Those of any simulator."""


_NO_ASCII = re.compile(r"[^\x00-\x7f]+")


def as_sent(path: str) -> str:
    """Return *path* as clients send it, who encode whatever is not ASCII."""
    return _NO_ASCII.sub(lambda found: quote(found[0]), path)


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
    def json(cls, status: int, fields: Any, *more: tuple[str, str], why: str = "") -> "Reply":
        """Return an answer in JSON."""
        return cls(status, json.dumps(fields).encode(), (("Content-Type", JSON), *more), why)


def check_sendable(reply: Reply) -> None:
    """Raise `ConfigurationError` unless *reply* can be sent; each one that the simulator makes itself can."""
    check_fields(reply)
    check_ranges(reply, ["status"], 200, 599)
    if reply.status in {204, 304} and reply.body:  # RFC 9110 §6.4.1
        raise ConfigurationError(f"body of Reply must be empty where its status is {reply.status}")


@dataclass(frozen=True)
class Call:
    """One call as it came in.

    Parameters:
        method: HTTP method.
        path: path below the base path and the environment, without the query.
        query: the query as sent.
        headers: header fields, names in lower case.
        body: the body, or its first mebibyte.
        address: the peer's address.
        status: what was answered; 0 if nothing was.
        why: why it was refused, in words; empty where it was not.
        environment: which environment was called; empty for the one that is always there.
        number: how many calls came before it, counted from 1.
        at: when it was answered, in seconds since the epoch by the simulator's clock.
        reply: the answer, its body cut after 64 KiB; None where there was none.
        certificate: the client's certificate in DER, where TLS was told one.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    address: str = field(repr=False, default="")
    status: int = 0
    why: str = ""
    environment: str = ""
    number: int = field(repr=False, default=0)
    at: float = field(repr=False, default=0.0)
    reply: Reply | None = field(repr=False, default=None)
    certificate: bytes = field(repr=False, default=b"")

    @property
    def endpoint(self) -> str:
        """Which group of paths it belongs to: "register", "token", "control" (with page and description) or "api"."""
        if self.path in {"", "/", "/openapi.json"} or self.path.startswith("/control/"):
            return "control"
        return {"/o/client/register": "register", "/o/client/token": "token"}.get(self.path, "api")

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query, and of a body that is a form; the last value of each."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = self.body.decode("utf-8", "replace") if kind == "application/x-www-form-urlencoded" else ""
        found = parse_qs(self.query, keep_blank_values=True) | parse_qs(form, keep_blank_values=True)
        return {name: values[-1] for name, values in found.items()}

    def json(self) -> Any:
        """Return what the body says in JSON.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.body)


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
