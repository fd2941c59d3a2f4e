"""Lines in a plane, both axes logarithmic, drawn as SVG: what a benchmark needs, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 32, 34, 46
COLOURS = ("#6b7280", "#c2410c", "#1d4ed8", "#15803d", "#7e22ce")
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One plane.

    Parameters:
        title: above it.
        unit: of what goes up.
        across: of what goes to the right.
        lines: their points, all above zero, by name.
    """

    title: str
    unit: str
    across: str
    lines: Mapping[str, Points]


@dataclass(frozen=True)
class _Axis:
    """From which power of ten to which, and where these are drawn."""

    low: int
    high: int
    begin: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float) -> _Axis:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), begin, end)

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def marks(self) -> Sequence[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def svg(panels: Sequence[Panel]) -> str:
    """Return the *panels* side by side, with one legend for all: names keep their colours."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    width, height = WIDTH * len(panels), HEIGHT + 28
    font = 'font-family="system-ui, sans-serif" font-size="12" fill="#111827"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {font}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_panel(panel, number * WIDTH, colours) for number, panel in enumerate(panels)),
        *_legend(colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, left: float, colours: Mapping[str, str]) -> str:
    points = [point for line in panel.lines.values() for point in line]
    x = _Axis.over([each for each, _ in points], LEFT, WIDTH - RIGHT)
    y = _Axis.over([each for _, each in points], HEIGHT - BOTTOM, TOP)
    middle = (LEFT + WIDTH - RIGHT) / 2
    inside = [
        _text(middle, 18, f"{panel.title}, {panel.unit}", "middle", bold=True),
        *(_line(x.at(mark), TOP, x.at(mark), HEIGHT - BOTTOM) for mark in x.marks()),
        *(_text(x.at(mark), HEIGHT - BOTTOM + 16, _number(mark), "middle") for mark in x.marks()),
        *(_line(LEFT, y.at(mark), WIDTH - RIGHT, y.at(mark)) for mark in y.marks()),
        *(_text(LEFT - 6, y.at(mark) + 4, _number(mark), "end") for mark in y.marks()),
        _text(middle, HEIGHT - BOTTOM + 34, panel.across, "middle"),
        *(_drawn([(x.at(a), y.at(b)) for a, b in line], colours[name]) for name, line in panel.lines.items()),
    ]
    return f'<g transform="translate({left:g} 0)">\n' + "\n".join(inside) + "\n</g>"


def _drawn(points: Points, colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def _legend(colours: Mapping[str, str]) -> Sequence[str]:
    parts, x = [], float(LEFT)
    for name, colour in colours.items():
        parts.append(f'<rect x="{x:g}" y="{HEIGHT + 6}" width="16" height="4" fill="{colour}"/>')
        parts.append(_text(x + 22, HEIGHT + 12, name, "start"))
        x += 44 + 7 * len(name)
    return parts


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d1d5db"/>'


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
