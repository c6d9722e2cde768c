"""How quiet the machine was: the fixed computation timed beside each row, and what others used meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.row import Row
from benchmarks.spread import Spread

UNEVEN: Final = 1.25
"""Slowest spin over the median one: above it, single rows are off by as much, and only ratios inside a round mean anything."""

BUSY: Final = 0.10
"""Share of one processor used by others, on median, from which the run is called busy."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Summary over the rows of one run; None where no row says."""

    spin_ms: Spread | None
    other_load: Spread | None
    slow_rows: int
    """Rows whose spin was more than `UNEVEN` times the median."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Noise:
        """Return the summary."""
        spins = [row.spin_ms for row in rows if row.spin_ms > 0]
        loads = [row.other_load for row in rows if row.other_load is not None]
        spin = Spread.of(spins) if spins else None
        slow = sum(value > UNEVEN * spin.median for value in spins) if spin else 0
        return cls(spin, Spread.of(loads) if loads else None, slow)

    @property
    def is_quiet(self) -> bool:
        """Tell whether absolute figures of this run can be quoted: even speed and nobody else at work."""
        even = self.spin_ms is not None and self.spin_ms.greatest <= UNEVEN * self.spin_ms.median
        return even and (self.other_load is None or self.other_load.median <= BUSY)

    def sentence(self) -> str:
        """Say it to a reader."""
        if self.spin_ms is None:
            return "No row timed the machine's speed: nothing is known about noise."
        spin = self.spin_ms
        text = (
            f"A fixed computation before each row took {spin.median:.1f} ms ({spin.least:.1f} to {spin.greatest:.1f})"
        )
        text += f", {self.slow_rows} of {spin.rounds} rows began in a slow moment (over {UNEVEN:g} times the median)"
        if self.other_load is not None:
            load = self.other_load
            text += f"; other programs used {load.median * 100:.0f} % of one processor on median, {load.greatest * 100:.0f} % at most"
        verdict = "a quiet run" if self.is_quiet else "trust the ratios, not the absolute figures"
        return f"{text}: {verdict}."
