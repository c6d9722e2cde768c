"""What an answer costs a Python application that decides in its own process: `python3 dev.py bench local_mode`.

One call after another, each timed by itself and its verdict checked afterwards, over a store that another process keeps fresh. About 60 ns of
every figure are the clock. Beside the two cases of `in_process` (everything remembered, nothing remembered): questions with attributes, the very
first question about each customer, batches and lists.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final, TypeAlias

from benchmarks import world
from benchmarks.generators.latencies import Latencies
from benchmarks.questions import CUSTOMERS, FEATURES, PAIRS, Ask, is_allowed
from benchmarks.result import Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.scenarios.measurement import UNEVEN, Weather
from benchmarks.subjects.kept_store import kept_store
from entitlements.client import Answer, LocalEntitlementClient, Question

NOWHERE: Final = "unix:/nonexistent/sidecar.sock"
"""No sidecar runs: what the store could not answer would be a deny, and be counted as wrong."""
ATTRIBUTES: Final = {"region": "eu", "app_version": 9}

Turn: TypeAlias = tuple[Callable[[], object], Sequence[bool]]
"""What is called once, and the verdicts that it must bring."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way of asking, turn by turn; one that is not `warm` shows only the first time."""

    name: str
    turns: Callable[[], Iterator[Turn]]
    warm: bool = True


def cases(store: Path) -> list[Case]:
    """Return every way of asking. Clients of one process share the mapping and nothing else."""

    def client(answers: int) -> LocalEntitlementClient:
        return LocalEntitlementClient(store, product=world.PRODUCT, target=NOWHERE, answers=answers)

    remembering, forgetful = client(10_000), client(0)

    def single(asked: LocalEntitlementClient, **fields: Any) -> Iterator[Turn]:
        for pair in itertools.cycle(PAIRS):
            yield partial(asked.check, pair.customer, pair.feature, **fields), (pair.allowed,)

    def cold() -> Iterator[Turn]:
        unused = client(0)
        unused.check("nobody", "feature-04")  # now the store is open and the feature is read
        for customer in CUSTOMERS:
            yield partial(unused.check, customer, "feature-04"), (is_allowed(customer, "feature-04"),)

    def batches(asked: LocalEntitlementClient) -> Iterator[Turn]:
        for pair in PAIRS:  # a batch takes answers from the memory and puts none there
            asked.check(pair.customer, pair.feature)
        for group in itertools.cycle(Ask(batch=100).groups()):
            questions = [Question(pair.customer, pair.feature) for pair in group]
            yield partial(asked.batch, questions), [pair.allowed for pair in group]

    def listed(customer: str) -> list[Answer]:
        return list(remembering.entitlements(customer))

    def lists() -> Iterator[Turn]:
        for customer in itertools.cycle(CUSTOMERS[:100]):
            yield partial(listed, customer), [is_allowed(customer, feature) for feature in FEATURES]

    return [
        Case("hit", lambda: single(remembering)),
        Case("miss", lambda: single(forgetful)),
        Case("hit, two attributes", lambda: single(remembering, attributes=ATTRIBUTES)),
        Case("miss, two attributes", lambda: single(forgetful, attributes=ATTRIBUTES)),
        Case("first question about a customer", cold, warm=False),
        Case("batch of 100, remembered", lambda: batches(remembering)),
        Case("batch of 100", lambda: batches(forgetful)),
        Case("list of 20", lists),
    ]


def row(case: Case, number: int, seconds: float, weather: Weather) -> Row:
    """Measure one case."""
    spin = weather.good_moment()
    turns = case.turns()
    if case.warm:
        for ask, _ in itertools.islice(turns, len(PAIRS)):
            ask()
    gc.collect()
    took: list[int] = []
    wrong = decisions = 0
    began = perf_counter_ns()
    until = began + int(seconds * 1e9)
    for ask, wanted in turns:
        started = perf_counter_ns()
        said = ask()
        ended = perf_counter_ns()
        took.append(ended - started)
        decisions += len(wanted)
        answers = said if isinstance(said, list) else [said]
        given = [answer.allowed for answer in answers if isinstance(answer, Answer) and not answer.is_fallback]
        wrong += given != list(wanted)
        if ended >= until:
            break
    latencies, slow = Latencies.of(took), weather.after(spin)
    return Row(
        scenario="in_process",
        subject="client-local",
        generator="in-process",
        endpoint="in-process",
        parameters={"case": case.name},
        round=number,
        spin_ms=round(spin, 3),
        seconds=round((perf_counter_ns() - began) / 1e9, 6),
        calls=len(took),
        decisions=decisions,
        wrong=wrong,
        latency_us=latencies.summary_us(),
        histogram=latencies.encoded(),
        note="per_second includes checking the verdicts"
        + (f"; slow moment: spin {slow:.2f} times the round's best" if slow > UNEVEN else ""),
    )


def main(argv: Sequence[str]) -> int:
    """Measure every case in turn, round by round; print a table and write the rows. Exit code 1 when an answer was wrong."""
    parser = argparse.ArgumentParser(prog="bench local_mode", description="Deciding in the application's own process.")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured length of each case (default 1)")
    wanted = parser.parse_args(argv)
    on, date = machine(), datetime.now(UTC).isoformat(timespec="seconds")
    rows: list[Row] = []
    weather = Weather()
    with kept_store() as store:
        every = cases(store)
        for number in range(1, wanted.rounds + 1):
            weather.new_round()
            rows += [row(case, number, wanted.seconds, weather) for case in every]
    print(f"{'microseconds':<34} {'p50':>8} {'p99':>8} {'max':>9}   best round; per decision")
    for case in every:
        best = min((one for one in rows if one.parameters["case"] == case.name), key=lambda one: one.latency_us["p50"])
        each = best.decisions / best.calls
        p50, p99, most = (best.latency_us[name] for name in ("p50", "p99", "max"))
        print(f"{case.name:<34} {p50:8.2f} {p99:8.2f} {most:9.1f}   {p50 / each:.2f}")
    result = Result(
        benchmark="local_mode", date=date, commit=commit(), machine=on, rows=rows, versions=library_versions()
    )
    print(f"written {result.write()}")
    return 1 if any(one.wrong for one in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
