"""What a run says when it ends: a line for each measurement, then the targets that it could judge."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.noise import Noise
from benchmarks.report.scale import Words, count, mebibytes, micros
from benchmarks.report.targets import verdicts
from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.spread import FIGURES, Repeated, repeated

COLUMNS: Sequence[tuple[str, str, Words]] = (
    ("per_second", "calls/s", count),
    ("decisions_per_second", "decisions/s", count),
    ("p50", "p50", micros),
    ("p99", "p99", micros),
    ("p999", "p99.9", micros),
    ("server_cpu_us", "CPU/call", micros),
    ("rss_mib", "memory", mebibytes),
)


def summary(result: Result) -> str:
    """Return the run for a terminal: medians of the rounds, targets, noise."""
    scenarios = dict.fromkeys(row.scenario for row in result.rows)
    parts = [measurements(name, [row for row in result.rows if row.scenario == name]) for name in scenarios]
    return "\n\n".join([*parts, targets(result.rows), Noise.of(result.rows).sentence()])


def measurements(scenario: str, rows: Sequence[Row]) -> str:
    """Return a table of one scenario, aligned; columns that no row fills are left out."""
    groups = repeated(rows)
    shown = [
        (name, title, words) for name, title, words in COLUMNS if any(each.spread(FIGURES[name][1]) for each in groups)
    ]
    if all(row.calls == row.decisions for row in rows):
        shown = [column for column in shown if column[0] != "decisions_per_second"]
    lines = [[scenario, *(title for _, title, _ in shown), ""]]
    lines += [[who(each), *(cell(each, name, words) for name, _, words in shown), faults(each)] for each in groups]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        f"{line[0]:<{widths[0]}}  "
        + "  ".join(f"{text:>{width}}" for text, width in zip(line[1:], widths[1:], strict=True)).rstrip()
        for line in lines
    )


def who(each: Repeated) -> str:
    """Return what tells a measurement from the others of its scenario."""
    row = each.first
    kept = {name: value for name, value in row.parameters.items() if name not in {"connections", "streams", "version"}}
    how = " ".join(f"{name}={value}" for name, value in kept.items())
    where = "" if row.endpoint == "in-process" else f" {row.endpoint} from {row.generator}"
    return f"  {row.subject}{where} {how}".rstrip()


def cell(each: Repeated, name: str, words: Words) -> str:
    """Return the median of a figure; empty where there is none."""
    spread = each.spread(FIGURES[name][1])
    return words(spread.median) if spread else ""


def faults(each: Repeated) -> str:
    """Return wrong and failed answers, which nobody should have to look for."""
    return f"WRONG {each.wrong}, FAILED {each.failed}" if each.wrong or each.failed else ""


def targets(rows: Sequence[Row]) -> str:
    """Return the targets that were measured, and how many were not."""
    judged = verdicts(rows)
    known = [verdict for verdict in judged if verdict.is_met is not None]
    lines = [f"  {each.answer:<4}{each.bound:>13}  {each.words:<26}{each.target}" for each in known]
    head = f"targets: {sum(each.is_met is True for each in known)} of {len(known)} met, {len(judged) - len(known)} not measured"
    return "\n".join([head, *lines])
