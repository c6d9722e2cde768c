"""Calls due at a stated rate, whatever becomes of the earlier ones: what callers see of a server that is busy but not too busy.

The instants are random with the stated mean (a Poisson process), as those of independent callers are; evenly spaced ones would hide queueing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator, Load
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.subjects.subject import Subject

NAME: Final = "open_loop"
TITLE: Final = "2,000 calls a second, open loop: latency from the instant a call was due"

RATE: Final = 2_000.0
CONNECTIONS: Final = 4


def run(
    subjects: Sequence[Subject],
    generators: Sequence[Generator],
    rounds: int,
    seconds: float,
    rates: Sequence[float] = (RATE,),
) -> list[Row]:
    """Measure every subject at each rate on its preferred endpoint."""
    askers = usable(generators, "c")

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind, endpoint = next(iter(subject.endpoints().items()))
        connections = CONNECTIONS if endpoint.wire == "grpc" else CONNECTIONS * 16
        for rate in rates:
            load = Load(connections=connections, rate=rate, poisson=True, seconds=seconds)
            for asker in askers:
                yield Measurement(NAME, load).row(subject, asker, kind, number, weather)

    return interleaved(subjects, rounds, rows)
