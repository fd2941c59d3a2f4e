"""The pictures in ``docs/architecture.md``, made from the imports: rooms are folders, arrows are imports.

An arrow is left out where others lead the same way, so that the picture shows floors. To draw anew:
``python -m adapters_tests.whole.house_picture``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "dcrauth"
TESTS = ROOT / "adapters_tests"
PAGE = ROOT / "docs" / "architecture.md"

Graph = dict[str, set[str]]

_CLIENTS = {"requests", "httpx", "httpx2", "aiohttp"}
_VALUES = "credentials events policy"
_TOP = {"__main__": "cli/", "errors": "errors"} | dict.fromkeys(_VALUES.split(), _VALUES)
"""The rooms of modules that are in no folder; any other one is a door, which only leads to where a module has moved."""


def imports(package: Path = PACKAGE) -> Iterator[tuple[str, str]]:
    """Yield each import of one module of *package* by another, as their dotted names."""
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
        return "requests httpx httpx2 aiohttp"
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


def mermaid(whole: Graph) -> str:
    """Return *whole* as a Mermaid flowchart, from above to below."""
    names = {place: f"r{number}" for number, place in enumerate(sorted(whole))}
    lines = [f'    {names[place]}["{place}"]' for place in sorted(whole)]
    few = reduced(whole)
    lines += [f"    {names[place]} --> {names[other]}" for place in sorted(few) for other in sorted(few[place])]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"]) + "\n"


def page(text: str) -> str:
    """Return *text* with the pictures in it brought up to date."""
    for name, place in (("rooms", room), ("engine", engine_module)):
        begin, end = f"<!-- begin: {name}, made by adapters_tests.whole.house_picture -->\n", f"<!-- end: {name} -->\n"
        before, found, rest = text.partition(begin)
        if not found:
            raise ValueError(f"{PAGE.name} has no place for the picture of {name}: {begin.strip()}")
        text = before + begin + "\n" + mermaid(graph(place)) + "\n" + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
