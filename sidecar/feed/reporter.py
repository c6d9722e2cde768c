"""What a feed tells the outside: metrics, log lines, and acks to the control plane, one at a time and best effort."""

from __future__ import annotations

from collections import Counter
from typing import Final

from entitlements.policy.feed_state import FeedState
from entitlements.policy.feed_state_commands import Ack
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import Phase
from entitlements.runtime.clock import Clock
from entitlements.runtime.logs import logger
from entitlements.store.errors import StoreError
from entitlements.wire.envelope import Refused
from sidecar.feed.control_source import AttestingSource, SidecarIdentity
from sidecar.feed.source import SourceUnavailable
from sidecar.feed.status import DIGEST_MISMATCHES, FORKS, RECONNECTS, RESYNCS, FeedMetrics

_LOG_GAP_MS: Final = 1_000
"""Lines about refusals and failing writes come at most once in this time: whoever floods the bus must not flood the log."""
_TOLD: Final = DIGEST_MISMATCHES | FORKS | RECONNECTS | RESYNCS


class Reporter:
    """Counts every rule, logs the ones an operator wants to know of, sends acks."""

    def __init__(
        self, product: str, control: AttestingSource, identity: SidecarIdentity, metrics: FeedMetrics, clock: Clock
    ) -> None:
        """Report about one feed."""
        self._product = product
        self._control = control
        self._identity = identity
        self._metrics = metrics
        self._clock = clock
        self._log = logger(product=product)
        self._logged_mono_ms = -_LOG_GAP_MS
        self._phase = Phase.UNLOADED
        self._told: tuple[object, ...] = ()
        self.counters: Counter[str] = Counter()

    def rule(self, rule: Rule) -> None:
        """Count a rule of the table."""
        self.counters[rule.name] += 1
        self._metrics.rule(self._product, rule)
        if rule in _TOLD:
            self._log.warning("feed", rule=rule.name.lower(), action=rule.action)

    def frame(self, kind: str) -> None:
        """Count a verified message."""
        self._metrics.frame(self._product, kind)

    def refused(self, refused: Refused) -> None:
        """Count bytes that were not accepted."""
        self.counters[f"refused_{refused.reason.value}"] += 1
        self._metrics.refused(self._product, refused.reason.value)
        if self._may_log():
            self._log.warning("refused what did not verify", reason=refused.reason.value, detail=refused.detail)

    def store_failed(self, what: str, error: StoreError) -> None:
        """Tell of a write that the store did not take; may be called from a thread."""
        if self._may_log():
            self._log.error("the policy store refused a write", write=what, error=str(error))

    def _may_log(self) -> bool:
        now = self._clock.monotonic_ms()
        if now - self._logged_mono_ms < _LOG_GAP_MS:
            return False
        self._logged_mono_ms = now
        return True

    def state(self, state: FeedState, age_ms: int | None) -> None:
        """Set the figures that a step may have moved."""
        facts = (state.version, state.known_head, state.phase)
        if facts != self._told:
            self._told = facts
            self._metrics.position(self._product, *state.version)
            self._metrics.head(self._product, *state.known_head)
            self._metrics.phase(self._product, state.phase)
        if age_ms is not None:
            self._metrics.age_ms(self._product, age_ms)
        if state.phase is not self._phase:
            self._phase = state.phase
            self._log.info("feed state", state=state.phase.name, epoch=state.version.epoch, seq=state.version.seq)

    async def acknowledge(self, ack: Ack, age_ms: int | None) -> None:
        """Send an ack; a control plane that does not take it learns from the next one."""
        try:
            await self._control.acknowledge(ack, age_ms or 0, self._identity)
            good = True
        except SourceUnavailable:
            good = False
        self._metrics.fetched(self._product, "ack", "control", good=good)

    def __repr__(self) -> str:
        """Show how often which rule was applied."""
        return f"<Reporter {self._product} [{dict(self.counters)}]>"
