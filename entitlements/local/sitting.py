"""A sitting: everything decided on one version of one product's policy, at one instant (semantics G1).

Here the records' verdict meets what only a sidecar knows: how old the policy is, whether a heartbeat has confirmed it since the start, and
what to answer when the records cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from entitlements.local.age import age_ms
from entitlements.local.records import StoreRecords
from entitlements.local.shelf import Basis, Shelf
from entitlements.policy.decide import decide
from entitlements.policy.freshness import (
    CallerFallback,
    FreshnessState,
    ServedFrom,
    apply_ladder,
    fallback_decision,
)
from entitlements.policy.ids import Millis
from entitlements.policy.model import DEFAULT_LADDER, Decision, ExplainLevel, Ladder, Obligation, Query
from entitlements.policy.reasons import Code
from entitlements.store.layout import StoreState
from entitlements.store.reader import StoreView

_new: Final = tuple.__new__
"""Makes a named tuple past its own constructor, whose frame costs three times what making the tuple does."""
_FRESH: Final = FreshnessState.FRESH
_STALE: Final = FreshnessState.STALE
_LIVE: Final = ServedFrom.LIVE
_LAST_KNOWN_GOOD: Final = ServedFrom.LAST_KNOWN_GOOD


@dataclass(slots=True)
class Moment:
    """One reading of the clocks, milliseconds, and what they are compared with."""

    now_ms: int
    mono_ms: int
    boot_id: str
    started_mono_ms: int


class Outcome(NamedTuple):
    """A decision with what the sidecar adds. `freshness` is None when no policy was involved; `ladder` is that of the feature."""

    decision: Decision
    served_from: ServedFrom
    freshness: FreshnessState | None
    valid_until_ms: int | None
    ladder: Ladder


class Sitting:
    """Decides questions about one product on one view of its store. Lives no longer than the view."""

    __slots__ = ("_failed", "_now_ms", "age_ms", "basis", "live", "records", "shelf", "state")

    def __init__(
        self,
        shelf: Shelf,
        view: StoreView,
        state: StoreState | None,
        moment: Moment,
        failed: Callable[[Shelf, Exception], None],
    ) -> None:
        """Take in the state of the store. `failed` is told what went wrong inside; the question is then answered by a fallback."""
        self.shelf = shelf
        self._now_ms = moment.now_ms
        self._failed = failed
        self.basis: Basis | None
        if state is None or not state.complete:
            self.state = self.basis = None
            self.age_ms, self.live = 0, False
            self.records = StoreRecords(view, shelf.decoded, complete=False)
            return
        self.state = state
        basis = self.basis = shelf.basis_of(state, moment.boot_id, moment.started_mono_ms)
        born, self.live = basis[1], basis[2]
        age = age_ms(state, moment.now_ms, moment.mono_ms, moment.boot_id) if born is None else moment.mono_ms - born
        self.age_ms = age if age > 0 else 0  # noqa: FURB136 - a comparison costs a third of max()
        self.records = StoreRecords(view, shelf.decoded, complete=True, catalogue=basis[3])

    def lacks(self, customer_id: str) -> bool:
        """Return whether the set is partial and holds nothing of a customer, so that a question about it has to wait; CorruptRecord."""
        return self.state is not None and self.state.partial and self.records.lacks(customer_id)

    def decide(
        self, query: Query, as_of_ms: int | None = None, caller: CallerFallback | None = None, *, behind: bool = False
    ) -> Outcome:
        """Answer one question; `behind` says that the version the caller asked for was not reached. Never raises."""
        if self.state is None:
            return fall_back(self.shelf, query, Code.POLICY_NOT_READY, caller)
        now = self._now_ms
        try:
            if self.state.partial and self.records.lacks(query.customer_id):
                return fall_back(self.shelf, query, Code.POLICY_NOT_READY, caller)
            decision = decide(query, self.records, Millis(now if as_of_ms is None else as_of_ms))
            feature = self.records.feature(query.feature)
        except Exception as error:  # noqa: BLE001 - whatever breaks inside, the caller gets an answer that says so (semantics F4)
            self._failed(self.shelf, error)
            return fall_back(self.shelf, query, Code.INTERNAL, caller)
        ladder = DEFAULT_LADDER if feature is None else feature.ladder
        age, valid_until = self.age_ms, decision.valid_until
        edge = ladder.fresh_for_ms
        if age < edge:
            freshness = _STALE if behind or self.state.forked else _FRESH
        else:
            edge += ladder.stale_ok_for_ms
            freshness = _STALE
        if age < edge:
            edge += now - age
            if valid_until is None or edge < valid_until:
                valid_until = Millis(edge)
        else:
            freshness = FreshnessState.TOO_STALE
            decision = apply_ladder(decision, ladder, age, None if feature is None else feature.default_value)
            valid_until = decision.valid_until
        if behind:
            decision = decision._replace(obligations=(*decision.obligations, Obligation.VERSION_BEHIND))
        served_from = _LIVE if self.live else _LAST_KNOWN_GOOD
        return _new(Outcome, (decision, served_from, freshness, valid_until, ladder))


def fall_back(shelf: Shelf, query: Query, cause: Code, caller: CallerFallback | None) -> Outcome:
    """Answer without records: the product's static fallback, else the caller's, else deny (semantics F4)."""
    explain = query.explain is not ExplainLevel.NONE
    static = shelf.fallbacks.get(query.feature)
    decision, served_from = fallback_decision(query.feature, cause, static, caller, explain=explain)
    return Outcome(decision, served_from, None, None, DEFAULT_LADDER)
