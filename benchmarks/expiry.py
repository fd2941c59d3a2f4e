"""What a request costs around the expiry of its token, under a steady load: ours, a static header, and the peers.

Each contestant makes 200 requests a second across ten expiries of tokens that live for 12 s, against a token endpoint
that takes 0.5 s. Latency counts from the moment at which a request was to start. *Around expiry* is from 0.1 s before a
token call came in to 0.1 s after it was answered. The run with a static header, which knows no expiry, shows what the
machine itself does to latencies; its whole run counts as outside. That with a static header and a *bare call* shows
what a machine does to them while any other thread makes a call: one of the standard library makes a token call every
9.6 s, and nothing uses the token.

A token is due at 20 % of its life before expiry and has to be renewed at 10 %. The renewal begins in the first half
of the time between, so that the other half is left for the token call: 0.6 s with 12 s of life, 7 minutes with six
hours. Run:

    python benchmarks/expiry.py [--expiries 10] [--life 12] [--rate 200] [--only dcrauth header]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from contestants import ASYNC, BLOCKING, Setting
from dcrauth import Policy
from endpoints import Endpoints
from load import Plan, Sample, measured
from machine import described

DELAY = 0.5
MARGIN = 0.1
WAITED = 0.1
"""A request that took longer than this, around expiry, is said to have waited for the renewal."""
POLICY = Policy()


@dataclass(frozen=True)
class Outcome:
    """What a run has brought.

    Parameters:
        samples: all requests.
        outside: latencies outside expiry, in seconds, sorted.
        around: those around expiry.
        calls: how many token calls there were.
        waited: how many of them some request waited for.
    """

    samples: Sequence[Sample]
    outside: Sequence[float]
    around: Sequence[float]
    calls: int
    waited: int

    @classmethod
    def of(cls, samples: Sequence[Sample], calls: Sequence[tuple[float, float]]) -> Self:
        """Sort the *samples* by whether a token call was under way."""
        spans = [(came - MARGIN, answered + MARGIN) for came, answered in calls]
        during = [[each for each in samples if begin <= each.due <= end] for begin, end in spans]
        near = {each.due for span in during for each in span}
        return cls(
            samples,
            sorted(each.latency for each in samples if each.due not in near),
            sorted(each.latency for each in samples if each.due in near),
            len(calls),
            sum(any(each.latency > WAITED for each in span) for span in during),
        )

    def cells(self) -> list[str]:
        """The cells of a row of the table."""
        failed = sum(not each.ok for each in self.samples)
        median = statistics.median(self.outside) if self.outside else None
        slow = sum(each > 3 * median for each in self.around) if median and self.around else None
        beyond = sum(each > 3 * median for each in self.outside) if median else None
        ratio = self.around[-1] / median if median and self.around else None
        return [
            *map(str, (len(self.samples), failed, self.calls)),
            _ms(median),
            _ms(_percentile(self.outside)),
            _ms(self.outside[-1] if self.outside else None),
            _share(beyond, self.outside),
            _ms(_percentile(self.around)),
            _ms(self.around[-1] if self.around else None),
            _share(slow, self.around),
            "–" if ratio is None else f"{ratio:.0f}",
            f"{self.waited}" if self.calls else "–",
        ]


HEADS = (
    "requests",
    "failed",
    "token calls",
    "median",
    "p99 outside",
    "max outside",
    "> 3 × outside",
    "p99 around",
    "max around",
    "> 3 × around",
    "max around ÷ median",
    "renewals waited for",
)


def _percentile(ordered: Sequence[float]) -> float | None:
    return ordered[int(0.99 * len(ordered))] if ordered else None


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:.1f}"


def _share(count: int | None, of: Sequence[float]) -> str:
    return "–" if count is None else f"{100 * count / len(of):.1f} %"


def run(name: str, options: argparse.Namespace) -> Outcome:
    """Put one contestant under load, with endpoints of its own."""
    plan = Plan(options.rate, options.expiries * options.life)
    with Endpoints(options.life, DELAY) as endpoints:
        setting = Setting(endpoints.url, POLICY.due_fraction * options.life, POLICY)
        samples = measured(name, setting, plan)
        return Outcome.of(samples, endpoints.calls())


def row(name: str, cells: Sequence[str]) -> None:
    """Print a row of the table."""
    client, _, auth = name.partition(": ")
    print(f"| {client} | {auth} | {' | '.join(cells)} |", flush=True)


def windows(life: float) -> str:
    """What the policy makes of a token that lives for *life* seconds."""
    early = min(POLICY.due_within, POLICY.due_fraction * life)
    late = min(POLICY.mandatory_within, POLICY.mandatory_fraction * life)
    return f"due between {early:g} and {(early + late) / 2:g} s before expiry, mandatory {late:g} s before"


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--expiries", type=int, default=10)
    parser.add_argument("--life", type=int, default=12)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--only", nargs="*", default=[""], help="contestants whose name has one of these in it")
    options = parser.parse_args()
    print(described("dcrauth", "requests", "httpx", "httpx2", "aiohttp", "httpx-auth", "Authlib", "google-auth"))
    print(
        f"\nTimes in ms. A token of {options.life} s is {windows(options.life)}; one of six hours {windows(21_600)}.\n"
    )
    print(f"| client | auth | {' | '.join(HEADS)} |")
    print(f"| --- | --- |{' ---: |' * len(HEADS)}")
    for name in sorted([*BLOCKING, *ASYNC], key=_order):
        if any(part in name for part in options.only):
            row(name, run(name, options).cells())


def _order(name: str) -> tuple[str, bool, bool, str]:
    client, _, auth = name.partition(": ")
    return client, not auth.startswith("static header"), auth != "dcrauth", auth


if __name__ == "__main__":
    main()
