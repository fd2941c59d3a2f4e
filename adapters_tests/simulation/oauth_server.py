"""A simulated OAuth server: registration (RFC 7591), management (RFC 7592), tokens for secrets and for assertions."""

from __future__ import annotations

import email.utils
import json
import random
from collections.abc import Callable, Collection
from typing import Any

from adapters_tests.common.world import STATEMENT
from adapters_tests.simulation.calls import CANARY, EPOCH, Grant, Purpose, Shown, Throttle
from adapters_tests.simulation.oauth_clients import Client, Proof, proof_in
from adapters_tests.simulation.oauth_settings import ISSUER, OAuthSettings
from adapters_tests.simulation.server import json_answer, too_many
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.protocol import Request, Response

_BROKEN_METADATA = (
    Response(404, {}, b"<html>not here</html>"),
    Response(200, {}, b"{}"),
    Response(200, {}, b'{"issuer": "https://as.ex'),
    Response(503, {}, b""),
)
_NOT_SENT = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


class SimulatedOAuthServer:
    """An OAuth server as a value.

    Parameters:
        settings: how it behaves.
        life: how long its tokens live, in seconds.
        throttled: whether each device may make only one call a second, after a first burst.
        retry_after: ``Retry-After`` of a refusal because of too many calls.
        chance: returns random numbers in [0, 1).
    """

    stray_refusals = (
        Response(401, {}, b""),
        Response(401, {"www-authenticate": 'Bearer realm="api", error="invalid_token"'}, b""),
    )
    unusable = Response(201, {}, b'{"client_name": "nobody"}')
    clock_errors = (0.0, 0.0, -3.0, 20.0, 40.0, -4000.0, 4000.0)

    def __init__(
        self,
        settings: OAuthSettings,
        *,
        life: int = 3600,
        throttled: bool = False,
        retry_after: str | None = None,
        chance: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.settings, self.provider = settings, settings.provider
        self.life, self.throttled, self.retry_after, self.chance = life, throttled, retry_after, chance
        self.clients: dict[str, Client] = {}
        self.grants: dict[str, Grant] = {}
        self.revoked = False
        self.doubt = 0.0
        self.registered: list[str] = []
        self.broken_metadata: Response | None = None
        self._place, self._issued = 0, 0
        self._secrets: dict[str, list[str]] = {}
        self._seen: set[str] = set()
        self._throttle = Throttle()

    def answer(self, request: Request, now: float, device: str = "") -> Response:
        """Answer a call, made by *device* at *now* (seconds)."""
        answer = self._answered(request, EPOCH + now, device, now)
        return replace_headers(answer, {**answer.headers, "date": email.utils.formatdate(EPOCH + now)})

    def _answered(self, request: Request, wall: float, device: str, now: float) -> Response:
        purpose = self.purpose(request)
        if purpose is Purpose.MANAGEMENT:
            return self._manage(request, wall)
        if purpose is Purpose.DISCOVERY:
            return self.broken_metadata or self._metadata(request)
        if self.throttled and not self._throttle.admits(device, now):
            return self.too_many()
        if not request.url.endswith(f"-{self._place}"):
            return Response(404, {}, b"<html>not here any more</html>")
        return self._register(request, wall) if purpose is Purpose.REGISTRATION else self._token(request, wall)

    def too_many(self) -> Response:
        """Return the refusal of a call too many."""
        return too_many(self.retry_after)

    def refusal(self, token: str, now: float) -> Response | None:
        """Return how a protected API refuses *token*; None if it lets it through (RFC 6750 §3.1)."""
        grant = self.grants.get(token)
        good = grant is not None and grant.expires_at > now and grant.client_id in self.clients and not self.revoked
        return None if good else Response(401, {"www-authenticate": 'Bearer error="invalid_token"'}, b"")

    def forget_clients(self, but: Collection[str] = ()) -> None:
        """Forget all clients, *but* those with these ids."""
        self.clients = {client_id: client for client_id, client in self.clients.items() if client_id in but}

    def calms_down(self) -> None:
        """Have whole metadata again."""
        self.broken_metadata = None

    @property
    def condemns(self) -> bool:
        """Whether ``invalid_client`` says that a client is gone."""
        return not self.settings.signs

    @property
    def lasts(self) -> bool:
        """Whether a client lasts for ever as long as nothing goes wrong: nobody can renew one that is not managed."""
        return self.settings.managed or self.settings.secret_life is None

    @property
    def tells_secret(self) -> bool:
        """Whether what manages a client can tell its secret."""
        return self.settings.tells_secret

    def happens(self, name: str, now: float, rng: random.Random) -> None:
        """Let one of the events happen that concern such a server only."""
        match name:
            case "secrets changed there":
                for client in self.clients.values():
                    self._renew_secret(client, EPOCH + now, 0.0)
            case "endpoints moved":
                self._place += self.settings.discovers
            case "metadata broken":
                self.broken_metadata = rng.choice(_BROKEN_METADATA)
            case "metadata mended":
                self.broken_metadata = None
            case _:
                raise NotImplementedError(f"no such event: {name}")

    # What calls and answers say.

    def purpose(self, request: Request) -> Purpose:
        """Return what *request* is for."""
        if request.registers:
            return Purpose.REGISTRATION
        if request.url.startswith(f"{ISSUER}/clients/"):
            return Purpose.MANAGEMENT
        return Purpose.DISCOVERY if request.url.startswith(f"{ISSUER}/.well-known/") else Purpose.TOKEN

    def throttles(self, purpose: Purpose) -> Purpose | None:
        """Return which calls are counted together with one for *purpose* when calls are limited: each endpoint's.

        None for a question where those are: it is asked again before the next call.
        """
        return None if purpose is Purpose.DISCOVERY else purpose

    def is_at_home(self, request: Request) -> bool:
        """Return whether the secrets in a call go where they are for, and nothing else of the client does."""
        body, header = CANARY.encode() in request.body, request.headers.get("Authorization", "")
        if self.purpose(request) is Purpose.TOKEN:
            return request.url in {f"{ISSUER}/token-{place}" for place in range(self._place + 1)}
        if self.purpose(request) is Purpose.MANAGEMENT:
            return not body and header.startswith(f"Bearer {CANARY}-registration-")
        return not body and not header

    def shown(self, request: Request) -> Shown:
        """Return the client that a token is fetched for by *request*."""
        proof = proof_in(request)
        return Shown(proof.client_id, _pair(proof.client_id, self._secret_in(proof)))

    def pair(self, client: ClientCredentials) -> str:
        """Return what `shown` says where these credentials are used."""
        return _pair(client.client_id, client.client_secret if self.settings.has_secret else None)

    def made(self, answer: Response) -> str | None:
        """Return the id of the client in the answer to a registration; None if there is none to use."""
        return _text(answer, "client_id")

    def granted(self, answer: Response) -> str | None:
        """Return the token in an answer; None if there is none."""
        return _text(answer, "access_token")

    def can_be_used(self, client: ClientCredentials, now: float) -> bool:
        """Return whether *client* gets a token without another registration, or can be renewed until it does."""
        known = self.clients.get(client.client_id)
        if known is None:
            return False
        if not self.settings.has_secret or known.takes(client.client_secret, EPOCH + now):
            return True
        managed_by = client.metadata.get("registration_access_token")
        is_renewed = self.settings.rotates_secret != "never" or self.settings.secret_life is None
        return self.settings.tells_secret and is_renewed and managed_by in {known.token, known.old_token} - {None}

    # Endpoints.

    def _metadata(self, request: Request) -> Response:
        if not request.url.endswith("oauth-authorization-server"):
            return Response(404, {}, b"")
        places = {f"{each}_endpoint": f"{ISSUER}/{name}-{self._place}" for each, name in _PLACES.items()}
        return json_answer(200, {"issuer": ISSUER, **places})

    def _register(self, request: Request, now: float) -> Response:
        fields = json.loads(request.body)
        if self.revoked:
            return json_answer(400, {"error": "unapproved_software_statement"})
        if fields.get("software_statement") != STATEMENT:
            return json_answer(400, {"error": "invalid_software_statement"})
        if self.clients and self.settings.repeats == "refused":
            return json_answer(400, {"error": "invalid_software_statement"})
        if self.clients and self.settings.repeats == "updates":
            client = next(iter(self.clients.values()))
            self._renew_secret(client, now, 0.0)
            return self._told(client, 200)
        client = Client(f"client-{len(self.registered) + 1}")
        self.registered.append(client.client_id)
        self.clients[client.client_id] = client
        self._renew_secret(client, now, 0.0)
        if self.settings.managed:
            self._renew_token(client)
        return self._told(client, 201)

    def _token(self, request: Request, now: float) -> Response:
        proof = proof_in(request)
        client = self.clients.get(proof.client_id)
        unknown = client is None or not client.takes(self._secret_in(proof), now)
        if unknown or self.revoked or not self._believes(proof.claims, now) or self._is_in_doubt():
            return json_answer(401, {"error": "invalid_client"})
        self._issued += 1
        value = f"{CANARY}-token-{self._issued}"
        self.grants[value] = Grant(proof.client_id, now - EPOCH + self.life)
        return json_answer(200, {"access_token": value, "token_type": "Bearer", "expires_in": self.life})

    def _manage(self, request: Request, now: float) -> Response:
        client = self.clients.get(request.url.rpartition("/")[2])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if client is None or token not in {client.token, client.old_token} or self._is_in_doubt():
            return Response(401, {"www-authenticate": 'Bearer error="invalid_token"'}, b"")
        if self.revoked:
            return json_answer(403, {"error": "access_denied"})
        client.old_token = client.old_token if token != client.token else None
        match request.method:
            case "DELETE":
                del self.clients[client.client_id]
                return Response(204, {}, b"")
            case "PUT" if self.settings.offers_update:
                return self._update(client, request, now)
            case "GET":
                return self._rotated(client, {"always"}, now)
        return Response(405, {}, b"")

    def _update(self, client: Client, request: Request, now: float) -> Response:
        fields = json.loads(request.body)
        if fields.get("client_id") != client.client_id or any(name in fields for name in _NOT_SENT):
            return json_answer(400, {"error": "invalid_request"})
        return self._rotated(client, {"always", "update"}, now)

    def _rotated(self, client: Client, when: set[str], now: float) -> Response:
        if self.settings.rotates_secret in when:
            self._renew_secret(client, now, self.settings.secret_overlap)
        if self.settings.rotates_token in when:
            self._renew_token(client)
        return self._told(client, 200, self.settings.tells_secret)

    # Clients.

    def _told(self, client: Client, status: int, tells_secret: bool = True) -> Response:
        fields: dict[str, Any] = {"client_id": client.client_id}
        if client.secret is not None and tells_secret:
            fields |= {"client_secret": client.secret, "client_secret_expires_at": int(client.ends_at or 0)}
        if client.token is not None:
            place = f"{ISSUER}/clients/{client.client_id}"
            fields |= {"registration_access_token": client.token, "registration_client_uri": place}
        return json_answer(status, fields)

    def _renew_secret(self, client: Client, now: float, overlap: float) -> None:
        if not self.settings.has_secret:
            return
        if client.secret is not None:
            client.former = {client.secret: now + overlap}
        known, life = self._secrets.setdefault(client.client_id, []), self.settings.secret_life
        # As long as the key of HMAC has to be.
        client.secret = f"{CANARY}-secret-{client.client_id}-{len(known)}".ljust(40, ".")
        # An answer has whole seconds.
        client.ends_at = None if life is None else float(int(now + life))
        known.append(client.secret)

    def _renew_token(self, client: Client) -> None:
        self._issued += 1
        client.old_token = client.token if self.settings.keeps_old_token else None
        client.token = f"{CANARY}-registration-{self._issued}"

    def _secret_in(self, proof: Proof) -> str | None:
        """Return the secret that was shown, or signed with; it may be one of former times."""
        if proof.signed is None:
            return proof.secret
        known = reversed(self._secrets.get(proof.client_id, []))
        return next((secret for secret in known if proof.is_signed_with(secret)), "")

    def _believes(self, claims: dict[str, Any] | None, now: float) -> bool:
        """Whether an assertion is good: made for this server and this time, and not seen before (RFC 7523 §3)."""
        if claims is None:
            return self.settings.by not in {"private key", "secret JWT"}
        fresh = (
            claims["iat"] <= now + self.settings.tolerance and now < claims["exp"] and claims["jti"] not in self._seen
        )
        self._seen.add(claims["jti"])
        return fresh and claims["aud"] in {ISSUER, f"{ISSUER}/token-{self._place}"}

    def _is_in_doubt(self) -> bool:
        return self.doubt > 0.0 and self.chance() < self.doubt


_PLACES = {"token": "token", "registration": "register"}


def oauth_server(rng: random.Random) -> SimulatedOAuthServer:
    """Draw an OAuth server."""
    return SimulatedOAuthServer(
        OAuthSettings.drawn(rng),
        life=rng.choice((40, 300, 3600, 21_600)),
        throttled=rng.random() < 0.3,
        retry_after=rng.choice((None, None, "7", "600")),
        chance=rng.random,
    )


def replace_headers(answer: Response, headers: dict[str, str]) -> Response:
    """Return *answer* with these header fields."""
    return Response(answer.status, headers, answer.body)


def _pair(client_id: str, secret: str | None) -> str:
    return client_id if secret is None else f"{client_id} {secret}"


def _text(answer: Response, name: str) -> str | None:
    """Return a text in an answer with a status of success; None if there is none."""
    try:
        found = json.loads(answer.body) if 200 <= answer.status < 300 else None
    except ValueError:
        return None
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
