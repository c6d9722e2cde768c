"""What repeated measurements say: the median of the rounds with the least and the greatest, and ratios taken inside one round.

A virtual machine's speed can swing by half within a minute, so two figures are compared only where they saw the same weather: the ratio of each
round first, the median of those ratios then. Nothing here averages over rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from benchmarks.row import Row

Figure: TypeAlias = Callable[[Row], float | None]
"""Takes one number out of a row; None when the row has none."""


UNANSWERED: Final = frozenset({"RESET", "CONNECTION", "UNANSWERED"})
"""What a generator calls a call that no answer came to; every other failure is an answer with another status than the expected one."""

TOLERATED: Final = 0.01
"""Share of calls that may fail in a measurement that is compared: a server that sheds load is not fast with the rest."""


def wrong_verdicts(row: Row) -> int:
    """Return how many answers said the wrong thing. A row counts answers with another status among the wrong ones; these refuse to say."""
    refused = sum(number for name, number in row.errors.items() if name not in UNANSWERED)
    return max(0, row.wrong - refused)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds' values."""

    median: float
    least: float
    greatest: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Repeated:
    """All rounds of one measurement: rows with one key, in the order of their rounds."""

    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        """Return a row to read what all have in common from."""
        return self.rows[0]

    def spread(self, figure: Figure) -> Spread | None:
        """Return the spread of a figure over the rounds; None when no round has it."""
        values = [value for value in map(figure, self.rows) if value is not None]
        return Spread.of(values) if values else None

    def by_round(self, figure: Figure) -> dict[int, float]:
        """Return the figure of each round that has it; the median where a round was measured more than once."""
        found: dict[int, list[float]] = {}
        for row in self.rows:
            value = figure(row)
            if value is not None:
                found.setdefault(row.round, []).append(value)
        return {number: statistics.median(values) for number, values in found.items()}

    @property
    def wrong(self) -> int:
        """Return how many verdicts of all rounds were wrong."""
        return sum(wrong_verdicts(row) for row in self.rows)

    @property
    def failed(self) -> int:
        """Return how many calls of all rounds failed."""
        return sum(sum(row.errors.values()) for row in self.rows)

    @property
    def is_sound(self) -> bool:
        """Tell whether there were answers, each of them right, and hardly a call failed: only such a measurement is compared with others."""
        calls = sum(row.calls for row in self.rows)
        return not self.wrong and calls > 0 and self.failed <= TOLERATED * calls


def repeated(rows: Iterable[Row]) -> list[Repeated]:
    """Return the rows by key, in the order of their first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.key(), []).append(row)
    return [Repeated(tuple(sorted(group, key=lambda row: row.round))) for group in groups.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which measurements are meant; an empty field means any, `parameters` must be among a row's own."""

    scenario: str
    subjects: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    parameters: Mapping[str, int | float | str] = field(default_factory=dict)

    def holds(self, row: Row) -> bool:
        """Tell whether a row is meant."""
        pairs = ((self.subjects, row.subject), (self.generators, row.generator), (self.endpoints, row.endpoint))
        return (
            row.scenario == self.scenario
            and all(not wanted or value in wanted for wanted, value in pairs)
            and all(row.parameters.get(name) == value for name, value in self.parameters.items())
        )

    def among(self, rows: Iterable[Row]) -> list[Repeated]:
        """Return the sound measurements that are meant."""
        return [each for each in repeated(row for row in rows if self.holds(row)) if each.is_sound]

    def best(self, rows: Iterable[Row], figure: Figure, *, higher: bool) -> Repeated | None:
        """Return the measurement with the best median, None when there is none."""
        found = [(spread.median, each) for each in self.among(rows) if (spread := each.spread(figure)) is not None]
        if not found:
            return None
        return (max if higher else min)(found, key=lambda pair: pair[0])[1]


def ratio(over: Repeated, under: Repeated, figure: Figure, figure_under: Figure | None = None) -> Spread | None:
    """Return the spread of the ratios of the rounds that both have; None when they share none."""
    above, below = over.by_round(figure), under.by_round(figure_under or figure)
    ratios = [above[number] / below[number] for number in above if below.get(number)]
    return Spread.of(ratios) if ratios else None


def latency(name: str) -> Figure:
    """Return the figure that reads a latency, such as `p99`, in microseconds."""
    return lambda row: row.latency_us.get(name)


def per_second(row: Row) -> float | None:
    """Calls answered per second; None for rows without a duration."""
    return row.calls / row.seconds if row.seconds and row.calls else None


def decisions_per_second(row: Row) -> float | None:
    """Verdicts per second."""
    return row.decisions / row.seconds if row.seconds and row.decisions else None


def server_cpu(row: Row) -> float | None:
    """Microseconds of the server's processor time per call."""
    return row.server_cpu_us


def memory(row: Row) -> float | None:
    """MiB resident in the answering processes."""
    return row.rss_mib


def spin(row: Row) -> float | None:
    """Milliseconds that the fixed computation took just before."""
    return row.spin_ms or None


FIGURES: Final[Mapping[str, tuple[str, Figure, bool]]] = {
    "per_second": ("calls/s", per_second, True),
    "decisions_per_second": ("decisions/s", decisions_per_second, True),
    **{name: (f"{name}, us", latency(name), False) for name in ("p50", "p90", "p99", "p999", "max")},
    "server_cpu_us": ("CPU us/call", server_cpu, False),
    "rss_mib": ("MiB", memory, False),
}
"""Name -> (column title, figure, whether more is better)."""
