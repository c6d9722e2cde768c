"""What must still be true for a remembered answer to be given again: where it was read, what was read, and when its time is over.

Nothing here expires by itself. Whoever takes an answer out of a memory has a `Vantage` hold its premises against the store and the clock,
so a memory needs no invalidation messages and cannot be late with one. There are no premises, and nothing may be remembered, for an
answer for another instant, of a fallback, given while too stale, or given while the version that was asked for is not reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from entitlements.local.records import Reads
from entitlements.local.shelf import Basis, Shelf
from entitlements.local.sitting import Outcome, Sitting
from entitlements.policy.freshness import FreshnessState
from entitlements.store.layout import StoreState

NEVER_MS: Final = 1 << 62
_FRESH: Final = FreshnessState.FRESH
_STALE: Final = FreshnessState.STALE

Version: TypeAlias = tuple[int, int]
"""Epoch and sequence number of a position that a caller asked for."""


@dataclass(slots=True)
class Premises:
    """What one answer rests on, whatever form it is remembered in.

    `basis` is the last state of the store under which the answer was found true, with what follows from that state. It is replaced as a
    whole when the answer is found true again. The lengths of time are those of the feature's freshness ladder, `valid_until_ms` is the
    records' own edge.
    """

    shelf: Shelf
    basis: Basis
    reads: Reads
    valid_until_ms: int
    fresh_for_ms: int
    too_stale_from_ms: int
    min_version: Version | None

    def rung(self, now_ms: int, age: int) -> tuple[FreshnessState, int] | None:
        """Return how fresh the answer is at an age of the policy, and until when it may be cached; None when it has to be decided anew."""
        valid_until = self.valid_until_ms
        too_stale_from = self.too_stale_from_ms
        if now_ms >= valid_until or age >= too_stale_from:
            return None
        rung_ms = self.fresh_for_ms
        if age < rung_ms:
            edge = now_ms - age + rung_ms
            freshness = _STALE if self.basis[0].forked else _FRESH
        else:
            edge = now_ms - age + too_stale_from
            freshness = _STALE
        return freshness, edge if edge < valid_until else valid_until  # noqa: FURB136 - a comparison costs a third of min()


def premises_of(outcome: Outcome, sitting: Sitting, wanted: Version | None) -> Premises | None:
    """Return what an answer to a question about now rests on; None when it must not be remembered."""
    basis, freshness = sitting.basis, outcome.freshness
    if basis is None or freshness is None or freshness is FreshnessState.TOO_STALE:
        return None
    ladder, valid_until = outcome.ladder, outcome.decision.valid_until
    return Premises(
        sitting.shelf,
        basis,
        sitting.records.reads,
        NEVER_MS if valid_until is None else valid_until,
        ladder.fresh_for_ms,
        ladder.fresh_for_ms + ladder.stale_ok_for_ms,
        wanted,
    )


def is_behind(state: StoreState | None, wanted: Version) -> bool:
    """Return whether a store has not reached a version yet (semantics F6)."""
    return state is None or (state.epoch, state.seq) < wanted
