"""What services see that are written in Python or Node: the client library's cost on top of the server's, one call at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator, Load
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.subjects.subject import Subject

NAME: Final = "callers"
TITLE: Final = "One call at a time from C, Python and Node"

CALLERS: Final = ("c", "python", "python-stub", "node")


def run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]:
    """Measure every subject on its preferred endpoint with every caller that speaks its wire."""
    askers = usable(generators, *CALLERS)
    what = Measurement(NAME, Load(connections=1, streams=1, seconds=seconds, warm_up_s=0.5))

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind = next(iter(subject.endpoints()))
        for asker in askers:
            yield what.row(subject, asker, kind, number, weather)

    return interleaved(subjects, rounds, rows)
