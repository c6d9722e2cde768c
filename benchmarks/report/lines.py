"""Charts of one quantity over another: latency over percentile, over rate, decisions over batch size, memory over customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.report.scale import Axis, Words, apart, linear, logarithmic, spread_out
from benchmarks.report.svg import Drawing, width_of

TOP: Final = 26.0
BOTTOM: Final = 42.0
LEFT: Final = 58.0


@dataclass(frozen=True, slots=True)
class Point:
    """One measured place, with the least and the greatest of the rounds where there are any."""

    x: float
    y: float
    least: float | None = None
    greatest: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of points under one label; `colour` is a class of the page's style."""

    label: str
    colour: str
    points: Sequence[Point]
    is_dashed: bool = False
    has_dots: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """What an axis says and how: its name, how its numbers are written, whether it is logarithmic, and ticks of one's own."""

    name: str
    words: Words
    is_log: bool = False
    ticks: Sequence[tuple[float, str]] = ()


def axis_of(scale: Scale, values: Sequence[float], start: float, end: float) -> Axis:
    """Return the axis of one scale over these values."""
    if scale.ticks:
        low, high = min(values), max(values)
        places = tuple(place for place, _ in scale.ticks if low <= place <= high)
        return Axis(low, high, start, end, is_log=False, ticks=places)
    return (logarithmic if scale.is_log else linear)(values, start, end)


def chart(title: str, lines: Sequence[Line], x: Scale, y: Scale, width: float = 720, height: float = 340) -> Drawing:
    """Return the chart, each line named at its end."""
    drawing = Drawing(width, height, title)
    right = width - max([0.0, *(width_of(line.label, 12) for line in lines)]) - 18
    floor = height - BOTTOM
    every = [point for line in lines for point in line.points]
    tops = [value for point in every for value in (point.y, point.least, point.greatest) if value is not None]
    along = axis_of(x, [point.x for point in every], LEFT, right)
    up = axis_of(y, tops, floor, TOP)
    for tick in apart(up, 24):
        drawing.line(LEFT, up.at(tick), right, up.at(tick), "grid")
        drawing.text(LEFT - 8, up.at(tick) + 4, y.words(tick), "tick", "end")
    named = dict(x.ticks)
    for tick in apart(along, 46):
        drawing.line(along.at(tick), floor, along.at(tick), floor + 5, "frame")
        drawing.text(along.at(tick), floor + 19, named.get(tick) or x.words(tick), "tick", "middle")
    drawing.line(LEFT, floor, right, floor, "frame")
    drawing.text((LEFT + right) / 2, height - 5, x.name, "axis", "middle")
    drawing.text(LEFT, TOP - 8, y.name, "axis")
    ends = spread_out([up.at(line.points[-1].y) for line in lines], 15, TOP, floor)
    for line, end in zip(lines, ends, strict=True):
        draw_line(drawing, line, along, up, x, y)
        last = line.points[-1]
        drawing.line(along.at(last.x) + 4, up.at(last.y), right + 6, end, f"leader {line.colour}")
        drawing.text(right + 9, end + 4, line.label, f"end {line.colour}")
    return drawing


def draw_line(drawing: Drawing, line: Line, along: Axis, up: Axis, x: Scale, y: Scale) -> None:
    """Draw one line, and at each point its spread."""
    dashed = " dashed" if line.is_dashed else ""
    drawing.curve([(along.at(p.x), up.at(p.y)) for p in line.points], f"line {line.colour}{dashed}", line.label)
    if not line.has_dots:
        return
    for point in line.points:
        place, value = along.at(point.x), up.at(point.y)
        if point.least is not None and point.greatest is not None and point.greatest > point.least:
            drawing.line(place, up.at(point.least), place, up.at(point.greatest), f"error {line.colour}")
        tip = f"{line.label}: {y.words(point.y)} at {x.words(point.x)}"
        drawing.add("circle", tip, cx=place, cy=value, r=3.5, class_=f"point {line.colour}")
