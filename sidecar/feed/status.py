"""What the feed tells of itself: a status for probes, and the metrics it emits through a protocol of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import Phase
from entitlements.policy.ids import Epoch, Millis, Seq
from entitlements.runtime.breaker import BreakerState


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """One feed at one moment. `age_ms` is None before the first policy set; `counters` is by rule name."""

    product: str
    state: Phase
    epoch: Epoch
    seq: Seq
    head_epoch: Epoch
    head_seq: Seq
    age_ms: Millis | None
    redis_breaker: BreakerState
    control_breaker: BreakerState
    counters: Mapping[str, int]
    held: tuple[int, int] | None = None
    """Customers and absences of a working set; None where the whole set is held."""

    def facts(self) -> dict[str, Any]:
        """Return what a page shows."""
        return {
            "phase": self.state.name.lower(),
            "epoch": self.epoch,
            "seq": self.seq,
            "head_epoch": self.head_epoch,
            "head_seq": self.head_seq,
            "age_ms": self.age_ms,
            "breakers": {"redis": self.redis_breaker.name.lower(), "control": self.control_breaker.name.lower()},
            "counters": dict(self.counters),
            "working_set": None if self.held is None else dict(zip(("customers", "absences"), self.held, strict=True)),
        }


class WorkingSetMetrics(Protocol):
    """What a working set tells beside the feed's figures."""

    def procured(self, product: str, result: str) -> None:
        """Count a customer that was wanted: redis, control or absent when it was had, else why not."""

    def procured_in(self, product: str, path: str, took_ms: int) -> None:
        """Observe how long a source took for a batch, in milliseconds."""

    def not_believed(self, product: str, finding: str) -> None:
        """Count a genuine proof that does not say what is so at our position."""

    def working_set(self, product: str, customers: int, absences: int) -> None:
        """Set how many customers are held, and how many are known not to exist."""

    def evicted(self, product: str, count: int) -> None:
        """Count customers and absences that were let go."""


class FeedMetrics(WorkingSetMetrics, Protocol):
    """Where a feed's figures go; one object for all feeds of a sidecar. Called from the event loop's thread."""

    def frame(self, product: str, kind: str) -> None:
        """Count a verified message from the bus or a poll: delta, heartbeat, nudge, other."""

    def refused(self, product: str, reason: str) -> None:
        """Count bytes that were not accepted, by closed reason."""

    def rule(self, product: str, rule: Rule) -> None:
        """Count a rule of the protocol's table; the sets below name those that matter to an operator."""

    def fetched(self, product: str, what: str, path: str, *, good: bool) -> None:
        """Count a fetch of a head, range, snapshot, key set or heartbeat, by path and outcome."""

    def position(self, product: str, epoch: int, seq: int) -> None:
        """Set the applied position."""

    def head(self, product: str, epoch: int, seq: int) -> None:
        """Set the head that signed messages speak of."""

    def age_ms(self, product: str, age_ms: int) -> None:
        """Set the age of the policy in use, in milliseconds."""

    def phase(self, product: str, phase: Phase) -> None:
        """Set what the feed says of itself."""


GAPS = frozenset({Rule.DELTA_GAP, Rule.HEARTBEAT_AHEAD, Rule.NUDGE_AHEAD})
"""Rules that tell of a message that did not arrive by itself."""
RESYNCS = frozenset({Rule.WRITE_REPLACED})
"""Rules that tell of a snapshot loaded."""
DIGEST_MISMATCHES = frozenset({Rule.WRITE_DIGEST_MISMATCH, Rule.HEARTBEAT_DRIFT})
FORKS = frozenset({Rule.DELTA_FORK_BEHIND, Rule.DELTA_FORK_AHEAD, Rule.HEARTBEAT_FORK, Rule.RANGE_FORK})
RECONNECTS = frozenset({Rule.LINK_LOST, Rule.LINK_SILENT})
STORE_FAILURES = frozenset({Rule.WRITE_FAILED})


class NoMetrics:
    """For who does not count."""

    def frame(self, product: str, kind: str) -> None:
        """Ignore."""

    def refused(self, product: str, reason: str) -> None:
        """Ignore."""

    def rule(self, product: str, rule: Rule) -> None:
        """Ignore."""

    def fetched(self, product: str, what: str, path: str, *, good: bool) -> None:
        """Ignore."""

    def position(self, product: str, epoch: int, seq: int) -> None:
        """Ignore."""

    def head(self, product: str, epoch: int, seq: int) -> None:
        """Ignore."""

    def age_ms(self, product: str, age_ms: int) -> None:
        """Ignore."""

    def phase(self, product: str, phase: Phase) -> None:
        """Ignore."""

    def procured(self, product: str, result: str) -> None:
        """Ignore."""

    def procured_in(self, product: str, path: str, took_ms: int) -> None:
        """Ignore."""

    def not_believed(self, product: str, finding: str) -> None:
        """Ignore."""

    def working_set(self, product: str, customers: int, absences: int) -> None:
        """Ignore."""

    def evicted(self, product: str, count: int) -> None:
        """Ignore."""
