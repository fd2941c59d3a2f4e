"""The time after the last fault: everything has to work again, and everybody has to agree on one client."""

from __future__ import annotations

from adapters_tests.simulation.callers import Caller
from adapters_tests.simulation.invariants import Invariant, require
from adapters_tests.simulation.surroundings import World
from adapters_tests.simulation.tasks import Task
from dcrauth import CredentialsRejected, DCRAuthError, RegistrationRejected
from dcrauth.credentials import AccessToken
from dcrauth.engine.records import StoredCredentials

LIMIT = 60.0 * 3600.0
"""A client may be replaced once a day, and clocks may be hours apart."""

_LONGEST_GAP = 7200.0
_RENEWALS = 2


class Recovery:
    """Watches callers until all are served, and then for so long that each process has read the store again.

    Parameters:
        world: where no fault strikes any more.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._began = world.now
        self._served: dict[str, bool] = {process.name: False for process in world.processes}
        self._failures: dict[str, int] = {}
        self._agreed: float | None = None
        nobody_knows = all(process.source._memory.client is None for process in world.processes)
        if world.store.lost and nobody_knows:
            # Somebody has to say that the loss is for good: that is what the error asks for.
            world.store.lost = False

    def gap(self, caller: Caller, served: AccessToken | None, error: DCRAuthError | None) -> float:
        """Note how a request has ended; return how long its caller is to rest."""
        if served is not None:
            self._served[caller.process.name] = True
            if self._agreed is None and all(self._served.values()):
                self._agreed = self.world.now
            return 0.6 * self.world.server.life
        self._sees_to_it(caller, error)
        count = self._failures[caller.name] = self._failures.get(caller.name, 0) + 1
        told = (error.retry_at or 0.0) - caller.process.wall() if error is not None else 0.0
        return max(min(_LONGEST_GAP, 2.0**count), min(told, LIMIT) + 0.1)

    def _sees_to_it(self, caller: Caller, error: DCRAuthError | None) -> None:
        """Do what an error asks whoever runs the program for, where no program can mend it."""
        server, process = self.world.server, caller.process
        if isinstance(error, RegistrationRejected) and getattr(server.provider, "repeats", "new") == "refused":
            server.forget_clients(but=self._known())
        client = process.source._memory.client
        is_kept = isinstance(error, CredentialsRejected) and not server.condemns and client is not None
        if is_kept and process.task is None and not server.can_be_used(client.credentials, self.world.now):
            process.asked(Task(process.source._context(None), None))

    def _known(self) -> set[str]:
        """Return the ids of the clients that somebody here knows of and can use."""
        server, now = self.world.server, self.world.now
        found = [self.world.watch.parsed(self.world.store.records.get(self.world.watch.identity.credentials))]
        memories = [process.source._memory for process in self.world.processes]
        found += [memory.client for memory in memories]
        known = [each.credentials for each in found if isinstance(each, StoredCredentials)]
        for memory in memories:
            known += [each.credentials for each in (memory.unsaved, memory.answered) if each is not None]
        return {each.client_id for each in known if server.can_be_used(each, now)}

    def changed(self) -> None:
        """The stored pair has changed: somebody knew a later one, and all have to hear of it."""
        if self._agreed is not None:
            self._agreed = self.world.now

    @property
    def complete(self) -> bool:
        """Whether each process has renewed its token often enough since all were served."""
        agreed = self._agreed
        return agreed is not None and all(
            sum(began > agreed for began in process.renewed[-_RENEWALS:]) >= _RENEWALS
            for process in self.world.processes
        )

    @property
    def hopeless(self) -> bool:
        """Whether it has taken too long."""
        return self.world.now > self._began + LIMIT

    def judge(self) -> None:
        """Require that all is well."""
        watch, server = self.world.watch, self.world.server
        found = watch.parsed(self.world.store.records.get(watch.identity.credentials))
        client_id = found.credentials.client_id if isinstance(found, StoredCredentials) else None
        never = self.world.policy.reregister == "never"
        if never and isinstance(found, StoredCredentials) and not server.can_be_used(found.credentials, self.world.now):
            return
        unserved = [name for name, served in self._served.items() if not served]
        require(self.complete, Invariant.RECOVERY, f"{unserved or 'some'} got no token that was served")
        for process in self.world.processes:
            used = server.grants[process.held.token.value].client_id if process.held is not None else None
            require(
                used == client_id,
                Invariant.ONE_CLIENT_IN_THE_END,
                f"{process.name} has a token of {used}; {client_id} is stored",
            )
        self._every_registration_accounted_for()
        watch.clients.judge()

    def _every_registration_accounted_for(self) -> None:
        watch = self.world.watch
        for client_id in watch.read_answers:
            known = client_id in watch.stored or client_id in watch.excused
            require(known, Invariant.ORPHANS_HAVE_A_CAUSE, f"{client_id} is lost without a cause")
