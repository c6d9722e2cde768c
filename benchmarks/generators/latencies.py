"""Latencies as an HdrHistogram: what generators hand over, what rows keep, what reports merge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hdrh.histogram import HdrHistogram

LOWEST_NS: Final = 1
HIGHEST_NS: Final = 600_000_000_000
DIGITS: Final = 3
SHARES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def empty() -> Any:
    """Return a histogram from a nanosecond to ten minutes with three significant digits; histograms of rows are of this kind, so they add up."""
    return HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Counted latencies in nanoseconds. Least, most and sum are exact; percentiles have three digits."""

    cells: tuple[tuple[int, int], ...] = ()
    """(nanoseconds, count), ascending."""
    least_ns: int = 0
    most_ns: int = 0
    sum_ns: int = 0

    @classmethod
    def of(cls, values_ns: Iterable[int]) -> Latencies:
        """Return the latencies of single values."""
        counts: dict[int, int] = {}
        for value in values_ns:
            counts[value] = counts.get(value, 0) + 1
        ordered = tuple(sorted(counts.items()))
        if not ordered:
            return cls()
        return cls(ordered, ordered[0][0], ordered[-1][0], sum(value * count for value, count in ordered))

    @property
    def count(self) -> int:
        """Return how many there are."""
        return sum(count for _, count in self.cells)

    def histogram(self) -> Any:
        """Return them as an HdrHistogram."""
        made = empty()
        for value, count in self.cells:
            made.record_value(max(LOWEST_NS, min(value, HIGHEST_NS)), count)
        return made

    def encoded(self) -> str:
        """Return the histogram as HdrHistogram's V2 compressed base64 text; empty without a latency."""
        return str(self.histogram().encode().decode()) if self.cells else ""

    def summary_us(self) -> dict[str, float]:
        """Return `min`, `p50`, `p90`, `p99`, `p999`, `max`, `mean` in microseconds; empty without a latency."""
        if not self.cells:
            return {}
        made = self.histogram()
        shares = {name: self._within(made.get_value_at_percentile(share)) for name, share in SHARES.items()}
        mean = self.sum_ns / self.count
        every = {"min": self.least_ns, **shares, "max": self.most_ns, "mean": mean}
        return {name: round(value / 1000, 2) for name, value in every.items()}

    def _within(self, value_ns: float) -> float:
        """A bucket's upper edge may lie above the greatest value in it."""
        return min(max(value_ns, self.least_ns), self.most_ns)
