"""Looking at the lives of clients: what is signed, how secrets are renewed, and what a client is replaced for."""

from __future__ import annotations

import json
from dataclasses import dataclass

from adapters_tests.simulation.calls import EPOCH, Purpose
from adapters_tests.simulation.invariants import Invariant, require
from adapters_tests.simulation.oauth_clients import jti_in
from adapters_tests.simulation.process import Process
from adapters_tests.simulation.surroundings import World
from adapters_tests.simulation.tasks import Evidence, Task
from dcrauth.credentials import ClientCredentials
from dcrauth.engine.records import StoredCredentials
from dcrauth.providers.protocol import Request, Response

_TOKEN = "registration_access_token"
_GONE = 401


@dataclass(frozen=True)
class Rotation:
    """What a process has read of a client in an answer of its management, and has not stored yet.

    Parameters:
        client_id: whose it is.
        secret: the secret; None if the answer had none.
        token: the registration token; None if the answer had none.
        losses: how often the store had lost something by then.
    """

    client_id: str
    secret: str | None
    token: str | None
    losses: int

    def is_in(self, client: ClientCredentials) -> bool:
        """Return whether *client* has what was read."""
        told = self.secret in {None, client.client_secret} and self.token in {None, client.metadata.get(_TOKEN)}
        return told and client.client_id == self.client_id


class ClientWatch:
    """Judges what becomes of clients.

    Parameters:
        world: whose.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._assertions: set[str] = set()
        self._unsaved: dict[str, Rotation] = {}

    def sends(self, process: Process, request: Request) -> None:
        """Judge a token call, whoever has it sent again."""
        jti = jti_in(request)
        if jti is not None:
            new = jti not in self._assertions
            require(new, Invariant.NO_ASSERTION_TWICE, f"{process.name} sends an assertion a second time")
            self._assertions.add(jti)

    def manages(self, process: Process, task: Task, request: Request) -> None:
        """Judge a call that manages a client."""
        who, client_id = process.name, request.url.rpartition("/")[2]
        require(task.locked, Invariant.REGISTERED_UNDER_THE_LOCK, f"{who} manages a client without the lock")
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        read = any(each.credentials.metadata.get(_TOKEN) == shown for each in process.readings)
        require(read, Invariant.USED_AS_STORED, f"{who} manages {client_id} by a token that it has not read")
        asks = request.method != "DELETE" and self._unsaved_of(process, client_id) is not None
        require(not asks, Invariant.ROTATED_SECRET_IS_KEPT, f"{who} asks again, and has an answer that is not stored")

    def hears(self, process: Process, evidence: Evidence, request: Request, answer: Response | None) -> None:
        """Note what a call that manages a client was answered with, if anything."""
        client_id = request.url.rpartition("/")[2]
        evidence.managed[client_id] = None if answer is None or _is_foreign(answer) else answer.status
        found = _fields(answer)
        if request.method == "DELETE" or found.get("client_id") != client_id:
            return
        rotation = Rotation(client_id, found.get("client_secret"), found.get(_TOKEN), self.world.store.losses)
        if not any(rotation.is_in(each.credentials) for each in process.readings):
            self._unsaved[process.name] = rotation

    def replaces(self, process: Process, evidence: Evidence, found: StoredCredentials) -> None:
        """Judge that a process registers in the place of the client that it has *found*, which was refused."""
        who, client = process.name, found.credentials
        unsaved = self._unsaved_of(process, client.client_id)
        require(unsaved is None, Invariant.ROTATED_SECRET_IS_KEPT, f"{who} registers, and has a rotated secret")
        ended = client.expires_at is not None and self.world.now + EPOCH >= client.expires_at
        signs = not self.world.server.condemns
        if _TOKEN in client.metadata:
            told = evidence.managed.get(client.client_id)
            believed = told == _GONE or (told == 200 and not self.world.server.tells_secret)
            broken = _name(ended=ended, signs=signs)
            require(believed, broken, f"{who} registers in the place of {client.client_id}; its management said {told}")
        elif signs:
            require(ended, Invariant.SIGNING_CLIENT_STAYS, f"{who} registers in the place of {client.client_id}")

    def wrote(self) -> None:
        """The credentials record is another one now: what others had read before was not stored for that reason."""
        self._unsaved.clear()

    def drops(self, process: Process) -> None:
        """A process has nothing more to store: it has died, or another record was there before."""
        self._unsaved.pop(process.name, None)

    def judge(self) -> None:
        """Require that what was read and not stored is in the memory of the process that has read it."""
        for process in self.world.processes:
            answered = process.source._memory.answered
            for rotation in [self._unsaved[process.name]] if process.name in self._unsaved else []:
                kept = rotation.losses != self.world.store.losses or (
                    answered is not None and rotation.is_in(answered.credentials)
                )
                require(kept, Invariant.ROTATED_SECRET_IS_KEPT, f"{process.name} has lost what it has read")

    def _unsaved_of(self, process: Process, client_id: str) -> Rotation | None:
        found = self._unsaved.get(process.name)
        current = found is not None and found.client_id == client_id and found.losses == self.world.store.losses
        return found if current else None


def is_management(world: World, request: Request) -> bool:
    """Return whether *request* manages a client."""
    return world.server.purpose(request) is Purpose.MANAGEMENT


def _is_foreign(answer: Response) -> bool:
    """Whether a refusal is not the server's own, which asks for another token."""
    return answer.status == _GONE and "www-authenticate" not in answer.headers


def _name(*, ended: bool, signs: bool) -> Invariant:
    if ended:
        return Invariant.ENDED_SECRET_LOSES_NO_CLIENT
    return Invariant.SIGNING_CLIENT_STAYS if signs else Invariant.ROTATED_SECRET_IS_KEPT


def _fields(answer: Response | None) -> dict[str, str]:
    """Return the fields of an answer with a status of success."""
    try:
        found = json.loads(answer.body) if answer is not None and 200 <= answer.status < 300 else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}
