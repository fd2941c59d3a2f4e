"""Name resolution that ends in time: ``getaddrinfo`` knows no timeout, so it is waited for, and left where it is."""

import encodings.idna  # noqa: F401  # getaddrinfo would; no renewal imports what a fork could leave half imported
import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

from dcrauth._internal import fork
from dcrauth._internal.threads import start_thread
from dcrauth.errors import ServerUnavailable

Address: TypeAlias = tuple[Any, ...]
"""As ``getaddrinfo`` returns it: family, type, protocol, canonical name, and the address of a socket."""

MOST = 16
"""The most threads that look names up at once, those included that nobody waits for any more."""

_Outcome: TypeAlias = list[Address] | OSError


class Lookups:
    """The names that are being looked up; who asks for one that is, waits for the same answer."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the threads of a parent process."""
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[_Outcome]] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._stuck: set[Future[_Outcome]] = set()

    def find(self, host: str, port: int, seconds: float) -> list[Address]:
        """Return the addresses of *host*.

        Raises:
            ServerUnavailable: they are not known within *seconds*, or too many look-ups are stuck.
            OSError: there are none.
        """
        outcome = self.begin(host, port)
        try:
            return addresses(outcome.result(seconds))
        except TimeoutError:
            if outcome.done():
                raise
        raise self.abandoned(host, port, outcome, seconds)

    def begin(self, host: str, port: int) -> "Future[_Outcome]":
        """Return what will hold the addresses of *host*, or the error, which `addresses` raises."""
        if _is_address(host):
            return _done(_looked_up(host, port))
        fork.watch(self)
        with self._lock:
            outcome = self._under_way.get((host, port))
            if outcome is not None:
                return outcome
            if len(self._stuck) >= MOST:
                raise ServerUnavailable(f"The name {host} cannot be looked up: {MOST} look-ups are stuck already")
            outcome = self._under_way[host, port] = Future()
            outcome.set_running_or_notify_cancel()  # no waiter can cancel it for the others
            self._waiting.append(lambda: self._look_up(host, port, outcome))
            must_begin = self._threads < MOST
            self._threads += must_begin
        if must_begin and not start_thread(self._work, name="dcrauth-lookup", daemon=True):
            self._work()
        return outcome

    def abandoned(self, host: str, port: int, outcome: "Future[_Outcome]", seconds: float) -> ServerUnavailable:
        """Leave a look-up where it is, so that the next one who asks begins another; return the error to raise."""
        with self._lock:
            if self._under_way.get((host, port)) is outcome:
                del self._under_way[host, port]
                self._stuck.add(outcome)
        return ServerUnavailable(f"The name {host} could not be looked up within {seconds:g} s")

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                look_up = self._waiting.popleft()
            look_up()

    def _look_up(self, host: str, port: int, outcome: "Future[_Outcome]") -> None:
        found = _looked_up(host, port)
        with self._lock:
            self._stuck.discard(outcome)
            if self._under_way.get((host, port)) is outcome:
                del self._under_way[host, port]
        outcome.set_result(found)


LOOKUPS = Lookups()
"""Those of the process."""


def addresses(outcome: _Outcome) -> list[Address]:
    """Return the addresses that were found, or raise the error: one of its own for everybody who has waited."""
    if isinstance(outcome, OSError):
        raise type(outcome)(*outcome.args)
    return outcome


def _looked_up(host: str, port: int) -> _Outcome:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as reason:
        return type(reason)(*reason.args)
    except Exception:  # of Python's own encoding of names: a label is too long, or empty
        return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _done(found: _Outcome) -> "Future[_Outcome]":
    outcome: Future[_Outcome] = Future()
    outcome.set_result(found)
    return outcome


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
