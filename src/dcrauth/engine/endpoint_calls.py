"""Calling endpoints until it answers something that settles the matter, or it is time to give up."""

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from dcrauth import events
from dcrauth._internal.strict_json import seconds_in
from dcrauth.engine import answer_errors, answer_secrets, answers, rules
from dcrauth.engine.effects import (
    Emit,
    Now,
    RenewalContext,
    Send,
    Sleep,
    Steps,
    Withheld,
)
from dcrauth.engine.instant import Instant
from dcrauth.engine.kept import keep, recalled
from dcrauth.errors import (
    Unavailable,
)
from dcrauth.providers.protocol import Flow, FlowResult, Moment, Problem, Request, Response

T = TypeVar("T")

_UNNOTICED_SKEW = 5.0
"""Less than that, in seconds, does no harm: a ``Date`` has no parts of a second, and assertions are dated back."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer that settles the matter.

    Parameters:
        value: what it says.
        sent: when the request was sent that it answers.
        seconds: how long all attempts took.
        attempts: how many there were.
    """

    value: T
    sent: Instant
    seconds: float
    attempts: int


def answered(
    context: RenewalContext,
    begin: Callable[[Moment], Flow[T]],
    registering: bool,
    kept_of: Callable[[T], T | None] = lambda found: found,
) -> Steps[Answer[T]]:
    """Begin flows until one ends in something that settles the matter, or it is time to give up.

    Parameters:
        begin: begins one.
        registering: whether it is to make a client.
        kept_of: returns what a record can hold of what a flow has brought; None if nothing.
    """
    made, begun = yield from progress_of(context, registering)
    yield from recalled(context)
    for attempt in itertools.count(made + 1):
        sent = yield Now()
        outcome, call = yield from attempted(context, begin(moment_of(context, sent)), kept_of)
        endpoint = _usual_endpoint(context, registering) if call is None else call.endpoint
        now = yield Now()
        if not isinstance(outcome, Problem):
            return Answer(outcome, sent, now.monotonic - begun, attempt)
        wait = rules.pause(outcome, attempt, now, context.chance(), context.policy)
        if answers.meaning(outcome) is answers.Meaning.THROTTLED:
            yield Emit(events.Throttled(context.name, endpoint, wait))
        if not rules.worth_another(outcome, attempt, now.monotonic + wait, context.deadline, context.policy):
            is_registration = registering and (call is None or call.registers)
            raise answer_errors.error_of(outcome, endpoint, is_registration, now.wall + wait)
        context.progress.attempts[registering] = (attempt, begun)
        yield Sleep(wait)
        del context.progress.attempts[registering]
    raise AssertionError("unreachable: the loop only ends by returning or raising")


def progress_of(context: RenewalContext, registering: bool) -> Steps[tuple[int, float]]:
    """Return how many calls were made before the renewal was begun anew, and when the first of all was."""
    now = yield Now()
    begun: float = now.monotonic
    return context.progress.attempts.pop(registering, (0, begun))


def moment_of(context: RenewalContext, now: Instant) -> Moment:
    """Return the moment of an attempt that is made *now*."""
    memory = context.memory
    return Moment(now.wall, memory.skew, secrets.token_bytes(32), memory.kept or {})


def attempted(
    context: RenewalContext, flow: Flow[T], kept_of: Callable[[T], T | None]
) -> Steps[tuple[T | Problem, Request | None]]:
    """Have *flow* run once; return what it comes to, and the call that was made last, if any was.

    A registration with a status that says so was carried out, whatever there is to read beside the status.
    """
    result, call, response = yield from run(context, flow)
    status = None if response is None else response.status
    outcome = result.value
    if not isinstance(outcome, Problem):
        unusable = Problem(f"HTTP {status} with credentials that no record can hold", status=status)
        outcome = kept_of(outcome) or unusable
    if not isinstance(outcome, Problem):
        return outcome, call
    if outcome.status is None:
        outcome = replace(outcome, status=status)
    if call is None:
        return outcome, None
    is_carried_out = call.registers and answers.is_success(outcome.status)
    if call.registers and answers.is_lost(response) and getattr(context.provider, "repeats", "new") == "refused":
        outcome = answer_errors.lost(outcome)
    return answer_secrets.without_secrets(replace(outcome, carried_out=is_carried_out), call), call


def run(context: RenewalContext, flow: Flow[T]) -> Steps[tuple[FlowResult[T], Request | None, Response | None]]:
    """Send what *flow* asks for; return its result, the last call and the answer to that.

    That there is no answer is raised in the flow, which may make something of it; else it is a problem.
    """
    call: Request | None = None
    response: Response | None = None
    fault: Unavailable | None = None
    step: Callable[[], Request] = partial(next, flow)
    while True:
        try:
            call = step()
        except StopIteration as end:
            result: FlowResult[T] = end.value
            yield from keep(context, result.kept)
            return result, call, response
        except Unavailable as reason:
            if reason is not fault:
                raise
            return FlowResult(Problem(reason=reason.message, status=reason.status)), call, None
        sent = yield Now()
        try:
            answer: Response | Withheld = yield Send(call)
        except Unavailable as reason:
            response, fault, step = None, reason, partial(flow.throw, reason)
            continue
        if isinstance(answer, Withheld):
            flow.close()
            raise answer.error
        response, step = answer, partial(flow.send, answer)
        learn_the_time(context, answer, sent, (yield Now()))


def learn_the_time(context: RenewalContext, response: Response, sent: Instant, now: Instant) -> None:
    """Note by how much this machine's clock is ahead of the server's.

    The server has written its ``Date`` (RFC 9110 §6.6.1) after the call was *sent* and before *now*, however long that
    took: only what lies before or after both is the clocks' own.
    """
    skew = skew_told(response, sent.wall, now.wall)
    if skew is not None:
        context.memory.skew = skew


def skew_told(response: Response, sent: float, now: float) -> float | None:
    """Return by how many seconds this machine's clock is ahead of the server's, as `learn_the_time` does.

    An answer that a cache has kept says so by its ``Age`` (RFC 9111 §5.1), and tells no time.
    """
    date = answers.moment_in(response.headers.get("date"))
    if date is None or (seconds_in(response.headers.get("age", "")) or 0.0) > 0.0:
        return None
    skew = sent - date if sent > date else -max(0.0, date - now)
    return skew if abs(skew) > _UNNOTICED_SKEW else 0.0


def _usual_endpoint(context: RenewalContext, registering: bool) -> str:
    return context.provider.register_url if registering else context.provider.token_url
