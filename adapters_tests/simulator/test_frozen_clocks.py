"""Clocks that stand still or jump: that the simulator and what waits for it come to an end all the same."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

import freezegun
import pytest
import time_machine

from adapters_tests.common.clients import Kind
from dcrauth import AdobePass, Clock, MemoryStore, TokenSource
from dcrauth.simulator import Behaviour, Fault, Simulator

YEAR = "2030-01-01"


def freezegun_clock() -> Clock:
    """A clock that freezegun freezes on every thread."""
    return Clock(wall=lambda: dt.datetime.now(dt.UTC).timestamp())


FROZEN: dict[str, tuple[Callable[[], Any], Callable[[], Clock | None]]] = {
    "freezegun": (lambda: freezegun.freeze_time(YEAR), freezegun_clock),
    "time-machine": (lambda: time_machine.travel(dt.datetime(2030, 1, 1, tzinfo=dt.UTC), tick=False), lambda: None),
}


def move(moved: Any, seconds: float) -> None:
    """Put the clock that stands still forward."""
    (moved.shift if hasattr(moved, "shift") else moved.tick)(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("library", FROZEN)
def test_all_ends_while_the_clock_stands_still(kind: Kind, library: str) -> None:
    """A cold request, a 401, a throttled token call and the stop all end; a token expires once the clock is moved."""
    freeze, clock = FROZEN[library]
    with contextlib.ExitStack() as ending:
        moved = ending.enter_context(freeze())
        adobe = Simulator(Behaviour(expires_in=3600)).start()
        ending.callback(adobe.stop)
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)
        source = TokenSource(provider, store=MemoryStore(), clock=clock())
        app = ending.enter_context(kind.open(kind.auth(source)))
        url = f"{adobe.url}/api/v2/REF30/configuration"
        assert app.get(url).status == 200
        adobe.revoke_tokens()
        adobe.inject("token", Fault(status=429, headers=(("Retry-After", "1"),)))
        assert app.get(url).status == 200
        assert adobe.counts.issued == 2
        move(moved, 7200)
        assert app.get(url).status == 200
        assert adobe.counts.issued == 3
        adobe.stop()
        assert adobe._stopped.is_set()
