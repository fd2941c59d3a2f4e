"""What goes wrong with the next calls: faults that were injected, and a scenario that is played."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection

from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.fields import as_said, check_kind, check_range
from dcrauth.simulator.messages import Call, as_sent
from dcrauth.simulator.scenario import Scenario, Step, check_endpoint, check_possible, concerns

_RIGHT = Fault()


class Faults:
    """Which fault hits which call.

    Parameters:
        clock: returns seconds; scenarios go by it.
        act: does what a step says that is to be done.
        endpoints: what can go wrong, beside any path.
        actions: what *act* knows.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        act: Callable[[str], None],
        endpoints: Collection[str],
        actions: Collection[str],
    ) -> None:
        self._clock = clock
        self._act = act
        self._endpoints = endpoints
        self._actions = actions
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[tuple[Fault, int | None]]] = {}
        self._scenario: Scenario | None = None
        self._began = 0.0
        self._seen: Counter[Step] = Counter()
        self._done: set[Step] = set()

    @property
    def scenario(self) -> Scenario | None:
        """What is played."""
        return self._scenario

    def inject(self, endpoint: str, fault: Fault, times: int | None) -> None:
        """Let the next so many calls of *endpoint* go wrong; None for all."""
        check_endpoint(endpoint, self._endpoints)
        check_kind(fault, Fault, "fault")
        check_range(as_said(times, int | None, "times"), "times", 1)
        with self._lock:
            self._waiting.setdefault(as_sent(endpoint), deque()).append((fault, times))

    def play(self, scenario: Scenario) -> None:
        """Begin a scenario, in the place of the one that is played, if any.

        Raises:
            ConfigurationError: it is none, or it has a step that is another simulator's.
        """
        check_kind(scenario, Scenario, "scenario")
        check_possible(scenario, self._endpoints, self._actions)
        with self._lock:
            self._scenario, self._began = scenario, self._clock()
            self._seen.clear()
            self._done.clear()

    def clear(self) -> None:
        """Let all calls go right again."""
        with self._lock:
            self._waiting.clear()
            self._scenario = None

    def waiting(self) -> list[dict[str, object]]:
        """Return what was injected and has not happened yet."""
        with self._lock:
            return [
                {"endpoint": endpoint, "what": fault.shown, "times": times}
                for endpoint, faults in self._waiting.items()
                for fault, times in faults
            ]

    def next(self, call: Call) -> Fault:
        """Return what goes wrong with *call*, after having done what a scenario says is to be done before it."""
        if not self._waiting and self._scenario is None:
            return _RIGHT
        with self._lock:
            steps = self._due(call)
            fault = self._injected(call)
            actions = [step.do for step in steps if step.do is not None and step not in self._done]
            self._done.update(steps)
        for action in actions:
            self._act(action)
        played = (step.fault for step in steps if step.fault is not None)
        return fault or next(played, _RIGHT)

    def _injected(self, call: Call) -> Fault | None:
        for endpoint in (call.path, call.endpoint):
            waiting = self._waiting.get(endpoint)
            if waiting:
                fault, times = waiting.popleft()
                if times is None or times > 1:
                    waiting.appendleft((fault, times and times - 1))
                return fault
        return None

    def _due(self, call: Call) -> list[Step]:
        steps = [] if self._scenario is None else [*self._scenario.step]
        seconds = self._clock() - self._began
        concerned = [step for step in dict.fromkeys(steps) if concerns(step.endpoint, call)]
        self._seen.update(concerned)
        return [step for step in concerned if step.holds(self._seen[step], seconds)]
