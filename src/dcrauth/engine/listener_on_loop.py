"""Listeners that are coroutine functions: awaited on an event loop that the program names."""

import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from dcrauth import events
from dcrauth._internal.arguments import wrong
from dcrauth._internal.log import log
from dcrauth.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

_MOST = 1_000
"""How many events may wait for a slow one; what comes after them is only logged."""


def on_loop(
    listener: Callable[[events.Event], Coroutine[Any, Any, object]], loop: "asyncio.AbstractEventLoop | None" = None
) -> Callable[[events.Event], None]:
    """Return what to give as ``on_event`` to have a coroutine function told of events, on an event loop of asyncio's.

    It is awaited with one event after the other, in order; what it raises is only logged. Up to 1,000 events wait for
    it. When the loop is closed, events are only logged.

    Parameters:
        listener: the coroutine function, or an object with an ``async def __call__``.
        loop: where it is awaited; by default the loop that runs where this is called.

    Raises:
        ConfigurationError: *listener* is no coroutine function, *loop* is no event loop, or is not given where none
            runs.
    """
    called = getattr(listener, "__call__", None)  # noqa: B004  # a method of it, not whether there is one
    if isinstance(listener, type) or not any(map(inspect.iscoroutinefunction, (listener, called))):
        raise wrong("listener", "an async def that takes an event", listener)
    return _OnLoop(listener, _running_loop() if loop is None else _checked(loop))


def _running_loop() -> "asyncio.AbstractEventLoop":
    import asyncio  # noqa: PLC0415  # is there where a loop of it runs, and costs the others 10 ms

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "on_loop was called where no event loop of asyncio's runs: call it in a coroutine, or name one, as in "
            "on_loop(listener, loop)"
        ) from None


def _checked(loop: object) -> "asyncio.AbstractEventLoop":
    import asyncio  # noqa: PLC0415  # is there, as a loop of it is

    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise wrong("loop", "an event loop of asyncio's", loop)
    return loop


class _OnLoop:
    """Hands events over to a loop, and has them told there one after the other."""

    def __init__(
        self, listener: Callable[[events.Event], Coroutine[Any, Any, object]], loop: "asyncio.AbstractEventLoop"
    ) -> None:
        self._listener, self._loop = listener, loop
        self._waiting: deque[tuple[events.Event, Context]] = deque()
        self._telling: asyncio.Task[None] | None = None

    def __call__(self, event: events.Event) -> None:
        """Have the listener told of *event*, soon."""
        if len(self._waiting) >= _MOST:
            log(logging.WARNING, "on_event is too slow: it is not called for %s", type(event).__name__)
            return
        self._waiting.append((event, copy_context()))
        try:
            self._loop.call_soon_threadsafe(self._ensure, context=Context())
        except RuntimeError:
            self._waiting.clear()
            log(logging.DEBUG, "on_event is not called for %s: its event loop is closed", type(event).__name__)

    def _ensure(self) -> None:
        if self._telling is None:
            self._telling = self._loop.create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._waiting:
                await self._told(*self._waiting.popleft())
        finally:
            self._telling = None

    async def _told(self, event: events.Event, context: Context) -> None:
        try:
            await self._loop.create_task(self._listener(event), context=context)
        except Exception:
            log(logging.ERROR, "on_event raised for %s", type(event).__name__, exc_info=True)
