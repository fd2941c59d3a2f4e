"""What a built site of the documentation must be: nothing in it comes from elsewhere, and each page is two clicks away.

``python -m adapters_tests.whole.site FOLDER``
"""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|link(?![^>]*rel="(?:canonical|author)"))"""
    r"""[^>]*?(?:src|srcset|href|data|poster)="(https?:)?//[^"]*"""
)
_FETCHED_BY_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)["']?(?:https?:)?//[^"')\s]*""")
_LINK = re.compile(r'<a [^>]*href="([^":#]+\.html)')
_REFERENCE = re.compile(r'<(?:a|img|script|link|object)\b[^>]*?\s(?:href|src|data)="([^"]*)"')
_ANCHOR = re.compile(r'\s(?:id|name)="([^"]*)"')
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_MADE_BY_SCRIPT = {"genindex.html", "search.html", "py-modindex.html"}


def fetched(page: str) -> list[str]:
    """Return the elements of *page* that a browser would fetch from another server."""
    return [found[0] for found in (*_FETCHED.finditer(page), *_FETCHED_BY_STYLE.finditer(page))]


def near(folder: Path) -> set[str]:
    """Return the pages that are at most two clicks away from the first one."""
    seen = {"index.html"}
    for _ in range(2):
        seen |= {link for page in seen for link in _LINK.findall((folder / page).read_text(encoding="utf-8"))}
    return seen


def dead(folder: Path, pages: dict[str, str]) -> set[tuple[str, str]]:
    """Return what *pages*, by name, refer to within the site and is not there: a file, or a place in a page."""
    anchors = {name: {unescape(each) for each in _ANCHOR.findall(page)} for name, page in pages.items()}
    found = {(name, unescape(link)) for name, page in pages.items() for link in _REFERENCE.findall(page)}
    return {(name, link) for name, link in found if not _leads_somewhere(folder, anchors, name, link)}


def _leads_somewhere(folder: Path, anchors: dict[str, set[str]], page: str, link: str) -> bool:
    if _ELSEWHERE.match(link):
        return True
    place, _, anchor = link.partition("#")
    target = unquote(place.partition("?")[0]) or page
    if not (folder / target).is_file():
        return False
    return not anchor or target not in anchors or unquote(anchor) in anchors[target]


def not_found_by_search(folder: Path, pages: set[str]) -> set[str]:
    """Return which *pages* the index of the search has not, which the site brings along as a script."""
    index = json.loads(
        (folder / "searchindex.js").read_text(encoding="utf-8").removeprefix("Search.setIndex(").rstrip(")\n")
    )
    return pages - {f"{name}.html" for name in index["docnames"]}


def main(folder: Path) -> None:
    """Look through the site in *folder*; end with what is wrong with it."""
    pages = {page.name: page.read_text(encoding="utf-8") for page in folder.glob("*.html")}
    looks = {str(style.relative_to(folder)): style.read_text(encoding="utf-8") for style in folder.rglob("*.css")}
    written = set(pages) - _MADE_BY_SCRIPT
    wrong = {
        "fetched from elsewhere": {name: found for name, text in (pages | looks).items() if (found := fetched(text))},
        "too far away": written - near(folder),
        "lead nowhere": dead(folder, pages),
        "not found by search": not_found_by_search(folder, written),
    }
    if not pages or any(wrong.values()):
        sys.exit(f"{len(pages)} pages; " + "; ".join(f"{what}: {found}" for what, found in wrong.items() if found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
