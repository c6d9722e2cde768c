"""What the serving process counts, bound once at start: on the path of an answer there is one call per figure and no look-up by label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from entitlements.policy.freshness import ServedFrom
from entitlements.policy.reasons import Code
from entitlements.runtime.metrics import Meters
from sidecar import metrics

CHECK: Final = "Check"
BATCH: Final = "BatchCheck"
LIST: Final = "ListEntitlements"
METHODS: Final = (CHECK, BATCH, LIST)


class Tally:
    """The counters of one serving process."""

    def __init__(self, meters: Meters) -> None:
        """Bind every child whose labels are known."""
        self._meters = meters
        self._answers: dict[tuple[Code, ServedFrom], Callable[[], None]] = {}
        duration = {method: meters.histogram(metrics.CHECK_DURATION, method) for method in METHODS}
        self.check_took = duration[CHECK].observe
        self.batch_took = duration[BATCH].observe
        self.list_took = duration[LIST].observe
        looked_up = {
            result: meters.counter(metrics.DECISION_CACHE, result) for result in ("hit", "revalidated", "miss")
        }
        self.hit = looked_up["hit"].inc
        self.revalidated = looked_up["revalidated"].inc
        self.missed = looked_up["miss"].inc
        self.waited_reached = meters.counter(metrics.VERSION_WAITS, "reached").inc
        self.waited_behind = meters.counter(metrics.VERSION_WAITS, "behind").inc

    def answers(self, code: Code, served_from: ServedFrom) -> Callable[[], None]:
        """Return what counts one decision with this code from this tier."""
        found = self._answers.get((code, served_from))
        if found is None:
            found = self._meters.counter(metrics.CHECKS, code.name, served_from.name).inc
            self._answers[code, served_from] = found
        return found

    def refused(self, method: str, reason: str) -> None:
        """Count a request that was refused for its caller's mistake."""
        self._meters.counter(metrics.REFUSALS, method, reason).inc()

    def failed(self, method: str) -> None:
        """Count a failure of our own."""
        self._meters.counter(metrics.INTERNAL_ERRORS, method).inc()

    def corrupt(self, product: str) -> None:
        """Count a record that did not match its checksum."""
        self._meters.counter(metrics.CORRUPT_RECORDS, product).inc()
