"""A program whose threads are greenlets of gevent, as in a worker of a server; run in a process by a test."""

# ruff: noqa: E402  # everything else has to be imported after this
from gevent import monkey

monkey.patch_all()

import signal
import sys

import gevent

from adapters_tests.whole.lives import LIFE, Program

CALLERS = 10


def main(program: Program) -> None:
    """Let greenlets ask for a token at once, of which one is killed and one gives up."""
    ticks: list[None] = []

    def tick() -> None:
        while True:
            ticks.append(gevent.sleep(0.01))

    ticking = gevent.spawn(tick)
    leader = gevent.spawn(program.get)
    program.transport.entered.wait(LIFE)
    leader.kill()
    callers = [gevent.spawn(program.get) for _ in range(CALLERS)]
    try:
        with gevent.Timeout(0.01):
            program.get()
    except gevent.Timeout:
        program.say("timeout")
    # The server answers nothing before it has been said: whoever blocked all others would block for ever.
    while len(ticks) <= CALLERS:
        gevent.sleep(0.01)
    program.say("ticked")
    program.say(*{caller.get(timeout=LIFE) for caller in callers})
    ticking.kill()
    child = program.forked(lambda: program.say(program.get()))
    program.say(program.ends_well(child), program.get())


if __name__ == "__main__":
    signal.alarm(LIFE)
    main(Program(*sys.argv[1:]))
