"""The parts of the page that draw something: each takes the rows and returns a section, or None where nothing of it was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.report.bars import Bar, Span, bars, spans
from benchmarks.report.labels import is_ours, label
from benchmarks.report.scale import Words, count, mebibytes, micros
from benchmarks.report.svg import Drawing
from benchmarks.row import Row
from benchmarks.spread import Chosen, Figure, Repeated, latency, per_second, server_cpu

GIANT: Final = 2.5
"""A bar more than so many times ours is drawn broken."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence of what to see, pictures with captions, notes that belong below them."""

    anchor: str
    title: str
    lead: str
    pictures: Sequence[tuple[Drawing, str]]
    notes: Sequence[str] = field(default_factory=tuple)


Maker = Callable[[Sequence[Row]], Section | None]


def best_each(rows: Sequence[Row], chosen: Chosen, figure: Figure, *, higher: bool) -> list[Repeated]:
    """Return each subject's best measurement among those chosen, the best first."""
    best: dict[str, tuple[float, Repeated]] = {}
    for each in chosen.among(rows):
        spread = each.spread(figure)
        if spread is None:
            continue
        kept = best.get(each.first.subject)
        if kept is None or (spread.median > kept[0] if higher else spread.median < kept[0]):
            best[each.first.subject] = (spread.median, each)
    return [each for _, each in sorted(best.values(), key=lambda pair: pair[0], reverse=higher)]


def where(each: Repeated) -> str:
    """Return a subject with its endpoint, as a chart names it."""
    title, endpoint = label(each.first.subject).title, each.first.endpoint
    return title if endpoint == "in-process" or endpoint in title.lower() else f"{title} · {endpoint}"


def notes_of(chosen: Sequence[Repeated]) -> list[str]:
    """Return what readers must know of the subjects shown, once each."""
    notes = []
    for each in chosen:
        parts = each.first.note.split("; ")
        always = [part for part in parts if all(part in row.note.split("; ") for row in each.rows)]
        kept = [part for part in always if part and not part.startswith("slow moment")]  # weather, not the subject's
        if kept:
            notes.append(f"{label(each.first.subject).title}: {'; '.join(kept)}")
    return list(dict.fromkeys(notes))


def amount_bars(
    title: str, chosen: Sequence[Repeated], figure: Figure, words: Words, *, broken: bool = False
) -> Drawing:
    """Return bars of one figure; where more is better, giants are broken, where less is, ours must be seen against the longest."""
    lines = []
    for each in chosen:
        spread = each.spread(figure)
        if spread is not None:
            tip = f"{where(each)}: {words(spread.median)} ({words(spread.least)} to {words(spread.greatest)})"
            lines.append(Bar(where(each), label(each.first.subject).kind, spread, tip))
    own = [line.amount.greatest for line in lines if line.kind == "ours"]
    greatest = max(line.amount.median for line in lines)
    cut = max(own) * GIANT if broken and own and greatest > max(own) * GIANT else None
    return bars(title, lines, words, cut=cut)


def latency_spans(title: str, chosen: Sequence[Repeated]) -> Drawing | None:
    """Return p50 to p99 of each measurement; None without one."""
    lines = []
    for each in chosen:
        p50, p99 = each.spread(latency("p50")), each.spread(latency("p99"))
        if p50 and p99:
            tip = f"{where(each)}: p50 {micros(p50.median)}, p99 {micros(p99.median)}"
            lines.append(Span(where(each), label(each.first.subject).kind, p50, p99, tip))
    return spans(title, lines, micros) if lines else None


def saturation(rows: Sequence[Row]) -> Section | None:
    """Draw checks per second on one core, and the processor time of a call."""
    chosen = best_each(rows, Chosen(scenario="saturated", generators=("c",)), per_second, higher=True)
    if not chosen:
        return None
    pictures = [
        (
            amount_bars("Checks per second on one server core", chosen, per_second, count, broken=True),
            "Checks per second, one server core, 64 in flight from a C client on the other core. Whiskers: least and greatest round. Broken bars are longer than the page.",
        )
    ]
    costly = [each for each in chosen if each.spread(server_cpu)]
    costly.sort(key=lambda each: spread.median if (spread := each.spread(server_cpu)) else 0.0)
    if costly:
        drawing = amount_bars("Processor time per check", costly, server_cpu, micros)
        pictures.append((drawing, "The server's own user and system time per check at saturation."))
    lead = "How many questions one core answers when callers keep it busy, and what each costs it."
    return Section("throughput", "Throughput", lead, pictures, notes_of(chosen))


