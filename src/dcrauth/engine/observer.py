"""Who looks on while tokens are renewed, on the thread and in the context in which that is done, so that traces fit.

Events tell what has happened; one who looks on sees what is under way as well. There is one in a process, or nobody.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dcrauth.credentials import AccessToken
from dcrauth.errors import DCRAuthError
from dcrauth.events import Event
from dcrauth.providers.protocol import Request, Response

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a renewal is about.

    Parameters:
        identity: how events call the identity.
        is_awaited: whether somebody waits for it, as it is asked for.
    """

    identity: str
    is_awaited: bool


class Observation(Protocol):
    """Looks on at one renewal. Nothing here may raise by itself, nor wait."""

    def turn(self, act: Callable[[], T]) -> T:
        """Do *act*, a part of the renewal, and return what comes of it.

        Between two parts it may wait for hours, and another thread may go on with it.
        """
        ...

    def call(self, request: Request, send: Callable[[], Response]) -> Response:
        """Do *send*, which makes one call of an endpoint inside of a part, and return the answer."""
        ...

    def end(self, outcome: AccessToken | DCRAuthError) -> None:
        """Note how it has ended; called once, in the last part, before those who wait go on."""
        ...


class Observer(Protocol):
    """Looks on at all renewals of a process. Nothing here may raise, nor wait."""

    def begin(self, subject: Subject) -> Observation:
        """Return what looks on at a renewal; called by who asks for it, in its context, and under a lock."""
        ...

    def told(self, event: Event) -> None:
        """Note an event, at once, where it has happened."""
        ...


class Observing:
    """Who looks on in this process."""

    def __init__(self) -> None:
        self.observer: Observer | None = None

    def begin(self, identity: str, *, is_awaited: bool) -> Observation | None:
        """Return what looks on at a renewal that is asked for now; None if nobody does."""
        if self.observer is None:
            return None
        return self.observer.begin(Subject(identity, is_awaited))

    def told(self, event: Event) -> None:
        """Pass *event* on."""
        if self.observer is not None:
            self.observer.told(event)


OBSERVING = Observing()
"""Who looks on."""

_here: ContextVar[Observation | None] = ContextVar("dcrauth.engine.observation", default=None)
"""What looks on at the renewal that goes on in this context."""


def turn(observation: Observation | None, act: Callable[[], T]) -> T:
    """Do *act*, a part of a renewal at which *observation* looks on."""
    if observation is None:
        return act()
    before = _here.set(observation)
    try:
        return observation.turn(act)
    finally:
        _here.reset(before)


def call(request: Request, send: Callable[[], Response]) -> Response:
    """Do *send*, under the eyes of who looks on at the renewal that it belongs to."""
    observation = _here.get()
    return send() if observation is None else observation.call(request, send)
