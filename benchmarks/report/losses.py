"""Where we lose, computed: every subject that beats ours in a figure of the same scenario, asked by the same generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.report.labels import OURS, is_ours
from benchmarks.row import Row
from benchmarks.spread import FIGURES, Repeated, Spread, ratio, repeated

NOTABLE: Final = 1.03
"""A lead below this is luck, even in three rounds of three."""

COMPARED: Final = ("per_second", "decisions_per_second", "p50", "p99", "server_cpu_us", "rss_mib")


@dataclass(frozen=True, slots=True)
class Loss:
    """One figure in which another is better. `factor` is how many times better, above 1, by rounds."""

    scenario: str
    parameters: str
    generator: str
    subject: str
    endpoint: str
    figure: str
    theirs: float
    ours: float
    factor: Spread


def losses(rows: Sequence[Row]) -> list[Loss]:
    """Return every loss that all rounds agree on, by scenario in the order of the run, there by subject with the greatest loss first."""
    groups: dict[tuple[str, str, str], list[Repeated]] = {}
    for each in repeated(rows):
        if each.is_sound:
            row = each.first
            groups.setdefault((row.scenario, row.generator, setting(row)), []).append(each)
    found = []
    for members in groups.values():
        lost = [loss for name in COMPARED if tells(name, members[0].first) for loss in in_figure(members, name)]
        subjects = list(dict.fromkeys(loss.subject for loss in sorted(lost, key=lambda loss: -loss.factor.median)))
        found += sorted(lost, key=lambda loss: subjects.index(loss.subject))
    return found


def setting(row: Row) -> str:
    """Return what must be the same for two subjects to be compared, in words.

    Sixteen streams on four connections and sixty-four connections are the same load, where a connection carries one call; versions of
    libraries and how many customers a batch is about are the subjects' own.
    """
    own = {"connections", "streams", "version", *(("customers",) if row.scenario == "batch" else ())}
    kept = [(name, value) for name, value in sorted(row.parameters.items()) if name not in own]
    parts = [f"{name} {value:,g}" if isinstance(value, int | float) else f"{name} {value}" for name, value in kept]
    connections, streams = row.parameters.get("connections"), row.parameters.get("streams")
    if isinstance(connections, int) and isinstance(streams, int):
        parts.append(f"{connections * streams} in flight")
    return ", ".join(parts)


def tells(name: str, row: Row) -> bool:
    """Tell whether a figure says something of its own in a scenario.

    The generator sets the calls per second of an open loop; of one call at a time they are latency again. Processor time counts
    where the processor is busy, and memory once.
    """
    alone = row.parameters.get("connections") == row.parameters.get("streams") == 1
    if name == "per_second":
        return "rate" not in row.parameters and not alone and row.scenario not in {"in_process", "batch"}
    if name == "decisions_per_second":
        return row.scenario == "batch"
    if name in {"p50", "p99"}:
        return row.scenario not in {"saturated", "batch", "payload"}  # there it is queueing in front of the throughput
    return (
        row.scenario in {"saturated", "batch"}
        if name == "server_cpu_us"
        else name != "rss_mib" or row.scenario == "saturated"
    )


def grouped(found: Sequence[Loss]) -> list[list[Loss]]:
    """Return the losses of one subject in one scenario together."""
    groups: dict[tuple[str, ...], list[Loss]] = {}
    for loss in found:
        groups.setdefault((loss.subject, loss.scenario, loss.generator, loss.parameters), []).append(loss)
    return list(groups.values())


def worst(found: Sequence[Loss]) -> list[tuple[list[Loss], int]]:
    """Return of each subject in each scenario the setting in which it leads most, and in how many other settings it leads."""
    settings: dict[tuple[str, ...], list[list[Loss]]] = {}
    for losses in grouped(found):
        first = losses[0]
        settings.setdefault((first.subject, first.scenario, first.generator), []).append(losses)
    return [
        (max(each, key=lambda losses: max(loss.factor.median for loss in losses)), len(each) - 1)
        for each in settings.values()
    ]


def circumstances(loss: Loss) -> str:
    """Return scenario, caller and setting for a reader."""
    caller = {"c": "from C", "in-process": ""}.get(loss.generator, f"from {loss.generator}")
    return ", ".join(part for part in (loss.scenario.replace("_", " "), caller, loss.parameters) if part)


def in_figure(members: Sequence[Repeated], name: str) -> list[Loss]:
    """Return the losses of one group in one figure: each subject by its best endpoint, ours by its best one."""
    _, figure, higher = FIGURES[name]
    best: dict[str, tuple[float, Repeated]] = {}
    for each in members:
        spread, subject = each.spread(figure), each.first.subject
        if spread is None:
            continue
        value = spread.median
        if subject not in best or (value > best[subject][0] if higher else value < best[subject][0]):
            best[subject] = (value, each)
    own = [pair for subject, pair in best.items() if subject == OURS] or [
        pair for subject, pair in best.items() if is_ours(subject)
    ]
    if not own:
        return []
    mine, ours = (max if higher else min)(own, key=lambda pair: pair[0])
    found = []
    for subject, (value, theirs) in best.items():
        factor = ratio(theirs, ours, figure) if higher else ratio(ours, theirs, figure)
        if is_ours(subject) or factor is None or factor.least <= 1 or factor.median < NOTABLE:
            continue
        row = theirs.first
        found.append(Loss(row.scenario, setting(row), row.generator, subject, row.endpoint, name, value, mine, factor))
    return found
