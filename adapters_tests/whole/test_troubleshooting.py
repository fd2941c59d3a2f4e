"""The page by symptom knows each text that a user can meet, and none that nobody can meet any more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters_tests.whole.error_texts import ERRORS, error_texts, fits
from dcrauth.engine import answer_errors

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def phrases() -> list[str]:
    """Return what the page quotes: the code spans in the first column of the tables of texts."""
    found: list[str] = []
    quoting = False
    for line in PAGE.splitlines():
        quoting = line.startswith("| what it says") or (quoting and line.startswith("|"))
        if quoting and not line.startswith(("| ---", "| what it says")):
            found += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    return [each for each in found if each not in ERRORS]


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_each_class_of_errors_is_on_the_page(name: str) -> None:
    """Whoever reads the name of an error finds it."""
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("code", sorted(answer_errors.ADVICE))
def test_each_code_with_advice_is_on_the_page(code: str) -> None:
    """Each code of a server that the library has advice for has a row."""
    assert f"\n| `{code}` |" in PAGE


def test_each_text_is_on_the_page() -> None:
    """Each text of an error or a warning in the package is quoted, if need be with … for what differs."""
    quoted = phrases()
    assert not [(text, *where) for text, where in error_texts().items() if not any(fits(each, text) for each in quoted)]


def test_each_quoted_text_is_in_the_code() -> None:
    """No row is about a text that nobody can meet any more."""
    assert not [each for each in phrases() if not any(fits(each, text) for text in error_texts())]
    assert min(len(re.findall("[A-Za-z]", each)) for each in phrases()) > 5, (
        "a phrase that fits everything says nothing"
    )


def test_texts_are_found_where_they_are_made() -> None:
    """The reader of the source finds texts that are given at once, by a name, by a format, or as a warning."""
    assert len(error_texts()) > 150
    for beginning in (
        "The software statement is empty",
        "… has not answered the last",
        "… is on a network",
        "The URL of the Redis",
    ):
        assert any(text.startswith(beginning) for text in error_texts())
