"""What a simulated call is for, and which client makes it: what is asked of either server about what it is sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from dcrauth.credentials import ClientCredentials
from dcrauth.providers.protocol import Provider, Request, Response

CANARY = "canary"
"""Is part of every secret, and nowhere else."""

EPOCH = 1.7e9
"""What true clocks show when a simulation begins, in seconds."""

BURST = 11.0
"""Calls that a device may make at once; they come back one by one each second."""


class Purpose(Enum):
    """What a call is for."""

    DISCOVERY = "asks the server where its endpoints are"
    REGISTRATION = "registers a client"
    TOKEN = "fetches a token"
    MANAGEMENT = "reads, updates or deletes a client"


@dataclass(frozen=True)
class Shown:
    """The client that a call is made by.

    Parameters:
        client_id: its id.
        pair: what tells the credentials that were used from others, also of the same client.
    """

    client_id: str
    pair: str


@dataclass(frozen=True)
class Grant:
    """What a token stands for."""

    client_id: str
    expires_at: float


class Server(Protocol):
    """Either server, as the rest of a simulation knows it.

    Parameters:
        provider: what those who call it are made with.
        clients: the ids of the clients that it knows.
        grants: the tokens that it has granted, and not revoked.
        registered: the ids of all clients that were ever registered.
        life: how long its tokens live, in seconds.
        revoked: whether it refuses whatever belongs to the software statement.
        doubt: how likely it is that a client is not known where the call has come to.
        stray_refusals: how a protected API refuses what it should not.
        unusable: a registration that was carried out, and answered by nothing that can be used.
        clock_errors: by how many seconds the clocks of processes may be wrong at first.
    """

    provider: Provider
    grants: dict[str, Grant]
    registered: list[str]
    life: int
    revoked: bool
    doubt: float
    stray_refusals: tuple[Response, ...]
    unusable: Response
    clock_errors: tuple[float, ...]

    @property
    def clients(self) -> Collection[str]: ...

    def answer(self, request: Request, now: float, device: str = "") -> Response: ...

    def too_many(self) -> Response: ...

    def refusal(self, token: str, now: float) -> Response | None: ...

    def purpose(self, request: Request) -> Purpose: ...

    def is_at_home(self, request: Request) -> bool: ...

    def shown(self, request: Request) -> Shown: ...

    def throttles(self, purpose: Purpose) -> Purpose | None: ...

    def pair(self, client: ClientCredentials) -> str: ...

    def made(self, answer: Response) -> str | None: ...

    def granted(self, answer: Response) -> str | None: ...

    def can_be_used(self, client: ClientCredentials, now: float) -> bool: ...

    def forget_clients(self, but: Collection[str] = ()) -> None: ...

    @property
    def condemns(self) -> bool: ...

    @property
    def tells_secret(self) -> bool: ...

    @property
    def lasts(self) -> bool: ...

    def calms_down(self) -> None: ...

    def happens(self, name: str, now: float, rng: Any) -> None: ...


class Throttle:
    """Lets each device make one call a second, after a first burst."""

    def __init__(self) -> None:
        self._devices: dict[str, tuple[float, float]] = {}

    def admits(self, device: str, now: float) -> bool:
        """Return whether *device* may make a call *now* (seconds), which counts then."""
        left, at = self._devices.get(device, (BURST, now))
        left = min(BURST, left + now - at)
        self._devices[device] = (left - 1.0 if left >= 1.0 else left, now)
        return left >= 1.0
