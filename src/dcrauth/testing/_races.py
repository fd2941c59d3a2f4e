"""What the processes of the store contract do; importable by a process that has only just started."""

import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from dcrauth.stores import Store

PATIENCE = 60.0
"""How long, in seconds, anything is waited for."""

_MOMENT = 0.001
"""How long, in seconds, a process stays under a lock, so that others come in if they can."""

Factory = Callable[[], Store]


def race(method: str, work: Callable[..., Any], factory: Factory, count: int, *given: Any) -> list[Any]:
    """Run ``work(store, number, *given)`` in *count* processes that start at once; return what they return, in order.

    Parameters:
        method: how they are started, ``"spawn"`` or ``"fork"``.
        factory: opens the store, in each process anew.
    """
    context: Any = multiprocessing.get_context(method)
    barrier, results = context.Barrier(count), context.Queue()
    given = (work, factory, barrier, results, given)
    processes = [context.Process(target=_runner, args=(number, *given), daemon=True) for number in range(count)]
    with warnings.catch_warnings():
        # Python 3.12 and later warn of forks while threads run; that is what the test is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        for process in processes:
            process.start()
    try:
        found = dict(results.get(timeout=PATIENCE) for _ in processes)
    finally:
        for process in processes:
            process.join(PATIENCE)
            process.kill()
    return [_value(found[number]) for number in range(count)]


def _runner(number: int, work: Callable[..., Any], factory: Factory, barrier: Any, results: Any, given: Any) -> None:
    try:
        store = factory()
        barrier.wait(PATIENCE)
        results.put((number, (True, work(store, number, *given))))
    except BaseException as reason:
        results.put((number, (False, f"{type(reason).__name__}: {reason}")))


def _value(outcome: tuple[bool, Any]) -> Any:
    went_well, value = outcome
    assert went_well, f"a process ended with {value}"
    return value


def add_and_read(store: Store, number: int) -> tuple[bool, bytes | None]:
    """Add a value of one's own under a key that all want; return whether it was written, and what is there."""
    return store.add("wanted", b"%d" % number), store.get("wanted")


def count_up(store: Store, number: int, times: int) -> int:
    """Raise a counter by compare-and-swap so many times; return how many attempts that took."""
    attempts = 0
    for _ in range(times):
        while True:
            attempts += 1
            before = store.get("counter")
            assert before is not None, "a record that is replaced was seen as absent"
            if store.replace("counter", b"%d" % (int(before) + 1), expected=before):
                break
    return attempts


def enter_and_leave(store: Store, number: int, times: int, journal: str) -> None:
    """Note in the file *journal* when the lock is entered and left, so many times."""
    for _ in range(times):
        with store.lock("contended", wait=PATIENCE):
            _note(journal, f"enter {number}\n")
            time.sleep(_MOMENT)
            _note(journal, f"leave {number}\n")


def _note(journal: str, line: str) -> None:
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@contextmanager
def forked(work: Callable[[], None]) -> Any:
    """Run *work* in a forked child meanwhile; at the end, wait for it and see that it went well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    try:
        yield
    finally:
        _, ended = os.waitpid(child, 0)
    assert ended == 0, "the store did not work in the child of a fork"
