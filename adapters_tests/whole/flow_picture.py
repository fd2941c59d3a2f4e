"""The picture of ``docs/flow.md``: what a renewal does, step by step, as the engine's own generator yields it.

Each row is a renewal that runs here, against a store and a server of the tests. To draw anew:
``python -m adapters_tests.whole.flow_picture``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from adapters_tests.common.world import Process, World
from dcrauth import Policy
from dcrauth.engine.effects import Add, Check, Effect, Emit, Get, GetMany, Put, Replace, Send, Sleep

PAGE = Path(__file__).parents[2] / "docs"
PICTURE = PAGE / "flow.svg"


@dataclass(frozen=True)
class Box:
    """One step.

    Parameters:
        text: what is done.
        kind: with whom: ``store``, ``server``, ``wait``, ``event``, ``end`` or ``error``.
    """

    text: str
    kind: str


@dataclass(frozen=True)
class Row:
    """One renewal.

    Parameters:
        title: what has happened before it.
        boxes: its steps.
    """

    title: str
    boxes: tuple[Box, ...]


def cold() -> Row:
    """The first request of all."""
    return _row("the first request: nothing is stored", _process())


def restarted() -> Row:
    """A process that starts while the token is good."""
    process = _process()
    process.run()
    return _row("a restart: the store has a token that is good", Process(process.world, Policy(), lambda: 0.5))


def ending() -> Row:
    """A token that is about to end."""
    process = _process()
    process.run()
    process.world.now += 3_500
    return _row("the token is about to end, or was refused", process)


def throttled() -> Row:
    """A server that asks for patience, and then is well."""
    process = _process()
    process.run()
    process.world.now += 3_500
    return _row("the token endpoint answers 429, and then is well", process, {Send: ["429", ""]})


def down() -> Row:
    """A server that is down."""
    process = _process()
    process.run()
    process.world.now += 3_500
    return _row("the token endpoint is down", process, {Send: ["503"] * 3})


def unknown() -> Row:
    """A client that the server has deleted."""
    process = _process()
    process.run()
    process.world.clients.clear()
    process.world.now += 2 * 86_400
    return _row("the server does not know the client any more", process)


def unreadable() -> Row:
    """A store that cannot be read."""
    return _row("the store cannot be read", _process(), {Get: ["store down"] * 3})


ROWS: tuple[Callable[[], Row], ...] = (cold, restarted, ending, throttled, down, unknown, unreadable)


def _process() -> Process:
    return Process(World(), Policy(), lambda: 0.5)


def _row(title: str, process: Process, faults: dict[type[Effect], list[str]] | None = None) -> Row:
    boxes = [box for effect in process.effects(faults) for box in _boxes(effect, process.world)]
    boxes.append(_end(process))
    return Row(title, tuple(boxes))


def _boxes(effect: Effect, world: World) -> Iterator[Box]:
    match effect:
        case Send() if effect.request.endpoint == world.provider.register_url:
            yield Box("register", "server")
        case Send():
            yield Box("fetch token", "server")
        case Sleep():
            yield Box("wait", "wait")
        case Emit():
            yield Box(type(effect.event).__name__, "event")
        case Add() if effect.key != world.identity.credentials:
            yield Box("keep old client", "store")
        case _ if type(effect) in _STORE:
            yield Box(_STORE[type(effect)], "store")


_STORE: dict[type[Effect], str] = {
    Get: "read",
    GetMany: "read",
    Check: "try store",
    Add: "add client",
    Replace: "swap client",
    Put: "put token",
}


def _end(process: Process) -> Box:
    if process.error is not None:
        return Box(type(process.error).__name__, "error")
    return Box("token", "end")


_CHARACTER, _HEIGHT, _GAP, _ROW, _LEFT = 7.4, 28, 14, 74, 12
_RIGHT = 950


def svg() -> str:
    """Return the picture."""
    rows = [row() for row in ROWS]
    parts, top = [], 26
    for row in rows:
        drawn, top = _drawn(row, top)
        parts.append(drawn)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 962 {top}" font-family="sans-serif" role="img">'
    return f"{head}<title>What a renewal does, step by step</title>{_STYLE}{''.join(parts)}</svg>\n"


def _drawn(row: Row, top: int) -> tuple[str, int]:
    parts = [f'<text class="title" x="{_LEFT}" y="{top}">{escape(row.title)}</text>']
    left, top = float(_LEFT), top + 12
    for number, box in enumerate(row.boxes):
        width = len(box.text) * _CHARACTER + 18
        if left + width > _RIGHT:
            left, top = float(_LEFT) + 24, top + _HEIGHT + 10
        if number:
            parts.append(f'<path d="M{left - _GAP:.0f},{top + _HEIGHT / 2:.0f} h{_GAP - 3}"/>')
        parts.append(_box(box, left, top, width))
        left += width + _GAP
    return "".join(parts), top + _ROW


def _box(box: Box, left: float, top: float, width: float) -> str:
    rect = f'<rect class="{box.kind}" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{_HEIGHT}" rx="5"/>'
    text = f'<text x="{left + width / 2:.0f}" y="{top + 19:.0f}">{escape(box.text)}</text>'
    return rect + text


_STYLE = (
    "<style>svg{background:#fff}path{stroke:#8898aa;stroke-width:1.5}rect{stroke:#33475b}"
    "text{fill:#16202c;font-size:13px;text-anchor:middle}.title{font-weight:bold;text-anchor:start}"
    ".store{fill:#eef3f8}.server{fill:#ffe9c7}.wait{fill:#f3f3f3;stroke-dasharray:4}.event{fill:#fff;stroke:#b9c4d0}"
    ".end{fill:#d7f0dc}.error{fill:#f9d9d6}</style>"
)

if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
