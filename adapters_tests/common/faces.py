"""The HTTP clients under test behind one blocking face, so that each promise is written once.

An `App` is a program with one session of one library and a ``DCRAuth`` on it. Asynchronous clients run on an event
loop of their own thread, reached through anyio's portal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.from_thread

TIMEOUT = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back: as much of it as all libraries have in common."""

    status: int
    content: bytes
    statuses_before: tuple[int, ...]
    native: Any = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Kind:
    """A client: a library and a way to run it.

    Parameters:
        connection_error: what the library raises where no connection can be made.
    """

    name: str
    library: str
    auth: Callable[..., Any]
    open: Callable[..., AbstractContextManager[App]]
    host_error: type[Exception]
    connection_error: type[Exception]
    is_async: bool
    backend: str = ""

    def __str__(self) -> str:
        return self.name


class App:
    """One session with an auth object on it."""

    def __init__(self, send: Callable[..., Answer], send_many: Callable[..., list[Answer]], native: Any) -> None:
        self.send = send
        self.send_many = send_many
        self.native = native

    def get(self, url: str, **options: Any) -> Answer:
        return self.send("GET", url, **options)

    give_up_after: Callable[[float, str], bool]
    """Send a GET and cancel it after so many seconds; return whether it was cancelled. Asynchronous clients only."""


def in_threads(send: Callable[..., Answer]) -> Callable[..., list[Answer]]:
    def send_many(count: int, method: str, url: str, **options: Any) -> list[Answer]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: send(method, url, **options), range(count)))

    return send_many


@contextmanager
def in_portal(backend: str, client: Any, send: Callable[..., Any]) -> Iterator[App]:
    async def send_many(count: int, method: str, url: str, **options: Any) -> list[Answer]:
        answers: list[Answer] = []

        async def one() -> None:
            answers.append(await send(method, url, **options))

        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(one)
        return answers

    with (
        anyio.from_thread.start_blocking_portal(backend) as portal,
        portal.wrap_async_context_manager(client) as native,
    ):

        def send_now(*arguments: Any, **options: Any) -> Answer:
            return portal.call(lambda: send(*arguments, **options))

        def send_many_now(*arguments: Any, **options: Any) -> list[Answer]:
            return portal.call(lambda: send_many(*arguments, **options))

        async def give_up_after(seconds: float, url: str) -> bool:
            with anyio.move_on_after(seconds) as scope:
                await send("GET", url)
            return scope.cancelled_caught

        app = App(send_now, send_many_now, native)
        app.give_up_after = lambda seconds, url: portal.call(give_up_after, seconds, url)
        yield app
