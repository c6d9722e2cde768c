"""The tables of the page: every measurement of every scenario, the targets, the losses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.report.labels import is_ours, label
from benchmarks.report.losses import Loss, circumstances, grouped
from benchmarks.report.scale import Words, count, mebibytes, micros, times
from benchmarks.report.targets import Verdict
from benchmarks.row import Row
from benchmarks.spread import FIGURES, Repeated, repeated

WORDS: dict[str, Words] = {
    "per_second": count,
    "decisions_per_second": count,
    "rss_mib": mebibytes,
    **dict.fromkeys(("p50", "p90", "p99", "p999", "max", "server_cpu_us"), micros),
}
TITLES = {
    "per_second": "calls/s",
    "decisions_per_second": "decisions/s",
    "p999": "p99.9",
    "server_cpu_us": "CPU per call",
    "rss_mib": "memory",
}


def table(head: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]], numbers_from: int) -> str:
    """Return a table of ready cells; columns from `numbers_from` on are numbers. Each line brings the class of its row."""
    kinds = ["" if number < numbers_from else ' class="n"' for number in range(len(head))]
    top = "".join(f"<th{kind}>{escape(title)}</th>" for kind, title in zip(kinds, head, strict=True))
    body = ""
    for class_, cells in lines:
        own = f' class="{class_}"' if class_ else ""
        body += (
            f"<tr{own}>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)) + "</tr>"
        )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(each: Repeated, name: str) -> str:
    """Return a figure with the least and the greatest round below it."""
    _, figure, _ = FIGURES[name]
    spread, words = each.spread(figure), WORDS[name]
    if spread is None:
        return ""
    around = f"<small>{words(spread.least)} to {words(spread.greatest)}</small>" if spread.rounds > 1 else ""
    return words(spread.median) + around


def scenario_table(rows: Sequence[Row]) -> str:
    """Return all measurements of one scenario; figures that no row has get no column."""
    groups = repeated(rows)
    same = all(row.calls == row.decisions for row in rows)
    names = [
        name
        for name, (_, figure, _) in FIGURES.items()
        if not (name == "decisions_per_second" and same) and any(each.spread(figure) for each in groups)
    ]
    parameters = any(row.parameters for row in rows)
    head = [
        "who",
        "asked by",
        "over",
        *(["how"] if parameters else []),
        *(TITLES.get(name, name) for name in names),
        "wrong, failed",
    ]
    lines = []
    for each in groups:
        row = each.first
        how = ", ".join(f"{name} {value}" for name, value in row.parameters.items())
        who = escape(label(row.subject).title) + f"<small>{escape(row.subject)}</small>"
        cells = [who, escape(row.generator), escape(row.endpoint), *([escape(how)] if parameters else [])]
        cells += [cell(each, name) for name in names]
        cells.append(faults(each))
        lines.append(("ours" if is_ours(row.subject) else "", cells))
    return table(head, lines, 4 if parameters else 3)


def faults(each: Repeated) -> str:
    """Return how many answers were wrong or failed, by name."""
    kinds: dict[str, int] = {"wrong": each.wrong} if each.wrong else {}
    for row in each.rows:
        for name, number in row.errors.items():
            kinds[name] = kinds.get(name, 0) + number
    return ", ".join(f"{escape(name)} {number:,}" for name, number in kinds.items()) or "0"


def target_table(verdicts: Sequence[Verdict]) -> str:
    """Return target, bound, measured, and whether it is met."""
    lines = []
    for verdict in verdicts:
        class_ = {True: "yes", False: "no", None: "none"}[verdict.is_met]
        against = f"<small>{escape(verdict.against)}</small>" if verdict.against else ""
        cells = [
            escape(verdict.target) + against,
            verdict.bound,
            verdict.words,
            f'<span class="{class_}">{verdict.answer}</span>',
        ]
        lines.append(("", cells))
    return table(["target", "bound", "measured, median of the rounds (least to greatest)", "met"], lines, 4)


def loss_table(found: Sequence[Loss]) -> str:
    """Return who is better in what, and by how much: a line for each subject and scenario."""
    lines = []
    for losses in grouped(found):
        first = losses[0]
        who = f"{escape(label(first.subject).title)}<small>{escape(first.endpoint)}</small>"
        figures = "<br>".join(
            f"{TITLES.get(loss.figure, loss.figure)} {WORDS[loss.figure](loss.theirs)} against {WORDS[loss.figure](loss.ours)}"
            for loss in losses
        )
        factors = "<br>".join(
            f'{times(loss.factor.median)} <span class="none">({times(loss.factor.least)} to {times(loss.factor.greatest)})</span>'
            for loss in losses
        )
        lines.append(("", [who, escape(circumstances(first)), figures, factors]))
    return table(["who is better", "in", "theirs against ours", "better by"], lines, 4)
