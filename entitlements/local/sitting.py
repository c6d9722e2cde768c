"""A sitting: everything decided on one version of one product's policy, at one instant (semantics G1).

Here the records' verdict meets what only a sidecar knows: how old the policy is, whether a heartbeat has confirmed it since the start, and
what to answer when the records cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from entitlements.local.age import age_ms, is_live
from entitlements.local.records import StoreRecords
from entitlements.local.shelf import Shelf
from entitlements.policy.decide import decide
from entitlements.policy.freshness import (
    CallerFallback,
    FreshnessState,
    ServedFrom,
    apply_ladder,
    fallback_decision,
    next_edge_ms,
    state_of,
)
from entitlements.policy.ids import Millis
from entitlements.policy.model import DEFAULT_LADDER, Decision, ExplainLevel, Ladder, Obligation, Query
from entitlements.policy.reasons import Code
from entitlements.store.layout import StoreState
from entitlements.store.reader import StoreView


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

    __slots__ = ("_failed", "_moment", "age_ms", "live", "records", "shelf", "state")

    def __init__(
        self,
        shelf: Shelf,
        view: StoreView,
        state: StoreState | None,
        moment: Moment,
        failed: Callable[[Shelf, Exception], None],
    ) -> None:
        """Take in the state of the store. `failed` is told what went wrong inside; the question is then answered by a fallback."""
        complete = state is not None and state.complete
        self.shelf = shelf
        self.state = state if complete else None
        self.records = StoreRecords(view, shelf.decoded, complete=complete)
        self._moment = moment
        self._failed = failed
        self.age_ms = 0
        self.live = False
        if self.state is not None:
            self.age_ms = age_ms(self.state, moment.now_ms, moment.mono_ms, moment.boot_id)
            self.live = is_live(self.state, moment.started_mono_ms, moment.boot_id)

    def decide(
        self, query: Query, as_of_ms: int | None = None, caller: CallerFallback | None = None, *, behind: bool = False
    ) -> Outcome:
        """Answer one question; `behind` says that the version the caller asked for was not reached. Never raises."""
        if self.state is None:
            return fall_back(self.shelf, query, Code.POLICY_NOT_READY, caller)
        instant = self._moment.now_ms if as_of_ms is None else as_of_ms
        try:
            decision = decide(query, self.records, Millis(instant))
            feature = self.records.feature(query.feature)
        except Exception as error:  # noqa: BLE001 - whatever breaks inside, the caller gets an answer that says so (semantics F4)
            self._failed(self.shelf, error)
            return fall_back(self.shelf, query, Code.INTERNAL, caller)
        ladder = DEFAULT_LADDER if feature is None else feature.ladder
        freshness = state_of(ladder, self.age_ms)
        if freshness is FreshnessState.TOO_STALE:
            decision = apply_ladder(decision, ladder, self.age_ms, None if feature is None else feature.default_value)
        elif self.state.forked or behind:
            freshness = FreshnessState.STALE
        if behind:
            decision = decision._replace(obligations=(*decision.obligations, Obligation.VERSION_BEHIND))
        edge = next_edge_ms(ladder, self.age_ms)
        valid_until = decision.valid_until
        if edge is not None and (valid_until is None or self._moment.now_ms + edge < valid_until):
            valid_until = Millis(self._moment.now_ms + edge)
        served_from = ServedFrom.LIVE if self.live else ServedFrom.LAST_KNOWN_GOOD
        return Outcome(decision, served_from, freshness, valid_until, ladder)


def fall_back(shelf: Shelf, query: Query, cause: Code, caller: CallerFallback | None) -> Outcome:
    """Answer without records: the product's static fallback, else the caller's, else deny (semantics F4)."""
    explain = query.explain is not ExplainLevel.NONE
    static = shelf.fallbacks.get(query.feature)
    decision, served_from = fallback_decision(query.feature, cause, static, caller, explain=explain)
    return Outcome(decision, served_from, None, None, DEFAULT_LADDER)
