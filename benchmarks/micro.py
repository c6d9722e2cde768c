"""What one answer costs inside the engine, transport excluded: `python3 dev.py bench micro [--markdown | --publish]`.

Microseconds per answer, bytes to bytes, in one thread. Steps are timed apart from each other, so their sum is a little off the whole. Rounds are
interleaved over the steps; the table shows medians with the least and the greatest round.
"""

from __future__ import annotations

import argparse
import gc
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import Final

from benchmarks.answer_steps import Step, revalidations, steps
from benchmarks.result import ROOT, Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.scenarios.processors import SERVER_CPU, pinned, spin_ms

PAGE: Final = ROOT / "docs" / "performance.md"
PLACE: Final = re.compile(r"(<!-- micro -->\n)(.*?)(<!-- /micro -->)", re.DOTALL)
ROUNDS: Final = 7
STEPS: Final = ("parse", "look up", "decide", "encode", "remember", "metrics", "whole")
PATHS: Final = {
    "hit": "Check, remembered",
    "new heartbeat": "Check, remembered, first after a heartbeat",
    "new position": "Check, remembered, first after a change elsewhere",
    "miss": "Check, decided",
    "batch, remembered": "BatchCheck of 100, remembered",
    "batch, decided": "BatchCheck of 100, decided",
    "list, remembered": "ListEntitlements of 20, remembered",
    "list, decided": "ListEntitlements of 20, decided",
}


def measure(step: Step, number: int) -> Row:
    """Return one round of one step."""
    spin = spin_ms()
    with pinned(SERVER_CPU):
        if step.before is None:
            call = step.call
            began = perf_counter()
            for _ in range(step.times):
                call()
            seconds = perf_counter() - began
        else:
            taken = []
            for _ in range(step.times):
                step.before()
                began_ns = perf_counter_ns()
                step.call()
                taken.append(perf_counter_ns() - began_ns)
            seconds = (
                median(taken) * step.times / 1e9
            )  # what happens before leaves the processor's caches cold now and then
    answers = step.times * step.answers
    return Row(
        scenario="micro",
        subject="engine",
        generator="in-process",
        endpoint="in-process",
        parameters={"path": step.path, "step": step.name},
        round=number,
        spin_ms=spin,
        seconds=seconds,
        calls=step.times,
        decisions=answers,
        latency_us={"mean": seconds / answers * 1e6},
    )


def rows(rounds: int) -> list[Row]:
    """Return every step's rounds."""
    measured: list[Row] = []
    for timed in (steps, revalidations):
        with tempfile.TemporaryDirectory() as folder, timed(Path(folder)) as found:
            for step in found:  # so that every branch is warm before the first round
                for _ in range(100 // step.answers + 1):
                    if step.before:
                        step.before()
                    step.call()
            gc.collect()
            gc.freeze()
            measured += [measure(step, number) for number in range(1, rounds + 1) for step in found]
            gc.unfreeze()
    return measured


def figure(measured: Sequence[Row], path: str, step: str) -> str:
    """Return a median with its spread, a dash where nothing is measured."""
    found = [
        row.latency_us["mean"] for row in measured if row.parameters["path"] == path and row.parameters["step"] == step
    ]
    return f"{median(found):.1f} ({min(found):.1f}-{max(found):.1f})" if found else "-"


def table(measured: Sequence[Row]) -> str:
    """Return the budget as a Markdown table, microseconds for each answer."""
    lines = [("us per answer", *STEPS), ("---",) * (len(STEPS) + 1)]
    lines += [(title, *(figure(measured, path, step) for step in STEPS)) for path, title in PATHS.items()]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def publish(text: str, page: Path = PAGE) -> None:
    """Put the table into its place in a document; ValueError when there is no such place."""
    before = page.read_text(encoding="utf-8")
    if not PLACE.search(before):
        raise ValueError(f"{page} has no place <!-- micro --> for the table; put the two markers back")
    page.write_text(PLACE.sub(lambda found: found[1] + text + found[3], before), encoding="utf-8")


def main(argv: list[str]) -> int:
    """Measure, print the table, and write the rows."""
    options = argparse.ArgumentParser(prog="bench micro", description="What each step of an answer costs.")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="rounds for each step")
    options.add_argument("--markdown", action="store_true", help="print the table alone and write no result")
    options.add_argument("--publish", action="store_true", help="also put the table into docs/performance.md")
    chosen = options.parse_args(argv)
    on, began = machine(), perf_counter()
    measured = rows(max(1, chosen.rounds))
    made = table(measured)
    print(made)
    print(f"parsing a question with two attributes: {figure(measured, 'extra', 'parse two attributes')} us")
    if chosen.publish:
        speed = median(row.spin_ms for row in measured)
        said = f"{on['processor']}, Python {on['python']}, commit {commit()}, {datetime.now(UTC):%Y-%m-%d}, spin time {speed:.1f} ms"
        publish(f"{made}\n{said}.\n")
    if not chosen.markdown:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        result = Result(
            benchmark="micro",
            date=moment,
            commit=commit(),
            machine=on,
            rows=measured,
            versions=library_versions(),
            took_s=perf_counter() - began,
        )
        print(f"written {result.write()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
