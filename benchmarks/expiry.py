"""What a request costs around the expiry of its token, under a steady load: ours, a static header, and the peers.

Each contestant makes 200 requests a second across ten expiries of tokens that live for 5 s, against a token endpoint
that takes 0.5 s. Latency counts from the moment at which a request was to start. *Around expiry* is from 0.1 s before a
token call came in to 0.1 s after it was answered. The run with a static header, which knows no expiry, shows what the
machine itself does to latencies; its whole run counts as outside.

A token is due at 20 % of its life before expiry and has to be renewed at 10 %: with 5 s of life that leaves 0.5 s, just
what the token call takes, where a token of six hours leaves 14 minutes. So ours runs a second time with windows that
leave several times the length of a call. Run:

    python benchmarks/expiry.py [--expiries 10] [--life 5] [--rate 200] [--only dcrauth]
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
DEFAULT, WIDE = Policy(), Policy(due_fraction=0.8, mandatory_fraction=0.05)


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


def run(name: str, policy: Policy, options: argparse.Namespace) -> Outcome:
    """Put one contestant under load, with endpoints of its own."""
    plan = Plan(options.rate, options.expiries * options.life)
    with Endpoints(options.life, DELAY) as endpoints:
        setting = Setting(endpoints.url, DEFAULT.due_fraction * options.life, policy)
        samples = measured(name, setting, plan)
        return Outcome.of(samples, endpoints.calls())


def row(name: str, note: str, cells: Sequence[str]) -> None:
    """Print a row of the table."""
    client, _, auth = name.partition(": ")
    print(f"| {client} | {auth}{note} | {' | '.join(cells)} |", flush=True)


def windows(policy: Policy, life: float) -> str:
    """What *policy* makes of a token that lives for *life* seconds."""
    early = min(policy.due_within, policy.due_fraction * life)
    late = min(policy.mandatory_within, policy.mandatory_fraction * life)
    share = min(1.0, DELAY / (early - late))
    return (
        f"due between {early:g} and {late:g} s before expiry, so that {share:.2%} of the moments drawn "
        f"leave a call of {DELAY:g} s too little time"
    )


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--expiries", type=int, default=10)
    parser.add_argument("--life", type=int, default=5)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--only", default="", help="contestants whose name has this in it")
    options = parser.parse_args()
    print(described("dcrauth", "requests", "httpx", "httpx2", "aiohttp", "httpx-auth", "Authlib", "google-auth"))
    print(f"\nTimes in ms. Default windows: {windows(DEFAULT, options.life)}.")
    print(f"Wide windows: {windows(WIDE, options.life)}.\nA token of six hours: {windows(DEFAULT, 21_600)}.\n")
    print(f"| client | auth | {' | '.join(HEADS)} |")
    print(f"| --- | --- |{' ---: |' * len(HEADS)}")
    for name in sorted([*BLOCKING, *ASYNC], key=_order):
        if options.only not in name:
            continue
        if name.endswith(": dcrauth"):
            row(name, ", wide windows", run(name, WIDE, options).cells())
        row(name, "", run(name, DEFAULT, options).cells())


def _order(name: str) -> tuple[str, bool, bool]:
    client, _, auth = name.partition(": ")
    return client, auth != "static header", auth != "dcrauth"


if __name__ == "__main__":
    main()
