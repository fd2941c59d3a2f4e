"""How one simulated OAuth server behaves, and how its clients prove themselves: what a seed draws."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from adapters_tests.common.world import STATEMENT
from adapters_tests.simulation.calls import CANARY
from dcrauth import ClientSecret, ClientSecretJWT, MutualTLS, OAuthServer, PrivateKeyJWT

ISSUER = "https://as.example"
API = "https://api.example"

Rotation = Literal["never", "update", "always"]

BY_SECRET = ("basic", "post", "secret JWT")
_NOT_FOR_LONG, _FOR_LONG = (1_000.0, 5_000.0, 40_000.0), 100_000.0


class SimulatedSigner:
    """Signs by writing down what it was given: the key is as good as any, and costs nothing."""

    alg, kid = "ES256", "simulated"

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        written = base64.urlsafe_b64encode(json.dumps(dict(claims)).encode()).decode().rstrip("=")
        return f"{CANARY}.{written}.signed"


@dataclass(frozen=True)
class OAuthSettings:
    """How it behaves.

    Parameters:
        by: how clients prove themselves.
        discovers: whether the issuer is asked for the endpoints.
        managed: whether clients are (RFC 7592).
        offers_update: whether that takes a PUT, or a GET alone.
        rotates_token: when there is another registration token: never, after an update, or after each question too.
        rotates_secret: when there is another secret.
        tells_secret: whether what manages a client tells its secret.
        keeps_old_token: whether a registration token that was replaced is good until the new one is used.
        secret_life: how long a secret is good, in seconds; None for ever.
        secret_overlap: how long an old secret is good once there is a new one, in seconds.
        repeats: what a second registration of the same software does.
        tolerance: so many seconds an assertion may be dated ahead.
    """

    by: str = "basic"
    discovers: bool = False
    managed: bool = True
    offers_update: bool = True
    rotates_token: Rotation = "update"
    rotates_secret: Rotation = "update"
    tells_secret: bool = True
    keeps_old_token: bool = False
    secret_life: float | None = None
    secret_overlap: float = 0.0
    repeats: Literal["new", "refused", "updates"] = "new"
    tolerance: float = 0.0

    @classmethod
    def drawn(cls, rng: random.Random) -> OAuthSettings:
        """Draw one. A secret that ends can be renewed, or lives for longer than it takes until another registration."""
        by = rng.choice((*BY_SECRET, "private key", "private key", "certificate"))
        managed = rng.random() < 0.75
        ends = by in BY_SECRET and rng.random() < 0.6
        rotates_secret: Rotation = rng.choice(("never", "update", "always"))
        offers_update = rng.random() < 0.8
        if ends and managed:
            rotates_secret = rng.choice(("update", "always")) if offers_update else "always"
        return cls(
            by=by,
            discovers=rng.random() < 0.5,
            managed=managed,
            offers_update=offers_update,
            rotates_token=rng.choice(("never", "update", "always")),
            rotates_secret=rotates_secret,
            tells_secret=rotates_secret != "never" or rng.random() < 0.5,
            keeps_old_token=rng.random() < 0.3,
            secret_life=(rng.choice(_NOT_FOR_LONG) if managed else _FOR_LONG) if ends else None,
            secret_overlap=rng.choice((0.0, 0.0, 600.0)),
            repeats=rng.choice(("new", "new", "refused", "updates")),
            tolerance=rng.choice((0.0, 60.0)),
        )

    @property
    def signs(self) -> bool:
        """Whether ``invalid_client`` says little of a client."""
        return self.by not in {"basic", "post"}

    @property
    def has_secret(self) -> bool:
        """Whether a client has one."""
        return self.by in BY_SECRET

    @property
    def provider(self) -> OAuthServer:
        """What those who call such a server are made with."""
        return _provider(self.by, self.repeats, discovers=self.discovers)


@cache
def _provider(by: str, repeats: Literal["new", "refused", "updates"], *, discovers: bool) -> OAuthServer:
    places: dict[str, Any] = {"issuer": ISSUER}
    if not discovers:
        places = {"registration_endpoint": f"{ISSUER}/register-0", "token_endpoint": f"{ISSUER}/token-0"}
    return OAuthServer(
        **places,
        protects=[API],
        software_statement=STATEMENT,
        client_authentication=_authentication(by),
        repeats=repeats,
    )


def _authentication(by: str) -> Any:
    match by:
        case "private key":
            return PrivateKeyJWT(SimulatedSigner())
        case "secret JWT":
            return ClientSecretJWT()
        case "certificate":
            return MutualTLS(metadata={"tls_client_auth_san_dns": "client.example"})
        case _:
            return ClientSecret("post" if by == "post" else "basic")
