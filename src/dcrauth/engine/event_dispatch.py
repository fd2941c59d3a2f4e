"""Telling the application of events: in its log, and, without letting it hold anything up, by a function of its own."""

import atexit
import inspect
import logging
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from dcrauth import events
from dcrauth._internal import fork
from dcrauth._internal.arguments import is_asynchronous, wrong
from dcrauth._internal.threads import start_thread
from dcrauth.errors import ConfigurationError

_IDLE = 1.0
_LAST_WORDS = 1.0
_MOST = 1_000
"""How many events may wait for a slow listener; what comes after them is only logged."""

logger = logging.getLogger("dcrauth")
logger.addHandler(logging.NullHandler())  # a program that has set up no logging is told nothing on stderr

_LEVELS = {
    events.Registered: logging.INFO,
    events.RenewalFailed: logging.WARNING,
    events.CredentialsReplaced: logging.WARNING,
    events.CredentialsEnding: logging.WARNING,
    events.RegistrationHalted: logging.ERROR,
    events.RequestRefused: logging.INFO,
    events.Throttled: logging.WARNING,
    events.CredentialsForgotten: logging.INFO,
    events.CredentialsRestored: logging.INFO,
    events.StoreRepaired: logging.WARNING,
    events.StoreProblem: logging.WARNING,
}


def log(event: events.Event) -> None:
    """Say to those who read the log ``dcrauth`` what `on_event` is told."""
    _log(_LEVELS.get(type(event), logging.DEBUG), "%r", event)


def _log(level: int, text: str, *words: object, **more: Any) -> None:
    try:
        logger.log(level, text, *words, **more)
    except Exception:  # a handler that the application has got wrong is no reason for a request to fail
        traceback.print_exc()


class Listener:
    """Calls a function with one event after the other.

    Parameters:
        on_event: the function; what it raises is logged and goes no further.

    Raises:
        ConfigurationError: it is no function, or one that has to be awaited.
    """

    def __init__(self, on_event: Callable[[events.Event], None]) -> None:
        _check(on_event)
        self._on_event = on_event
        self.after_fork()
        fork.watch(self)
        _all.add(self)

    def after_fork(self) -> None:
        """Forget what the parent process has still to tell, and its thread."""
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._running = threading.Lock()
        self._starting = False

    def emit(self, event: events.Event) -> None:
        """Have the function called with *event*, soon.

        Nothing is locked here, and nothing waited for: an interrupt may come at any moment.
        """
        if self._waiting.qsize() >= _MOST:
            _log(logging.WARNING, "on_event is too slow: it is not called for %s", type(event).__name__)
            return
        self._waiting.put(partial(self._call, event))
        # Where no thread can be had, the event waits for the next one, or for a flush, as at the interpreter's end.
        self._is_running()

    def flush(self, seconds: float) -> bool:
        """Wait until all events that came before were told, for at most so many *seconds*; return whether they were."""
        if self._waiting.empty() and not self._running.locked():
            return True
        told = threading.Lock()
        told.acquire()
        self._waiting.put(told.release)
        if not self._is_running():
            self._run_here()
        return told.acquire(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def _is_running(self) -> bool:
        """Return whether a thread calls the function, or will: one that is started, if need be and if it can be had."""
        if self._starting or self._running.locked():
            return True
        try:
            self._starting = True
            if start_thread(partial(self._run, _IDLE), name="dcrauth-events", daemon=True):
                return True
            self._starting = False
        except BaseException:
            self._starting = False
            raise
        return False

    def _run_here(self) -> None:
        try:
            self._run(0.0)
        except BaseException:
            # An interrupt may have come when it was taken and nothing was there yet to release it.
            self._running = threading.Lock()
            raise

    def _run(self, patience: float) -> None:
        self._starting, running = False, self._running
        while not self._waiting.empty() and running.acquire(blocking=False):
            try:
                self._call_until_idle(patience)
            finally:
                running.release()

    def _call_until_idle(self, patience: float) -> None:
        while True:
            try:
                act = self._waiting.get(timeout=patience)
            except Empty:
                return
            act()

    def _call(self, event: events.Event) -> None:
        try:
            told: object = self._on_event(event)
        except BaseException:  # it is nobody's thread but the listener's
            _log(logging.ERROR, "on_event raised for %s", type(event).__name__, exc_info=True)
            return
        if inspect.iscoroutine(told):
            told.close()
            _log(logging.ERROR, "%s", _TO_BE_AWAITED)


_TO_BE_AWAITED = (
    "on_event is called on a thread where no event loop runs, and so a coroutine would never run: give a plain "
    "function that hands the event over, such as lambda event: loop.call_soon_threadsafe(queue.put_nowait, event)"
)


def _check(on_event: object) -> None:
    if isinstance(on_event, type) or not callable(on_event):
        raise wrong("on_event", "a function that takes an event", on_event)
    if is_asynchronous(on_event):
        raise ConfigurationError(_TO_BE_AWAITED)


_all: "weakref.WeakSet[Listener]" = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    end = time.monotonic() + _LAST_WORDS
    for listener in list(_all):
        listener.flush(max(0.0, end - time.monotonic()))
