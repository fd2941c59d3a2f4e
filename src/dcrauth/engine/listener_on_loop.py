"""Listeners that are coroutine functions: awaited on an event loop that the program names, of asyncio or trio."""

import inspect
import logging
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dcrauth import events
from dcrauth._internal.arguments import wrong
from dcrauth._internal.log import log
from dcrauth.engine.event_loops import in_trio
from dcrauth.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

    import trio.lowlevel

_MOST = 1_000
"""How many events may wait for a slow one; what comes after them is only logged."""

AsyncListener: TypeAlias = Callable[[events.Event], Coroutine[Any, Any, object]]
"""A coroutine function that is told of events."""


def on_loop(
    listener: AsyncListener, loop: "asyncio.AbstractEventLoop | trio.lowlevel.TrioToken | None" = None
) -> Callable[[events.Event], None]:
    """Return what to give as ``on_event`` to have a coroutine function told of events, on an event loop of yours.

    It is awaited with one event after the other, in order; what it raises is only logged. Up to 1,000 events wait for
    it. When the loop is closed, events are only logged.

    Parameters:
        listener: the coroutine function, or an object with an ``async def __call__``.
        loop: where it is awaited: an event loop of asyncio's, or the token of a run of trio's
            (``trio.lowlevel.current_trio_token()``); by default that which runs where this is called.

    Raises:
        ConfigurationError: *listener* is no coroutine function, *loop* is no event loop, or is not given where none
            runs.
    """
    called = getattr(listener, "__call__", None)  # noqa: B004  # a method of it, not whether there is one
    if isinstance(listener, type) or not any(map(inspect.iscoroutinefunction, (listener, called))):
        raise wrong("listener", "an async def that takes an event", listener)
    return _OnLoop(listener, _loop_of(_running() if loop is None else loop))


class _Loop(Protocol):
    """What is needed of an event loop."""

    def post(self, act: Callable[[], object]) -> None:
        """Have *act* called on it, from any thread; raise RuntimeError if it has ended."""
        ...

    def begin(self, work: AsyncListener, event: events.Event, context: Context) -> object:
        """Begin *work* in a task in that *context*, and return what has to be held until it ends."""
        ...


class _OfAsyncio:
    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = loop

    def post(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act, context=Context())

    def begin(self, work: AsyncListener, event: events.Event, context: Context) -> object:
        return self._loop.create_task(work(event), context=context)


class _OfTrio:
    def __init__(self, token: "trio.lowlevel.TrioToken") -> None:
        self._token = token

    def post(self, act: Callable[[], object]) -> None:
        self._token.run_sync_soon(act)

    def begin(self, work: AsyncListener, event: events.Event, context: Context) -> object:
        from trio.lowlevel import spawn_system_task  # noqa: PLC0415  # only ever reached where trio runs

        return spawn_system_task(work, event, context=context)


class _OnLoop:
    """Hands events over to a loop, and has them told there one after the other."""

    def __init__(self, listener: AsyncListener, loop: _Loop) -> None:
        self._listener, self._loop = listener, loop
        self._waiting: deque[tuple[events.Event, Context]] = deque()
        self._task: object = None

    def __call__(self, event: events.Event) -> None:
        """Have the listener told of *event*, soon."""
        if len(self._waiting) >= _MOST:
            log(logging.WARNING, "on_event is too slow: it is not called for %s", type(event).__name__)
            return
        self._waiting.append((event, copy_context()))
        try:
            self._loop.post(self._ensure)
        except RuntimeError:
            self._waiting.clear()
            log(logging.DEBUG, "on_event is not called for %s: its event loop has ended", type(event).__name__)

    def _ensure(self) -> None:
        """Begin to tell of the next event, unless another one is being told of, after which this comes again."""
        if self._task is None and self._waiting:
            event, context = self._waiting.popleft()
            self._task = self._loop.begin(self._told, event, context)

    async def _told(self, event: events.Event) -> None:
        try:
            await self._listener(event)
        except Exception:
            log(logging.ERROR, "on_event raised for %s", type(event).__name__, exc_info=True)
        except BaseException:  # the loop is about to end: nothing is begun there any more
            self._task = None
            raise
        self._task = None
        self._ensure()


def _running() -> object:
    if in_trio():
        from trio.lowlevel import current_trio_token  # noqa: PLC0415  # only ever reached where trio runs

        return current_trio_token()
    import asyncio  # noqa: PLC0415  # is there where a loop of it runs, and costs the others 10 ms

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "on_loop was called where no event loop runs: call it in a coroutine, or name one, as in "
            "on_loop(listener, loop)"
        ) from None


def _loop_of(loop: Any) -> _Loop:
    import asyncio  # noqa: PLC0415  # as above

    if isinstance(loop, asyncio.AbstractEventLoop):
        return _OfAsyncio(loop)
    of_trio: Any = sys.modules.get("trio.lowlevel")
    if of_trio is not None and isinstance(loop, of_trio.TrioToken):
        return _OfTrio(loop)
    raise wrong("loop", "an event loop of asyncio's, or a TrioToken", loop)
