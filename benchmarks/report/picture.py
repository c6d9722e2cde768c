"""The one picture that is published: throughput and latency of each subject in one line, as SVG and as PNG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.report.bars import ROW, Bar, Span, bars, gutter, spans
from benchmarks.report.labels import label
from benchmarks.report.scale import count, micros
from benchmarks.report.sections import GIANT, best_each
from benchmarks.report.svg import Drawing
from benchmarks.result import Result
from benchmarks.spread import Chosen, latency, per_second

FOLDER: Final = Path(__file__).parent
SHOWN: Final = ("sidecar-inline", "opa", "cerbos", "grpc-threads", "grpc-aio", "redis")
"""What a reader would otherwise run; other settings of ours and the limits of the machine are on the page."""

WIDTH: Final = 920.0
LATENCY: Final = 400.0
HEAD: Final = 96.0


class NoFontError(Exception):
    """The text of the picture cannot be drawn on this machine; the message says what to install."""


def picture(result: Result) -> Drawing | None:
    """Return the picture; None when too little was measured for one."""
    amounts, waits = lines(result)
    if len(amounts) < 2:
        return None
    foot = HEAD + len(amounts) * ROW + 34
    drawing = Drawing(WIDTH, foot + 34, "Checks per second on one core, and latency of one check, beside peers")
    drawing.add("rect", x=0.5, y=0.5, width=WIDTH - 1, height=foot + 33, rx=10, class_="card")
    left = 24.0
    room = gutter([line.label for line in amounts])
    middle = WIDTH - LATENCY - 20
    drawing.text(left, 38, "May this customer use this feature?", "head")
    drawing.text(
        left,
        58,
        "Answers of one server core, every verdict checked; C client on the other core. A broken bar is longer than the page.",
        "sub",
    )
    drawing.text(left + room, HEAD - 8, "checks per second, 64 in flight", "sub")
    drawing.text(middle + 52 + 52, HEAD - 8, "one in flight: p50 (full) to p99 (open), logarithmic", "sub")
    own = [line.amount.greatest for line in amounts if line.kind == "ours"]
    cut = max(own) * GIANT if own and max(line.amount.median for line in amounts) > max(own) * GIANT else None
    drawing.inside(left, HEAD, bars("", amounts, count, width=middle - left, cut=cut))
    drawing.inside(middle, HEAD + 1, spans("", waits, micros, width=LATENCY))
    machine = result.machine
    about = f"{machine.get('processor')}, {machine.get('cores')} cores · {result.date[:10]} · commit {result.commit}"
    drawing.text(left, foot + 14, f"{about} · medians of the rounds", "foot")
    return drawing


def lines(result: Result) -> tuple[list[Bar], list[Span]]:
    """Return a bar and a span for each subject that has both, the fastest first."""
    chosen = Chosen(scenario="saturated", subjects=SHOWN, generators=("c",))
    alone = best_each(
        result.rows, Chosen(scenario="one_in_flight", subjects=SHOWN, generators=("c",)), latency("p50"), higher=False
    )
    waits = {each.first.subject: each for each in alone}
    amounts, spanned = [], []
    for each in best_each(result.rows, chosen, per_second, higher=True):
        subject = each.first.subject
        amount = each.spread(per_second)
        p50, p99 = (waits[subject].spread(latency(name)) if subject in waits else None for name in ("p50", "p99"))
        if amount and p50 and p99:
            named = label(subject)
            amounts.append(Bar(named.title, named.kind, amount))
            spanned.append(Span("", named.kind, p50, p99))
    return amounts, spanned


def light_style() -> str:
    """Return the style of charts with the light colours written out: not every renderer knows variables."""
    page = (FOLDER / "page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]+);", page.partition("@media")[0]))
    chart = (FOLDER / "chart.css").read_text(encoding="utf-8")
    chart += ".card { fill: var(--card); stroke: var(--line); }"
    return re.sub(r"var\((--[a-z0-9-]+)\)", lambda match: colours[match.group(1)], chart)


def svg(drawing: Drawing) -> str:
    """Return the picture as a file of its own."""
    return drawing.markup(light_style()) + "\n"


def png(text: str, zoom: int = 2) -> bytes:
    """Return the SVG as PNG, twice as fine; NoFontError when the machine has no font for its text."""
    import resvg_py  # noqa: PLC0415  only who publishes needs it

    drawn = bytes(resvg_py.svg_to_bytes(svg_string=text, zoom=zoom, font_family="DejaVu Sans", background="#ffffff"))
    without = re.sub(r"<text.*?</text>", "", text)
    if drawn == bytes(resvg_py.svg_to_bytes(svg_string=without, zoom=zoom, background="#ffffff")):
        raise NoFontError("no font draws the picture's text; on Debian: apt-get install fonts-dejavu-core")
    return drawn


def write(result: Result, folder: Path) -> Sequence[Path]:
    """Write benchmark.svg and benchmark.png; return the paths, none when too little was measured."""
    drawing = picture(result)
    if drawing is None:
        return ()
    text = svg(drawing)
    vector, raster = folder / "benchmark.svg", folder / "benchmark.png"
    folder.mkdir(parents=True, exist_ok=True)
    vector.write_text(text, encoding="utf-8")
    raster.write_bytes(png(text))
    return (vector, raster)
