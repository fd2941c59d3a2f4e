"""The pictures of ``docs/architecture.md``, made from the imports: rooms are folders, arrows are imports.

An arrow is left out where others lead the same way, so that the picture shows floors. To draw anew:
``python -m adapters_tests.whole.house_picture``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "dcrauth"
TESTS = ROOT / "adapters_tests"
PAGES = ROOT / "docs"

Graph = dict[str, set[str]]

_CLIENTS = {"requests", "httpx", "httpx2", "aiohttp", "niquests"}
_VALUES = "credentials events policy"
_TOP = {"__main__": "cli/", "errors": "errors"} | dict.fromkeys(_VALUES.split(), _VALUES)
"""The rooms of modules that are in no folder; any other one is a door, which only leads to where a module has moved."""


@cache
def imports(package: Path = PACKAGE) -> tuple[tuple[str, str], ...]:
    """Return each import of one module of *package* by another, as their dotted names."""
    return tuple(_imports(package))


def _imports(package: Path) -> Iterator[tuple[str, str]]:
    files = {_name(path, package): path for path in package.rglob("*.py")}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for named in _targets(node):
                target = named if named in files else named.rpartition(".")[0]
                if target in files and target not in {name, package.name}:
                    yield name, target


def _name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str | None:
    """Return the room that a module is in; None for a door, which only leads to another one."""
    first, *rest = module.removeprefix("dcrauth").removeprefix(".").split(".")
    if first in _CLIENTS:
        return "requests httpx httpx2 aiohttp niquests"
    if first == "providers" and rest[:1] and (PACKAGE / "providers" / rest[0]).is_dir():
        return f"providers/{rest[0]}/"
    if (PACKAGE / first).is_dir():
        return f"{first}/" if first else "dcrauth"
    return _TOP.get(first)


def engine_module(module: str) -> str | None:
    """Return the name of a module of the engine; None for any other."""
    return module.removeprefix("dcrauth.engine.") if module.startswith("dcrauth.engine.") else None


def room_of_tests(module: str) -> str | None:
    """Return the room that a module of the tests is in; what stands in none is a room by itself."""
    return module.split(".")[1]


def graph(place: Callable[[str], str | None], package: Path = PACKAGE) -> Graph:
    """Return which places in *package* import which others."""
    found: Graph = defaultdict(set)
    for importer, imported in imports(package):
        one, other = place(importer), place(imported)
        if one and other and one != other:
            found[one].add(other)
            _ = found[other]
    return found


def reduced(whole: Graph) -> Graph:
    """Return *whole* without the arrows that a longer way makes needless."""
    return {
        each: {other for other in below if not any(other in reach(whole, way) for way in below - {other})}
        for each, below in whole.items()
    }


def reach(whole: Graph, start: str) -> set[str]:
    """Return all places that *start* imports, directly or through others."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in whole[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def floors(whole: Graph) -> list[list[str]]:
    """Return the places of *whole* by floor: each stands above all that it imports, as low as that lets it."""
    level: dict[str, int] = {}

    def height(place: str) -> int:
        if place not in level:
            level[place] = 1 + max((height(below) for below in whole[place]), default=-1)
        return level[place]

    top = max(map(height, sorted(whole)))
    return [_in_line(sorted(place for place in whole if level[place] == floor), whole) for floor in range(top, -1, -1)]


def _in_line(places: list[str], whole: Graph) -> list[str]:
    """Return the *places* of one floor, those in the middle that have most to do with others."""
    busiest_last = sorted(
        places, key=lambda each: (len(whole[each]) + sum(each in way for way in whole.values()), each)
    )
    return busiest_last[::2] + busiest_last[1::2][::-1]


def svg(whole: Graph) -> str:
    """Return *whole* as a picture, from above to below."""
    rows = floors(whole)
    width = 24 + max(sum(_width(place) + 24 for place in row) for row in rows)
    boxes = {place: box for number, row in enumerate(rows) for place, box in _boxes(row, width, 24 + number * 84)}
    few = reduced(whole)
    lines = [_arrow(boxes[one], boxes[other]) for one in sorted(few) for other in sorted(few[one])]
    lines += [_room(place, box) for place, box in boxes.items()]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {len(rows) * 84}" font-family="monospace">'
    return "\n".join([head, STYLE, *lines, "</svg>"]) + "\n"


def _width(place: str) -> int:
    return 9 * len(place) + 20


def _boxes(row: list[str], width: int, top: int) -> Iterator[tuple[str, tuple[int, int, int]]]:
    left = (width - sum(_width(place) + 24 for place in row) + 24) // 2
    for place in row:
        yield place, (left, top, _width(place))
        left += _width(place) + 24


def _arrow(above: tuple[int, int, int], below: tuple[int, int, int]) -> str:
    (x, y), (u, v) = (above[0] + above[2] // 2, above[1] + 36), (below[0] + below[2] // 2, below[1])
    return f'<path d="M{x},{y} C{x},{y + 40} {u},{v - 40} {u},{v}"/>'


def _room(place: str, box: tuple[int, int, int]) -> str:
    left, top, width = box
    text = f'<text x="{left + width // 2}" y="{top + 23}">{place}</text>'
    return f'<rect x="{left}" y="{top}" width="{width}" height="36" rx="6"/>{text}'


STYLE = (
    "<style>path{fill:none;stroke:#8898aa;stroke-width:1.5}rect{fill:#eef3f8;stroke:#33475b}"
    "text{fill:#16202c;font-size:15px;text-anchor:middle}</style>"
)

PICTURES = {"house.svg": room, "engine.svg": engine_module}


def pictures() -> dict[Path, str]:
    """Return the pictures, by where they are kept."""
    return {PAGES / name: svg(graph(place)) for name, place in PICTURES.items()}


if __name__ == "__main__":
    for path, picture in pictures().items():
        path.write_text(picture, encoding="utf-8")
