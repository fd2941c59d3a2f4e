"""The error tree: what it carries, and that it survives copying, pickling and the host library's clothes."""

from __future__ import annotations

import pickle

import aiohttp
import httpx
import httpx2
import pytest
import requests
import time_machine

from dcrauth import DCRAuthError, ServerUnavailable, Throttled, Unavailable
from dcrauth.errors import another, in_terms_of

ERROR = Throttled("slow down", status=429, error="busy", description="words", retry_at=5.0, trace="t")
HOSTS = [
    (requests.RequestException,),
    (requests.ConnectionError,),
    (httpx.ConnectError, httpx2.ConnectError),
    (aiohttp.ClientConnectionError,),
]


@pytest.mark.parametrize("hosts", HOSTS, ids=lambda hosts: f"{hosts[0].__module__}.{hosts[0].__name__}")
def test_an_error_in_a_hosts_terms_is_both(hosts: tuple[type[Exception], ...]) -> None:
    """The translated error is caught as ours and as each of the hosts', and keeps its evidence."""
    error = in_terms_of(hosts, ERROR)
    assert all(isinstance(error, host) for host in hosts)
    assert isinstance(error, Throttled)
    assert isinstance(error, Unavailable)
    assert str(error) == "slow down; from 1970-01-01 00:00:05 UTC on the next request tries again"
    assert error.evidence == ERROR.evidence


@pytest.mark.parametrize("hosts", [(), *HOSTS], ids=["dcrauth", "requests", "connection", "httpx", "aiohttp"])
@pytest.mark.parametrize(("moment", "seconds"), [(None, None), (1030.5, 30.5), (1000.0, 0.0), (5.0, 0.0)])
@time_machine.travel(1000.0, tick=False)
def test_an_error_says_for_how_long_to_wait(
    moment: float | None, seconds: float | None, hosts: tuple[type[Exception], ...]
) -> None:
    """What is unavailable says in how many seconds it may be there, as Retry-After has it, and never below 0."""
    error = in_terms_of(hosts, Throttled("slow down", retry_at=moment)) if hosts else Throttled("", retry_at=moment)
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "error", [ERROR, *(in_terms_of(hosts, ERROR) for hosts in HOSTS)], ids=lambda e: type(e).__mro__[2].__module__
)
def test_errors_survive_pickling(error: DCRAuthError) -> None:
    """An error crosses a process boundary with its class, its text and its evidence."""
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(back) is type(error)
    assert (str(back), back.evidence) == (str(error), error.evidence)


def test_another_error_is_equal_and_not_the_same() -> None:
    """A second copy has the same evidence and a traceback of its own."""
    copy = another(ERROR)
    assert copy is not ERROR
    assert type(copy) is Throttled
    assert copy.evidence == ERROR.evidence
    assert copy.__traceback__ is None


def test_a_host_error_is_made_once_per_class() -> None:
    """The classes of translated errors are the same each time, so that they can be compared."""
    first = in_terms_of((httpx.RequestError,), ServerUnavailable("a"))
    second = in_terms_of((httpx.RequestError,), ServerUnavailable("b"))
    assert type(first) is type(second)
