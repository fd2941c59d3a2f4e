"""Telling the application of events: in its log, and, without letting it hold anything up, by a function of its own."""

import atexit
import inspect
import logging
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue

from dcrauth import events
from dcrauth._internal import fork
from dcrauth._internal.arguments import is_asynchronous, wrong
from dcrauth._internal.log import log as _log
from dcrauth._internal.log import logger
from dcrauth._internal.threads import OnDemand
from dcrauth.errors import ConfigurationError

_IDLE = 1.0
_LAST_WORDS = 1.0
_MOST = 1_000
"""How many events may wait for a slow listener; what comes after them is only logged."""

_LEVELS = {
    events.Registered: logging.INFO,
    events.RenewalFailed: logging.WARNING,
    events.CredentialsReplaced: logging.WARNING,
    events.CredentialsEnding: logging.WARNING,
    events.CredentialsUpdated: logging.INFO,
    events.RegistrationHalted: logging.ERROR,
    events.RequestRefused: logging.INFO,
    events.ScopeReduced: logging.WARNING,
    events.Throttled: logging.WARNING,
    events.CredentialsForgotten: logging.INFO,
    events.CredentialsRestored: logging.INFO,
    events.StoreRepaired: logging.WARNING,
    events.StoreProblem: logging.WARNING,
}


def log(event: events.Event) -> None:
    """Say to those who read the log ``dcrauth`` what `on_event` is told, with the same fields beside the text."""
    level = _LEVELS.get(type(event), logging.DEBUG)
    if logger.isEnabledFor(level):
        _log(level, "%r", event, extra={f"dcrauth_{name}": value for name, value in event.to_dict().items()})


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
        """Forget what the parent process has still to tell."""
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._being_told = threading.Lock()

    def emit(self, event: events.Event) -> None:
        """Have the function called with *event*, soon.

        Nothing is locked here, and nothing waited for: an interrupt may come at any moment.
        """
        if self._waiting.qsize() >= _MOST:
            _log(logging.WARNING, "on_event is too slow: it is not called for %s", type(event).__name__)
            return
        # In the context in which it has happened, with the trace and the ids of the request that it is about.
        self._waiting.put(partial(copy_context().run, partial(self._call, event)))
        # Where no thread can be had, the event waits for the next one, or for a flush, as at the interpreter's end.
        _TELLERS.tell(self)

    def flush(self, seconds: float) -> bool:
        """Wait until all events that came before were told, for at most so many *seconds*; return whether they were."""
        if self._waiting.empty() and not self._being_told.locked():
            return True
        told = threading.Lock()
        told.acquire()
        self._waiting.put(told.release)
        if not _TELLERS.tell(self):
            self._tell_here()
        return told.acquire(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def tell(self) -> None:
        """Call the function with all that waits, unless another thread is at it, which then goes on with that."""
        being_told = self._being_told
        while not self._waiting.empty() and being_told.acquire(blocking=False):
            try:
                self._call_until_empty()
            finally:
                being_told.release()

    def _tell_here(self) -> None:
        try:
            self.tell()
        except BaseException:
            # An interrupt may have come when it was taken and nothing was there yet to release it.
            self._being_told = threading.Lock()
            raise

    def _call_until_empty(self) -> None:
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()()

    def _call(self, event: events.Event) -> None:
        try:
            told: object = self._on_event(event)
        except BaseException:  # it is nobody's thread but the listeners'
            _log(logging.ERROR, "on_event raised for %s", type(event).__name__, exc_info=True)
            return
        if inspect.iscoroutine(told):
            told.close()
            _log(logging.ERROR, "%s", _TO_BE_AWAITED)


class Tellers:
    """The threads that call listeners: as many as there are slow ones, up to a few, and none while nothing happens."""

    def __init__(self, most: int = 4) -> None:
        self._tellers = [OnDemand(self._tell_until_idle, self._has_work, "dcrauth-events") for _ in range(most)]
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the threads of the parent process, and the listeners that they had still to call."""
        self._waiting: SimpleQueue[Listener] = SimpleQueue()
        self._idle = set[int]()
        self._is_watched = False
        for teller in self._tellers:
            teller.after_fork()

    def tell(self, listener: Listener) -> bool:
        """Have a thread call *listener*; return whether there is one, or will be."""
        if not self._is_watched:
            fork.watch(self)
            self._is_watched = True
        self._waiting.put(listener)
        return self._ensure()

    def _ensure(self) -> bool:
        """Have one thread more if those that have nothing to do are too few for the listeners that wait."""
        if self._waiting.qsize() > len(self._idle):
            for teller in self._tellers:
                if not teller.is_there:
                    return teller.ensure()
        return True

    def _has_work(self) -> bool:
        return not self._waiting.empty()

    def _tell_until_idle(self) -> None:
        here = threading.get_ident()
        while True:
            self._idle.add(here)
            try:
                listener = self._waiting.get(timeout=_IDLE)
            except Empty:
                return
            finally:
                self._idle.discard(here)
            self._ensure()  # somebody may have counted on this one
            listener.tell()
            del listener  # nobody need know it while nothing happens


_TO_BE_AWAITED = (
    "on_event is called on a thread where no event loop runs, and so a coroutine would never run: name the loop that "
    "is to await it, as in on_event=dcrauth.on_loop(listener, loop); without a second argument it is the running one"
)


def _check(on_event: object) -> None:
    if isinstance(on_event, type) or not callable(on_event):
        raise wrong("on_event", "a function that takes an event", on_event)
    if is_asynchronous(on_event):
        raise ConfigurationError(_TO_BE_AWAITED)


_all: "weakref.WeakSet[Listener]" = weakref.WeakSet()
_TELLERS = Tellers()


@atexit.register
def _flush_all() -> None:
    end = time.monotonic() + _LAST_WORDS
    for listener in list(_all):
        listener.flush(max(0.0, end - time.monotonic()))
