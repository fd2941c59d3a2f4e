"""What a built site of the documentation must be: nothing in it comes from elsewhere, and each page is two clicks away.

``python -m adapters_tests.whole.site FOLDER``
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_FETCHED = re.compile(
    r"""<(?:script|img|iframe|link(?![^>]*rel="(?:canonical|author)"))[^>]*?(?:src|href)="(https?:)?//[^"]*"""
)
_LINK = re.compile(r'<a [^>]*href="([^":#]+\.html)')


def fetched(page: str) -> list[str]:
    """Return the elements of *page* that a browser would fetch from another server."""
    return [found[0] for found in _FETCHED.finditer(page)]


def near(folder: Path) -> set[str]:
    """Return the pages that are at most two clicks away from the first one."""
    seen = {"index.html"}
    for _ in range(2):
        seen |= {link for page in seen for link in _LINK.findall((folder / page).read_text(encoding="utf-8"))}
    return seen


def main(folder: Path) -> None:
    """Look through the site in *folder*; end with what is wrong with it."""
    pages = {page.name: page.read_text(encoding="utf-8") for page in folder.glob("*.html")}
    strange = {name: found for name, page in pages.items() if (found := fetched(page))}
    far = set(pages) - near(folder) - {"genindex.html", "search.html", "py-modindex.html"}
    if not pages or strange or far:
        sys.exit(f"{len(pages)} pages; fetched from elsewhere: {strange}; too far away: {far}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
