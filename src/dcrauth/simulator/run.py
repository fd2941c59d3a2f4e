"""One run of a simulated service, until it is reset: faults, routes, the clock and the record of calls."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.clock import VirtualClock
from dcrauth.simulator.faults import Faults
from dcrauth.simulator.http import Stream
from dcrauth.simulator.messages import Call, Counts, Reply
from dcrauth.simulator.record import Record
from dcrauth.simulator.routes import Route, sendable
from dcrauth.simulator.throttle import BURST, Throttle, too_many

INJECTED = "a fault that was injected"


class Switches(Protocol):
    """What every kind of behaviour has, beside a delay for each endpoint."""

    @property
    def throttle(self) -> Literal["bucket", "once"] | None:
        """Which throttle there is."""
        ...

    @property
    def retry_after(self) -> str | None:
        """``Retry-After`` header of a 429."""
        ...


B = TypeVar("B", bound=Switches)
C = TypeVar("C", bound=Counts)


class Run(ABC, Generic[B, C]):
    """All that a reset makes new.

    Parameters:
        behaviour: its switches.
        counts: what the counts are told as.
        base_path: the path of the base URL.
        clock: returns seconds since the epoch.
        changed: told of each change.
    """

    endpoints: ClassVar[Collection[str]]
    """What can go wrong, beside any path."""

    actions: ClassVar[Collection[str]]
    """What a scenario can have done."""

    def __init__(
        self,
        behaviour: B,
        counts: type[C],
        base_path: str,
        clock: Callable[[], float],
        changed: threading.Condition,
    ) -> None:
        self.behaviour = behaviour
        self.clock = VirtualClock(clock)
        self.record = Record(changed, counts)
        self.faults = Faults(self.clock, self._act, self.endpoints, self.actions)
        self.routes: list[Route] = []
        self._base_path = base_path

    def faulty(self, call: Call, fault: Fault) -> Reply:  # noqa: ARG002  # a service may look at it
        """Return the answer to *call* where *fault* takes the place of the regular one."""
        return Reply(fault.status or 200, fault.body or b"", fault.headers, why=INJECTED)

    @abstractmethod
    def located(self, call: Call) -> Call | None:
        """Return *call* as the service sees it; None where it is outside of the base path."""

    @abstractmethod
    def is_secret(self, text: str) -> bool:
        """Whether *text* is a token or a secret that was given out."""

    @abstractmethod
    def snapshot(self) -> dict[str, Any]:
        """Return what the page shows of the service alone, as JSON values without secrets."""

    def answer(self, call: Call) -> Reply:
        """Return the answer to *call* where nothing goes wrong."""
        throttle, address = self._throttle_of(call)
        if not throttle.admits(address, self.behaviour.throttle):
            self.record.count("throttled")
            why = f"{address[:60]!r} calls too often: once a second is let through, and {BURST} times more in a burst"
            return too_many(self.behaviour.retry_after, why)
        for route in self.routes:
            if (segments := route.matches(call)) is not None:
                return self._by_route(route, segments, call)
        return self._regular(call)

    def stamped(self, reply: Reply) -> Reply:
        """Return *reply* with what every answer of the service has."""
        return reply

    @abstractmethod
    def _throttle_of(self, call: Call) -> tuple[Throttle, str]:
        """Return the throttle that counts *call*, and under which name."""

    @abstractmethod
    def _regular(self, call: Call) -> Reply:
        """Return the answer to *call*, which is no route's."""

    @abstractmethod
    def _token_refusal(self, call: Call) -> Reply | None:
        """Return the answer to a call whose token is not good, or is missing; None where all is well with it."""

    @abstractmethod
    def _act(self, action: str) -> None:
        """Do what a scenario says is to be done."""

    def _below_base_path(self, call: Call) -> str | None:
        """Return the path of *call* below the base path; None where it is outside."""
        path = call.path.removeprefix(self._base_path)
        return None if not call.path.startswith(self._base_path) or path[:1] not in {"", "/"} else path

    def _by_route(self, route: Route, segments: dict[str, str], call: Call) -> Reply:
        if route.protected and (refused := self._token_refusal(call)) is not None:
            return refused
        try:
            found = route.answered(call, segments)
        except Exception as error:  # whatever the tester's function raises is an answer, and not lost
            return Reply(500, why=f"the function of the route {route.method} {route.path} raised {error!r}")
        try:
            return sendable(found)
        except ConfigurationError as reason:
            return Reply(500, why=f"what the route {route.method} {route.path} returned cannot be sent: {reason}")


class Answering(Protocol):
    """What the simulator has of its own: the page and the controls."""

    def own(self, call: Call) -> Reply | Stream:
        """Return the answer to a call of the page or of the controls."""
        ...


@dataclass
class OwnVisit:
    """A call of the page or of the controls, which is neither counted nor kept, and with which nothing goes wrong."""

    call: Call
    site: Answering
    fault: Fault = Fault()  # noqa: RUF009  # it is a value
    delay: float = 0.0

    def answer(self) -> Reply | Stream:
        """Return the answer."""
        return self.site.own(self.call)


class ServiceVisit:
    """A call of the simulated service; it belongs to the run that it came into, whatever is reset meanwhile.

    Parameters:
        call: the call, as the service sees it.
        run: that run.
    """

    def __init__(self, call: Call, run: Run[Any, Any]) -> None:
        self._call = call
        self._run = run
        run.record.count(call.endpoint)
        self.fault = run.faults.next(call)
        self.delay = self.fault.delay + getattr(run.behaviour, f"{call.endpoint}_delay")

    def answer(self) -> Reply | None:
        """Return the answer, and keep the record of it."""
        run, call, fault = self._run, self._call, self.fault
        reply = run.stamped(run.faulty(call, fault) if fault.takes_over else run.answer(call))
        sent = None if fault.reset else reply
        run.record.add(call, sent, run.clock())
        return sent


class Astray:
    """A call outside of the base path.

    Parameters:
        call: the call as it came.
        run: where it is kept.
        url: where it should have gone.
    """

    fault = Fault()
    delay = 0.0

    def __init__(self, call: Call, run: Run[Any, Any], url: str) -> None:
        self._call = call
        self._run = run
        self._url = url

    def answer(self) -> Reply:
        """Return the answer, and keep the record of it."""
        why = f"nothing is here: the base URL is {self._url}"
        reply = Reply.json(404, {"error": why}, why=why)
        self._run.record.count("api")
        self._run.record.add(self._call, reply, self._run.clock())
        return reply
