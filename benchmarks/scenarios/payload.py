"""What more in a question, or more wanted in the answer, costs: attributes, a full explanation, a kibibyte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator
from benchmarks.questions import Ask
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved, usable
from benchmarks.scenarios.saturated import full_load
from benchmarks.subjects.our_questions import PAYLOADS
from benchmarks.subjects.subject import Subject

NAME: Final = "payload"
TITLE: Final = "64 calls in flight with attributes, explanations and large requests"


def run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]:
    """Measure every subject that takes more than plain questions."""
    askers = usable(generators, "c")

    def rows(subject: Subject, number: int, weather: Weather) -> Iterator[Row | None]:
        kind, endpoint = next(iter(subject.endpoints().items()))
        for payload in PAYLOADS:
            what = Measurement(
                NAME, full_load(endpoint, seconds), Ask(payload=payload), parameters={"payload": payload}
            )
            for asker in askers:
                yield what.row(subject, asker, kind, number, weather)

    able = [each for each in subjects if each.questions(Ask(payload="attributes")) is not None]
    return interleaved(able, rounds, rows)
