"""A fuzzer for all parsers, of pure Python: it mutates the corpus, as bytes and as JSON.

    python -m adapters_tests.whole.fuzz INPUTS [SEED]

runs so many inputs, shared out evenly over the parsers. The same seed makes the same inputs.
"""

from __future__ import annotations

import json
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from adapters_tests.whole.parsers import CANARY, PARSERS, Parser

LONGEST = 16_384

ODD_JSON = (
    *(
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "1",
        "1.0",
        "1e2",
        "5e-324",
        "1e308",
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
    ),
    *("9" * 400, "9" * 4300, "9" * 4301, "9007199254740993", "-Infinity", "21600", "[]", "{}", "[[]]", '""', '" "'),
    *(f'"{CANARY}"', f'"{CANARY}\\r\\n"', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"\\u202e"', '"é"', '"bearer"'),
    *('"21600"', '"authentication"', '"invalid_client"', '"1"', '"' + "x" * 5000 + '"', "[1,2,3]", '{"a":{"b":1}}'),
)
ODD_BYTES = (
    *(
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n",
        b"\x1b[31m",
        b'"',
        b"\\",
        b"\\u",
        b"\\ud800",
        b"{",
        b"}",
    ),
    *(
        b"[",
        b"]",
        b",",
        b":",
        b"<error>",
        b"</error>",
        b"<code>",
        b"</code>",
        b"&#0;",
        b"&amp;",
        b".",
        b"..",
        b"=",
        b"%00",
    ),
    *(
        b"9" * 50,
        b"-",
        b"e999",
        b"NaN",
        b" ",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b"://",
        b"@",
        b"?",
        b"#",
        b"GMT",
        b"eyJ",
        b"e30",
    ),
)


class Mutator:
    """Makes new inputs out of a corpus."""

    def __init__(self, corpus: list[bytes], chance: random.Random) -> None:
        self._corpus = corpus
        self._chance = chance
        self._ways: list[Callable[[bytes], bytes]] = [
            self._cut,
            self._truncated,
            self._repeated,
            self._flipped,
            self._inserted,
            self._spliced,
        ]

    def next(self) -> bytes:
        """Return another input."""
        data = self._chance.choice(self._corpus)
        if self._chance.random() < 0.6:
            data = self._as_json(data)
        while self._chance.random() < 0.4:
            data = self._chance.choice(self._ways)(data)
        return data[:LONGEST]

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._chance.randrange(len(data) + 1)
        return start, min(len(data), start + int(self._chance.expovariate(0.1)))

    def _cut(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _truncated(self, data: bytes) -> bytes:
        return data[: self._chance.randrange(len(data) + 1)]

    def _repeated(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[start:end] * self._chance.choice((2, 3, 100)) + data[end:]

    def _flipped(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._chance.randrange(8))]) + data[at + 1 :]

    def _inserted(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + self._chance.choice(ODD_BYTES) + data[self._chance.choice((start, end)) :]

    def _spliced(self, data: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return data[: self._span(data)[0]] + other[self._span(other)[0] :]

    def _as_json(self, data: bytes) -> bytes:
        """Mutate one value of a JSON document, or of one line of JSON; other bytes are left as they are."""
        before, newline, line = data.rpartition(b"\n") if self._chance.random() < 0.5 else (b"", b"", data)
        try:
            holder = {"": json.loads(line)}
            mark = self._change(holder)
            text = json.dumps(holder[""], ensure_ascii=self._chance.random() < 0.8)
        except (ValueError, RecursionError):
            return data
        odd = self._chance.choice(ODD_JSON)
        return before + newline + text.replace(f'"{mark}"', odd).encode("utf-8", "surrogatepass")

    def _change(self, holder: dict[str, Any]) -> str:
        """Change something within *holder*; return the text that stands for an odd value."""
        mark = "@odd@"
        within, key = self._somewhere(holder)
        match self._chance.randrange(6):
            case 0:
                within[key] = mark
            case 1 if within is not holder:
                del within[key]
            case 2:
                within[key] = self._nested(within[key])
            case 3 if isinstance(within, dict) and within is not holder:
                within[f"{key}2" if self._chance.random() < 0.5 else mark] = within.pop(key)
            case 4:
                other, place = self._somewhere(holder)
                within[key] = json.loads(json.dumps(other[place]))
            case _:
                within[key] = [within[key], mark]
        return mark

    def _nested(self, value: Any) -> Any:
        for _ in range(self._chance.choice((1, 2, 45, 50, 55, 100, 400, self._chance.randrange(200)))):
            value = [value] if self._chance.random() < 0.5 else {"a": value}
        return value

    def _somewhere(self, holder: Any) -> tuple[Any, Any]:
        within, key = holder, ""
        while isinstance(within[key], dict | list) and within[key] and self._chance.random() < 0.8:
            within = within[key]
            key = self._chance.choice(list(within)) if isinstance(within, dict) else self._chance.randrange(len(within))
        return within, key


@dataclass
class Tally:
    """How the inputs of one parser went."""

    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: dict[str, bytes] = field(default_factory=dict)


def inputs(parser: Parser, seed: object) -> Iterator[bytes]:
    """Yield mutations of the corpus of *parser* without end."""
    mutator = Mutator([path.read_bytes() for path in parser.examples()], random.Random(f"{seed} {parser.name}"))
    while True:
        yield mutator.next()


def run(parser: Parser, count: int, seed: object) -> Tally:
    """Run *count* inputs through *parser*."""
    tally = Tally()
    begun = perf_counter()
    for data in inputs(parser, seed):
        if tally.inputs == count:
            break
        tally.inputs += 1
        before = perf_counter()
        try:
            parser.check(data)
        except Exception as error:  # whatever it is: it is what is looked for
            tally.findings.setdefault(_place(error), data)
        tally.slowest = max(tally.slowest, perf_counter() - before)
    tally.seconds = perf_counter() - begun
    return tally


def _place(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {where.filename}:{where.lineno}: {where.line}"


def main(arguments: list[str]) -> int:
    """Run as a command; return 1 if something was found."""
    total = int(arguments[0])
    seed = arguments[1] if len(arguments) > 1 else str(random.SystemRandom().randrange(10**9))
    print(f"seed {seed}")  # noqa: T201  # a command prints
    warnings.simplefilter("ignore")
    found = False
    for number, parser in enumerate(PARSERS):
        tally = run(parser, total // len(PARSERS) + (number < total % len(PARSERS)), seed)
        found = found or bool(tally.findings)
        line = f"{parser.name:20} {tally.inputs:8} inputs {tally.seconds:7.1f} s, slowest {tally.slowest * 1e3:6.1f} ms"
        print(f"{line}, {len(tally.findings)} findings", flush=True)  # noqa: T201
        for place, data in tally.findings.items():
            print(f"  {place}\n    {data!r:.2000}")  # noqa: T201
    return int(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
