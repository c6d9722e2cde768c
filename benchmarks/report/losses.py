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
    """Return every loss that all rounds agree on, the greatest first within a scenario; scenarios in the order of the run."""
    groups: dict[tuple[str, str, str], list[Repeated]] = {}
    for each in repeated(rows):
        if each.is_sound:
            row = each.first
            groups.setdefault((row.scenario, row.generator, each.first.key()[-1]), []).append(each)
    found = []
    for members in groups.values():
        lost = [loss for name in COMPARED for loss in in_figure(members, name)]
        found += sorted(lost, key=lambda loss: -loss.factor.median)
    return found


def in_figure(members: Sequence[Repeated], name: str) -> list[Loss]:
    """Return the losses of one group in one figure: each subject by its best endpoint, ours by its best one."""
    _, figure, higher = FIGURES[name]
    if name == "decisions_per_second" and all(row.calls == row.decisions for each in members for row in each.rows):
        return []  # the same as calls per second
    if name == "per_second" and any("rate" in row.parameters for each in members for row in each.rows):
        return []  # the generator sets it
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
        parameters = row.key()[-1]
        found.append(Loss(row.scenario, parameters, row.generator, subject, row.endpoint, name, value, mine, factor))
    return found
