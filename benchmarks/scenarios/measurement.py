"""One row: the weather before it, one run of a generator, what the server used for it, the weather after it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.generators.generator import Generator, GeneratorFailed, Load, Outcome
from benchmarks.questions import Ask
from benchmarks.row import Row
from benchmarks.scenarios.processors import SERVER_CPU, Meter, pinned, resident_mib, spin_ms
from benchmarks.subjects.subject import Endpoint, Kind, Subject, SubjectFailed

UNEVEN: Final = 1.25
"""A spin this much slower than the best of its round is a bad moment: wait for a better one, measure again, or say so in the row."""

PATIENCE: Final = 3
"""How often a better moment is waited for, and how often a row is measured at most."""

PAUSE_S: Final = 0.3


def say(text: str) -> None:
    """Tell the reader what is left out and why."""
    print(f"  {text}", flush=True)


class Weather:
    """The speed of the machine, moment by moment, against the best of the present round."""

    def __init__(self, spin: Callable[[], float] = spin_ms, pause: Callable[[float], None] = time.sleep) -> None:
        """Take how to time the fixed computation and how to wait."""
        self._spin = spin
        self._pause = pause
        self._best = float("inf")

    def new_round(self) -> None:
        """Forget the best: a machine may be slower for good."""
        self._best = float("inf")

    def good_moment(self) -> float:
        """Return the spin of a moment near the best of the round, or of the last moment that was waited for."""
        for _ in range(PATIENCE):
            spin = self._look()
            if self.is_even(spin):
                return spin
            self._pause(PAUSE_S)
        return self._look()

    def _look(self) -> float:
        spin = self._spin()
        self._best = min(self._best, spin)
        return spin

    def is_even(self, spin: float) -> bool:
        """Return whether a spin is near the best of the round."""
        return spin <= UNEVEN * self._best

    def after(self, before: float) -> float:
        """Look once more; return the slower of the two moments as a multiple of the round's best."""
        return max(before, self._look()) / self._best


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured: a scenario's name, how to ask, how hard, and the parameters that tell rows of the scenario apart."""

    scenario: str
    load: Load
    ask: Ask = Ask()  # noqa: RUF009 - frozen
    parameters: Mapping[str, int | float | str] | None = None

    def row(self, subject: Subject, generator: Generator, kind: Kind, number: int, weather: Weather) -> Row | None:
        """Return the row of a subject that runs; None, with a printed reason, when it cannot be asked so."""
        endpoint = subject.endpoints()[kind]
        questions = subject.questions(self.ask)
        if questions is None or not generator.can(endpoint, self.load):
            return None
        best: tuple[float, Row] | None = None
        for _ in range(PATIENCE):
            spin = weather.good_moment()
            meter = Meter(subject.pids())
            try:
                outcome = generator.run(endpoint, questions, self.load)
            except GeneratorFailed as error:
                say(f"{self.scenario}: {generator.name} on {subject.name} failed: {error}")
                break
            used, others = meter.read()
            slow = weather.after(spin)
            if best is None or slow < best[0]:
                best = slow, self._made(subject, generator, endpoint, number, spin, outcome, used, others, slow)
            if outcome.wrong:  # no weather explains a wrong answer, and no second attempt takes it back
                return self._made(subject, generator, endpoint, number, spin, outcome, used, others, slow)
            if slow <= UNEVEN:
                break
        return None if best is None else best[1]

    def _made(
        self, subject: Subject, generator: Generator, endpoint: Endpoint, number: int, spin: float, outcome: Outcome,
        used: float, others: float, slow: float,
    ) -> Row:  # fmt: skip
        pids = subject.pids()
        late = outcome.held_up(self.load)
        uneven = f"slow moment: spin {slow:.2f} times the round's best" if slow > UNEVEN else ""
        silent = "no answer in the measured part" if outcome.calls == 0 else ""
        wrong = f"first wrong: {outcome.first_wrong}" if outcome.first_wrong else ""
        return Row(
            scenario=self.scenario,
            subject=subject.name,
            generator=generator.name,
            endpoint=endpoint.kind,
            parameters=self._parameters(),
            round=number,
            spin_ms=round(spin, 3),
            other_load=round(others, 3),
            seconds=outcome.seconds,
            calls=outcome.calls,
            decisions=outcome.decisions,
            wrong=outcome.wrong,
            errors=dict(outcome.errors),
            latency_us=outcome.latencies.summary_us(),
            histogram=outcome.latencies.encoded(),
            server_cpu_us=round(used * 1e6 / outcome.all_calls, 2) if pids and outcome.all_calls else None,
            rss_mib=round(resident_mib(pids), 1) if pids else None,
            note="; ".join(text for text in (subject.note, outcome.note, late, silent, uneven, wrong) if text),
        )

    def _parameters(self) -> dict[str, int | float | str]:
        load = self.load
        made: dict[str, int | float | str] = {"connections": load.connections}
        made |= {"streams": load.streams} if load.rate is None else {"rate": load.rate}
        made |= {"batch": self.ask.batch} if self.ask.batch > 1 else {}
        made |= {"payload": self.ask.payload} if self.ask.payload != "plain" else {}
        return {**made, **(self.parameters or {})}


@contextlib.contextmanager
def standing(subject: Subject) -> Iterator[None]:
    """Have a subject answer on the server's processor for the length of a `with` block."""
    try:
        with pinned(SERVER_CPU):
            subject.start()
        yield
    finally:
        subject.stop()


def present(subjects: Iterable[Subject]) -> list[Subject]:
    """Return the subjects that can run here, prepared; say of each other why it is left out."""
    found = []
    for subject in subjects:
        reason = subject.missing()
        try:
            if reason is None:
                subject.prepare()
        except SubjectFailed as error:
            reason = str(error)
        if reason is None:
            found.append(subject)
        else:
            say(f"left out: {subject.name}: {reason}")
    return found


def usable(generators: Iterable[Generator], *names: str) -> list[Generator]:
    """Return the generators of these names that can run here; say of each other of them why it is left out."""
    found = []
    for generator in generators:
        if generator.name not in names:
            continue
        reason = generator.missing()
        if reason is None:
            found.append(generator)
        else:
            say(f"left out: generator {generator.name}: {reason}")
    return found


def interleaved(
    subjects: Sequence[Subject], rounds: int, rows_of: Callable[[Subject, int, Weather], Iterable[Row | None]]
) -> list[Row]:
    """Return the rows of all rounds: each subject once a round, each round begun by another one, so that nobody always has the same neighbour."""
    ready = present(subjects)
    weather = Weather()
    rows: list[Row] = []
    for number in range(1, rounds + 1):
        weather.new_round()
        turn = (number - 1) % len(ready) if ready else 0
        for subject in ready[turn:] + ready[:turn]:
            try:
                with standing(subject):
                    rows += [row for row in rows_of(subject, number, weather) if row is not None]
            except SubjectFailed as error:
                say(f"round {number}: {subject.name} failed: {error}")
    return rows
