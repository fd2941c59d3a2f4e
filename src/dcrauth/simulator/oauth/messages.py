"""A call of an authorization server or of its API, and what it says of who calls."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from dcrauth.simulator.messages import Call, Counts

ENDPOINTS = ("discovery", "register", "token", "manage", "api")


@dataclass(frozen=True)
class OAuthCall(Call):
    """One call as it came in; a document's path is the whole one, all others are below the base path.

    Parameters:
        group: see `endpoint`.
    """

    group: str = field(repr=False, default="api")

    @property
    def endpoint(self) -> str:
        """What was called: "discovery", "register", "token", "manage" (RFC 7592), "api" or "control"."""
        return self.group

    @property
    def basic(self) -> tuple[str, str] | None:
        """Id and secret of an ``Authorization: Basic``, as they were sent; None where there is none."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return name, secret

    @property
    def bearer(self) -> str | None:
        """The token of an ``Authorization: Bearer``; None where there is none."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else None

    @property
    def authentication(self) -> str:
        """How the client of a token call shows who it is: a method's name, or "client_assertion" for both of JWTs."""
        if self.basic is not None:
            return "client_secret_basic"
        for parameter, method in (("client_assertion", "client_assertion"), ("client_secret", "client_secret_post")):
            if parameter in self.parameters:
                return method
        return "tls_client_auth" if self.certificate else "none"

    @property
    def assertion(self) -> dict[str, Any]:
        """The claims of the client's assertion, unchecked; empty where there is none."""
        return _decoded(f"{self.parameters.get('client_assertion', '')}..".split(".")[1])

    @property
    def assertion_header(self) -> dict[str, Any]:
        """The header of the client's assertion, unchecked; empty where there is none."""
        return _decoded(self.parameters.get("client_assertion", "").partition(".")[0])

    @property
    def client_id(self) -> str:
        """The client that the call says it is from; empty where it says nothing."""
        if self.basic is not None:
            return unquote_plus(self.basic[0])
        return self.parameters.get("client_id") or str(self.assertion.get("sub", ""))


@dataclass(frozen=True)
class OAuthCounts(Counts):
    """How many calls there were.

    Parameters:
        register, token, api, discovery, manage: calls received, whatever came of them.
        registered, updated, deleted: clients registered, updated, deleted.
        issued: tokens granted.
        refused: 401 answers of the API.
        throttled: 429 answers of the throttle.
    """

    discovery: int = 0
    manage: int = 0
    updated: int = 0
    deleted: int = 0


def _decoded(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
