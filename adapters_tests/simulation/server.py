"""Adobe Pass as a simulated server: it registers clients, grants tokens and checks them, and has moods."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import parse_qs

from adapters_tests.common.world import STATEMENT
from adapters_tests.simulation.calls import BURST, CANARY, Grant, Purpose, Shown, Throttle
from dcrauth import AdobePass
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.protocol import Request, Response, TokenGrant

__all__ = ["BURST", "CANARY", "PROVIDER", "SimulatedServer", "adobe_pass"]

PROVIDER = AdobePass(STATEMENT)

_TOO_MANY = b"<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n</html>\r\n"


class SimulatedServer:
    """Adobe Pass as a value.

    Parameters:
        life: how long its tokens live, in seconds.
        throttled: whether each device may make only one call a second, after a first burst.
        retry_after: ``Retry-After`` of a refusal because of too many calls.
        chance: returns random numbers in [0, 1).
    """

    provider = PROVIDER
    stray_refusals = (
        Response(401, {}, b""),
        Response(401, {}, b'{"code": "invalid_access_token_client_application"}'),
    )
    unusable = Response(201, {}, b'{"client_id": "nobody-s"}')
    clock_errors = (0.0, 0.0, -3.0, 40.0)
    condemns, tells_secret, lasts = True, False, True

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
        self._throttle = Throttle()

    def answer(self, request: Request, now: float, device: str = "") -> Response:
        """Answer a call of one of the two endpoints, made by *device* at *now* (seconds)."""
        if self.throttled and not self._throttle.admits(device, now):
            return self.too_many()
        return self._register(request) if request.endpoint == PROVIDER.register_url else self._token(request, now)

    def too_many(self) -> Response:
        """Return the refusal of a call too many."""
        return too_many(self.retry_after)

    def refusal(self, token: str, now: float) -> Response | None:
        """Return how a protected API refuses *token*; None if it lets it through."""
        grant = self.grants.get(token)
        if grant is None:
            return _enhanced("invalid_access_token_signature")
        if grant.expires_at <= now:
            return _enhanced("access_token_expired")
        if self.revoked:
            return _enhanced("unknown_software_statement", "configuration")
        return None if grant.client_id in self.clients else _enhanced("invalid_client_id")

    def forget_clients(self, but: Collection[str] = ()) -> None:
        """Forget all clients, *but* those with these ids."""
        for client_id in [each for each in self.clients if each not in but]:
            del self.clients[client_id]

    def calms_down(self) -> None:
        """There is nothing that would have to end."""

    def happens(self, name: str, now: float, rng: random.Random) -> None:
        """There is nothing that happens at this server only."""
        raise NotImplementedError(f"no such event: {name}")

    # What calls and answers say.

    def purpose(self, request: Request) -> Purpose:
        """Return what *request* is for."""
        return Purpose.REGISTRATION if request.endpoint == PROVIDER.register_url else Purpose.TOKEN

    def throttles(self, purpose: Purpose) -> Purpose:  # as the other
        """Return which calls are counted together with one for *purpose* when calls are limited: all of a device."""
        return Purpose.TOKEN

    def is_at_home(self, request: Request) -> bool:
        """Return whether the secrets in a call go where they are for."""
        if self.purpose(request) is Purpose.REGISTRATION:
            return CANARY.encode() not in request.body
        return request.url == PROVIDER.token_url

    def shown(self, request: Request) -> Shown:
        """Return the client that a token is fetched for by *request*."""
        client_id = request.body.partition(b"client_id=")[2].partition(b"&")[0].decode()
        return Shown(client_id, client_id)

    def pair(self, client: ClientCredentials) -> str:
        """Return what `shown` says where these credentials are used."""
        return client.client_id

    def made(self, answer: Response) -> str | None:
        """Return the id of the client in the answer to a registration; None if there is none to use."""
        found = PROVIDER.read_registration(answer)
        return found.client_id if isinstance(found, ClientCredentials) else None

    def granted(self, answer: Response) -> str | None:
        """Return the token in an answer; None if there is none."""
        found = PROVIDER.read_token(answer)
        return found.value if isinstance(found, TokenGrant) else None

    def can_be_used(self, client: ClientCredentials, now: float) -> bool:  # as the other
        """Return whether *client* gets a token without another registration."""
        return client.client_id in self.clients

    def _register(self, request: Request) -> Response:
        if self.revoked:
            return json_answer(400, {"error": "unapproved_software_statement"})
        if json.loads(request.body).get("software_statement") != STATEMENT:
            return json_answer(400, {"error": "invalid_software_statement"})
        number = len(self.registered) + 1
        client_id, secret = f"client-{number}", f"{CANARY}-secret-{number}"
        self.registered.append(client_id)
        self.clients[client_id] = secret
        return json_answer(201, {"client_id": client_id, "client_secret": secret})

    def _token(self, request: Request, now: float) -> Response:
        form = parse_qs(request.body.decode())
        client_id, secret = form["client_id"][0], form["client_secret"][0]
        if self.revoked or self.clients.get(client_id) != secret or (self.doubt and self.chance() < self.doubt):
            return json_answer(400, {"error": "invalid_client"})
        self.issued += 1
        value = f"{CANARY}-token-{self.issued}"
        self.grants[value] = Grant(client_id, now + self.life)
        return json_answer(201, {"access_token": value, "token_type": "bearer", "expires_in": self.life})


def adobe_pass(rng: random.Random) -> SimulatedServer:
    """Draw an Adobe Pass."""
    return SimulatedServer(
        life=rng.choice((40, 300, 3600, 21_600)),
        throttled=rng.random() < 0.4,
        retry_after=rng.choice((None, None, "7", "600")),
        chance=rng.random,
    )


def too_many(retry_after: str | None) -> Response:
    """Return the refusal of a call too many, which may say how long to wait."""
    return Response(429, {} if retry_after is None else {"retry-after": retry_after}, _TOO_MANY)


def json_answer(status: int, fields: dict[str, Any]) -> Response:
    """Return an answer with *fields* as JSON."""
    return Response(status, {}, json.dumps(fields).encode())


def _enhanced(code: str, action: str = "application-registration") -> Response:
    return json_answer(401, {"status": 401, "code": code, "action": action, "message": "simulated"})
