"""Tests of the two programs beside this file, as an application's own are.

``pip install dcrauth[testing]`` brings the fixture ``adobe_pass``; nothing else is set up.
"""

import asyncio
import inspect
import re
from collections.abc import Callable

import entitlements_aiohttp
import entitlements_httpx
import pytest

from dcrauth import MemoryStore
from dcrauth.simulator import Simulator

Play = Callable[..., list[str]]


@pytest.fixture(params=[entitlements_httpx, entitlements_aiohttp], ids=["httpx", "aiohttp"])
def play(request: pytest.FixtureRequest, adobe_pass: Simulator) -> Play:
    """Go the whole way as a user who logs in when asked to; return what the program has shown."""

    def played(user: str) -> list[str]:
        lines: list[str] = []

        def show(text: str) -> None:
            lines.append(text)
            if found := re.search(r"/authenticate/REF30/(\w+)", text):
                adobe_pass.log_in(found[1], user)

        done = request.param.run(adobe_pass.url, adobe_pass.software_statement, MemoryStore(), show=show)
        if inspect.iscoroutine(done):
            asyncio.run(done)
        return lines

    return played


def test_a_subscriber_may_watch(play: Play, adobe_pass: Simulator) -> None:
    """Whoever has subscribed is let in, with one registration and one token."""
    assert "news: may be watched" in play("alice")
    assert (adobe_pass.counts.register, adobe_pass.counts.token) == (1, 1)


def test_another_may_not(play: Play) -> None:
    """Whoever has not is told why."""
    assert "news: authorization_denied_by_mvpd" in play("nobody")
