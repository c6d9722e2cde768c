"""The few numbers that a reader keeps, and the sentence beside each that says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.labels import OURS, label
from benchmarks.report.scale import count, micros, times
from benchmarks.report.targets import CERBOS, LOCAL, OPA
from benchmarks.row import Row
from benchmarks.spread import Chosen, Figure, Repeated, decisions_per_second, latency, per_second, ratio


@dataclass(frozen=True, slots=True)
class Card:
    """A number, what it is, and what it is beside others."""

    number: str
    what: str
    beside: str


def cards(rows: Sequence[Row]) -> list[Card]:
    """Return a card for each number that was measured."""
    return [card for maker in (saturated, single, batched, embedded) if (card := maker(rows))]


def against(rows: Sequence[Row], ours: Repeated, scenario: str, figure: Figure, *, higher: bool) -> str:
    """Return our ratio to OPA and to Cerbos in words."""
    said = []
    for subjects in (OPA, CERBOS):
        theirs = Chosen(scenario=scenario, subjects=subjects, generators=(ours.first.generator,))
        under = theirs.best(rows, figure, higher=higher)
        found = ratio(ours, under, figure) if under else None
        if found and under:
            said.append(f"{times(found.median)} {label(under.first.subject).title}")
    return ", ".join(said)


def saturated(rows: Sequence[Row]) -> Card | None:
    """Return checks per second on one core."""
    ours = Chosen(scenario="saturated", subjects=(OURS,), generators=("c",), endpoints=("unix",))
    best = ours.best(rows, per_second, higher=True)
    spread = best.spread(per_second) if best else None
    if not best or not spread:
        return None
    beside = against(rows, best, "saturated", per_second, higher=True)
    return Card(count(spread.median), "checks per second on one core", beside)


def single(rows: Sequence[Row]) -> Card | None:
    """Return the latency of one question."""
    ours = Chosen(scenario="one_in_flight", subjects=(OURS,), generators=("c",), endpoints=("unix",))
    best = ours.best(rows, latency("p50"), higher=False)
    p50, p99 = (best.spread(latency(name)) if best else None for name in ("p50", "p99"))
    if not best or not p50 or not p99:
        return None
    beside = against(rows, best, "one_in_flight", latency("p99"), higher=False)
    return Card(micros(p50.median), f"p50 of one check, p99 {micros(p99.median)}", f"p99: {beside}" if beside else "")


def batched(rows: Sequence[Row]) -> Card | None:
    """Return decisions per second in batches."""
    ours = Chosen(scenario="batch", subjects=(OURS,))
    best = ours.best(rows, decisions_per_second, higher=True)
    spread = best.spread(decisions_per_second) if best else None
    if not best or not spread:
        return None
    return Card(
        count(spread.median), "decisions per second on one core", f"{best.first.parameters.get('batch')} in a call"
    )


def embedded(rows: Sequence[Row]) -> Card | None:
    """Return the latency of a decision inside the application."""
    best = Chosen(scenario="in_process", subjects=LOCAL).best(rows, latency("p50"), higher=False)
    spread = best.spread(latency("p50")) if best else None
    if not best or not spread:
        return None
    others = [each for each in Chosen(scenario="in_process").among(rows) if label(each.first.subject).kind == "sdk"]
    values = [found.median for each in others if (found := each.spread(latency("p50")))]
    beside = f"the best flag library: {micros(min(values))}" if values else ""
    return Card(micros(spread.median), "p50 inside a Python application", beside)
