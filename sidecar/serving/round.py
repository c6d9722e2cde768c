"""A round: the answers of one call about one product, on one version and at one instant (semantics G1).

What they have in common is worked out once: state, age and instant, and the bytes of freshness and valid_until for each ladder. A
remembered answer is used in it when the records of this very version say the same, so an answer is what it would be if it were decided.
"""

from __future__ import annotations

from typing import Final

from entitlements.local.premises import is_behind
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import Moment, Outcome, Sitting, fall_back
from entitlements.policy.reasons import Code
from entitlements.store.errors import StoreError
from entitlements.store.layout import StoreState
from entitlements.store.reader import StoreView
from entitlements.wire.requests import CheckCall
from entitlements.wire.responses import encode_standing
from sidecar.serving.cache import Answer
from sidecar.serving.engine import Engine
from sidecar.serving.tally import Count

_NO_POLICY: Final = encode_standing(0, 0, 0, 0, None)
"""The standing of an answer that no policy was needed for."""


class Round:
    """One product's part of one call. Lives no longer than the view. `counts` says what was answered, the others how the cache fared."""

    __slots__ = (
        "_engine",
        "_now_ms",
        "_shelf",
        "_standings",
        "counts",
        "hits",
        "misses",
        "revalidated",
        "sitting",
    )

    def __init__(
        self, engine: Engine, shelf: Shelf, view: StoreView | None, state: StoreState | None, moment: Moment
    ) -> None:
        """Sit down; without a view, because the store could not be opened, everything is answered by fallbacks."""
        self._engine = engine
        self._shelf = shelf
        self._now_ms = moment.now_ms
        self._standings: dict[tuple[int, int | None], bytes] = {}
        self.sitting = None if view is None else Sitting(shelf, view, state, moment, engine.failed)
        self.counts: list[Count] = []
        self.hits = self.revalidated = self.misses = 0

    def recall(self, answer: Answer) -> bytes | None:
        """Return a remembered answer as it stands in this round; None when it has to be decided in it."""
        sitting, premises = self.sitting, answer.premises
        if sitting is None:
            return None
        same = premises.basis is sitting.basis
        try:
            if not same and not self._engine.vantage.true_on(premises, sitting):
                return None
        except StoreError:  # whoever decides meets it again, counts it and falls back
            return None
        rung = premises.rung(self._now_ms, sitting.age_ms)
        if rung is None:
            return None
        if same:
            self.hits += 1
        else:
            self.revalidated += 1
        self.counts.append(answer.count)
        return answer.body + (self._standings.get(rung) or self._standing(*rung)) + self._engine.next_id()

    def decide(self, call: CheckCall, request: bytes | None = None) -> bytes:
        """Decide one question, and remember the answer by the bytes that ask it as a Check, when there are some and it may be."""
        query, as_of_ms, wanted, caller = call
        sitting, engine = self.sitting, self._engine
        if sitting is None:
            return self.give_fallback(fall_back(self._shelf, query, Code.INTERNAL, caller))
        behind = wanted is not None and is_behind(sitting.state, wanted)
        sitting.records.turn_over()
        outcome = sitting.decide(query, as_of_ms, caller, behind=behind)
        memorable = as_of_ms is None and not behind
        body, count = engine.give(request if memorable else None, outcome, sitting, wanted, as_of_ms)
        self.misses += 1
        self.counts.append(count)
        freshness = outcome.freshness
        if freshness is None:
            return body + _NO_POLICY + engine.next_id()
        rung = freshness, outcome.valid_until_ms
        return body + (self._standings.get(rung) or self._standing(*rung)) + engine.next_id()

    def _standing(self, freshness: int, valid_until_ms: int | None) -> bytes:
        sitting = self.sitting
        if sitting is None or sitting.state is None:
            return _NO_POLICY
        state = sitting.state
        made = encode_standing(freshness, state.epoch, state.seq, sitting.age_ms, valid_until_ms)
        self._standings[freshness, valid_until_ms] = made
        return made

    def give_fallback(self, outcome: Outcome) -> bytes:
        """Return and count an answer that no policy was needed for."""
        response, count = self._engine.give_fallback(outcome)
        self.counts.append(count)
        return response

    def keys(self, prefix: str, after: str, limit: int) -> list[str]:
        """Return record keys in byte order; see `StoreView.keys`."""
        return [] if self.sitting is None else self.sitting.records.keys(prefix, after, limit)

    def __repr__(self) -> str:
        """Show the product and how much was answered."""
        return f"<Round [{self._shelf.product} | {len(self.counts)} answers]>"