CALLERS: Final = {
    "python": "from Python, through the product's own client or the peer's",
    "python-stub": "from Python, through a bare gRPC stub",
    "redis-py": "from Python, through redis-py",
    "node": "from Node, through grpc-js",
}


def one_in_flight(rows: Sequence[Row]) -> Section | None:
    """Draw the latency of single questions."""
    chosen = best_each(rows, Chosen(scenario="one_in_flight", generators=("c",)), latency("p50"), higher=False)
    drawing = latency_spans("One in flight", chosen)
    if drawing is None:
        return None
    caption = (
        "One question at a time from a C client, which adds next to nothing: full dot p50, open dot p99, logarithmic."
    )
    lead = "What one caller waits for one answer when nobody else asks."
    return Section("latency", "Latency of a single check", lead, [(drawing, caption)], notes_of(chosen))


def callers(rows: Sequence[Row]) -> Section | None:
    """Draw the latency of single questions as services in Python and Node see it."""
    pictures = []
    for generator, words in CALLERS.items():
        chosen = best_each(rows, Chosen(scenario="callers", generators=(generator,)), latency("p50"), higher=False)
        drawing = latency_spans(f"One in flight {words}", chosen)
        if drawing:
            pictures.append((drawing, f"One question at a time {words}: full dot p50, open dot p99, logarithmic."))
    lead = "The client library is part of every call: in Python it costs more than any good server."
    return Section("callers", "As a service sees it", lead, pictures) if pictures else None


def at_a_rate(rows: Sequence[Row]) -> Section | None:
    """Draw the latency of calls that are due at a stated rate, whatever becomes of the earlier ones."""
    rates = sorted({row.parameters["rate"] for row in rows if row.scenario == "open_loop"}, key=float)
    pictures = []
    for rate in rates:
        chosen = Chosen(scenario="open_loop", generators=("c",), parameters={"rate": rate})
        drawing = latency_spans("Open loop", best_each(rows, chosen, latency("p50"), higher=False))
        if drawing:
            caption = f"{count(float(rate))} questions a second at random instants, latency from the instant each was due: full dot p50, open dot p99, logarithmic."
            pictures.append((drawing, caption))
    lead = "What independent callers see of a server that is busy, but not too busy."
    return Section("open-loop", "Under a steady load", lead, pictures) if pictures else None


def embedded(rows: Sequence[Row]) -> Section | None:
    """Draw what decides inside the application: our local mode and the libraries a user would embed instead."""
    chosen = best_each(rows, Chosen(scenario="in_process"), latency("p50"), higher=False)
    drawing = latency_spans("Decisions inside a Python application", chosen)
    if drawing is None:
        return None
    lead = "The client's local mode maps the pod's one verified store and decides in the application; here beside libraries that are embedded."
    caption = "Microseconds per check in a Python loop on one core: full dot p50, open dot p99, logarithmic."
    return Section("embedded", "Inside the application", lead, [(drawing, caption)], notes_of(chosen))


def memory_at_rest(rows: Sequence[Row]) -> Section | None:
    """Draw the resident memory of each server under load."""

    def resident(row: Row) -> float | None:
        return row.rss_mib

    chosen = best_each(rows, Chosen(scenario="saturated", generators=("c",)), resident, higher=False)
    if not chosen:
        return None
    drawing = amount_bars("Resident memory", chosen, resident, mebibytes)
    caption = "Resident memory of the answering processes after the saturated run, 1,000 customers."
    lead = "What a pod gives up for it. Ours counts the process that answers; growth with the number of customers is below."
    return Section("memory", "Memory", lead, [(drawing, caption)])


def ours_first(subjects: Sequence[str]) -> list[str]:
    """Return subjects with ours in front, otherwise in their order."""
    return sorted(dict.fromkeys(subjects), key=lambda subject: not is_ours(subject))
