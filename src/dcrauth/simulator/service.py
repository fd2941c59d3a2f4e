"""What a simulator can be told and asked, wherever it listens; the controls over HTTP give the same."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dcrauth._internal.arguments import check_function
from dcrauth.simulator import api
from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.calls import Calls
from dcrauth.simulator.clock import VirtualClock
from dcrauth.simulator.environment import APPLICATION, Environment
from dcrauth.simulator.fields import as_said, check_kind
from dcrauth.simulator.messages import Counts
from dcrauth.simulator.routes import Route
from dcrauth.simulator.run import Run
from dcrauth.simulator.scenario import Scenario
from dcrauth.simulator.world import World

Answering = TypeVar("Answering", bound=Callable[..., Any])


class Service(ABC):
    """The simulated service; `Simulator` is what listens for it."""

    authority: bytes | None
    """Certificate of its certificate authority in PEM, for clients to trust; None where it has none."""

    _run: Run
    _changed: threading.Condition

    @property
    @abstractmethod
    def url(self) -> str:
        """Base URL for a provider; the page is there as well."""

    @abstractmethod
    def stop(self) -> None:
        """End serving and close all connections."""

    @property
    @abstractmethod
    def _stopped(self) -> threading.Event:
        """Set when it stops."""

    @abstractmethod
    def reset(self) -> None:
        """Make everything as new, at the same URL."""

    @property
    def software_statement(self) -> str:
        """A software statement of the application that is always there; may be replaced."""
        return self.environment().software_statement

    @software_statement.setter
    def software_statement(self, statement: str) -> None:
        self.environment().software_statement = as_said(statement, str, "software_statement")

    @property
    def behaviour(self) -> Behaviour:
        """Its switches; may be replaced."""
        return self._run.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        check_kind(behaviour, Behaviour, "behaviour")
        self._run.behaviour = behaviour

    @property
    def world(self) -> World:
        """Its channels, MVPDs, users and resources; may be replaced."""
        return self._run.world

    @world.setter
    def world(self, world: World) -> None:
        check_kind(world, World, "world")
        self._run.world = world

    @property
    def clock(self) -> VirtualClock:
        """Its clock, which can be put forward."""
        return self._run.clock

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

    def route(self, method: str, path: str, answer: Any = None, *, protected: bool = True) -> Any:
        """Answer calls of an API of your own.

        Parameters:
            method: HTTP method, or ``*`` for any.
            path: its path below the base path; ``{name}`` stands for one segment.
            answer: a `Reply`; a value, answered in JSON; or a function that is called with the `Call`, and with the
                segments by their names, and returns either. Without it, this is a decorator of such a function.
            protected: whether a token is asked for, as by the APIs of Adobe Pass.

        Raises:
            ConfigurationError: the method or the path cannot be one, or the answer cannot be sent. What a function
                returns is seen to when it has: if it cannot be sent, the answer is a 500, and `Call.why` says why.
        """
        if answer is not None:
            self._run.routes.insert(0, Route(method, path, answer, protected))
            return answer

        def decorated(function: Answering) -> Answering:
            self.route(method, path, function, protected=protected)
            return function

        return decorated

    @property
    def counts(self) -> Counts:
        """How many calls there were so far."""
        return self._run.record.counts

    @property
    def calls(self) -> Calls:
        """The latest calls, in the order in which they were answered: 10 000, or as many as have 64 MiB."""
        return self._run.record.calls

    def reset_counts(self) -> None:
        """Begin to count from nothing."""
        self._run.record.clear()

    def wait_for(self, predicate: Callable[[Counts], bool], timeout: float = 5.0) -> bool:
        """Wait until *predicate* holds for the counts; return whether it does within *timeout* seconds."""
        check_function(predicate, "predicate", "a function of the counts that returns whether to go on")
        as_said(timeout, float, "timeout")
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self.counts), timeout)

    def advance(self, seconds: float) -> None:
        """Put its clock forward, by which tokens expire and the throttle counts.

        Raises:
            ConfigurationError: *seconds* is no number, or below 0.
        """
        self._run.clock.advance(seconds)

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now, although they claim to live longer."""
        self.environment().expire_tokens()

    def revoke_tokens(self) -> None:
        """Refuse all tokens that were granted so far."""
        self.environment().revoke_tokens()

    def revoke_clients(self) -> None:
        """Forget all clients, and refuse their tokens."""
        self.environment().revoke_clients()

    def revoke_statement(self, sub: str = APPLICATION) -> None:
        """Refuse the statements of an application, its clients and their tokens.

        Raises:
            ConfigurationError: there is no such application.
        """
        self.environment().revoke_statement(sub)

    def reinstate_statement(self, sub: str = APPLICATION) -> None:
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

    def inject(self, endpoint: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next calls go wrong.

        Parameters:
            endpoint: "register", "token", "api", or the path of an API.
            fault: what goes wrong.
            times: with how many calls; None for all until `clear_faults`.

        Raises:
            ConfigurationError: one of these is what it cannot be.
        """
        self._run.faults.inject(endpoint, fault, times)

    def play(self, scenario: Scenario) -> None:
        """Begin a scenario, in the place of the one that is played, if any."""
        self._run.faults.play(scenario)

    def clear_faults(self) -> None:
        """Let all calls go right again, and end the scenario."""
        self._run.faults.clear()

    def _wait_for_change(self, timeout: float) -> None:
        """Wait until a call comes in, or it stops, or so many seconds are over."""
        with self._changed:
            if not self._stopped.is_set():
                self._changed.wait(timeout)
