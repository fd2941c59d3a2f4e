"""A program with a kept connection that forks, and ends; run in a process of its own by a test."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import socket
import sys
import threading
import warnings
from typing import Any

from adapters_tests.transports.kept_server import connections_to, registration, token_call
from dcrauth import ServerUnavailable


def say(word: str) -> None:
    """Report something to the test."""
    os.write(1, f"{word}\n".encode())


def in_child(work: Any) -> bool:
    """Do *work* in a forked child, which then ends as a program does; return whether it has ended well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is what it is for
        pid = os.fork()
    if pid == 0:
        assert connections_to(sys.argv[4]) == []
        work()
        sys.exit(0)
    return os.waitpid(pid, 0)[1] == 0


def call(made: list[Any], url: str) -> None:
    """Make a token call with the only transport."""
    assert made[0].send(token_call(url)).status == 200


def fork(made: list[Any], url: str) -> None:
    """Fork four children beside a kept connection: they end, collect, close, and make a call of their own."""

    def collect() -> None:
        made.clear()
        gc.collect()

    def close() -> None:
        made[0].close()

    call(made, url)
    assert len(connections_to(url)) == 1 + hasattr(made[0], "_kept")  # a twin, to watch it by
    for work in (lambda: None, collect, close, lambda: call(made, url)):
        assert in_child(work)
        call(made, url)


def fork_in_call(made: list[Any], url: str) -> None:
    """Fork while another thread waits for an answer; the child collects and makes a call of its own."""
    call(made, url)
    thread = threading.Thread(target=call, args=(made, f"{url}/wait"))
    thread.start()
    while sys.stdin.readline() != "asked\n":
        """The server has not been asked yet."""

    def register() -> None:
        gc.collect()
        assert made[0].send(registration(url)).status == 200

    assert in_child(register)
    say("forked")
    thread.join()
    call(made, url)


def leave(made: list[Any], url: str) -> None:
    """End with connections kept."""
    call(made, url)
    assert made[0].send(registration(url)).status == 200


def leave_stuck(made: list[Any], _url: str) -> None:
    """End while a name is being looked up for ever."""

    def never(*_: Any, **__: Any) -> Any:
        threading.Event().wait()

    socket.getaddrinfo = never
    kind = type(made[0])
    with contextlib.suppress(ServerUnavailable):
        kind(connect_timeout=0.05, proxy="").send(token_call("https://stuck.test"))


if __name__ == "__main__":
    what, module, name, url, bundle = sys.argv[1:]
    globals()[what]([getattr(importlib.import_module(module), name)(ca_bundle=bundle)], url)
    say("well")
