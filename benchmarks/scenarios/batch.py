"""Several questions in one call: decisions per second against the size of the batch.

A subject that can ask about one customer only in one call (a policy engine with one principal a request) is asked so, and its rows say it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator, Load
from benchmarks.questions import FEATURES, Ask
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.subjects.subject import Subject

NAME: Final = "batch"
TITLE: Final = "Decisions per second against the number of questions in a call"

SIZES: Final = (1, 2, 5, 10, 20, 50, 100)
CONNECTIONS: Final = 4
STREAMS: Final = 4


def run(
    subjects: Sequence[Subject],
    generators: Sequence[Generator],
    rounds: int,
    seconds: float,
    sizes: Sequence[int] = SIZES,
) -> list[Row]:
    """Measure every subject that takes batches, sixteen calls in flight."""
    askers = usable(generators, "c")
    load = Load(connections=CONNECTIONS, streams=STREAMS, seconds=seconds)

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind = next(iter(subject.endpoints()))
        for size in sizes:
            ask = suitable(subject, size)
            for asker in askers if ask is not None else ():
                # Single questions are a batch of one: the row that the others are compared with.
                extra = {"batch": size, "customers": 1 if ask.same_customer else size} if ask is not None else {}
                what = Measurement(NAME, load, ask or Ask(), extra)
                yield what.row(subject, asker, kind, number, weather)

    return interleaved([each for each in subjects if suitable(each, 2) is not None], rounds, rows)


def suitable(subject: Subject, size: int) -> Ask | None:
    """Return how to ask that many questions in one call: of any customers, else of one customer; None when neither can be."""
    asks = [Ask(batch=size)] + ([Ask(batch=size, same_customer=True)] if size <= len(FEATURES) else [])
    return next((ask for ask in asks if subject.questions(ask) is not None), None)
