"""Calling an endpoint until it answers something that settles the matter, or it is time to give up."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from dcrauth import events
from dcrauth.engine import answers, rules
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
from dcrauth.errors import (
    Unavailable,
)
from dcrauth.providers.protocol import Problem, Request, Response

T = TypeVar("T")


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
    context: RenewalContext, request: Request, understand: Callable[[Response], T | Problem], registering: bool
) -> Steps[Answer[T]]:
    """Call an endpoint until it answers something that settles the matter, or it is time to give up."""
    made, begun = yield from progress_of(context, registering)
    for attempt in itertools.count(made + 1):
        sent = yield Now()
        outcome = yield from called(request, understand, registering)
        now = yield Now()
        if not isinstance(outcome, Problem):
            return Answer(outcome, sent, now.monotonic - begun, attempt)
        wait = rules.pause(outcome, attempt, now, context.chance(), context.policy)
        if answers.meaning(outcome) is answers.Meaning.THROTTLED:
            yield Emit(events.Throttled(context.name, request.endpoint, wait))
        if not rules.worth_another(outcome, attempt, now.monotonic + wait, context.deadline, context.policy):
            raise answers.error_of(outcome, request.endpoint, registering, now.wall + wait)
        context.progress.attempts[registering] = (attempt, begun)
        yield Sleep(wait)
        del context.progress.attempts[registering]
    raise AssertionError("unreachable: the loop only ends by returning or raising")


def progress_of(context: RenewalContext, registering: bool) -> Steps[tuple[int, float]]:
    """Return how many calls were made before the renewal was begun anew, and when the first of all was."""
    now = yield Now()
    begun: float = now.monotonic
    return context.progress.attempts.pop(registering, (0, begun))


def called(request: Request, understand: Callable[[Response], T | Problem], registering: bool) -> Steps[T | Problem]:
    """Send *request* once; no answer is a problem like any other.

    A registration with a status that says so was carried out, whatever there is to read beside the status.
    """
    outcome: T | Problem
    try:
        response: Response | Withheld = yield Send(request)
    except Unavailable as fault:
        outcome = Problem(reason=fault.message, status=fault.status)
    else:
        if isinstance(response, Withheld):
            raise response.error
        outcome = understand(response)
        if isinstance(outcome, Problem) and outcome.status is None:
            outcome = replace(outcome, status=response.status)
    if not isinstance(outcome, Problem):
        return outcome
    carried_out = registering and answers.is_success(outcome.status)
    return answers.without_secrets(replace(outcome, carried_out=carried_out), request)
