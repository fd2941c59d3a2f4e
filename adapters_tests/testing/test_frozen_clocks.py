"""Tests that freeze time: what waits, waits by clocks that are not frozen, so that all of it ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import freezegun
import pytest
import time_machine

from adapters_tests.common.clients import KINDS, Kind
from dcrauth import AdobePass, MemoryStore, ServerUnavailable
from dcrauth.simulator import Fault, Simulator

Freeze = Callable[[], AbstractContextManager[None]]


@contextmanager
def _time_machine() -> Iterator[None]:
    with time_machine.travel(dt.datetime(2040, 1, 1, tzinfo=dt.UTC), tick=False):
        yield


@contextmanager
def _freezegun() -> Iterator[None]:
    with freezegun.freeze_time(dt.datetime.now(dt.UTC)):
        yield


FROZEN = {"time-machine": _time_machine, "freezegun": _freezegun}
TWO = [kind for kind in KINDS if kind.name in {"requests", "httpx-trio"}]


@pytest.mark.slow
@pytest.mark.parametrize("freeze", FROZEN.values(), ids=FROZEN)
@pytest.mark.parametrize("kind", TWO, ids=str)
def test_an_outage_ends_in_an_error_while_time_stands_still(kind: Kind, freeze: Freeze) -> None:
    """A server that answers nothing usable ends in an error, and not in a wait without end."""
    with freeze(), Simulator() as adobe:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)
        adobe.inject("token", Fault(status=503), times=None)
        with (
            kind.open(kind.auth(provider, store=MemoryStore())) as app,
            pytest.raises(ServerUnavailable, match="answered: HTTP 503"),
        ):
            app.get(f"{adobe.url}/api/v2/REF30/configuration")
