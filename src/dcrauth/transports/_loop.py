"""An event loop for a transport that needs one: on a thread of its own, where no loop of a caller's ever meets it."""

import asyncio
import atexit
import contextlib
import logging
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

from dcrauth._internal import fork
from dcrauth._internal.log import log
from dcrauth._internal.threads import start_thread
from dcrauth.transports._connections import KEPT_FOR
from dcrauth.transports._deadlines import now
from dcrauth.transports._watch import close_descriptor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PATIENCE = 2.0
"""How long whoever closes something waits for the loop to have done it, in seconds."""


class OfLoop(Protocol):
    """What is made on a loop, and closed there before it."""

    async def close(self) -> None:
        """Close it."""
        ...

    def let_go(self) -> None:
        """Close its descriptors, in a forked child, and nothing else."""
        ...


class Loop(asyncio.SelectorEventLoop):
    """An event loop that is asyncio's own, whatever policy is in use, and counts on while a test stops the time."""

    def __init__(self) -> None:
        # One that the kernel knows nothing of: to take a socket out of it in a child is nothing to the parent's.
        super().__init__(getattr(selectors, "PollSelector", selectors.SelectSelector)())
        self.set_exception_handler(_mention)
        self.things: dict[object, OfLoop] = {}
        """What was made on this loop, by whom it is for."""
        self._closing: set[asyncio.Task[None]] = set()

    def time(self) -> float:
        """Return the time in seconds."""
        return now()

    # What lasts longer than a call has an empty context, not that of the call in which it is made: timers, which stay
    # until their moment though they are called off, and the readers and writers of connections that are kept.

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Have *callback* called at a moment."""
        context = Context() if context is None else context
        return super().call_at(when, callback, *args, context=context)

    def _add_reader(self, *given: Any) -> Any:
        return Context().run(super()._add_reader, *given)  # type: ignore[misc]

    def _add_writer(self, *given: Any) -> Any:
        return Context().run(super()._add_writer, *given)  # type: ignore[misc]

    def close_thing(self, key: object) -> None:
        """Begin to close what was made under *key*."""
        thing = self.things.pop(key, None)
        if thing is not None:
            task = self.create_task(thing.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def settle(self) -> None:
        """Wait for what is being closed."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def close_things(self) -> None:
        """Cancel what is under way, and close what was made on this loop."""
        under_way = asyncio.all_tasks(self) - {asyncio.current_task(self)}
        for task in under_way - self._closing:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        while self.things:
            await self.things.popitem()[1].close()

    def let_go(self) -> None:
        """Close the descriptors in a forked child, and say nothing of it when this is collected."""
        for each in self.things.values():
            each.let_go()
        for pipe in ("_ssock", "_csock"):
            close_descriptor(getattr(self, pipe, None))
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._closed = True


class _Call:
    """Work for the loop's thread, and what has come of it."""

    def __init__(self, loop: Loop, work: Callable[[Loop], Coroutine[Any, Any, Any]]) -> None:
        self._loop, self._work = loop, work
        self._task: asyncio.Task[Any] | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def begin(self) -> None:
        self._task = self._loop.create_task(self._act())
        self._task.add_done_callback(lambda _: self._done.release())

    async def _act(self) -> Any:
        return await self._work(self._loop)

    def outcome(self, seconds: float) -> Any:
        """Wait for what comes of it.

        Raises:
            OSError: nothing did, as the loop is stuck or has ended.
        """
        if not self._done.acquire(timeout=seconds) or self._task is None:
            raise TimeoutError
        if self._task.cancelled():
            raise ConnectionAbortedError
        return self._task.result()


class LoopThread:
    """Begins with the first call, and ends when nobody has made one for a while."""

    def __init__(self) -> None:
        self._is_over = False
        self._loop: Loop | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Lock()
        self._calls = 0
        self._last = 0.0

    def run(self, work: Callable[[Loop], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Return what comes of *work* on the loop; where no thread can be had, on a loop of its own.

        Parameters:
            seconds: how long to wait at the most, for a loop that is stuck; the work has timeouts of its own.
        """
        loop = self._entered()
        if loop is None:
            return _run_here(work)
        call = _Call(loop, work)
        try:
            # In the caller's context, so that what instruments aiohttp knows what the call is part of.
            loop.call_soon_threadsafe(call.begin, context=copy_context())
            found: T = call.outcome(seconds)
            return found
        finally:
            self._left()

    def close(self, key: object) -> None:
        """Have what was made under *key* closed. It takes no lock: the garbage collector may call it anywhere."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and everything that was made on it
                loop.call_soon_threadsafe(loop.close_thing, key, context=Context())

    def settle(self) -> None:
        """Wait a moment for what is being closed."""
        if self._loop is not None:
            with contextlib.suppress(OSError):  # a loop that is stuck, or has ended and closed everything
                self.run(lambda loop: loop.settle(), _PATIENCE)

    def end(self) -> None:
        """End the thread, as the interpreter is about to."""
        self._is_over = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(loop.stop)
            self._ended.acquire(timeout=_PATIENCE)

    def after_fork(self) -> None:
        """Close the descriptors that a forked child has inherited, in silence, and begin anew."""
        loop, self._loop = self._loop, None
        self._begin()
        if loop is not None:
            loop.let_go()
            _left_behind.append(loop)  # a task that is collected would go on to its end

    def _entered(self) -> Loop | None:
        with self._lock:
            if self._is_over:
                return None
            if self._loop is None:
                self._start()
            self._calls += self._loop is not None
            return self._loop

    def _start(self) -> None:
        fork.watch(self)
        atexit.unregister(self.end)
        atexit.register(self.end)
        ended = self._ended = threading.Lock()
        ended.acquire()
        loop = Context().run(Loop)  # which would keep that of its first caller
        if start_thread(lambda: self._live(loop, ended), name="dcrauth-aiohttp", daemon=True):
            self._loop = loop
        else:
            loop.close()

    def _left(self) -> None:
        with self._lock:
            self._calls -= 1
            self._last = now()

    def _live(self, loop: Loop, ended: threading.Lock) -> None:
        loop.call_later(KEPT_FOR, self._end_if_idle, loop)
        try:
            loop.run_forever()
            self._loop = None
            loop.run_until_complete(loop.close_things())
        finally:
            loop.close()
            ended.release()

    def _end_if_idle(self, loop: Loop) -> None:
        with self._lock:
            if self._calls == 0 and self._last + KEPT_FOR <= now():
                self._loop = None
                loop.stop()
                return
        loop.call_later(KEPT_FOR, self._end_if_idle, loop)


_left_behind: list[Loop] = []
"""Loops that are not this process's."""


def _run_here(work: Callable[[Loop], Coroutine[Any, Any, T]]) -> T:
    """Return what comes of *work* on a loop that lives for this only, also inside of another one."""
    loop = Loop()

    async def act() -> T:
        try:
            return await work(loop)
        finally:
            await loop.close_things()

    # Not asyncio.run: nest_asyncio puts another one in its place, which leaves its loops open.
    with _outside_of_loops(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(act())


@contextlib.contextmanager
def _outside_of_loops() -> Iterator[None]:
    """Have no loop run on this thread, as far as asyncio knows: it stands still meanwhile anyway."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    if task is not None:
        asyncio._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if task is not None:
            asyncio._enter_task(outer, task)


def _mention(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio would as an error: the connection that it is about is lost, which its call is told of."""
    log(logging.DEBUG, "On the event loop of the transport: %s", context.get("message"))


LOOP_THREAD = LoopThread()
"""That of the process."""
