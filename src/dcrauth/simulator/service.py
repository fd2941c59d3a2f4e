"""What any simulator can be told and asked, wherever it listens; the controls over HTTP give the same."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from dcrauth._internal.arguments import check_function
from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.calls import Calls
from dcrauth.simulator.clock import VirtualClock
from dcrauth.simulator.fields import as_said, check_kind
from dcrauth.simulator.routes import Route
from dcrauth.simulator.run import B, C, Run
from dcrauth.simulator.scenario import Scenario

Answering = TypeVar("Answering", bound=Callable[..., Any])
R = TypeVar("R", bound=Run[Any, Any])


class Service(ABC, Generic[B, C, R]):
    """A simulated service; `Serving` is what listens for it."""

    authority: bytes | None
    """Certificate of its certificate authority in PEM, for clients to trust; None where it has none."""

    _run: R
    _changed: threading.Condition

    @property
    @abstractmethod
    def url(self) -> str:
        """Base URL; the page is there as well."""

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
    def behaviour(self) -> B:
        """Its switches; may be replaced."""
        behaviour: B = self._run.behaviour
        return behaviour

    @behaviour.setter
    def behaviour(self, behaviour: B) -> None:
        check_kind(behaviour, type(self._run.behaviour), "behaviour")
        self._run.behaviour = behaviour

    @property
    def clock(self) -> VirtualClock:
        """Its clock, which can be put forward."""
        return self._run.clock

    def route(self, method: str, path: str, answer: Any = None, *, protected: bool = True) -> Any:
        """Answer calls of an API of your own.

        Parameters:
            method: HTTP method, or ``*`` for any.
            path: its path below the base path; ``{name}`` stands for one segment.
            answer: a `Reply`; a value, answered in JSON; or a function that is called with the `Call`, and with the
                segments by their names, and returns either. Without it, this is a decorator of such a function.
            protected: whether a token is asked for, as by the APIs that are there.

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
    def counts(self) -> C:
        """How many calls there were so far."""
        counts: C = self._run.record.counts
        return counts

    @property
    def calls(self) -> Calls:
        """The latest calls, in the order in which they were answered: 10 000, or as many as have 64 MiB."""
        return self._run.record.calls

    def reset_counts(self) -> None:
        """Begin to count from nothing."""
        self._run.record.clear()

    def wait_for(self, predicate: Callable[[C], bool], timeout: float = 5.0) -> bool:
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

    def inject(self, endpoint: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next calls go wrong.

        Parameters:
            endpoint: "register", "token", "api" (of an `OAuthSimulator` "discovery" and "manage", too), or a path.
            fault: what goes wrong.
            times: with how many calls; None for all until `clear_faults`.

        Raises:
            ConfigurationError: one of these is what it cannot be.
        """
        self._run.faults.inject(endpoint, fault, times)

    def play(self, scenario: Scenario) -> None:
        """Begin a scenario, in the place of the one that is played, if any.

        Raises:
            ConfigurationError: it is none, or it has a step that is another simulator's.
        """
        self._run.faults.play(scenario)

    def clear_faults(self) -> None:
        """Let all calls go right again, and end the scenario."""
        self._run.faults.clear()

    def _wait_for_change(self, timeout: float) -> None:
        """Wait until a call comes in, or it stops, or so many seconds are over."""
        with self._changed:
            if not self._stopped.is_set():
                self._changed.wait(timeout)
