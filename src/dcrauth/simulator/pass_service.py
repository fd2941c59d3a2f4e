"""What the simulated Adobe Pass can be told and asked beside what any simulator can."""

from collections.abc import Iterable

from dcrauth.simulator import api
from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.environment import Environment
from dcrauth.simulator.fields import as_said, check_kind
from dcrauth.simulator.messages import Counts
from dcrauth.simulator.pass_run import PassRun
from dcrauth.simulator.service import Service
from dcrauth.simulator.world import World


class PassService(Service[Behaviour, Counts, PassRun]):
    """The simulated Adobe Pass; `Simulator` is what listens for it."""

    @property
    def software_statement(self) -> str:
        """A software statement of the application that is always there; may be replaced."""
        return self.environment().software_statement

    @software_statement.setter
    def software_statement(self, statement: str) -> None:
        self.environment().software_statement = as_said(statement, str, "software_statement")

    @property
    def world(self) -> World:
        """Its channels, MVPDs, users and resources; may be replaced."""
        return self._run.world

    @world.setter
    def world(self, world: World) -> None:
        check_kind(world, World, "world")
        self._run.world = world

    def environment(self, name: str = "") -> Environment:
        """Return an environment, which is made if there is none: it has a URL, applications and clients of its own.

        Parameters:
            name: small letters, digits and hyphens; empty for the one that is always there.

        Raises:
            ConfigurationError: *name* cannot be one.
        """
        return self._run.environment(name)

    def statement(
        self,
        sub: str,
        *,
        scopes: Iterable[str] = (api.SCOPE,),
        service_providers: Iterable[str] | None = None,
        redirect_domains: Iterable[str] = (),
    ) -> str:
        """Return a software statement of the application *sub*, which is made if there is none.

        Parameters:
            scopes: what its tokens are good for.
            service_providers: those it is linked to; None for all.
            redirect_domains: hosts that its redirect URI may have; empty for any.

        Raises:
            ConfigurationError: one of these is of another type.
        """
        return self.environment().statement(
            sub, scopes=scopes, service_providers=service_providers, redirect_domains=redirect_domains
        )

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now, although they claim to live longer."""
        self.environment().expire_tokens()

    def revoke_tokens(self) -> None:
        """Refuse all tokens that were granted so far."""
        self.environment().revoke_tokens()

    def revoke_clients(self) -> None:
        """Forget all clients, and refuse their tokens."""
        self.environment().revoke_clients()

    def revoke_statement(self, sub: str | None = None) -> None:
        """Refuse the statements of an application, its clients and their tokens.

        Parameters:
            sub: which; None for the one that is always there.

        Raises:
            ConfigurationError: there is no such application.
        """
        self.environment().revoke_statement(sub)

    def reinstate_statement(self, sub: str | None = None) -> None:
        """Take back what `revoke_statement` did; for the rest see there."""
        self.environment().reinstate_statement(sub)

    def log_in(self, code: str, user: str) -> None:
        """Log *user* in, as on the page to which the session of *code* leads.

        Raises:
            ConfigurationError: there is no such session, or no such user of its MVPD.
        """
        self.environment().log_in(code, user)

    def expire_profiles(self) -> None:
        """Make all profiles expired as of now: users have to log in again."""
        self.environment().expire_profiles()
