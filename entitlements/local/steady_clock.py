"""The instant at which a decision is made: the wall clock, kept honest by the monotonic clock and by signed heartbeats (semantics E1).

The wall clock may be stepped by an operator, by NTP, by a resumed virtual machine. Every window of every entitlement ends by this clock, so
a step must not silently give or take time:

* a step **back** is not followed: time goes on at half its speed until the wall clock has caught up, so nothing that ended lives again;
* a step **forward** beyond what NTP corrects is followed at double speed, and at once as far as a verified heartbeat proves it: the
  control plane signed that instant, so it has passed;
* while the two disagree, `offset_ms` says by how much, for a metric.
"""

from __future__ import annotations

import threading
from typing import Final

from entitlements.runtime.clock import Clock

FOLLOW_MS: Final = 500
"""A difference up to this is followed at once when it is forward: NTP corrects as much without a step being meant."""
STRIDE_MS: Final = 10
"""The shortest time over which a difference is made smaller: half of a millisecond could not be counted."""


class SteadyClock:
    """Wall time that never runs backwards within a process. Thread-safe."""

    __slots__ = ("_clock", "_floor", "_gate", "_moved_mono", "_offset", "offset_ms")

    def __init__(self, clock: Clock) -> None:
        """Start at the wall clock's reading."""
        self._clock = clock
        self._gate = threading.Lock()
        self._moved_mono = clock.monotonic_ms()
        self._floor = clock.now_ms()
        self._offset = self._floor - self._moved_mono
        self.offset_ms = 0
        """How far the wall clock is ahead of the time that is answered with (negative: behind), as of the last reading."""

    def read(self) -> tuple[int, int]:
        """Return (now, monotonic) in milliseconds."""
        mono = self._clock.monotonic_ms()
        drift = self._clock.now_ms() - mono - self._offset
        if not -1 <= drift <= 1:  # two clocks read one after the other differ by a millisecond now and then
            return self._follow(mono, drift), mono
        if self.offset_ms:
            self.offset_ms = 0
        return max(self._floor, mono + self._offset), mono

    def at_least(self, instant_ms: int) -> None:
        """Take note of a signed instant that has certainly passed: a wall clock that is ahead is followed at once as far as that.

        A signed instant ahead of the wall clock proves nothing here: then one of two clocks is wrong, and the feed raises an alarm.
        """
        with self._gate:
            now = self._clock.monotonic_ms() + self._offset
            proven = min(instant_ms, self._clock.now_ms()) - now
            if proven > 0:
                self._offset += proven

    def _follow(self, mono: int, drift: int) -> int:
        """Move towards the wall clock by what has passed since the last move, and return the time."""
        with self._gate:
            # A step that is seen for the first time may have happened just now, however long ago the last reading was.
            passed = max(0, mono - self._moved_mono) if self.offset_ms else 0
            step = 0
            if 0 < drift <= FOLLOW_MS:
                step = drift
            elif passed >= STRIDE_MS:
                step = max(-(passed // 2), min(drift, passed))
            if step or not self.offset_ms:
                self._moved_mono = mono
            self._offset += step
            self.offset_ms = drift - step
            self._floor = max(self._floor, mono + self._offset)
            return self._floor

    def __repr__(self) -> str:
        """Show how far the wall clock is away."""
        return f"<SteadyClock [wall clock {self.offset_ms:+d} ms]>"
