"""The comparison with other libraries counts what there is to count; its tasks are tried with our own clients."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("machine", "pages", "peer_clients", "peers", "signing", "turns")

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.exists(), reason="the benchmarks are not part of the source distribution"
)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The program, with a server that answers at once."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = importlib.import_module("peers")
    monkeypatch.setattr(found, "DELAY", 0.01)
    yield found
    for name in MODULES:
        sys.modules.pop(name, None)


def test_token_calls_and_registrations_are_counted(peers: Any) -> None:
    """A cold burst of ours is one token call, and one registration where there is no client."""
    ours = peers.DCRAUTH[0]
    found = peers.outcome(ours, peers.cold_burst)
    assert (found.registrations, found.tokens, found.answered, found.failed) == (0, 1, peers.THREADS, 0)
    found = peers.outcome(ours, peers.cold_burst, has_client=False)
    assert (found.registrations, found.tokens, found.answered) == (1, 1, peers.THREADS)


def test_a_revoked_token_is_counted_from_then_on(peers: Any) -> None:
    """What came before is not counted; ours makes one token call, and no answer is a 401."""
    found = peers.outcome(peers.DCRAUTH[0], peers.revoked)
    assert (found.tokens, found.answered, found.failed) == (1, peers.THREADS, 0)


def test_what_another_origin_sees_is_counted(peers: Any) -> None:
    """A token at another origin is a leak, and an answer that is no 200 a failure; of ours there is no leak."""
    redirected, elsewhere = (
        peers.outcome(peers.DCRAUTH[0], task) for task in (peers.redirected, peers.called_elsewhere)
    )
    assert [(each.leaked, each.failed) for each in (redirected, elsewhere)] == [(0, 1), (0, 1)]
    anywhere = next(each for each in peers.STATIC if each.http == "requests")
    found = peers.outcome(anywhere, peers.called_elsewhere)
    assert (found.leaked, found.failed) == (1, 1)


@pytest.mark.slow
def test_processes_are_counted_together(peers: Any) -> None:
    """Two processes of ours that start at once make one token call, and both get their answer."""
    assert peers.in_processes(peers.DCRAUTH[0], 2) == (1, 0)


def test_the_table_has_a_column_for_each_contestant(peers: Any) -> None:
    """What each has come to stands under its name, in the line of the task."""
    assert peers.table(
        {"ours": {"token calls": "1", "failed": "0"}, "theirs": {"token calls": "32", "failed": "2"}}
    ) == [
        "|  | ours | theirs |",
        "| --- | ---: | ---: |",
        "| token calls | 1 | 32 |",
        "| failed | 0 | 2 |",
    ]
