"""The same subject over a unix socket, TCP on the loopback interface, and TLS: one call at a time and sixty-four in flight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator, Load
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.scenarios.saturated import full_load
from benchmarks.subjects.subject import Subject

NAME: Final = "endpoints"
TITLE: Final = "Unix socket, TCP and TLS"


def run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]:
    """Measure every endpoint of every subject."""
    askers = usable(generators, "c")

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        for kind, endpoint in subject.endpoints().items():
            for asker in askers:
                for load in (Load(seconds=seconds), full_load(endpoint, seconds)):
                    yield Measurement(NAME, load).row(subject, asker, kind, number, weather)

    return interleaved(subjects, rounds, rows)
