"""A bound on questions about customers that do not exist: a bucket of tokens that only absences empty."""

from __future__ import annotations

from typing import Final

CAPACITY: Final = 512
PER_S: Final = 50
"""Absences that the control plane has to prove for one sidecar and product each second, once the bucket is empty."""


class StrangerBudget:
    """Everyone asked for might be a stranger, so places are reserved before asking and given back for those who were not."""

    __slots__ = ("_level", "_seen_mono_ms")

    def __init__(self, now_mono_ms: int) -> None:
        """Start full."""
        self._level = float(CAPACITY)
        self._seen_mono_ms = now_mono_ms

    def reserve(self, count: int, now_mono_ms: int) -> bool:
        """Take places for a question about `count` customers; False when there are not as many."""
        self._level = min(CAPACITY, self._level + (now_mono_ms - self._seen_mono_ms) * PER_S / 1000)
        self._seen_mono_ms = now_mono_ms
        if count > self._level:
            return False
        self._level -= count
        return True

    def give_back(self, count: int) -> None:
        """Give back the places of those who exist, or could not be asked for."""
        self._level = min(CAPACITY, self._level + count)

    def __repr__(self) -> str:
        """Show how much is left."""
        return f"<StrangerBudget [{self._level:.0f} of {CAPACITY}]>"
