"""The texts of all errors that the package raises, read from its source, with ``…`` where a value stands."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dcrauth import errors

PACKAGE = Path(errors.__file__).parent
ELSEWHERE = {"simulator", "testing"}
"""What users of these see stands in their own docs: they are not part of a program that is in use."""

ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
RAISED = ERRORS | {"ImportError", "NoCredentials"}
VALUE = "…"
_DEEPEST = 3
"""So many names are followed, one behind the other."""

_SHORTEST = 12
"""What has fewer letters of its own is made of texts that stand elsewhere."""


@cache
def error_texts() -> dict[str, set[str]]:
    """Return the texts, and the modules that each is in."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE)
        if module.parts[0] in ELSEWHERE:
            continue
        for text in _texts_in(ast.parse(path.read_text(encoding="utf-8"))):
            if len(re.findall(r"[A-Za-z]", text)) >= _SHORTEST:
                found.setdefault(text, set()).add(str(module))
    return found


def _texts_in(tree: ast.Module) -> Iterator[str]:
    named = _assigned(tree)
    for function in [
        tree,
        *(each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)),
    ]:
        local = named | _assigned(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and (given := _text_given(node)) is not None:
                yield from _read(given, local)


def _text_given(call: ast.Call) -> ast.expr | None:
    """Return the text of an error that is made, or of a warning that is given."""
    if isinstance(call.func, ast.Name) and call.func.id in RAISED and call.args:
        return call.args[0]
    warned = isinstance(call.func, ast.Attribute) and call.func.attr == "warn" and len(call.args) > 1
    if warned and isinstance(call.args[1], ast.Name) and call.args[1].id in ERRORS:
        return call.args[0]
    return None


def _assigned(place: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what is assigned to each name in *place*."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(place):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def _read(node: ast.expr, named: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    """Yield the texts that *node* may be: more than one, if a name in it has been assigned more than one."""
    match node:
        case ast.Constant(value=str(text)):
            yield text.replace("{}", VALUE)
        case ast.JoinedStr(values=parts):
            yield from _joined([list(_read(part, named, depth)) for part in parts])
        case ast.BinOp(left=left, right=right):
            yield from _joined([list(_read(left, named, depth)), list(_read(right, named, depth))])
        case ast.FormattedValue(value=ast.Name() as name):
            yield from _read(name, named, depth)
        case ast.IfExp(body=body, orelse=other):
            yield from [*_read(body, named, depth), *_read(other, named, depth)]
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            yield from _read(template, named, depth)
        case ast.Name(id=name) if name in named and depth < _DEEPEST:
            for value in named[name]:
                yield from _read(value, named, depth + 1)
        case _:
            yield VALUE


def _joined(parts: list[list[str]]) -> Iterator[str]:
    return map("".join, itertools.product(*parts))


def fits(phrase: str, text: str) -> bool:
    """Return whether *phrase*, with ``…`` for anything, is a part of *text*."""
    parts = [re.escape(part.strip()) for part in phrase.split(VALUE)]
    return re.search(".*".join(parts), text, re.DOTALL) is not None
