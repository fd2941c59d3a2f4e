"""The clock of token sources in tests of applications, which move time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import freezegun
import pytest
import requests
import time_machine

from dcrauth import AdobePass, Clock, ConfigurationError, MemoryStore, TokenSource
from dcrauth.requests import DCRAuth
from dcrauth.simulator import Behaviour, Fault, Simulator

HOUR = 3600
MOMENTS = ("2001-01-01", "2041-01-01")


@pytest.fixture
def adobe() -> Iterator[Simulator]:
    """A simulator with the clock of the machine, as an application's tests have it."""
    with Simulator(Behaviour(expires_in=HOUR)) as simulator:
        yield simulator


@pytest.fixture
def get(adobe: Simulator) -> Callable[..., int]:
    """Send a request of an application with a given clock, and return how many token calls there were."""
    sessions: dict[int, requests.Session] = {}

    def send(clock: Clock | None = None) -> int:
        if id(clock) not in sessions:
            provider = AdobePass(adobe.software_statement, base_url=adobe.url)
            sessions[id(clock)] = requests.Session()
            sessions[id(clock)].auth = DCRAuth(TokenSource(provider, store=MemoryStore(), clock=clock))
        assert sessions[id(clock)].get(f"{adobe.url}/api/v2/REF30/configuration", timeout=20).status_code == 200
        return adobe.counts.token

    return send


def test_time_machine_moves_the_clock(get: Callable[..., int]) -> None:
    """A token expires for the token source when time-machine travels beyond its end, and is renewed once."""
    assert [get(), get()] == [1, 1]
    with time_machine.travel(dt.timedelta(hours=2)):
        assert [get(), get()] == [2, 2]


class Unhashable:
    """What can be called and has no hash, as an object that says what it equals."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> float:
        return 0.0


@pytest.mark.parametrize("wrong", [42.0, Unhashable()], ids=["a moment", "no hash"])
@pytest.mark.parametrize("name", ["wall", "monotonic", "sleep"])
def test_what_no_clock_is_made_of(name: str, wrong: Any) -> None:
    """What is no function, or could be found by nothing again, is refused by name."""
    with pytest.raises(ConfigurationError, match=f"Clock: {name} must be a function, not {type(wrong).__name__}"):
        Clock(**{name: wrong})


def test_a_clock_that_is_frozen_is_the_same_one() -> None:
    """What is known by a clock is found again while a test moves Python's, and one made meanwhile is another."""
    clock = Clock()
    known = {clock: "here"}
    with time_machine.travel(dt.timedelta(hours=2)):
        assert known.get(clock) == "here"
        assert Clock() not in known
    assert known[Clock()] == "here"


@pytest.mark.parametrize("moment", MOMENTS)
def test_freezegun_leaves_the_clock_alone(get: Callable[..., int], moment: str) -> None:
    """Under a frozen clock renewals succeed, and no token expires, whichever year it is."""
    with freezegun.freeze_time(moment) as frozen:
        assert [get(), get()] == [1, 1]
        frozen.tick(HOUR / 2)
        assert get() == 1
    assert get() == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_clock_over_datetime_follows_freezegun(get: Callable[..., int], moment: str) -> None:
    """A clock that asks `datetime` each time, as in the documentation, moves with freezegun: a token expires."""
    clock = Clock(wall=lambda: dt.datetime.now(dt.UTC).timestamp())
    with freezegun.freeze_time(moment) as frozen:
        assert [get(clock), get(clock)] == [1, 1]
        frozen.tick(2 * HOUR)
        assert [get(clock), get(clock)] == [2, 2]


def time_machine_stopped() -> AbstractContextManager[object]:
    return time_machine.travel(dt.datetime(2041, 1, 1, tzinfo=dt.UTC), tick=False)


def freezegun_stopped() -> AbstractContextManager[object]:
    return freezegun.freeze_time("2041-01-01")


@pytest.mark.slow
@pytest.mark.fault(
    "a test stops all clocks (freezegun, time-machine), and the server asks for a wait",
    "the wait is over when it has lasted so long in truth: the request has its token",
)
@pytest.mark.parametrize("stopped", [time_machine_stopped, freezegun_stopped])
def test_a_wait_ends_under_clocks_that_stand_still(
    stopped: Callable[[], AbstractContextManager[object]], adobe: Simulator, get: Callable[..., int]
) -> None:
    """A parked renewal is taken up although neither clock of the program moves on."""
    adobe.inject("token", Fault(status=429, headers=(("Retry-After", "1.1"),)))
    with stopped():
        assert get() == 2
