"""Compares two results: `python3 dev.py bench compare BEFORE.json AFTER.json [--figure p99] [--fail-on-slower]`.

For each measurement that both files have, the ratio of the medians and a band of noise around 1. The band is what the rounds of both files
spread by themselves, widened when the machine was not the same speed: a fixed computation is timed beside each row, and where its median moved
between the files, that much of a difference says nothing about the code. Only a ratio outside of the band is called faster or slower.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.spread import FIGURES, Repeated, Spread, repeated, spin

LEAST_BAND: Final = 0.03
"""A difference below this is never news: three rounds can agree by luck."""

DEFAULT: Final = ("per_second", "p50", "p99")
Word = Literal["faster", "slower", "same"]


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one measurement, before and after. `ratio` is speed: above 1 the later file is better, whatever the figure counts."""

    key: tuple[str, ...]
    figure: str
    before: float
    after: float
    ratio: float
    band: float

    @property
    def word(self) -> Word:
        """Return what may be said."""
        if self.ratio > 1 + self.band:
            return "faster"
        return "slower" if self.ratio < 1 / (1 + self.band) else "same"


def band(before: Repeated, after: Repeated, first: Spread, second: Spread) -> float:
    """Return by which share two medians may differ for reasons that are not the code's."""
    own = max(relative(first), relative(second))
    spins = (before.spread(spin), after.spread(spin))
    moved = abs(spins[1].median / spins[0].median - 1) if spins[0] and spins[1] else 0.0
    return max(LEAST_BAND, own + moved)


def relative(spread: Spread) -> float:
    """Return the greater distance of a round from the median, as a share of it; a single round knows no spread and gets a quarter."""
    if spread.rounds < 2:
        return 0.25
    return max(spread.greatest - spread.median, spread.median - spread.least) / spread.median if spread.median else 0.0


def changes(before: Sequence[Row], after: Sequence[Row], figures: Sequence[str] = DEFAULT) -> list[Change]:
    """Return the changes of all measurements that both have, in the order of the first."""
    later = {each.first.key(): each for each in repeated(after)}
    found = []
    for earlier in repeated(before):
        key = earlier.first.key()
        if key not in later:
            continue
        for name in figures:
            _, figure, higher = FIGURES[name]
            first, second = earlier.spread(figure), later[key].spread(figure)
            if first is None or second is None or not first.median or not second.median:
                continue
            better = second.median / first.median if higher else first.median / second.median
            width = band(earlier, later[key], first, second)
            found.append(Change(key, name, first.median, second.median, better, width))
    return found


def one_sided(before: Sequence[Row], after: Sequence[Row]) -> tuple[int, int]:
    """Return how many measurements only the first and only the second has."""
    first, second = ({row.key() for row in rows} for rows in (before, after))
    return len(first - second), len(second - first)


def main(argv: Sequence[str]) -> int:
    """Print the comparison; return 1 only when asked to fail and something became slower."""
    parser = argparse.ArgumentParser(
        prog="bench compare", description="Two results side by side, with a band of noise."
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--figure", action="append", choices=FIGURES, help=f"repeatable; default {', '.join(DEFAULT)}")
    parser.add_argument("--all", action="store_true", help="also list what stayed the same")
    parser.add_argument("--fail-on-slower", action="store_true", help="exit with 1 when a figure is slower")
    asked = parser.parse_args(argv)
    try:
        before, after = Result.read(asked.before), Result.read(asked.after)
    except ValueError as error:
        print(f"bench compare: {error}", file=sys.stderr)
        return 2
    found = changes(before.rows, after.rows, asked.figure or DEFAULT)
    if before.machine.get("processor") != after.machine.get("processor"):
        print(f"different processors: {before.machine.get('processor')} and {after.machine.get('processor')}")
    print(f"{before.commit} ({before.date}) -> {after.commit} ({after.date}); a ratio above 1 is better")
    for change in found:
        if asked.all or change.word != "same":
            print(line_of(change))
    counts = {word: sum(change.word == word for change in found) for word in ("faster", "slower", "same")}
    gone, new = one_sided(before.rows, after.rows)
    print("  ".join(f"{count} {word}" for word, count in counts.items()) + f"  {gone} only before  {new} only after")
    return 1 if asked.fail_on_slower and counts["slower"] else 0


def line_of(change: Change) -> str:
    """Return one line for the terminal."""
    scenario, subject, generator, endpoint, parameters = change.key
    what = f"{scenario} {subject} {generator} {endpoint} {parameters}".strip()
    figures = f"{change.before:>10.1f} -> {change.after:>10.1f}"
    return f"  {change.word:<7}{change.ratio:>6.2f}x (noise {change.band:.0%}){figures} {change.figure:<14} {what}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
