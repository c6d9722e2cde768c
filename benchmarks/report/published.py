"""The tables in the documents that come from a result file: between two marker comments, written by `bench report --publish`.

    <!-- bench:figures -->
    ... made from the result that the text itself links to ...
    <!-- /bench:figures -->

A test compares every block with what its result gives, so a number in a document can only come from a measurement that is checked in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.noise import Noise
from benchmarks.report.labels import label
from benchmarks.report.losses import circumstances, losses, worst
from benchmarks.report.picture import SHOWN
from benchmarks.report.scale import count, mebibytes, micros, times
from benchmarks.report.sections import best_each, where
from benchmarks.report.tables import TITLES, WORDS
from benchmarks.report.targets import LOCAL, verdicts
from benchmarks.result import RESULTS, ROOT, Result
from benchmarks.spread import Chosen, Figure, Repeated, latency, memory, per_second, server_cpu

DOCUMENTS: Final = (ROOT / "README.md", ROOT / "docs" / "performance.md")
NOTHING: Final = "Nothing has been published yet.\n"
SOURCE: Final = re.compile(r"benchmarks/results/([0-9TZ]+-[0-9a-z-]+\.json)")


def marked(name: str) -> re.Pattern[str]:
    """Return what finds the block of a name: the opening mark, its text, the closing mark."""
    return re.compile(rf"(<!-- bench:{name} -->\n)(.*?)(<!-- /bench:{name} -->)", re.DOTALL)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def told(each: Repeated | None, figure: Figure, words: Callable[[float], str]) -> str:
    """Return a median with the least and the greatest round, the unit once where it is the same; a dash where nothing was measured."""
    spread = each.spread(figure) if each else None
    if spread is None:
        return "-"
    median, least, greatest = words(spread.median), words(spread.least), words(spread.greatest)
    if spread.rounds < 2 or least == greatest:
        return median
    unit = median.partition(" ")[2]
    if unit and all(text.endswith(f" {unit}") for text in (least, greatest)):
        least, greatest = least.removesuffix(f" {unit}"), greatest.removesuffix(f" {unit}")
    return f"{median} ({least} to {greatest})"


def figures(result: Result, subjects: Sequence[str] = ()) -> str:
    """Return throughput and latency of these subjects, or of all, the fastest first."""
    rows = result.rows
    chosen = Chosen(scenario="saturated", subjects=tuple(subjects), generators=("c",))
    busy = best_each(rows, chosen, per_second, higher=True)
    alone = best_each(rows, Chosen(scenario="one_in_flight", generators=("c",)), latency("p50"), higher=False)
    single = {each.first.subject: each for each in alone}
    lines = []
    for each in busy:
        one = single.get(each.first.subject)
        name = f"**{where(each)}**" if label(each.first.subject).kind == "ours" else where(each)
        lines.append(
            (
                name,
                told(one, latency("p50"), micros),
                told(one, latency("p99"), micros),
                told(each, per_second, count),
                told(each, server_cpu, micros),
                told(each, memory, mebibytes),
            )
        )
    head = ("", "one in flight, p50", "p99", "64 in flight, per second", "CPU per check", "memory")
    return table(head, lines) if lines else ""


def embedded(result: Result) -> str:
    """Return what decides inside a Python application."""
    found = best_each(result.rows, Chosen(scenario="in_process"), latency("p50"), higher=False)
    lines = []
    for each in found:
        title = label(each.first.subject).title
        name = f"**{title}**" if each.first.subject in LOCAL else title
        lines.append((name, told(each, latency("p50"), micros), told(each, latency("p99"), micros)))
    return table(("inside a Python application", "p50", "p99"), lines) if lines else ""


def targets(result: Result) -> str:
    """Return target, bound, measured, met."""
    judged = verdicts(result.rows, result.left_out)
    lines = [
        (f"{each.target}{f' ({each.against})' if each.against else ''}", each.bound, each.words, each.answer)
        for each in judged
    ]
    return table(("target", "bound", "measured", "met"), lines)


def lost(result: Result) -> str:
    """Return where somebody else is better in all rounds."""
    found = [loss for loss in losses(result.rows) if label(loss.subject).kind != "limit"]
    lines = []
    for each, others in worst(found):
        figures = [
            f"{TITLES.get(loss.figure, loss.figure)} {WORDS[loss.figure](loss.theirs)} against {WORDS[loss.figure](loss.ours)} ({times(loss.factor.median)})"
            for loss in each
        ]
        also = f"; and {others} other setting{'s' if others > 1 else ''}" if others else ""
        lines.append((label(each[0].subject).title, circumstances(each[0]) + also, "<br>".join(figures)))
    return table(("who is better", "in", "theirs against ours"), lines) if lines else "Nowhere in this run.\n"


def origin(block: str, result: Result, name: str) -> str:
    """Return where the numbers come from, with the link that the test follows."""
    on = result.machine
    if block == "picture":
        return f"<sub>Drawn from benchmarks/results/{name}</sub>\n"
    return (
        f"<sub>{result.date[:10]}, commit {result.commit}, {on.get('processor')}, {on.get('cores')} cores, Python {on.get('python')}. "
        f"Medians of the rounds (least to greatest). {Noise.of(result.rows).sentence()} All rows: benchmarks/results/{name}</sub>\n"
    )


MAKERS: Final[Mapping[str, Callable[[Result], str]]] = {
    "picture": lambda _: "![Checks per second and latency beside peers](docs/images/benchmark.svg)\n",
    "summary": lambda result: figures(result, SHOWN),
    "figures": figures,
    "embedded": embedded,
    "targets": targets,
    "losses": lost,
}


def block(name: str, result: Result, file: str) -> str:
    """Return the text of one block; KeyError for a name that no block has."""
    return f"{MAKERS[name](result)}\n{origin(name, result, file)}"


def refreshed(text: str, result: Result, file: str) -> str:
    """Return a document with all its blocks made from a result."""
    for name in MAKERS:
        made = block(name, result, file)
        text = marked(name).sub(lambda match, made=made: f"{match[1]}{made}{match[3]}", text)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return text


def stale(text: str, folder: Path = RESULTS) -> list[str]:
    """Return the names of blocks that differ from what the result they link to gives; a block that says that nothing is there is in order."""
    found = []
    for name in MAKERS:
        for match in marked(name).finditer(text):
            if match[2] == NOTHING:
                continue
            source = SOURCE.search(match[2])
            path = folder / source[1] if source else None
            if path is None or not path.exists() or match[2] != block(name, Result.read(path), path.name):
                found.append(name)
    return found
