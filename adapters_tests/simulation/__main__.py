"""``python -m adapters_tests.simulation SEED`` replays a seed; with two numbers it runs all seeds between them."""

from __future__ import annotations

import sys
import time

from adapters_tests.simulation.run import simulate


def main(arguments: list[str]) -> int:
    """Run what *arguments* name; return the exit status."""
    if len(arguments) == 1:
        report = simulate(int(arguments[0]))
        print(report)  # noqa: T201  # it is a command
        return int(report.violation is not None)
    first, last = map(int, arguments)
    start, bad = time.perf_counter(), 0
    for seed in range(first, last):
        report = simulate(seed)
        if report.violation is not None:
            bad += 1
            print(f"seed {seed}: {report.violation}")  # noqa: T201
    print(f"{last - first} seeds in {time.perf_counter() - start:.1f} s, {bad} with a violation")  # noqa: T201
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
