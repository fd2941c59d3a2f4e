"""Whatever bytes a parser is given: a sound result or a documented error, no secret in it, and not without bounds.

``DCRAUTH_FUZZ=N`` in the environment raises the number of inputs; ``python -m adapters_tests.whole.fuzz N`` runs many.
"""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters_tests.whole.fuzz import ODD_JSON, inputs, run
from adapters_tests.whole.parsers import CANARY, IDENTITY, PARSERS, Parser, sealed
from dcrauth import ConfigurationError, StoreCorrupt
from dcrauth.engine.records import read_credentials

pytestmark = pytest.mark.slow

ASKED_FOR = int(os.environ.get("DCRAUTH_FUZZ", "0"))
MEGABYTE = 1_000_000
EXAMPLES = [(parser, path) for parser in PARSERS for path in parser.examples()]

by_parser = pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)


@pytest.mark.parametrize(("parser", "path"), EXAMPLES, ids=lambda value: value.name)
def test_the_corpus_is_read(parser: Parser, path: Path) -> None:
    """Each file of the corpus, among them whatever has broken a parser once, is read or refused as documented."""
    parser.check(path.read_bytes())


@by_parser
def test_mutations_of_the_corpus_are_read(parser: Parser) -> None:
    """Cut, repeated, spliced, nested, with odd values and repeated names: sound results and clear errors only."""
    tally = run(parser, max(ASKED_FOR, 500), seed=0)
    assert not tally.findings


def names_in(value: Any) -> Iterator[str]:
    """All names of objects in a JSON value."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from names_in(inner)


def names_of(parser: Parser) -> list[str]:
    """The names that occur in the corpus of a parser."""
    found = {"x"}
    for path in parser.examples():
        for line in path.read_bytes().splitlines():
            try:
                found.update(names_in(json.loads(line)))
            except (ValueError, RecursionError):
                continue
    return sorted(found)


def documents(parser: Parser) -> st.SearchStrategy[bytes]:
    """JSON with the names that the parser looks for and values that it does not expect; or any bytes at all."""
    names = st.sampled_from(names_of(parser))
    scalars = st.sampled_from(ODD_JSON) | st.floats().map(json.dumps) | st.text(max_size=20).map(json.dumps)
    values = st.recursive(scalars, lambda inner: _objects(names, inner) | _arrays(inner), max_leaves=12)
    return _objects(names, values).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=300)


def _objects(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(names, values).map(lambda member: f"{json.dumps(member[0])}:{member[1]}")
    return st.lists(members, max_size=6).map(lambda each: "{" + ",".join(each) + "}")


def _arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(lambda each: "[" + ",".join(each) + "]")


@by_parser
def test_any_document_is_read(parser: Parser) -> None:
    """JSON that resembles what is expected, with any values in it, and bytes that resemble nothing."""

    @settings(
        max_examples=max(ASKED_FOR, 150),
        deadline=None,
        derandomize=not ASKED_FOR,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(documents(parser))
    def check(data: bytes) -> None:
        parser.check(data)

    check()


@pytest.mark.parametrize("schema", [None, True, 0, -1, "1", 1.0, [1], 10**6])
def test_no_version_but_ours_is_read(schema: Any) -> None:
    """A record whose checksum fits, of a schema that no version of dcrauth can have written, is damaged."""
    payload = {"client_id": "a", "client_secret": "b"}
    (record,) = sealed(IDENTITY.credentials, 1, payload, schema)
    with pytest.raises(StoreCorrupt, match=r"damaged: (no version|its)"):
        read_credentials(IDENTITY.credentials, record)
    (record,) = sealed(IDENTITY.credentials, 1, payload, 1)
    assert read_credentials(IDENTITY.credentials, record)


MONSTERS = {
    "arrays": b"[" * MEGABYTE,
    "objects": b'{"a":' * (MEGABYTE // 5),
    "nested well": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "text": b'{"access_token":"' + b"x" * MEGABYTE + b'","client_id":"' + b"x" * MEGABYTE + b'","client_secret":"y"}',
    "digits": b'{"expires_in":' + b"9" * MEGABYTE + b"}",
    "fraction": b'{"expires_in":0.' + b"9" * MEGABYTE + b"}",
    "names": b"{" + b",".join(b'"%d":0' % number for number in range(MEGABYTE // 100)) + b"}",
    "numbers": b'{"metadata":[' + b"0," * (MEGABYTE // 20) + b"0]}",
    "dots": b"." * MEGABYTE,
    "jwt": b"e30." + b"e30" * (MEGABYTE // 3) + b".c2ln",
    "nul": b"\0" * MEGABYTE,
    "blanks": b" " * MEGABYTE,
    "lines": b"\n" * MEGABYTE,
    "xml": b"<error>" * (MEGABYTE // 7),
    "xml fields": b"<error><code>" * (MEGABYTE // 13) + b"</code></error>",
    "entities": b"<error><code>&#120;</code><message>" + b"&amp;" * (MEGABYTE // 50) + b"</message></error>",
    "errors": b'{"errors":[' + b"{}," * (MEGABYTE // 30) + b"{}]}",
    "host": b"https://" + b"a." * (MEGABYTE // 2),
    "international host": b"https://" + "ü".encode() * (MEGABYTE // 2),
    "days": b"Wed, " * (MEGABYTE // 5),
    "colons": b"Wed, 21 Oct 2026 " + b":" * MEGABYTE,
}


@by_parser
@pytest.mark.parametrize("monster", MONSTERS)
def test_a_lot_of_anything_is_bounded(parser: Parser, monster: str) -> None:
    """Up to a megabyte that was made to be hard costs memory in proportion at most, and no stack."""
    data = MONSTERS[monster]
    tracemalloc.start()
    try:
        parser.check(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150 * len(data)


def test_the_fuzzer_is_repeatable() -> None:
    """The same seed makes the same inputs, and another seed others."""
    parser = PARSERS[0]
    first, second, other = (list(islice(inputs(parser, seed), 50)) for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize("name", [parser.name for parser in PARSERS])
def test_the_corpus_is_worth_its_name(name: str) -> None:
    """Every parser has at least twenty small files, all of them different."""
    parser = next(each for each in PARSERS if each.name == name)
    contents = [path.read_bytes() for path in parser.examples()]
    assert len(set(contents)) == len(contents) >= 20
    assert max(map(len, contents)) < 20_000


@pytest.mark.parametrize(
    "error",
    [
        KeyError("undocumented"),
        ConfigurationError(f"it says {CANARY}"),
        ConfigurationError("two\nlines"),
        ConfigurationError("x" * 5000),
    ],
)
def test_the_search_would_find_something(error: Exception) -> None:
    """The properties are checked at all: a parser that breaks any of them is caught."""

    def read(data: bytes) -> None:
        raise error

    with pytest.raises((AssertionError, KeyError)):
        Parser("broken", (ConfigurationError,), read).check(b"")


def test_a_secret_behind_an_error_is_found() -> None:
    """An error whose cause shows a secret is caught as well: tracebacks show causes."""

    def read(data: bytes) -> None:
        raise StoreCorrupt("damaged") from ValueError(CANARY)

    with pytest.raises(AssertionError, match="secret"):
        Parser("broken", (StoreCorrupt,), read).check(b"")
