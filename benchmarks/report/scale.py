"""From numbers to places on a page and to words: axes, ticks, and figures as people write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: where a value lies between `start` and `end` (user units), and which values get a tick."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return the place of a value; values outside are put on the edge."""
        held = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(held / self.low) / math.log(self.high / self.low)
        else:
            share = (held - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def linear(values: Sequence[float], start: float, end: float, ticks: int = 5) -> Axis:
    """Return an axis from zero to a round number above the greatest value."""
    step = round_step(max([*values, 1e-9]) / ticks)
    count = max(1, math.ceil(max([*values, 1e-9]) / step - 1e-9))
    return Axis(0.0, step * count, start, end, is_log=False, ticks=tuple(step * each for each in range(count + 1)))


def logarithmic(values: Sequence[float], start: float, end: float) -> Axis:
    """Return a logarithmic axis around values above zero, with ticks at 1, 2 and 5 of each power of ten, or fewer."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / 1.15, max(positive) * 1.15
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps: tuple[int, ...] = (1, 2, 5) if math.log10(high / low) < 2.6 else (1,)
    if math.log10(high / low) < 0.9:
        steps = tuple(range(1, 10))
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return Axis(low, high, start, end, is_log=True, ticks=tuple(tick for tick in ticks if low <= tick <= high))


def apart(axis: Axis, least: float) -> tuple[float, ...]:
    """Return those ticks of an axis that lie at least so many user units from one another."""
    kept: list[float] = []
    for tick in axis.ticks:
        if all(abs(axis.at(tick) - axis.at(other)) >= least for other in kept):
            kept.append(tick)
    return tuple(kept)


def round_step(rough: float) -> float:
    """Return the least of 1, 2, 2.5 and 5 times a power of ten that is not below a step."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def spread_out(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Return places near the wanted ones, at least `least` apart and in the same order, for labels beside lines."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [min(max(wanted[index], low), high) for index in order]
    for _ in range(60):
        for above, below in pairwise(range(len(placed))):
            overlap = least - (placed[below] - placed[above])
            if overlap > 0:
                placed[above] -= overlap / 2
                placed[below] += overlap / 2
        placed = [min(max(place, low), high) for place in placed]
    result = [0.0] * len(wanted)
    for index, place in zip(order, placed, strict=True):
        result[index] = place
    return result


def digits(value: float) -> str:
    """Return a number with three significant digits, two from ten on, none behind the point from a hundred on."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:.0f}" if size >= 99.5 else f"{value:.1f}".removesuffix(".0") if size >= 9.95 else f"{value:.3g}"


def count(value: float) -> str:
    """Return a number of things: 950, 4.9k, 114k, 1.2M."""
    for limit, divisor, suffix in ((999_500, 1e6, "M"), (999.5, 1e3, "k")):
        if abs(value) >= limit:
            return digits(value / divisor) + suffix
    return digits(value)


def micros(value: float) -> str:
    """Return a time in microseconds with its unit: 4.2 µs, 315 µs, 1.5 ms, 2.1 s."""
    if abs(value) >= 999_500:
        return f"{digits(value / 1e6)} s"
    return f"{digits(value / 1e3)} ms" if abs(value) >= 999.5 else f"{digits(value)} µs"


def mebibytes(value: float) -> str:
    """Return memory with its unit."""
    return f"{digits(value / 1024)} GiB" if abs(value) >= 1024 else f"{digits(value)} MiB"


def seconds(value: float) -> str:
    """Return seconds with the unit that suits."""
    return micros(value * 1e6)


def times(value: float) -> str:
    """Return a ratio: 2.1x."""
    return f"{value:.2f}x" if value < 9.95 else f"{value:.0f}x"


Words = Callable[[float], str]
"""Writes a number for a reader."""
