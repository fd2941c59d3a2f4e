"""The instruments of metrics: their names, units and attributes, each of which is from a closed set."""

from collections.abc import Iterable
from http import HTTPStatus

from opentelemetry import metrics
from opentelemetry.context import Context

from dcrauth import errors, events
from dcrauth.engine.known import KNOWN

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The buckets of durations in https://opentelemetry.io/docs/specs/semconv/http/http-metrics/."""

OTHER = "_OTHER"
"""What ``error.type`` is for what is in no closed set (https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/)."""

_STATUSES = frozenset(HTTPStatus)


class Instruments:
    """What metrics are recorded with.

    Parameters:
        meter: what makes the instruments.

    Attributes:
        is_in_use: whether anything is to be told of identities.
    """

    def __init__(self, meter: metrics.Meter) -> None:
        self.is_in_use = True
        self._renewals = _durations(meter, "dcrauth.renewal.duration", "How long renewals of tokens took.")
        self._calls = _durations(meter, "dcrauth.call.duration", "How long registration and token calls took.")
        self._events = meter.create_counter("dcrauth.events", "{event}", "Events, by their names.")
        self._refusals = meter.create_counter(
            "dcrauth.request.refusals", "{request}", "Requests with a token that a protected API answered with 401."
        )
        self._retries = meter.create_counter(
            "dcrauth.request.retries", "{request}", "Refused requests that were sent once more with another token."
        )
        meter.create_observable_up_down_counter(
            "dcrauth.identities", [self._identities], "{identity}", "Identities in use, by the token they have."
        )
        meter.create_observable_gauge(
            "dcrauth.token.remaining", [self._remaining], "s", "How long until the first of the valid tokens ends."
        )

    def renewed(self, seconds: float, outcome: str, kind: str | None, *, is_awaited: bool, where: Context) -> None:
        """Record a renewal: its *outcome*, and the *kind* of error that it may have ended with."""
        told: dict[str, str | bool] = {"dcrauth.renewal.outcome": outcome, "dcrauth.renewal.awaited": is_awaited}
        self._renewals.record(seconds, told if kind is None else told | {"error.type": kind}, where)

    def called(self, seconds: float, operation: str, status: int | None, kind: str | None, where: Context) -> None:
        """Record a call: the *status* of the answer, and the *kind* of error, each if there was one."""
        told: dict[str, str | int] = {"dcrauth.operation": operation}
        if status is not None and status in _STATUSES:
            told["http.response.status_code"] = int(status)
        self._calls.record(seconds, told if kind is None else told | {"error.type": kind}, where)

    def count(self, event: events.Event) -> None:
        """Count an event."""
        self._events.add(1, {"dcrauth.event": type(event).__name__})
        if isinstance(event, events.RequestRefused):
            self._refusals.add(1, {"dcrauth.verdict": event.verdict.name.lower()})
        elif isinstance(event, events.RequestRetried):
            self._retries.add(1)

    def _identities(self, _: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
        if self.is_in_use:
            left = _left()
            none, valid = left.count(None), len(_valid(left))
            for state, count in {"valid": valid, "ended": len(left) - none - valid, "none": none}.items():
                yield metrics.Observation(count, {"dcrauth.token.state": state})

    def _remaining(self, _: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
        if self.is_in_use and (valid := _valid(_left())):
            yield metrics.Observation(min(valid))


def _durations(meter: metrics.Meter, name: str, description: str) -> metrics.Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)


def _left() -> list[float | None]:
    """Return for how many seconds the token of each identity is good; None where there is none."""
    known = KNOWN.in_use()
    return [None if each.expires_at is None else each.expires_at - each.key[1].wall() for each in known]


def _valid(left: list[float | None]) -> list[float]:
    return [each for each in left if each is not None and each > 0.0]


def kind_of(reason: object) -> str:
    """Return the name of an error of ours, however a store or a client calls its own kinds of it; else `OTHER`."""
    ours = (each.__name__ for each in type(reason).__mro__ if getattr(errors, each.__name__, None) is each)
    return next(ours, OTHER)


def kind_of_status(status: int) -> str | None:
    """Return what ``error.type`` is for an answer with *status*; None if that is none of an error."""
    if status < 400:
        return None
    return str(int(status)) if status in _STATUSES else OTHER
