"""Charts with one line per subject: bars from zero for amounts, spans from p50 to p99 for latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.report.scale import Axis, Words, apart, linear, logarithmic
from benchmarks.report.svg import Drawing, width_of
from benchmarks.spread import Spread

ROW: Final = 26.0
THICK: Final = 14.0
TAIL: Final = 78.0
"""Room for the number behind a bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One line: a label, its kind (which colours it), an amount with its spread, and what the pointer is told."""

    label: str
    kind: str
    amount: Spread
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """One line of a chart of latencies: from the median call to the slow one, in microseconds."""

    label: str
    kind: str
    p50: Spread
    p99: Spread
    tip: str = ""


def gutter(labels: Sequence[str]) -> float:
    """Return the room that labels need on the left."""
    return max([40.0, *(width_of(label, 12.5) for label in labels)]) + 12


def bars(title: str, lines: Sequence[Bar], words: Words, width: float = 720, cut: float | None = None) -> Drawing:
    """Return bars with their numbers; one longer than `cut` is broken, so that a giant does not flatten the others."""
    left = gutter([line.label for line in lines])
    drawing = Drawing(width, len(lines) * ROW + 10, title)
    shown = [min(line.amount.greatest, cut) if cut else line.amount.greatest for line in lines]
    axis = linear(shown, left, width - TAIL)
    axis = Axis(0.0, max(shown), left, width - TAIL, is_log=False, ticks=axis.ticks)
    for number, line in enumerate(lines):
        y = 5 + number * ROW + ROW / 2
        amount = line.amount
        end = axis.at(amount.median)
        drawing.text(left - 10, y + 4.5, line.label, f"label {line.kind}", "end")
        drawing.add(
            "rect",
            line.tip,
            x=left,
            y=y - THICK / 2,
            width=max(end - left, 1.0),
            height=THICK,
            rx=2,
            class_=f"bar {line.kind}",
        )
        if cut and amount.median > cut:
            broken = end - 34
            drawing.add(
                "polygon",
                points=f"{broken},{y + 9} {broken + 7},{y - 9} {broken + 12},{y - 9} {broken + 5},{y + 9}",
                class_="gap",
            )
        elif amount.greatest > amount.least:
            whisker(drawing, axis.at(amount.least), axis.at(amount.greatest), y)
        drawing.text(
            max(end, axis.at(min(amount.greatest, cut or amount.greatest))) + 7, y + 4.5, words(amount.median), "n"
        )
    return drawing


def whisker(drawing: Drawing, start: float, end: float, y: float) -> None:
    """Draw the rounds' least and greatest."""
    drawing.line(start, y, end, y, "whisker")
    for x in (start, end):
        drawing.line(x, y - 3, x, y + 3, "whisker")


def spans(title: str, lines: Sequence[Span], words: Words, width: float = 720) -> Drawing:
    """Return one line per subject on a logarithmic axis, a full dot at p50 and an open one at p99."""
    left = gutter([line.label for line in lines])
    bottom = len(lines) * ROW + 8
    drawing = Drawing(width, bottom + 24, title)
    values = [value for line in lines for value in (line.p50.least, line.p99.greatest)]
    axis = logarithmic(values, left + 56, width - 64)
    for tick in apart(axis, 58):
        drawing.line(axis.at(tick), 4, axis.at(tick), bottom, "grid")
        drawing.text(axis.at(tick), bottom + 16, words(tick), "tick", "middle")
    for number, line in enumerate(lines):
        y = 4 + number * ROW + ROW / 2
        drawing.text(left - 10, y + 4.5, line.label, f"label {line.kind}", "end")
        start, end = axis.at(line.p50.median), axis.at(line.p99.median)
        drawing.add(
            "rect", line.tip, x=start, y=y - 3, width=max(end - start, 1.0), height=6, class_=f"span {line.kind}"
        )
        drawing.add("circle", line.tip, cx=start, cy=y, r=5.5, class_=f"dot {line.kind}")
        drawing.add("circle", line.tip, cx=end, cy=y, r=4.5, class_=f"ring {line.kind}")
        drawing.text(start - 10, y + 4, words(line.p50.median), "n", "end")
        drawing.text(end + 9, y + 4, words(line.p99.median), "n soft")
    return drawing
