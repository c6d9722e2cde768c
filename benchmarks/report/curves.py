"""The sections that draw one quantity over another: percentiles, rates, batches, customers, sidecars, disturbances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log10
from typing import Any, Final, TypeAlias

from hdrh.histogram import HdrHistogram

from benchmarks.report.bars import Bar, bars
from benchmarks.report.labels import colours, label
from benchmarks.report.lines import Line, Point, Scale, chart
from benchmarks.report.scale import count, mebibytes, micros, times
from benchmarks.report.sections import Section, best_each, ours_first
from benchmarks.report.targets import disturbances
from benchmarks.row import Row
from benchmarks.spread import (
    Chosen,
    Figure,
    Repeated,
    decisions_per_second,
    latency,
    memory,
    per_second,
)

NINES: Final = ((0.30103, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %"))
PERCENTILES: Final = (0, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99)
FIRST_ANSWER: Final = "sidecar"
"""The subject of the rows that time a start; the others of that scenario weigh its processes."""

Found: TypeAlias = dict[str, list[tuple[float, Repeated, Point]]]
"""Subject -> its measurements over a parameter, ascending."""

ENOUGH: Final = 10
"""A percentile is drawn while at least so many calls lie beyond it."""


def merged(each: Repeated) -> Any:
    """Return the histograms of all rounds added up; None when there are none."""
    total: Any = None
    for row in each.rows:
        if row.histogram:
            decoded = HdrHistogram.decode(row.histogram)
            if total is None:
                total = decoded
            else:
                total.add(decoded)
    return total


def curve(each: Repeated) -> list[Point]:
    """Return latency in microseconds over nines (0 is the least, 1 is p90, 2 is p99 ...)."""
    histogram = merged(each)
    if histogram is None:
        return []
    calls = histogram.get_total_count()
    shares = [share for share in PERCENTILES if calls * (1 - share / 100) >= ENOUGH]
    return [Point(-log10(1 - share / 100), histogram.get_value_at_percentile(share) / 1000) for share in shares]


def percentiles(rows: Sequence[Row]) -> Section | None:
    """Draw latency over percentile at one in flight, all rounds together."""
    chosen = best_each(rows, Chosen(scenario="one_in_flight", generators=("c",)), latency("p50"), higher=False)
    drawn = [(each, points) for each in chosen if len(points := curve(each)) > 1]
    if not drawn:
        return None
    drawn.sort(key=lambda pair: label(pair[0].first.subject).kind != "ours")
    colour = colours([each.first.subject for each, _ in drawn])
    lines = [
        Line(label(each.first.subject).title, colour[each.first.subject], points, has_dots=False)
        for each, points in drawn[:9]
    ]
    scale = Scale("share of calls that were at least so fast", str, ticks=NINES)
    drawing = chart("Latency by percentile", lines, scale, Scale("latency", micros, is_log=True), height=400)
    caption = "One in flight from a C client, all rounds merged; a line ends where fewer than ten calls lie beyond."
    lead = "The tail is what users notice: the further right, the rarer the call."
    return Section("percentiles", "Latency by percentile", lead, [(drawing, caption)])


def over(rows: Sequence[Row], chosen: Chosen, parameter: str, figure: Figure, *, higher: bool) -> Found:
    """Return for each subject its points over a parameter, each the best measurement at that value."""
    found: dict[str, dict[float, tuple[Repeated, Point]]] = {}
    for each in chosen.among(rows):
        value, spread = each.first.parameters.get(parameter), each.spread(figure)
        if spread is None or not isinstance(value, int | float):
            continue
        kept = found.setdefault(each.first.subject, {}).get(float(value))
        if kept is None or (spread.median > kept[1].y if higher else spread.median < kept[1].y):
            point = Point(float(value), spread.median, spread.least, spread.greatest)
            found[each.first.subject][float(value)] = (each, point)
    return {
        subject: [(value, *found[subject][value]) for value in sorted(found[subject])]
        for subject in ours_first([*found])
    }


def rates(rows: Sequence[Row]) -> Section | None:
    """Draw latency over the offered rate."""
    pictures = []
    for name in ("p50", "p99"):
        figure = latency(name)
        found = over(rows, Chosen(scenario="sweep"), "rate", figure, higher=False)
        # A subject that no longer keeps up answers later and later; what it says then depends on how long one waits.
        kept = {subject: [p for rate, each, p in points if keeps_up(each, rate)] for subject, points in found.items()}
        kept = {subject: points for subject, points in kept.items() if points}
        if not kept:
            continue
        colour = colours([*kept])
        lines = [Line(label(subject).title, colour[subject], points) for subject, points in kept.items()]
        scale = Scale("questions per second, open loop", count, is_log=True)
        drawing = chart(f"{name} over rate", lines, scale, Scale(name, micros, is_log=True))
        pictures.append(
            (drawing, f"{name} from the due time; a line ends at the last rate that was kept (at least 98 %).")
        )
    if not pictures:
        return None
    lead = "Questions arrive at a fixed rate whether or not earlier ones were answered, so a stall counts for everyone who had to wait in it."
    return Section("rates", "Latency at a rate", lead, pictures)


def keeps_up(each: Repeated, rate: float) -> bool:
    """Tell whether at least 98 % of the rate was answered, by the median of the rounds."""
    spread = each.spread(per_second)
    return spread is not None and spread.median >= 0.98 * rate


def batches(rows: Sequence[Row]) -> Section | None:
    """Draw decisions per second over the number of questions in a call."""
    found = over(rows, Chosen(scenario="batch"), "batch", decisions_per_second, higher=True)
    return single(
        Section("batches", "Many questions in one call", "Batching saves the transport, which is most of a call.", []),
        found,
        Scale("questions in a call", count, is_log=True),
        Scale("decisions/s", count),
        "Decisions per second on one server core over the size of the batch.",
    )


def single(section: Section, found: Found, x: Scale, y: Scale, caption: str) -> Section | None:
    """Return the section with one line per subject; None when there is nothing to draw."""
    if not found:
        return None
    colour = colours([*found])
    lines = [
        Line(label(subject).title, colour[subject], [point for _, _, point in points])
        for subject, points in found.items()
    ]
    return replace(section, pictures=[(chart(section.title, lines, x, y), caption)])


def customers(rows: Sequence[Row]) -> Section | None:
    """Draw memory and start over the number of customers."""
    section = Section("customers", "With the number of customers", "", [])
    own = [row for row in rows if row.parameters.get("counted") != "resident"]
    kept = over(own, Chosen(scenario="start", parameters={"from": "warm"}), "customers", memory, higher=False)
    x, held = Scale("customers", count, is_log=True), Scale("MiB", mebibytes, is_log=True)
    drawn = [
        single(
            section,
            kept,
            x,
            held,
            "Proportional memory of each process (a shared page counts once) and the store's size on disk.",
        )
    ]
    for start, words in (("warm", "from the store left by the last run, verified"), ("cold", "with an empty store")):
        chosen = Chosen(scenario="start", subjects=(FIRST_ANSWER,), parameters={"from": start})
        found = over(rows, chosen, "customers", latency("p50"), higher=False)
        caption = f"From the start of the process to the first answer, {words}."
        drawn.append(single(section, found, x, Scale("start", micros, is_log=True), caption))
    pictures = [picture for each in drawn if each for picture in each.pictures]
    lead = "Every customer's records are in each pod's store; memory and the time to verify it grow with them."
    return replace(section, lead=lead, pictures=pictures) if pictures else None


def propagation(rows: Sequence[Row]) -> Section | None:
    """Draw the time from a commit until every sidecar denies, over the number of sidecars."""
    found = over(
        rows, Chosen(scenario="propagation", parameters={"until": "last"}), "sidecars", latency("p50"), higher=False
    )
    slow = over(
        rows, Chosen(scenario="propagation", parameters={"until": "last"}), "sidecars", latency("p99"), higher=False
    )
    both = {
        f"{name}{subject}": points for name, group in (("", found), ("p99 ", slow)) for subject, points in group.items()
    }
    if not both:
        return None
    lines = [
        Line(
            "p50" if subject in found else "p99", "c-ours" if subject in found else "c-ours2", [p for _, _, p in points]
        )
        for subject, points in both.items()
    ]
    drawing = chart("Propagation", lines, Scale("sidecars", count, is_log=True), Scale("delay", micros, is_log=True))
    caption = "From the commit of a revoke in the control plane until the last sidecar is seen to deny; real processes, all on this machine: fifty sidecars share the cores that fifty pods would not."
    lead = "How long a customer keeps what was just taken away."
    return Section("propagation", "A change reaches every sidecar", lead, [(drawing, caption)])


def churn(rows: Sequence[Row]) -> Section | None:
    """Draw the p99 under each disturbance as a multiple of the calm one of the same round."""
    lines = [
        Bar(f"{kind}, {customers:,} customers" if isinstance(customers, int) else kind, "ours", found)
        for kind, customers, found in disturbances(rows)
        if found is not None
    ]
    if not lines:
        return None
    drawing = bars("p99 while the sidecar is busy", lines, times)
    lead = (
        "Changes arrive, snapshots load, logs rotate, the store is compacted: what the caller's p99 becomes meanwhile."
    )
    caption = "p99 at 5,000 checks a second, open loop, over the p99 of the same round without a disturbance; the target is below 1.5x."
    return Section("churn", "While it is busy", lead, [(drawing, caption)])


def processes(rows: Sequence[Row]) -> Section | None:
    """Draw throughput and memory over the number of serving processes."""
    section = Section("scale", "More serving processes", "They share one port and the pages of one store.", [])
    x = Scale("serving processes", count)
    speed = over(rows, Chosen(scenario="scale"), "processes", per_second, higher=True)
    held = over(rows, Chosen(scenario="scale"), "processes", memory, higher=False)
    caption = "Checks per second over TCP with SO_REUSEPORT; the asking program and the feed share the same processors."
    drawn = [
        single(section, speed, x, Scale("checks/s", count), caption),
        single(section, held, x, Scale("memory", mebibytes), "Memory of all of them, shared pages counted once."),
    ]
    pictures = [picture for each in drawn if each for picture in each.pictures]
    return replace(section, pictures=pictures) if pictures else None
