"""The place and the hour from which one process looks at its stores: its clock, the boot it lives in, when it began to look.

From here a remembered answer is held against what is true at this moment. That costs one look at the store's state and two clock readings;
freshness, age and valid_until are worked out anew each time, so an answer stays right while its age moves.
"""

from __future__ import annotations

from typing import TypeAlias

from entitlements.local.age import age_ms, proven_instant_ms
from entitlements.local.premises import Premises, is_behind
from entitlements.local.records import still_true
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import Moment, Sitting
from entitlements.local.steady_clock import SteadyClock
from entitlements.policy.freshness import FreshnessState
from entitlements.store.errors import StoreError
from entitlements.store.layout import StoreState

Standing: TypeAlias = tuple[FreshnessState, StoreState, int, int, bool]
"""How an answer stands at this moment: its freshness, the state it is true under, the policy's age, the instant until which it may be cached
(milliseconds), and whether it had to be held against another state than before. A bare tuple, because one is made for every answer."""


class Vantage:
    """One process's view of time. Thread-safe. `started_mono_ms` is what LIVE is measured from (semantics F3)."""

    __slots__ = ("_clock", "boot_id", "started_mono_ms")

    def __init__(self, clock: SteadyClock, boot_id: str) -> None:
        """Begin to look now."""
        self._clock = clock
        self.boot_id = boot_id
        self.started_mono_ms = clock.read()[1]

    def now_ms(self) -> int:
        """Return the instant, in UTC milliseconds."""
        return self._clock.read()[0]

    def moment(self) -> Moment:
        """Read the clocks, once for everything that is decided together."""
        now, mono = self._clock.read()
        return Moment(now, mono, self.boot_id, self.started_mono_ms)

    def take_note(self, shelf: Shelf, state: StoreState) -> None:
        """Let the clock learn from a heartbeat that was not seen before."""
        if state is not shelf.seen:
            shelf.seen = state
            self._clock.at_least(proven_instant_ms(state, self._clock.read()[1], self.boot_id))

    def standing(self, premises: Premises) -> Standing | None:
        """Return how a remembered answer stands now; None when it has to be decided anew."""
        try:
            found = premises.shelf.reader.state()
        except StoreError:  # the long way meets it again, counts it and falls back
            return None
        if found is None:
            return None
        same = found is premises.basis[0]
        if not (same or self._hold_again(premises, found)):
            return None
        state, born, _, _ = premises.basis
        now, mono = self._clock.read()
        age = mono - born if born is not None else age_ms(state, now, mono, self.boot_id)
        rung = premises.rung(now, age)
        return None if rung is None else (rung[0], state, age, rung[1], not same)

    def true_on(self, premises: Premises, sitting: Sitting) -> bool:
        """Return whether a remembered answer is what a sitting would decide, by its records alone; the clock is not looked at."""
        basis = sitting.basis
        if basis is None or premises.basis is basis:
            return basis is not None
        state, wanted = basis[0], premises.min_version
        if basis[2] is not premises.basis[2] or (wanted is not None and is_behind(state, wanted)):
            return False
        if state[:3] != premises.basis[0][:3] and not sitting.records.still_true(premises.reads):
            return False
        premises.basis = basis
        return True

    def _hold_again(self, premises: Premises, state: StoreState) -> bool:
        """Return whether an answer is right on a state that it was not held against before: a new pulse, or a new position."""
        shelf, wanted = premises.shelf, premises.min_version
        self.take_note(shelf, state)
        if not state.complete or (wanted is not None and is_behind(state, wanted)):
            return False
        if state[:3] != premises.basis[0][:3]:
            try:
                with shelf.reader.view() as view:
                    state = view.state() or state
                    if not still_true(view, premises.reads) or not state.complete:
                        return False
            except StoreError:  # the long way meets it again, counts it and falls back
                return False
        basis = shelf.basis_of(state, self.boot_id, self.started_mono_ms)
        if basis[2] is not premises.basis[2]:
            return False
        premises.basis = basis
        return True

    def __repr__(self) -> str:
        """Show since when it looks."""
        return f"<Vantage [since {self.started_mono_ms} ms of this boot | {self._clock!r}]>"
