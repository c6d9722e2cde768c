"""The only reader of clocks. Everything else receives a Clock, pure code receives the instant itself."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings: wall time for policy windows, monotonic time for ages and timeouts."""

    def now_ms(self) -> int:
        """Return UTC milliseconds since 1970."""

    def monotonic_ms(self) -> int:
        """Return milliseconds of the boot-wide monotonic clock (comparable between processes of one boot)."""


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Return UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Return milliseconds of CLOCK_MONOTONIC, one per boot on Linux."""
        return time.monotonic_ns() // 1_000_000

    def __repr__(self) -> str:
        """Return a fixed text; the clock has no state."""
        return "<SystemClock>"


class ManualClock:
    """A clock that only moves when told to; for tests and simulation."""

    __slots__ = ("_monotonic_ms", "_now_ms")

    def __init__(self, now_ms: int, monotonic_ms: int = 0) -> None:
        """Start at the given readings, in milliseconds."""
        self._now_ms = now_ms
        self._monotonic_ms = monotonic_ms

    def now_ms(self) -> int:
        """Return the wall reading."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """Return the monotonic reading."""
        return self._monotonic_ms

    def advance(self, ms: int) -> None:
        """Let both readings pass forward; a negative length is refused with ValueError."""
        if ms < 0:
            raise ValueError(
                "advance() takes a length of time that is not negative; use step_wall() to move the wall clock back"
            )
        self._now_ms += ms
        self._monotonic_ms += ms

    def step_wall(self, ms: int) -> None:
        """Move only the wall clock, in either direction, as a clock correction does."""
        self._now_ms += ms

    def __repr__(self) -> str:
        """Show both readings."""
        return f"<ManualClock [now {self._now_ms} ms | monotonic {self._monotonic_ms} ms]>"
