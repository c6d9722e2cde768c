"""Latency against rate, from idle to beyond what the subject can do.

Its limit is measured first, in a short closed loop in the first round; the rates are fixed shares of it, the same in every round. The last one is
above the limit on purpose: there the queue grows for as long as the row lasts, and latency says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator, GeneratorFailed, Load
from benchmarks.questions import Ask
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, say, usable
from benchmarks.scenarios.open_loop import CONNECTIONS
from benchmarks.scenarios.saturated import full_load
from benchmarks.subjects.subject import Kind, Subject

NAME: Final = "sweep"
TITLE: Final = "Latency against rate, from a tenth of the limit to just above it"

SHARES: Final = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1)
LIMIT_S: Final = 1.0


def run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]:
    """Measure every subject at every share of its own limit."""
    askers = usable(generators, "c")
    limits: dict[str, float] = {}

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind, endpoint = next(iter(subject.endpoints().items()))
        connections = CONNECTIONS if endpoint.wire == "grpc" else CONNECTIONS * 16
        for asker in askers:
            if subject.name not in limits:
                limits[subject.name] = limit_of(subject, asker, kind)
            for share in SHARES if limits[subject.name] else ():
                rate = rounded(share * limits[subject.name])
                load = Load(connections=connections, rate=rate, poisson=True, seconds=seconds)
                yield Measurement(NAME, load, parameters={"share": share}).row(subject, asker, kind, number, weather)

    return interleaved(subjects, rounds, rows)


def limit_of(subject: Subject, asker: Generator, kind: Kind) -> float:
    """Return answers per second in a closed loop; 0 when it cannot be asked."""
    questions = subject.questions(Ask())
    if questions is None:
        return 0.0
    try:
        outcome = asker.run(subject.endpoints()[kind], questions, full_load(subject.endpoints()[kind], LIMIT_S))
    except GeneratorFailed as error:
        say(f"{NAME}: {asker.name} on {subject.name} failed: {error}")
        return 0.0
    return outcome.calls / outcome.seconds


def rounded(rate: float) -> float:
    """Return a rate with two significant digits, which read better on an axis."""
    step = 10 ** max(0, len(str(int(rate))) - 2)
    return float(max(1, round(rate / step)) * step)
