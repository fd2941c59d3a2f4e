"""What identities were lately told by a token endpoint, counted as it is noted."""

from __future__ import annotations

import random
from collections import OrderedDict

from dcrauth.engine.incident_breaker import WINDOW, IncidentBreaker


def test_it_counts_as_a_sum_over_all_would() -> None:
    """After any number of outcomes of many identities over hours, the counts are those of the last ten minutes."""
    chance = random.Random(7)
    breaker, outcomes, now = IncidentBreaker(), dict[str, tuple[float, bool]](), 0.0
    for _ in range(5_000):
        now += chance.random() * 20.0
        name, refused = f"{chance.randrange(300)}", chance.random() < 0.4
        outcomes[name] = (now, refused)
        lately = [each for moment, each in outcomes.values() if moment >= now - WINDOW]
        assert breaker.report(name, now, refused=refused) == (sum(lately), len(lately))


def test_it_looks_at_no_outcome_twice() -> None:
    """An outcome among ten thousand costs as much as one among ten: no more than is forgotten is gone through."""

    class Watched(OrderedDict[str, tuple[float, bool]]):
        looked = 0

        def values(self) -> object:  # type: ignore[override]
            raise AssertionError("all of them are gone through")

        def items(self) -> object:  # type: ignore[override]
            for each in super().items():
                self.looked += 1
                yield each

    breaker = IncidentBreaker()
    breaker._outcomes = watched = Watched()
    for number in range(10_000):
        breaker.report(f"{number}", number / 100, refused=number % 2 == 0)
    assert watched.looked == 10_000
    assert breaker.report("last", 10_000.0, refused=True) == (1, 1)
    assert watched.looked <= 20_002


def test_it_passes_over_nothing_that_is_gone() -> None:
    """Identities that report in turn cost as much among many as among ten: a dict would pass over their old places."""
    assert type(IncidentBreaker()._outcomes) is OrderedDict
