"""A program that real signals interrupt at ever later moments of what it does, each time before it does it once more.

Python runs the handler of a signal in the main thread, between any two of its steps. What is interrupted here goes
through all of them: the delays grow from nothing to as long as it takes. Run in a process by a test.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
from collections.abc import Callable

from adapters_tests.common.direct import Server
from dcrauth import AccessToken, MemoryStore, Policy, TokenSource, events
from dcrauth.engine.event_dispatch import Listener
from dcrauth.providers.protocol import Verdict

LIFE = 50
"""Seconds after which the program is ended."""

PATIENCE = 10.0
POLICY = Policy(spared_for=0.0, settling=0.0, timeout=PATIENCE)
EVENT = events.Registered("identity")

Step = tuple[Callable[[], object], Callable[[], object]]
"""What is interrupted, and what has to succeed afterwards."""


class Interrupted(BaseException):
    """What the handler of the signal raises."""


class Alarm:
    """Interrupts the main thread once, after a while."""

    def __init__(self) -> None:
        self._armed = False
        signal.signal(signal.SIGALRM, self._strike)

    def interrupts(self, act: Callable[[], object], seconds: float) -> bool:
        """Do *act* for at most so many *seconds*; return whether it was interrupted."""
        try:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
            act()
        except Interrupted:
            return True
        finally:
            self._armed = False
        return False

    def _strike(self, *_: object) -> None:
        if self._armed:
            self._armed = False
            raise Interrupted


def source() -> TokenSource:
    """A token source of a new application."""
    return Server().source(MemoryStore(), policy=POLICY, on_event=lambda event: None)


def has_a_token(asked: TokenSource, instead_of: AccessToken | None = None) -> None:
    """Ask for a token, which is there without a wait."""
    assert asked.token(instead_of=instead_of).value
    assert asked.flush_events(PATIENCE)


def first_token() -> Step:
    asked = source()
    return asked.token, lambda: has_a_token(asked)


def next_token() -> Step:
    asked = source()
    token = asked.token()
    return lambda: asked.token(instead_of=token), lambda: has_a_token(asked, token)


def refusal() -> Step:
    asked = source()
    token = asked.token()
    return lambda: asked.refused(token, Verdict.CREDENTIALS), lambda: has_a_token(asked, token)


def forgetting() -> Step:
    asked = source()
    asked.token()
    return asked.forget, lambda: (asked.forget(), has_a_token(asked))


def telling() -> Step:
    told: list[events.Event] = []
    listener = Listener(told.append)

    def tell() -> None:
        listener.emit(EVENT)
        assert listener.flush(PATIENCE)

    return tell, tell


def without_a_thread() -> Step:
    asked = source()

    def ask() -> None:
        threading.stack_size(1 << 46)
        try:
            asked.token()
        finally:
            threading.stack_size(0)

    return ask, lambda: (threading.stack_size(0), has_a_token(asked))


STEPS = (first_token, next_token, refusal, forgetting, telling, without_a_thread)


def usual(prepare: Callable[[], Step]) -> float:
    """Return how long it takes if it is not interrupted, in seconds."""

    def once() -> float:
        act, _ = prepare()
        begun = time.perf_counter()
        act()
        return time.perf_counter() - begun

    return sorted(once() for _ in range(9))[4]


def main(times: int) -> None:
    """Interrupt each of the steps so many *times*, and print what was interrupted at all."""
    alarm = Alarm()
    for prepare in STEPS:
        longest, interrupted = usual(prepare), 0
        for number in range(times):
            act, after = prepare()
            interrupted += alarm.interrupts(act, longest * number / times)
            after()
        sys.stdout.write(f"{prepare.__name__} {interrupted > times // 10}\n")
    signal.setitimer(signal.ITIMER_REAL, 0.0)  # the last one would strike when nobody catches it any more


if __name__ == "__main__":
    faulthandler.dump_traceback_later(LIFE, exit=True)
    main(int(sys.argv[1]))
