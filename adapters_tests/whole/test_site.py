"""What looks through the built site finds what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters_tests.whole import site

GOOD = {
    "index.html": '<a href="second.html#place">on</a><a href="https://elsewhere.test">out</a>',
    "second.html": '<h1 id="place">here</h1><script src="_static/own.js"></script>',
    "_static/own.js": "",
    "_static/own.css": "body { background: url(own.png) }",
    "searchindex.js": 'Search.setIndex({"docnames":["index","second"]})',
}


def made(folder: Path, files: dict[str, str]) -> Path:
    """Write a site of *files* into *folder*."""
    (folder / "_static").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_a_good_site_is_let_pass(tmp_path: Path) -> None:
    """Where all is in order, nothing is said."""
    site.main(made(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("index.html", '<a href="second.html#nowhere">', "lead nowhere: {('index.html', 'second.html#nowhere')}"),
        ("second.html", '<i id="place"/><a href="lost.txt">', "lead nowhere: {('second.html', 'lost.txt')}"),
        ("index.html", "<p>alone</p>", "too far away: {'second.html'}"),
        ("index.html", '<a href="second.html"><img src="https://other.test/a.png">', "fetched from elsewhere"),
        ("_static/own.css", '@import "https://fonts.test/a.css";', "fetched from elsewhere: {'_static/own.css'"),
        ("searchindex.js", 'Search.setIndex({"docnames":["index"]})', "not found by search: {'second.html'}"),
    ],
    ids=["anchor", "file", "far", "picture", "style", "search"],
)
def test_what_is_wrong_with_a_site_is_told(name: str, text: str, told: str, tmp_path: Path) -> None:
    """A dead link, a far page, what needs a network, and a page that no search finds end the build of the site."""
    with pytest.raises(SystemExit) as end:
        site.main(made(tmp_path, GOOD | {name: text}))
    assert told in str(end.value)
