"""One connection, one call at a time: what a caller waits for when nobody else asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator, Load
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.subjects.subject import Subject

NAME: Final = "one_in_flight"
TITLE: Final = "One call at a time over one connection: latency without queueing"


def run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]:
    """Measure every subject on its preferred endpoint with the generators that were written for load."""
    askers = usable(generators, "c", "h2load")
    what = Measurement(NAME, Load(connections=1, streams=1, seconds=seconds))

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind = next(iter(subject.endpoints()))
        for asker in askers:
            yield what.row(subject, asker, kind, number, weather)

    return interleaved(subjects, rounds, rows)
