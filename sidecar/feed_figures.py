"""The feed's figures as metrics of the main process (the feed itself knows only a protocol for them)."""

from __future__ import annotations

from typing import Final

from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import Phase
from entitlements.runtime.breaker import BreakerState
from entitlements.runtime.metrics import Meters
from sidecar import metrics
from sidecar.feed.status import DIGEST_MISMATCHES, FORKS, GAPS, RECONNECTS, RESYNCS, STORE_FAILURES

EVENTS: Final = {
    "gap": GAPS,
    "resync": RESYNCS,
    "digest_mismatch": DIGEST_MISMATCHES,
    "fork": FORKS,
    "reconnect": RECONNECTS,
    "store_failure": STORE_FAILURES,
}


class FeedFigures:
    """Implements `sidecar.feed.status.FeedMetrics` for all feeds of a sidecar."""

    def __init__(self, meters: Meters, products: tuple[str, ...]) -> None:
        """Make every series that an alert may ask for, so that zero is a value and not an absence."""
        self._meters = meters
        self._events = {rule: event for event, rules in EVENTS.items() for rule in rules}
        for product in products:
            for event in EVENTS:
                meters.counter(metrics.FEED_EVENTS, product, event)
        for dependency in ("redis", "control", "customers"):
            self.breaker(dependency, BreakerState.CLOSED)

    def breaker(self, dependency: str, state: BreakerState) -> None:
        """Set the state of a circuit breaker."""
        self._meters.gauge(metrics.BREAKER_STATE, dependency).set(int(state))

    def frame(self, product: str, kind: str) -> None:
        """Count a verified message."""
        self._meters.counter(metrics.FEED_MESSAGES, product, kind).inc()

    def refused(self, product: str, reason: str) -> None:
        """Count bytes that were not accepted."""
        self._meters.counter(metrics.FEED_REFUSED, product, reason).inc()

    def rule(self, product: str, rule: Rule) -> None:
        """Count what matters to an operator among the rules that applied."""
        event = self._events.get(rule)
        if event is not None:
            self._meters.counter(metrics.FEED_EVENTS, product, event).inc()

    def fetched(self, product: str, what: str, path: str, *, good: bool) -> None:
        """Count a fetch."""
        self._meters.counter(metrics.FEED_FETCHES, product, what, path, "good" if good else "bad").inc()

    def position(self, product: str, epoch: int, seq: int) -> None:
        """Set the stored position."""
        self._meters.gauge(metrics.FEED_APPLIED, product, "epoch").set(epoch)
        self._meters.gauge(metrics.FEED_APPLIED, product, "seq").set(seq)

    def head(self, product: str, epoch: int, seq: int) -> None:
        """Set the newest position spoken of."""
        self._meters.gauge(metrics.FEED_HEAD, product, "epoch").set(epoch)
        self._meters.gauge(metrics.FEED_HEAD, product, "seq").set(seq)

    def age_ms(self, product: str, age_ms: int) -> None:
        """Set the age, given in milliseconds."""
        self._meters.gauge(metrics.FEED_AGE, product).set(age_ms / 1000)

    def phase(self, product: str, phase: Phase) -> None:
        """Set the phase."""
        for one in Phase:
            self._meters.gauge(metrics.FEED_PHASE, product, one.name.lower()).set(one is phase)

    def procured(self, product: str, result: str) -> None:
        """Count a customer that was wanted."""
        self._meters.counter(metrics.WORKING_SET_WANTED, product, result).inc()

    def procured_in(self, product: str, path: str, took_ms: int) -> None:
        """Observe how long a source took, given in milliseconds."""
        self._meters.histogram(metrics.WORKING_SET_FETCH, product, path).observe(took_ms / 1000)

    def not_believed(self, product: str, finding: str) -> None:
        """Count a proof that was of no use."""
        self._meters.counter(metrics.WORKING_SET_DISBELIEVED, product, finding).inc()

    def working_set(self, product: str, customers: int, absences: int) -> None:
        """Set what is held."""
        self._meters.gauge(metrics.WORKING_SET_HELD, product, "customers").set(customers)
        self._meters.gauge(metrics.WORKING_SET_HELD, product, "absences").set(absences)

    def evicted(self, product: str, count: int) -> None:
        """Count what was let go."""
        self._meters.counter(metrics.WORKING_SET_EVICTIONS, product).inc(count)
