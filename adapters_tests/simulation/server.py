"""The simulated server: it registers clients, grants tokens and checks them, and has moods."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass
from dcrauth.providers.protocol import Request, Response

PROVIDER = AdobePass(STATEMENT)

CANARY = "canary"
"""Is part of every secret, and nowhere else."""

BURST = 11.0
"""Calls that a device may make at once; they come back one by one each second."""

_TOO_MANY = b"<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n</html>\r\n"


@dataclass(frozen=True)
class Grant:
    """What a token stands for."""

    client_id: str
    expires_at: float


class SimulatedServer:
    """Adobe Pass as a value.

    Parameters:
        life: how long its tokens live, in seconds.
        throttled: whether each device may make only one call a second, after a first burst.
        retry_after: ``Retry-After`` of a refusal because of too many calls.
        chance: returns random numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        life: int = 3600,
        throttled: bool = False,
        retry_after: str | None = None,
        chance: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.life, self.throttled, self.retry_after, self.chance = life, throttled, retry_after, chance
        self.clients: dict[str, str] = {}
        self.grants: dict[str, Grant] = {}
        self.revoked = False
        self.doubt = 0.0
        self.registered: list[str] = []
        self.issued = 0
        self._devices: dict[str, tuple[float, float]] = {}

    def answer(self, request: Request, now: float, device: str = "") -> Response:
        """Answer a call of one of the two endpoints, made by *device* at *now* (seconds)."""
        if self.throttled and not self._admits(device, now):
            return self.too_many()
        return self._register(request) if request.endpoint == PROVIDER.register_url else self._token(request, now)

    def too_many(self) -> Response:
        """Return the refusal of a call too many."""
        headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
        return Response(429, headers, _TOO_MANY)

    def refusal(self, token: str, now: float) -> bytes | None:
        """Return how a protected API words its refusal of *token*; None if it lets it through."""
        grant = self.grants.get(token)
        if grant is None:
            return _enhanced("invalid_access_token_signature")
        if grant.expires_at <= now:
            return _enhanced("access_token_expired")
        if self.revoked:
            return _enhanced("unknown_software_statement", "configuration")
        return None if grant.client_id in self.clients else _enhanced("invalid_client_id")

    def _register(self, request: Request) -> Response:
        if self.revoked:
            return _json(400, {"error": "unapproved_software_statement"})
        if json.loads(request.body).get("software_statement") != STATEMENT:
            return _json(400, {"error": "invalid_software_statement"})
        number = len(self.registered) + 1
        client_id, secret = f"client-{number}", f"{CANARY}-secret-{number}"
        self.registered.append(client_id)
        self.clients[client_id] = secret
        return _json(201, {"client_id": client_id, "client_secret": secret})

    def _token(self, request: Request, now: float) -> Response:
        form = parse_qs(request.body.decode())
        client_id, secret = form["client_id"][0], form["client_secret"][0]
        if self.revoked or self.clients.get(client_id) != secret or (self.doubt and self.chance() < self.doubt):
            return _json(400, {"error": "invalid_client"})
        self.issued += 1
        value = f"{CANARY}-token-{self.issued}"
        self.grants[value] = Grant(client_id, now + self.life)
        return _json(201, {"access_token": value, "token_type": "bearer", "expires_in": self.life})

    def _admits(self, device: str, now: float) -> bool:
        left, at = self._devices.get(device, (BURST, now))
        left = min(BURST, left + now - at)
        self._devices[device] = (left - 1.0 if left >= 1.0 else left, now)
        return left >= 1.0


def _json(status: int, fields: dict[str, Any]) -> Response:
    return Response(status, {}, json.dumps(fields).encode())


def _enhanced(code: str, action: str = "application-registration") -> bytes:
    return json.dumps({"status": 401, "code": code, "action": action, "message": "simulated"}).encode()
