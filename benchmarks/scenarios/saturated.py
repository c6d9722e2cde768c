"""Sixty-four calls in flight: how many answers one processor gives, and what each costs it.

Four connections of sixteen streams; where a connection carries one call at a time (HTTP/1.1, Redis), sixty-four connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.generators.generator import Generator, Load
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.subjects.subject import Endpoint, Subject

NAME: Final = "saturated"
TITLE: Final = "64 calls in flight: answers per second and processor time per answer on one core"

CONNECTIONS: Final = 4
STREAMS: Final = 16


def full_load(endpoint: Endpoint, seconds: float) -> Load:
    """Return 64 calls in flight in the form that the endpoint's wire allows."""
    load = Load(connections=CONNECTIONS, streams=STREAMS, seconds=seconds)
    return load if endpoint.wire == "grpc" else replace(load, connections=CONNECTIONS * STREAMS, streams=1)


def run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]:
    """Measure every subject on its preferred endpoint with the generators that were written for load."""
    askers = usable(generators, "c", "h2load")

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind, endpoint = next(iter(subject.endpoints().items()))
        for asker in askers:
            yield Measurement(NAME, full_load(endpoint, seconds)).row(subject, asker, kind, number, weather)

    return interleaved(subjects, rounds, rows)
